/* SPDX-License-Identifier: MIT */
/*
 * cancel.c - asking ops to end
 *
 * A cancel changes nothing about who ends the op: the kernel does, by the op's
 * own last CQE, and until then the op and its buffers are the kernel's. Asking
 * needs no memory: the op itself carries the wish, on the loop's list
 * `cancels`, until there is room in the SQ. An op that the kernel has not seen
 * ends here.
 *
 * The request names its target by address and generation, so that one that
 * comes too late finds nothing, also if the same op has been started again.
 */
#include <errno.h>

#include "loop/loop.h"

int gyre_op_cancel(gyre_op *op)
{
    gyre_loop *loop = op->loop_;

    if (op->state_ == OP_IDLE)
        return -ENOENT;
    loop_assert_owner(loop);
    if ((op->flags_ & OP_CANCEL_ASKED) != 0 || op->state_ == OP_ENDED)
        return -EALREADY;
    op->flags_ |= OP_CANCEL_ASKED;
    loop_tell(loop, STEP_CANCEL, op, 0, 0);
    if (op->state_ == OP_FLYING)
        op_to_cancels(loop, op);
    else if ((op->flags_ & OP_CHAINED) != 0)
        chain_end_queued(op, -ECANCELED);
    else
        loop_end_op(loop, op, -ECANCELED);
    return 0;
}

bool op_is_beside(const gyre_op *op)
{
    struct kernel *kernel = op->loop_->kernel;
    struct io_uring_sqe sqe = *gyre_op_sqe((gyre_op *)(uintptr_t)op);
    uint8_t route = kernel->route[sqe.opcode];

    if ((op->flags_ & (OP_SIDE | OP_RESCUED)) != 0)
        return true;
    if ((op->flags_ & OP_CHAINED) != 0)
        return chain_is_beside(op);
    if (route == KERNEL_ROUTE_LOOK)
        route = (uint8_t)kernel->class->look(kernel, &sqe);
    return route == KERNEL_ROUTE_SIDE;
}

void op_aim(gyre_op *op, const gyre_op *target)
{
    gyre_op_sqe(op)->addr = op_user_data(target);
    if (op_is_beside(target))
        op->flags_ |= OP_TARGET_SIDE;
}

/* Does the request lie in the SQ, and the kernel has not read it? What could
 * not be submitted for want of memory, or behind a request that an old Linux
 * refused, stays there beyond its turn. */
static bool op_is_unread(const gyre_op *op)
{
    const struct sq *sq = &op->loop_->kernel->sq;
    uint32_t used = sq_used(sq);
    uint32_t position = (op->flags_ & OP_CHAINED) != 0 ? chain_position(op)
                                                       : op->position_;

    return (op->flags_ & OP_SIDE) == 0 && position - (sq->filled - used) < used;
}

gyre_op_status gyre_op_state(const gyre_op *op)
{
    switch ((enum op_state)op->state_) {
    case OP_IDLE:
        return GYRE_OP_IDLE;
    case OP_FLYING:
        return op_is_unread(op) ? GYRE_OP_QUEUED : GYRE_OP_IN_FLIGHT;
    case OP_QUEUED:
    case OP_ENDED:
    case OP_HELD:
        break;
    }
    return GYRE_OP_QUEUED;
}
