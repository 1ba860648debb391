/* SPDX-License-Identifier: MIT */
/*
 * start.c - from the caller to the submission queue
 *
 * A start only puts the op on the backlog; phase three of the turn copies the
 * backlog into the SQ, in order of start (I2). So a start cannot fail, needs no
 * system call, and an op that has not been copied can be cancelled at once.
 * What does not fit stays, and the turn comes back for it without sleeping.
 *
 * Requests to cancel go before the backlog: the target was copied earlier, so
 * the kernel sees both in the right order, and a restart of the target later.
 *
 * A close is held back until the other ops on its descriptor have ended, which
 * are asked to: Linux's close leaves them waiting on a file without a number.
 */
#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "kernel/restrict.h"
#include "loop/chain.h"
#include "loop/fixed.h"
#include "loop/start.h"
#include "loop/table.h"

void op_queue(gyre_loop *loop, gyre_op *op)
{
    op->state_ = OP_QUEUED;
    op_list_append(&loop->backlog, op);
    counter_add(&loop->queued, 1);
}

/* A close in company: ask the company to leave and wait for it. */
static void op_hold(gyre_loop *loop, gyre_op *op)
{
    slot_cancel(loop, op_slot(op));
    op->state_ = OP_HELD;
    op_list_append(&loop->held, op);
    loop_tell(loop, STEP_HELD, op, 0, 0);
    loop->slots[op->slot_].held++;
    counter_add(&loop->queued, 1);
}

/* Has a test asked for this one to fail? An interrupted op is started again, if
 * it is one of those: here, it simply stays. */
static inline void op_meet_fault(gyre_loop *loop, gyre_op *op)
{
    uint8_t opcode = gyre_op_sqe(op)->opcode;
    int error = opcode == IORING_OP_CLOSE ? 0 : fault_take(FAULT_OP);

    if (LIKELY(error == 0))
        return;
    if (error == -EINTR && op_table[opcode].retry)
        counter_add(&loop->retried, 1);
    else
        loop_end_op(loop, op, error);
}

/* A request that may end others, or (a poll's update) rename them. */
static void op_will_cancel(gyre_loop *loop, gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);

    /* I11 */
    ASSERT_API(sqe->opcode != IORING_OP_POLL_REMOVE ||
                   (sqe->len & IORING_POLL_UPDATE_USER_DATA) == 0,
               "user_data is gyre's: set the user member of the poll instead");
    loop->others_cancel = true;
}

/* Does the loop itself have a part in such an op? */
static inline bool op_begins(const gyre_op *op)
{
    const struct op_info *info =
        &op_table[gyre_op_sqe((gyre_op *)(uintptr_t)op)->opcode];

    return op->slot_ == SLOT_OTHER && (info->begin != NULL || info->cancels);
}

static void op_begin(gyre_loop *loop, gyre_op *op)
{
    const struct op_info *info = &op_table[gyre_op_sqe(op)->opcode];

    op_hide_nothing(op);
    if (info->cancels)
        op_will_cancel(loop, op);
    if (info->begin != NULL &&
        (gyre_op_sqe(op)->flags & SPECIAL_FLAGS & ~IOSQE_IO_DRAIN) == 0)
        info->begin(loop, op);
}

static inline void op_enlist_inline(gyre_loop *loop, gyre_op *op)
{
    ASSERT_API(op->state_ == OP_IDLE,
               "the op is already started: an op can be "
               "started again after its last completion");
    ASSERT_API(!loop->closing,
               "an op was started while its loop is being destroyed");
    ASSERT_API(op->done_ != NULL, "the op has no callback");
    ASSERT(((uintptr_t)op & ~OP_ADDRESS_MASK) == 0);

    op->loop_ = loop;
    op->generation_ = ++loop->generation;
    op->flags_ &= OP_TARGET_SIDE;
    op->result_ = op_stamp(loop);
    op->deadline_ = NULL;
    slot_choose(loop, op);
    if (UNLIKELY((gyre_op_sqe(op)->flags & IOSQE_FIXED_FILE) != 0))
        table_count_op(loop);
    live_add(loop, op);
    loop_tell(loop, STEP_STARTED, op, 0, 0);
}

void op_enlist(gyre_loop *loop, gyre_op *op)
{
    op_enlist_inline(loop, op);
}

static inline void op_enqueue(gyre_loop *loop, gyre_op *op)
{
    op_enlist_inline(loop, op);
    if (UNLIKELY(slot_must_wait(loop, op))) {
        op_hold(loop, op);
        return;
    }
    slot_enter(loop, op);
    op_queue(loop, op);
    if (UNLIKELY(slot_is_closing(loop, op))) {
        loop_end_op(loop, op, -EBADF); /* it is being closed */
        return;
    }
    op_meet_fault(loop, op);
    if (op_begins(op) && op->state_ == OP_QUEUED)
        op_begin(loop, op);
}

void loop_enqueue(gyre_loop *loop, gyre_op *op)
{
    op_enqueue(loop, op);
}

void gyre_op_start(gyre_loop *loop, gyre_op *op, gyre_op_fn *done, void *user)
{
    loop_assert_owner(loop);
    op->done_ = done;
    op->user = user;
    op_enqueue(loop, op);
}

int gyre_op_try_start(gyre_loop *loop, gyre_op *op, gyre_op_fn *done,
                      void *user)
{
    loop_assert_owner(loop);
    if (counter_get(&loop->queued) >= loop->queue_max)
        return -EAGAIN;
    gyre_op_start(loop, op, done, user);
    return 0;
}

void gyre_op_restart(gyre_op *op)
{
    ASSERT_API(op->loop_ != NULL, "the op was never started");
    loop_assert_owner(op->loop_);
    op_enqueue(op->loop_, op);
}

/* The last other op on the close's descriptor has ended. */
void loop_release(gyre_loop *loop, gyre_op *op)
{
    ASSERT(op->state_ == OP_HELD);
    op_list_remove(&loop->held, op);
    loop->slots[op->slot_].held--;
    slot_enter(loop, op);
    counter_sub(&loop->queued, 1);
    op_queue(loop, op);
    drain_let_pass(loop, op);
}

/* End a queued or held op without the kernel; it is called back in phase five.
 */
void loop_end_op(gyre_loop *loop, gyre_op *op, int result)
{
    if (op->state_ == OP_HELD) {
        op_list_remove(&loop->held, op);
        loop->slots[op->slot_].held--;
        slot_enter(loop, op);
    } else {
        ASSERT(op->state_ == OP_QUEUED);
        op_list_remove(&loop->backlog, op);
        loop->backlog_waits = false; /* the next one may be another case */
    }
    op->state_ = OP_ENDED;
    op->result_ = result;
    op_list_append(&loop->ended, op);
}

/* An update with a clock: see reclock.c. */
static void disguise_update(struct io_uring_sqe *to, uint64_t what)
{
    switch ((enum reclock)what) {
    case RECLOCK_UPDATE:
        to->timeout_flags &= ~(uint32_t)IORING_TIMEOUT_CLOCK_MASK;
        break;
    case RECLOCK_REMOVE:
        to->timeout_flags = 0;
        to->addr2 = 0;
        break;
    case RECLOCK_NOTHING:
        to->opcode = IORING_OP_NOP;
        to->timeout_flags = 0;
        to->addr = to->addr2 = 0;
        break;
    }
}

/* What is between the loop and the op is not for the kernel to see. */
void op_disguise(struct io_uring_sqe *to, const gyre_op *op)
{
    if (!op_hides(op))
        return;
    if (to->opcode == IORING_OP_TIMEOUT) {
        to->off = 0; /* a pure timer: see count.c */
    } else if (to->opcode == IORING_OP_TIMEOUT_REMOVE) {
        disguise_update(to, op->sqe_[OP_HIDDEN_WORD]);
    } else {
        to->addr = op->sqe_[OP_HIDDEN_WORD]; /* by name: see match.c */
        to->cancel_flags = 0;
        to->fd = -1;
        to->len = 0;
    }
    to->addr3 = 0;
    to->pad2_ = 0;
}

/* Hand an op to the co-processor; also a cancel whose target is there. */
static void op_start_beside(gyre_loop *loop, gyre_op *op)
{
    struct io_uring_sqe sqe;
    int err;

    sqe_copy(&sqe, op);
    if (UNLIKELY(loop->fixed != NULL))
        fixed_undo(loop->fixed, &sqe);
    err = loop->kernel->class->side(loop->kernel, &sqe, 1);
    if (err < 0) {
        /* What the ring has dropped nobody else can reach into its table. */
        if ((op->flags_ & OP_RESCUED) != 0 && err == -EOPNOTSUPP)
            err = -EAGAIN;
        loop_end_op(loop, op, err);
        return;
    }
    op->flags_ |= OP_SIDE;
    counter_add(&loop->emulated, err == 0); /* not what is polled for */
    op_take_off(loop, op);
    loop_count_flying(loop, 1);
}

static void sqe_fill_cancel(struct io_uring_sqe *sqe, const gyre_op *target)
{
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = op_user_data(target);
    sqe->user_data = KERNEL_TAG_CANCEL;
    if (UNLIKELY((target->flags_ & OP_CHAINED) != 0))
        chain_fill_cancel(sqe, target);
}

/* Write the requests to cancel; false if the SQ is full. */
static bool loop_flush_cancels(gyre_loop *loop, uint32_t *room)
{
    gyre_op *op;

    while ((op = loop->cancels) != NULL) {
        ASSERT(op->state_ == OP_FLYING && (op->flags_ & OP_ON_CANCELS) != 0);
        if ((op->flags_ & OP_SIDE) != 0) {
            struct io_uring_sqe sqe;

            sqe_fill_cancel(&sqe, op);
            if (loop->kernel->class->side(loop->kernel, &sqe, 1) < 0) {
                /* No memory for it: try again later. */
                loop->entry.starved = true;
                return true;
            }
        } else {
            if (*room == 0)
                return false;
            --*room;
            sqe_fill_cancel(sq_next(&loop->kernel->sq), op);
        }
        counter_add(&loop->cancel_requests, 1);
        loop_tell(loop, STEP_ASKED, op, 0, 0);
        if (UNLIKELY((op->flags_ & OP_CHAINED) != 0))
            chain_cancel_sent(op);
        op_head_remove(&loop->cancels, op);
        op->flags_ &= (uint8_t)~OP_ON_CANCELS;
        op_head_push(&loop->slots[op->slot_].flying, op);
    }
    return true;
}

static inline uint8_t op_route_inline(const struct kernel *kernel,
                                      const gyre_op *op)
{
    if (UNLIKELY((op->flags_ & (OP_TARGET_SIDE | OP_RESCUED | OP_CHAINED)) !=
                 0))
        return (op->flags_ & OP_CHAINED) != 0 ? ROUTE_CHAIN : KERNEL_ROUTE_SIDE;
    return kernel->route[gyre_op_sqe((gyre_op *)(uintptr_t)op)->opcode];
}

uint8_t op_route(const struct kernel *kernel, const gyre_op *op)
{
    return op_route_inline(kernel, op);
}

/* In front of a request of 128 bytes that would be cut in two. */
static void loop_fill_place(gyre_loop *loop)
{
    *sq_next(&loop->kernel->sq) = (struct io_uring_sqe){
        .opcode = IORING_OP_NOP,
        .flags = IOSQE_CQE_SKIP_SUCCESS,
        .fd = -1,
        .user_data = KERNEL_TAG_CANCEL,
    };
}

/* A request of 128 bytes: false if there is no room for it. */
static bool op_write_big(gyre_loop *loop, gyre_op *op,
                         const struct io_uring_sqe *first, uint32_t room)
{
    const gyre_op128 *big = CONTAINER_OF(op, gyre_op128, op);
    struct sq *sq = &loop->kernel->sq;
    char *to;

    if (room > 0 && sq_wants_filler(sq)) {
        loop_fill_place(loop);
        room--;
    }
    if (room < sq_big_places(sq))
        return false;
    op->position_ = sq->filled;
    to = sq_next_big(sq);
    memcpy(to, first, sizeof *first);
    memcpy(to + sizeof *first, big->more_, sizeof big->more_);
    op_take_off(loop, op);
    return true;
}

/* A request that is looked at before it goes into the SQ: false if there is no
 * room for it there. Adds to *taken if it went there. */
static bool op_start_looked_at(gyre_loop *loop, gyre_op *op, uint32_t room,
                               uint32_t *taken)
{
    struct kernel *kernel = loop->kernel;
    struct io_uring_sqe sqe;
    bool fixed;

    sqe_copy(&sqe, op);
    fixed = UNLIKELY(loop->fixed != NULL) && fixed_apply(loop->fixed, &sqe);
    switch (kernel->class->look(kernel, &sqe)) {
    case KERNEL_ROUTE_REPEAT:
    case KERNEL_ROUTE_EXPORT:
        op->flags_ |= OP_REPEATS;
        /* fall through */
    case KERNEL_ROUTE_SQ:
        if (room == 0)
            return false;
        op->position_ = kernel->sq.filled;
        *sq_next_clear(&kernel->sq) = sqe;
        op_take_off(loop, op);
        counter_add(&loop->fixed_ops, fixed);
        ++*taken;
        return true;
    case KERNEL_ROUTE_BIG:
        if (!op_write_big(loop, op, &sqe, room))
            return false;
        ++*taken;
        return true;
    case KERNEL_ROUTE_SIDE:
        op_start_beside(loop, op);
        return true;
    case KERNEL_ROUTE_REFUSED:
    case KERNEL_ROUTE_LOOK:
        break;
    }
    loop_end_op(loop, op, -EOPNOTSUPP);
    return true;
}

/* Into the SQ, in which there is room. */
static inline void op_write(gyre_loop *loop, gyre_op *op)
{
    struct kernel *kernel = loop->kernel;
    struct io_uring_sqe *sqe;

    op->position_ = kernel->sq.filled;
    sqe = sq_next(&kernel->sq);
    sqe_copy(sqe, op);
    if (UNLIKELY(loop->fixed != NULL) && fixed_apply(loop->fixed, sqe))
        counter_add(&loop->fixed_ops, 1);
    op_take_off(loop, op);
}

bool op_flush(gyre_loop *loop, gyre_op *op, uint32_t room, uint32_t *taken)
{
    struct kernel *kernel = loop->kernel;
    uint8_t route = op_route_inline(kernel, op);

    if (route == KERNEL_ROUTE_SQ) {
        if (*taken == room)
            return false;
        ++*taken;
        op_write(loop, op);
    } else if (route == KERNEL_ROUTE_SIDE) {
        op_start_beside(loop, op);
    } else if (route == KERNEL_ROUTE_LOOK) {
        return op_start_looked_at(loop, op, room - *taken, taken);
    } else if (route == ROUTE_CHAIN) {
        return special_flush(loop, op, room, taken);
    } else {
        loop_end_op(loop, op, -EOPNOTSUPP);
    }
    return true;
}

/* May the kernel be asked for it? If not, it ends here, on every kernel. */
static bool op_is_permitted(gyre_loop *loop, gyre_op *op)
{
    const struct restriction *restriction = loop->kernel->restriction;
    int err = restriction_refuses(restriction, gyre_op_sqe(op));

    if (err != 0)
        loop_end_op(loop, op, err);
    return err == 0;
}

/* The first op of the backlog, whatever it is; false if it stays there. */
static __attribute__((noinline)) bool op_flush_any(gyre_loop *loop, gyre_op *op,
                                                   uint32_t room,
                                                   uint32_t *taken)
{
    bool alone = (op->flags_ & OP_CHAINED) == 0; /* chains tell of theirs */
    bool went;

    if (counter_get(&loop->in_flight) + *taken >= loop->in_flight_max)
        return false;
    if (UNLIKELY(loop->kernel->restriction != NULL) && alone &&
        !op_is_permitted(loop, op))
        return true; /* chains were looked at when they were started */
    went = (gyre_op_sqe(op)->flags & SPECIAL_FLAGS) != 0
               ? special_flush(loop, op, room, taken)
               : op_flush(loop, op, room, taken);
    if (alone && op->state_ == OP_FLYING)
        loop_tell(loop, STEP_SUBMITTED, op, 0, 0);
    return went;
}

/* How many of those that need nothing but the SQ may go there; once it is less,
 * each is looked at by op_flush_any(). So is each of a loop that is traced or
 * restricted. */
static inline uint32_t loop_plain_room(const gyre_loop *loop, uint32_t room)
{
    uint64_t flying = counter_get(&loop->in_flight);
    uint64_t left = flying < loop->in_flight_max ? loop->in_flight_max - flying
                                                 : 0;

    if (UNLIKELY(loop->tell != NULL || loop->kernel->restriction != NULL))
        return 0;
    return left < room ? (uint32_t)left : room;
}

void loop_grow(gyre_loop *loop, uint64_t wanted)
{
    struct kernel *kernel = loop->kernel;

    if (loop->grow_at != UINT64_MAX)
        loop->grow_at = kernel->class->grow(kernel, wanted);
}

void loop_flush(gyre_loop *loop)
{
    struct kernel *kernel = loop->kernel;
    uint32_t room, plain_room, taken = 0;
    gyre_op *op;

    if (loop->backlog.first == NULL && loop->cancels == NULL)
        return;
    if (counter_get(&loop->queued) > counter_get(&loop->backlog_max))
        atomic_store_explicit(&loop->backlog_max, counter_get(&loop->queued),
                              memory_order_relaxed);
    if (UNLIKELY(loop->on_memcheck))
        mark_vectors(&loop->backlog);
    room = sq_room(&kernel->sq);
    if (!loop_flush_cancels(loop, &room))
        return;
    if (UNLIKELY(loop->draining) && !drain_has_ended(loop))
        return;
    loop->backlog_waits = false; /* the first may be another than it was */
    plain_room = loop_plain_room(loop, room);
    while ((op = loop->backlog.first) != NULL) {
        uint32_t so_far = taken; /* whose address may be taken */
        bool go_on;

        if (LIKELY((gyre_op_sqe(op)->flags & SPECIAL_FLAGS) == 0 &&
                   op_route_inline(kernel, op) == KERNEL_ROUTE_SQ &&
                   taken < plain_room)) {
            op_write(loop, op);
            taken++;
            continue;
        }
        go_on = op_flush_any(loop, op, room, &so_far);
        taken = so_far;
        if (!go_on)
            break;
        room = taken + sq_room(&kernel->sq); /* some take more than a place */
        plain_room = loop_plain_room(loop, room);
    }
    loop_count_flying(loop, taken);
    if (UNLIKELY(counter_get(&loop->in_flight) > loop->grow_at))
        loop_grow(loop, counter_get(&loop->in_flight));
}
