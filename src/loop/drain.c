/* SPDX-License-Identifier: MIT */
/*
 * drain.c - ops that wait for all before them, and hold all behind them
 *
 * A kernel is never asked to drain: it would wait for its own armed watches as
 * well, for ever. The loop does it with the backlog, which is in order: an op
 * that drains stays first until nothing started before it is left, and then
 * nothing follows until it has ended. Both is the same question, for while it
 * is in flight nothing else has been started.
 *
 * Requests that go on for ever are left out of account. Nobody counts them, so
 * they are looked for among all in flight, but only while something waits.
 */
#include "loop/chain.h"
#include "loop/start.h"

static bool goes_on(const struct io_uring_sqe *sqe)
{
    switch (sqe->opcode) {
    case IORING_OP_POLL_ADD:
        return (sqe->len & IORING_POLL_ADD_MULTI) != 0;
    case IORING_OP_ACCEPT:
        return (sqe->ioprio & IORING_ACCEPT_MULTISHOT) != 0;
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG:
        return (sqe->ioprio & IORING_RECV_MULTISHOT) != 0;
    case IORING_OP_TIMEOUT:
        return (sqe->timeout_flags & IORING_TIMEOUT_MULTISHOT) != 0;
    case IORING_OP_READ_MULTISHOT:
        return true;
    default:
        return false;
    }
}

static bool any_ends(const gyre_op *op)
{
    for (; op != NULL; op = op->next_)
        if (!goes_on(gyre_op_sqe((gyre_op *)(uintptr_t)op)))
            return true;
    return false;
}

/* Is a request in flight that will end by itself? */
static bool loop_awaits_any(const gyre_loop *loop)
{
    if (counter_get(&loop->in_flight) == 0)
        return false;
    if (any_ends(loop->cancels))
        return true;
    for (uint32_t slot = 0; slot < loop->slot_count; slot++)
        if (any_ends(loop->slots[slot].flying))
            return true;
    return false;
}

/* By time; within the same millisecond by number. */
static bool op_is_older(const gyre_op *op, const gyre_op *other)
{
    if (op->result_ != other->result_)
        return (int32_t)((uint32_t)op->result_ - (uint32_t)other->result_) < 0;
    return (int16_t)(op->generation_ - other->generation_) < 0;
}

/* A close that waits for others on its descriptor. */
static bool holds_older(const gyre_loop *loop, const gyre_op *op)
{
    for (const gyre_op *held = loop->held.first; held != NULL;
         held = held->next_)
        if (op_is_older(held, op))
            return true;
    return false;
}

bool drain_is_over(gyre_loop *loop, const gyre_op *op, uint32_t taken)
{
    bool over = taken == 0 && loop->ended.first == NULL &&
                !holds_older(loop, op) && !loop_awaits_any(loop);

    /* What is in the SQ may be without end: then the next turn finds out. */
    loop->backlog_waits = !over && taken == 0;
    return over;
}

bool drain_begins(gyre_loop *loop)
{
    loop->draining = true;
    loop->backlog_waits = true;
    return false;
}

bool drain_has_ended(gyre_loop *loop)
{
    if (loop->backlog.first != NULL &&
        !drain_is_over(loop, loop->backlog.first, 0))
        return false;
    loop->draining = loop->backlog.first == NULL && loop->draining;
    return true;
}

/* Else it could stand behind what waits for it. */
void drain_let_pass(gyre_loop *loop, gyre_op *op)
{
    if (!op_is_older(op, loop->backlog.first))
        return;
    op_list_remove(&loop->backlog, op);
    op_list_prepend(&loop->backlog, op);
}
