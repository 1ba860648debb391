/* SPDX-License-Identifier: MIT */
/*
 * gyre/parallel.h - one piece of work after the other, on all engines
 *
 *     static int squares(size_t from, size_t to, void *arg)
 *     {
 *         for (size_t i = from; i < to; i++)
 *             ((double *)arg)[i] *= ((double *)arg)[i];
 *         return 0;
 *     }
 *
 *     int err = gyre_parallel_for(count, 0, squares, numbers);
 *
 * Life.     The indexes 0 to count - 1 are cut into pieces of `grain` (the last
 *           may be shorter). The calling task does one after the other, and so
 *           does one task for each further engine (gyre/engine.h) that becomes
 *           idle meanwhile; each takes the next piece when it has done one, so
 *           pieces that take longer delay nobody. With one engine the caller
 *           does all of them, one after the other.
 *
 * Memory.   The further tasks have stacks of the loop's size. Without memory
 *           for one, and where the loop has as many tasks as it may, the others
 *           do its share.
 *
 * Threads.  Only in a task. The function is called on several threads at a
 *           time, in tasks: it may wait, and its pieces come in any order.
 *
 * Cancel.   Between two pieces other tasks of the engine run, and there a
 *           cancel is heard: what has begun is done, or cancelled where it
 *           waits, and the call returns -ECANCELED or -ETIME. It returns when
 *           no piece is being done any more.
 *
 * Errors.   The first negative result cancels the rest, and is the call's.
 */
#ifndef GYRE_PARALLEL_H
#define GYRE_PARALLEL_H

#include <gyre/task.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Do the indexes from `from` to `to` - 1. Negative: an error. */
typedef int gyre_parallel_fn(size_t from, size_t to, void *arg);

/* Call fn for each piece of `count` indexes. `grain` is how many make a piece,
 * best some ten microseconds of work or more; 0: as many as make eight pieces
 * for each engine, or thread. 0, or an error. */
GYRE_API int gyre_parallel_for(size_t count, size_t grain, gyre_parallel_fn *fn,
                               void *arg) GYRE_WAITS;

/* Likewise, but fn is called on threads of the loop's pool for what blocks
 * (gyre/blocking.h): outside of tasks, as many at a time as the pool has
 * threads, with however many engines. Between two pieces a thread does what
 * others have asked for. What a thread has taken is waited for. -EAGAIN: a
 * piece was refused, as a call would have been. */
GYRE_API int gyre_parallel_blocking(size_t count, size_t grain,
                                    gyre_parallel_fn *fn, void *arg) GYRE_WAITS;

/* How many become one. */
typedef struct gyre_reduction {
    /* Bytes of a value: of `result`, and of each task's own. */
    size_t size;
    /* Make the value that changes nothing; NULL: zeros. */
    void (*begin)(void *value, void *arg);
    /* Add the indexes from `from` to `to` - 1 to a value of the task's own.
     * Negative: an error. */
    int (*fold)(void *value, size_t from, size_t to, void *arg);
    /* Add what another task has found. On the caller's task. */
    void (*combine)(void *value, const void *other, void *arg);
} gyre_reduction;

/* Likewise, to one value: `result`, of which nothing is known after an error.
 * Which indexes come to which task differs from call to call: sums of floating
 * point numbers may differ in their last digits. */
GYRE_API int gyre_parallel_reduce(size_t count, size_t grain,
                                  const gyre_reduction *reduction, void *result,
                                  void *arg) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
