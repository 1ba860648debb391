/* SPDX-License-Identifier: MIT */
/*
 * gyre/blocking.h - functions that block, on other threads
 *
 * A call panics outside a task. It returns -ECANCELED, or -ETIME for a
 * deadline, when the task's scope is cancelled before a thread has taken the
 * function.
 */
#ifndef GYRE_BLOCKING_H
#define GYRE_BLOCKING_H

#include <gyre/op.h>
#include <gyre/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Run function(arg) on a thread of the loop's bounded pool and return its
 * result. Once a thread has taken it, a cancel waits for its end. */
GYRE_API int gyre_call_blocking(int (*function)(void *arg),
                                void *arg) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
