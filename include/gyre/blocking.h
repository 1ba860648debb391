/* SPDX-License-Identifier: MIT */
/*
 * gyre/blocking.h - functions that block, on other threads
 *
 *     int size = gyre_call_blocking(compress_file, &job);
 *
 * Threads.  The function runs on one of the loop's threads for that, or of a
 *           pool that several loops share (gyre/blocking_pool.h).
 *
 * Cancel.   A call returns -ECANCELED, or -ETIME for a deadline, when the
 *           task's scope is cancelled before a thread has taken the function.
 *           Once one has, the cancel waits for its end. A function that is not
 *           to be waited for is one for gyre_detached_call().
 *
 * Errors.   A call panics outside a task. -EAGAIN: no thread could be made and
 *           there is none, or as many calls wait for one as may
 *           (gyre_loop_options.blocking_queue_max). While there is a thread,
 *           calls wait for it.
 */
#ifndef GYRE_BLOCKING_H
#define GYRE_BLOCKING_H

#include <gyre/blocking_pool.h>
#include <gyre/op.h>
#include <gyre/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Run function(arg) on a thread of the loop's bounded pool and return its
 * result. */
GYRE_API int gyre_call_blocking(int (*function)(void *arg),
                                void *arg) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
