/* SPDX-License-Identifier: MIT */
/*
 * chain.c - linked timeouts, and what an op is to be executed with
 */
#include <gyre/op_chain.h>

#include "loop/fill/fill.h"

_Static_assert((int)GYRE_OP_DRAIN == (int)IOSQE_IO_DRAIN &&
                   (int)GYRE_OP_ASYNC == (int)IOSQE_ASYNC &&
                   (int)GYRE_OP_QUIET == (int)IOSQE_CQE_SKIP_SUCCESS,
               "the flags of an op are the kernel's");
_Static_assert((int)GYRE_CQE_SKIP == (int)IORING_CQE_F_SKIP,
               "which Linux sets in no CQE that answers a request");

void gyre_op_link_timeout(gyre_op *op, const void *time, unsigned flags)
{
    op_fill(op, IORING_OP_LINK_TIMEOUT, -1, time, 1, 0)->timeout_flags = flags;
}

void gyre_timeout_op_link(gyre_timeout_op *op, uint64_t ns, unsigned flags)
{
    op->time_[0] = (int64_t)(ns / GYRE_SECOND);
    op->time_[1] = (int64_t)(ns % GYRE_SECOND);
    gyre_op_link_timeout(&op->op, op->time_, flags);
}

void gyre_op_link_timeout_update(gyre_op *op, gyre_op *target, const void *time,
                                 unsigned flags)
{
    struct io_uring_sqe *sqe;

    ASSERT_API(target->state_ != OP_IDLE,
               "the target is idle: only a started timeout can be updated");
    sqe = op_fill(op, IORING_OP_TIMEOUT_REMOVE, -1, NULL, 0, (uintptr_t)time);
    sqe->timeout_flags = flags | IORING_TIMEOUT_UPDATE_MASK;
    op_aim(op, target);
}

void gyre_op_add_flags(gyre_op *op, unsigned flags)
{
    ASSERT_API(op->state_ == OP_IDLE, "only an idle op can be changed");
    ASSERT_API((flags & ~(unsigned)(GYRE_OP_DRAIN | GYRE_OP_ASYNC |
                                    GYRE_OP_QUIET)) == 0,
               "flags of gyre_op_add_flags() are GYRE_OP_DRAIN, GYRE_OP_ASYNC "
               "and GYRE_OP_QUIET");
    gyre_op_sqe(op)->flags |= (uint8_t)flags;
}
