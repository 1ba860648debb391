/* SPDX-License-Identifier: MIT */
/*
 * special.c - ops that the kernel does not get as they are
 *
 * Those that drain, those that may be silent, and chains. What the loop does
 * itself is taken out of the request on its way into the SQ, and the op keeps
 * it, so it can be started again.
 */
#include <errno.h>
#include <gyre/op_chain.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "loop/chain.h"
#include "loop/fixed.h"
#include "loop/start.h"

#define LINKS (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)

/* ---- chains -------------------------------------------------------------- */

static void chain_copy(const struct chain *chain, struct io_uring_sqe *to,
                       uint32_t at)
{
    gyre_loop *loop = chain->loop;
    struct kernel *kernel = loop->kernel;
    const struct chain_member *member = &chain->members[at];
    bool last = member->links == 0 ||
                (at + 2 == chain->count &&
                 gyre_op_sqe(chain->members[at + 1].op)->opcode ==
                     IORING_OP_LINK_TIMEOUT);

    sqe_copy(to, member->op);
    if (UNLIKELY(loop->fixed != NULL)) {
        if (chain->side)
            fixed_undo(loop->fixed, to);
        else if (fixed_apply(loop->fixed, to))
            counter_add(&loop->fixed_ops, 1);
    }
    if (!chain->side && kernel->route[to->opcode] == KERNEL_ROUTE_LOOK)
        (void)kernel->class->look(kernel, to); /* leaves out hints */
    to->flags &= (uint8_t) ~(LINKS | IOSQE_IO_DRAIN);
    to->flags |= member->links;
    if (chain->quiet && !last)
        to->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

/* All at once, or none. */
static void chain_start_beside(struct chain *chain)
{
    gyre_loop *loop = chain->loop;
    struct io_uring_sqe *sqes = alloc_zeroed(chain->count, sizeof *sqes);
    int err = -ENOMEM;

    for (uint32_t i = 0; sqes != NULL && i < chain->count; i++)
        chain_copy(chain, &sqes[i], i);
    if (sqes != NULL)
        err = loop->kernel->class->side(loop->kernel, sqes, chain->count);
    alloc_free(sqes);
    if (err < 0) {
        chain_end_queued(chain->members[0].op, err);
        return;
    }
    for (uint32_t i = 0; i < chain->count; i++) {
        chain->members[i].op->flags_ |= OP_SIDE;
        op_take_off(loop, chain->members[i].op);
        loop_tell(loop, STEP_SUBMITTED, chain->members[i].op, 0, 0);
    }
    counter_add(&loop->emulated, chain->count);
    loop_count_flying(loop, chain->count);
}

/* One batch takes all of it: the caller has seen that there is room. */
static void chain_start_here(struct chain *chain)
{
    struct sq *sq = &chain->loop->kernel->sq;

    chain->position = sq->filled;
    for (uint32_t i = 0; i < chain->count; i++)
        chain_copy(chain, sq_next_clear(sq), i);
    for (uint32_t i = 0; i < chain->count; i++) {
        op_take_off(chain->loop, chain->members[i].op);
        loop_tell(chain->loop, STEP_SUBMITTED, chain->members[i].op, 0, 0);
    }
}

static bool chain_flush(gyre_loop *loop, gyre_op *op, uint32_t room,
                        uint32_t *taken)
{
    struct chain *chain = chain_of(op);
    uint64_t flying = counter_get(&loop->in_flight) + *taken;

    ASSERT(chain->members[0].op == op);
    if (chain->drains && !drain_is_over(loop, op, *taken))
        return false;
    loop->backlog_waits = flying + chain->count > loop->in_flight_max;
    if (loop->backlog_waits)
        return false;
    if ((loop->kernel->features & IORING_FEAT_CQE_SKIP) == 0 && !chain->side)
        chain->quiet = false;
    if (chain->side) {
        chain_start_beside(chain);
    } else {
        if (room - *taken < chain->count)
            return false;
        /* What is taken in two batches is two chains. */
        if (loop->kernel->batch_max != 0 && sq_used(&loop->kernel->sq) > 0)
            return false;
        chain_start_here(chain);
        *taken += chain->count;
    }
    return !chain->drains || drain_begins(loop);
}

/* ---- silence ------------------------------------------------------------- */

/* Does it end inside enter(), whatever comes of it? */
static bool may_be_silent(const struct io_uring_sqe *sqe)
{
    return (sqe->opcode == IORING_OP_SEND ||
            sqe->opcode == IORING_OP_SENDMSG) &&
           (sqe->msg_flags & MSG_DONTWAIT) != 0 &&
           (sqe->flags & IOSQE_ASYNC) == 0;
}

/* Can it be had from who executes the op? Others tell the result, and so does
 * an op that has not ended when enter() returns. */
static bool is_known_silent(const struct kernel *kernel, const gyre_op *op)
{
    return op_route(kernel, op) == KERNEL_ROUTE_SQ && !kernel->sq_thread &&
           (kernel->features & IORING_FEAT_CQE_SKIP) != 0;
}

static bool silent_flush(gyre_loop *loop, gyre_op *op, uint32_t room,
                         uint32_t *taken)
{
    struct io_uring_sqe *sqe = gyre_op_sqe(op);
    uint32_t flags = sqe->msg_flags;
    struct chain *chain;

    if (*taken == room)
        return false;
    chain = chain_create(loop, 1);
    if (chain == NULL) {
        loop_end_op(loop, op, -ENOMEM);
        return true;
    }
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->msg_flags |= MSG_WAITALL;
    (void)op_flush(loop, op, room, taken);
    sqe->msg_flags = flags;
    chain->members[0].op = op;
    chain->position = op->position_;
    op->position_ = chain->number;
    op->flags_ |= OP_CHAINED;
    list_append(&loop->chains->silent, &chain->silent);
    loop->silent++;
    return true;
}

/* ---- one op -------------------------------------------------------------- */

static bool lone_flush(gyre_loop *loop, gyre_op *op, uint32_t room,
                       uint32_t *taken)
{
    struct io_uring_sqe *sqe = gyre_op_sqe(op);
    uint8_t flags = sqe->flags;
    bool silent = (flags & IOSQE_CQE_SKIP_SUCCESS) != 0;
    bool went;

    if ((flags & LINKS) != 0 || (silent && !may_be_silent(sqe))) {
        loop_end_op(loop, op, -EINVAL);
        return true;
    }
    if ((flags & IOSQE_IO_DRAIN) != 0 && !drain_is_over(loop, op, *taken))
        return false;
    sqe->flags &= (uint8_t) ~(IOSQE_IO_DRAIN | IOSQE_CQE_SKIP_SUCCESS);
    if (silent && is_known_silent(loop->kernel, op))
        went = silent_flush(loop, op, room, taken);
    else
        went = op_flush(loop, op, room, taken);
    sqe->flags = flags;
    return went && ((flags & IOSQE_IO_DRAIN) == 0 || drain_begins(loop));
}

bool special_flush(gyre_loop *loop, gyre_op *op, uint32_t room, uint32_t *taken)
{
    return (op->flags_ & OP_CHAINED) != 0 ? chain_flush(loop, op, room, taken)
                                          : lone_flush(loop, op, room, taken);
}
