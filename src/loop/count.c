/* SPDX-License-Identifier: MIT */
/*
 * count.c - timeouts that a number of completions ends
 *
 * Linux counts all CQEs of a ring, and so the wakes and the cancels that the
 * loop sends by itself, but not those of the co-processor. So the loop counts:
 * the kernel gets a pure timer, and when its time has not passed after so many
 * calls of `done` for other ops, it is asked to end, and its -ECANCELED becomes
 * 0.
 *
 * What this takes lies in words of the request that a timeout does not use; the
 * copy that the kernel gets has zeros there (op_disguise()).
 */
#include <errno.h>

#include "loop/loop.h"

#define WORD_NEXT 6   /* the next on the list; with the count of its end */
#define WORD_TARGET 7 /* loop->events at its end; never 0 */
#define REACHED UINT64_MAX

static gyre_op *next_of(const gyre_op *op)
{
    return (gyre_op *)(uintptr_t)op->sqe_[WORD_NEXT];
}

static void set_next(gyre_op *op, gyre_op *next)
{
    op->sqe_[WORD_NEXT] = (uintptr_t)next;
}

void count_begin(gyre_loop *loop, gyre_op *op)
{
    struct io_uring_sqe *sqe = gyre_op_sqe(op);
    uint32_t count = (uint32_t)sqe->off;
    gyre_op *before = NULL, *at = loop->counted;

    /* What lies in a word that it does not use, Linux has to judge. */
    if (count == 0 || (sqe->timeout_flags & IORING_TIMEOUT_MULTISHOT) != 0 ||
        op->sqe_[WORD_NEXT] != 0)
        return;
    if (loop->disguised++ == 0)
        loop->events = 0;
    op->sqe_[WORD_TARGET] = loop->events + count;
    for (; at != NULL && at->sqe_[WORD_TARGET] <= op->sqe_[WORD_TARGET];
         at = next_of(at))
        before = at;
    set_next(op, at);
    if (before != NULL)
        set_next(before, op);
    else
        loop->counted = op;
}

static void count_reached(gyre_loop *loop, gyre_op *op)
{
    loop->counted = next_of(op);
    set_next(op, NULL);
    op->sqe_[WORD_TARGET] = REACHED;
    if (op->state_ == OP_QUEUED)
        loop_end_op(loop, op, 0);
    else if (gyre_op_cancel(op) != 0)
        op->sqe_[WORD_TARGET] = REACHED - 1; /* it keeps its reason */
}

void count_event(gyre_loop *loop, const gyre_op *op)
{
    if (gyre_op_sqe((gyre_op *)(uintptr_t)op)->opcode == IORING_OP_TIMEOUT)
        return;
    loop->events++;
    while (loop->counted != NULL &&
           loop->counted->sqe_[WORD_TARGET] <= loop->events)
        count_reached(loop, loop->counted);
}

static void count_leave(gyre_loop *loop, gyre_op *op)
{
    gyre_op *before = loop->counted;

    if (before == op) {
        loop->counted = next_of(op);
        return;
    }
    while (next_of(before) != op)
        before = next_of(before);
    set_next(before, next_of(op));
}

int32_t count_finish(gyre_loop *loop, gyre_op *op, int32_t res)
{
    uint64_t target = op->sqe_[WORD_TARGET];

    if (target < REACHED - 1)
        count_leave(loop, op);
    op->sqe_[WORD_NEXT] = 0;
    op->sqe_[WORD_TARGET] = 0;
    return target == REACHED && res == -ECANCELED ? 0 : res;
}
