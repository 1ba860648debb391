/* SPDX-License-Identifier: MIT */
/*
 * cancel.c - requests that end other requests
 */
#include <gyre/op_cancel.h>

#include "loop/fill/fill.h"

void gyre_op_cancel_op(gyre_op *op, gyre_op *target)
{
    ASSERT_API(target->state_ != OP_IDLE,
               "the target is idle: only a started op can be cancelled");
    op_fill(op, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, 0);
    op_aim(op, target);
}

void gyre_op_cancel_matching(gyre_op *op, const gyre_match *match)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_ASYNC_CANCEL, -1, NULL, match->opcode, 0);

    sqe->fd = match->fd;
    if (match->op != NULL)
        sqe->addr = op_user_data(match->op);
    /* Without a flag it would be Linux's alone to look. */
    sqe->cancel_flags = match->flags != 0 ? match->flags
                                          : IORING_ASYNC_CANCEL_USERDATA;
    /* It is a key, not what the request works on. */
    if (gyre_is_slot(match->fd)) {
        sqe->fd = (int)gyre_slot_number(match->fd);
        sqe->cancel_flags |= IORING_ASYNC_CANCEL_FD_FIXED;
    }
}
