/* SPDX-License-Identifier: MIT */
/*
 * reclock.c - updates that give a timeout another clock
 *
 * A kernel's timeout stays on its clock. So the loop takes it away, and when it
 * has ended with -ECANCELED submits it again with the other clock and time,
 * before anybody hears of it. One that the kernel has not seen is changed where
 * it is. What the target will be lies in words of its request that no timeout
 * uses, and a word of the update says what the kernel is asked instead of it
 * (op_disguise()).
 */
#include <errno.h>

#include "loop/loop.h"

#define CLOCKS ((uint32_t)IORING_TIMEOUT_CLOCK_MASK)
#define CHANGED (CLOCKS | IORING_TIMEOUT_ABS | IORING_TIMEOUT_IMMEDIATE_ARG)
#define WORD_TIME 4 /* of the target: the new time */

static bool is_pending(gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);

    return sqe->opcode == IORING_OP_TIMEOUT &&
           ((uint32_t)sqe->splice_fd_in & RECLOCK_PENDING) != 0;
}

void reclock_begin(gyre_loop *loop, gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);
    uint32_t clock = sqe->timeout_flags & CLOCKS;
    struct io_uring_sqe *target_sqe;
    gyre_op *target;

    /* One clock, of an update: all else is for the kernel to judge. */
    if (clock == 0 || clock == CLOCKS ||
        (sqe->timeout_flags & ~CHANGED) != IORING_TIMEOUT_UPDATE)
        return;
    target = match_find(loop, sqe->addr);
    if (target == NULL || gyre_op_sqe(target)->opcode != IORING_OP_TIMEOUT) {
        loop_end_op(loop, op, -ENOENT);
        return;
    }
    target_sqe = gyre_op_sqe(target);
    if ((target->flags_ & OP_CHAINED) != 0) {
        loop_end_op(loop, op, -EINVAL); /* it could not begin again there */
        return;
    }
    if (target_sqe->splice_fd_in != 0) {
        loop_end_op(loop, op, -EALREADY);
        return;
    }
    loop->disguised++;
    if ((target_sqe->timeout_flags & CLOCKS) == clock) {
        op->sqe_[OP_HIDDEN_WORD] = RECLOCK_UPDATE;
    } else if (target->state_ == OP_FLYING) {
        op->sqe_[OP_HIDDEN_WORD] = RECLOCK_REMOVE;
        loop->disguised++;
        target->sqe_[WORD_TIME] = sqe->addr2;
        target_sqe->splice_fd_in =
            (int32_t)(sqe->timeout_flags | RECLOCK_PENDING);
    } else {
        op->sqe_[OP_HIDDEN_WORD] = RECLOCK_NOTHING;
        target_sqe->timeout_flags = (target_sqe->timeout_flags & ~CHANGED) |
                                    (sqe->timeout_flags & CHANGED);
        target_sqe->addr = sqe->addr2;
    }
}

/* The update has ended. If the kernel has not taken the target away, it stays
 * as it is. */
void reclock_finish(gyre_loop *loop, gyre_op *op, int32_t res)
{
    uint64_t what = op->sqe_[OP_HIDDEN_WORD];
    gyre_op *target = NULL;

    op->sqe_[OP_HIDDEN_WORD] = 0;
    if (what == RECLOCK_REMOVE && res < 0)
        target = match_find(loop, gyre_op_sqe(op)->addr);
    if (target == NULL || !is_pending(target))
        return;
    loop->disguised--;
    gyre_op_sqe(target)->splice_fd_in = 0;
}

bool reclock_goes_on(gyre_loop *loop, gyre_op *op, int32_t res)
{
    struct io_uring_sqe *sqe = gyre_op_sqe(op);
    uint32_t flags = (uint32_t)sqe->splice_fd_in;

    if (!is_pending(op))
        return false;
    loop->disguised--;
    sqe->splice_fd_in = 0;
    if (res != -ECANCELED || (op->flags_ & OP_CANCEL_ASKED) != 0)
        return false;
    sqe->timeout_flags = (sqe->timeout_flags & ~CHANGED) | (flags & CHANGED);
    sqe->addr = op->sqe_[WORD_TIME];
    return true;
}
