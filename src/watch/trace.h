/* SPDX-License-Identifier: MIT */
/*
 * trace.h - what tasks tell to who traces their loop
 *
 * The loop tells of itself by a pointer (loop/tell.h); tasks stand above this
 * room and call it.
 */
#ifndef WATCH_TRACE_H
#define WATCH_TRACE_H

#include "loop/loop.h"
#include "watch/trace_format.h"

/* A step of a task, STEP_SPAWNED or beyond. `on`: who made it, or what it waits
 * for; `text`: its name, or what kind of wait it is. Only while loop->tell is
 * not NULL. */
void trace_task(gyre_loop *loop, enum loop_step step, const void *task,
                const void *on, const char *text, int value, unsigned flags);

#endif
