/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_small.h - requests that carry their few bytes themselves
 *
 *     gyre_small_op op;
 *     if (gyre_small_op_send(&op, fd, "pong\n", 5, 0) == 0)
 *         gyre_op_start(loop, &op.op, done, user);
 *
 * An acknowledgement, a command, a counter of an eventfd: too little to keep a
 * buffer for. What is sent is copied into the op and may go at once; what is
 * received lies in the op until it is filled again. Start, cancel and receive
 * them by their member `op`, which comes first.
 */
#ifndef GYRE_OP_SMALL_H
#define GYRE_OP_SMALL_H

#include <gyre/op.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GYRE_SMALL_SIZE 64

typedef struct gyre_small_op {
    gyre_op op;
    unsigned char data_[GYRE_SMALL_SIZE];
} gyre_small_op;

/* As gyre_op_write() and gyre_op_send(). 0, or -EMSGSIZE: `size` is more than
 * GYRE_SMALL_SIZE, and the op is not filled. */
GYRE_API int gyre_small_op_write(gyre_small_op *op, int fd, const void *data,
                                 size_t size, uint64_t offset) GYRE_MUST_USE;
GYRE_API int gyre_small_op_send(gyre_small_op *op, int fd, const void *data,
                                size_t size, int flags) GYRE_MUST_USE;

/* As gyre_op_read() and gyre_op_recv(), of up to GYRE_SMALL_SIZE bytes. */
GYRE_API void gyre_small_op_read(gyre_small_op *op, int fd, uint64_t offset);
GYRE_API void gyre_small_op_recv(gyre_small_op *op, int fd, int flags);

/* What the op holds: after the last completion of a read or receive, as many
 * bytes as its result says. */
static inline const void *gyre_small_op_data(const gyre_small_op *op)
{
    return op->data_;
}

#ifdef __cplusplus
}
#endif

#endif
