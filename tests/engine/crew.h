/* SPDX-License-Identifier: MIT */
/*
 * crew.h - what the tests of engines share
 */
#ifndef TESTS_ENGINE_CREW_H
#define TESTS_ENGINE_CREW_H

#include <errno.h>
#include <gyre/gyre.h>
#include <stdatomic.h>

#include "runner/test.h"

/* Run a body that reports by CHECK and returns 0, on so many engines. */
static inline void run_on_engines(unsigned count, gyre_task_fn *fn, void *arg)
{
    CHECK_OK(gyre_run(&(gyre_run_options){ .engines = count }, fn, arg));
}

static inline int spawn_at(gyre_scope *scope, int where, gyre_task_fn *fn,
                           void *arg, gyre_task **task)
{
    return gyre_spawn_with(scope, &(gyre_task_options){ .where = where }, fn,
                           arg, task);
}

#endif
