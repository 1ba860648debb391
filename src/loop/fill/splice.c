/* SPDX-License-Identifier: MIT */
/*
 * splice.c - requests that move bytes between descriptors, and pipes
 */
#include <fcntl.h>
#include <gyre/op_splice.h>

#include "loop/fill/fill.h"

void gyre_op_splice(gyre_op *op, int in, uint64_t in_offset, int out,
                    uint64_t out_offset, uint32_t size, unsigned flags)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_SPLICE, out, NULL, size, out_offset);

    sqe->splice_off_in = in_offset;
    sqe->splice_flags = flags;
    op_fill_fd_in(sqe, in);
}

void gyre_op_tee(gyre_op *op, int in, int out, uint32_t size, unsigned flags)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_TEE, out, NULL, size, 0);

    sqe->splice_flags = flags;
    op_fill_fd_in(sqe, in);
}

/* Linux wants the descriptor to be 0, though there is none. */
void gyre_op_pipe(gyre_op *op, int fds[2], int flags)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_PIPE, 0, fds, 0, 0);

    sqe->pipe_flags = (uint32_t)(flags | O_CLOEXEC);
}
