/* SPDX-License-Identifier: MIT */
/*
 * gyre/blocking_pool.h - threads for what blocks, shared by loops
 *
 *     gyre_blocking_pool *pool;
 *     int err = gyre_blocking_pool_create(&pool, NULL);
 *     err = gyre_loop_create(
 *         &loop, &(gyre_loop_options){ .blocking_pool = pool });
 *
 * On them run functions (gyre/blocking.h, gyre/detached.h, gyre_op_call()),
 * names (gyre/resolve.h), and the requests of which docs/OPERATIONS.md says
 * that the emulator does them "on the pool": with io_uring, where Linux lacks
 * them.
 *
 * Life.     A loop has threads of its own unless it is made with a pool.
 *           Threads are made when they are needed, up to a bound, and end when
 *           they have been idle for a while: all of them, if nothing is to be
 *           done. A pool lives as long as one of its loops.
 *
 * Threads.  Calls are for any thread. What is done goes back to the loop that
 *           asked. A thread takes one request of each loop in turn. The bound
 *           holds for all loops together, so functions that never return keep
 *           all of them waiting.
 *
 * Cancel.   What no thread has taken is taken out of the queue; the end of a
 *           loop takes all of its own out, and waits for what runs.
 */
#ifndef GYRE_BLOCKING_POOL_H
#define GYRE_BLOCKING_POOL_H

#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_blocking_pool gyre_blocking_pool;

/* Zero is the default of every member. */
typedef struct gyre_blocking_pool_options {
    size_t size; /* sizeof(gyre_blocking_pool_options), or 0 */
    /* As gyre_loop_options' blocking_threads_max, ..., for all loops that use
     * it together. */
    unsigned threads_max;
    unsigned queue_max;
    unsigned idle_ms;
} gyre_blocking_pool_options;

/* Make a pool for loops to be made with. `options` may be NULL. 0; -ENOMEM;
 * -EINVAL: gyre_loop_create_error() says what. Any thread. */
GYRE_API int gyre_blocking_pool_create(
    gyre_blocking_pool **pool,
    const gyre_blocking_pool_options *options) GYRE_MUST_USE;

/* Give the pool up: it ends, and its threads are waited for, when the last of
 * its loops has been destroyed, or now. NULL is allowed. Any thread. */
GYRE_API void gyre_blocking_pool_destroy(gyre_blocking_pool *pool);

typedef struct gyre_blocking_stats {
    size_t size; /* set by the caller: sizeof(gyre_blocking_stats) */
    unsigned threads_max;
    unsigned queue_max; /* 0: no limit */
    unsigned idle_ms;
    /* Now. */
    unsigned threads;
    unsigned idle;   /* of these */
    unsigned queued; /* requests that no thread has taken */
    /* Since the pool was made. */
    uint64_t wait_max_ns; /* the longest that a request waited for a thread, or
                             is waiting */
    uint64_t taken;       /* requests, by threads */
    uint64_t refused;     /* calls, for queue_max */
    uint64_t made;        /* threads */
} gyre_blocking_stats;

/* Any thread. The second: of what the loop uses, its own or shared. */
GYRE_API void gyre_blocking_pool_get_stats(gyre_blocking_pool *pool,
                                           gyre_blocking_stats *stats);
GYRE_API void gyre_loop_get_blocking_stats(const gyre_loop *loop,
                                           gyre_blocking_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
