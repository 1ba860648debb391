/* SPDX-License-Identifier: MIT */
/*
 * outside.h - what plain threads and tasks of other loops do with a scope
 *
 * The public calls come here when they are made elsewhere than on the scope's
 * loop. Each asks that loop (ask.h) and waits; results and errors are those of
 * the call. Includes only what task.h does.
 */
#ifndef TASK_OUTSIDE_H
#define TASK_OUTSIDE_H

#include "task/task.h"

int outside_spawn(const void *site, gyre_scope *scope,
                  const gyre_task_options *options, gyre_task_fn *fn, void *arg,
                  gyre_task **handle);
int outside_join(gyre_task *target, int *result);

/* Spawn, wait for the end, and return the task's result: in one ask, so that
 * nothing has to be there in between. A cancel of the caller is one of the
 * task. */
int outside_run(const void *site, gyre_scope *scope,
                const gyre_task_options *options, gyre_task_fn *fn, void *arg);

/* A plain thread's own scope, below the outermost of these tasks. */
int outside_open(struct tasks *tasks, gyre_scope *scope,
                 const gyre_scope_options *options);
int outside_close(gyre_scope *scope);

#endif
