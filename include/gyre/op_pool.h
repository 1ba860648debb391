/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_pool.h - ops that the library owns, for bindings
 *
 *     gyre_op_handle handle;
 *     gyre_op *op = gyre_op_pool_take(pool, &handle);
 *     gyre_op_recv(op, fd, buf, sizeof buf, 0);
 *     gyre_op_start(loop, op, done, user);
 *     ...
 *     if ((op = gyre_op_pool_find(pool, handle)) != NULL)
 *         gyre_op_cancel(op);
 *
 * For languages that move their objects, or free them early, and so cannot
 * embed an op. The address of a pool's op never changes while it is taken. A
 * handle names one use of it: when the op was given back, and also when it was
 * taken again, the old handle finds nothing.
 *
 * Life.     take -> fill, start, ... -> last completion -> give. An op may be
 *           given inside its last `done`.
 * Memory.   64 ops are allocated at a time, and kept until the pool goes.
 * Threads.  One at a time: mostly that of the loop on which the ops are
 *           started.
 */
#ifndef GYRE_OP_POOL_H
#define GYRE_OP_POOL_H

#include <gyre/op.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_op_pool gyre_op_pool;

/* Names one use of one op; 0 names none. Fits what a binding can keep. */
typedef uint64_t gyre_op_handle;

#define GYRE_OP_POOL_MAX (1u << 20)

/* A pool of up to `max` ops. 0; -EINVAL: `max` is 0 or more than
 * GYRE_OP_POOL_MAX; -ENOMEM. */
GYRE_API int gyre_op_pool_create(gyre_op_pool **pool,
                                 unsigned max) GYRE_MUST_USE;

/* Free the pool, and with it ops that were not given back. Panics if one of
 * them is still started. NULL is allowed. */
GYRE_API void gyre_op_pool_destroy(gyre_op_pool *pool);

/* An idle op, not filled, and its handle; NULL if `max` are taken, or without
 * memory. */
GYRE_API gyre_op *gyre_op_pool_take(gyre_op_pool *pool, gyre_op_handle *handle);

/* The op of a handle, as long as it is taken; else NULL. */
GYRE_API gyre_op *gyre_op_pool_find(const gyre_op_pool *pool,
                                    gyre_op_handle handle);

/* Give an idle op back. Panics if it is started, or was not taken here. */
GYRE_API void gyre_op_pool_give(gyre_op_pool *pool, gyre_op *op);

/* How many are taken. */
GYRE_API unsigned gyre_op_pool_taken(const gyre_op_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
