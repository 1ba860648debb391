/* SPDX-License-Identifier: MIT */
/*
 * slot.c - which ops are on which descriptor
 *
 * The table has a slot for each descriptor, found by fd + 1, and grows to the
 * largest one seen. An op whose descriptor has no slot, since there was no
 * memory or the number is absurd, is a *stray*: it goes to the first slot, with
 * those that have no descriptor, and is found by looking through the lists. So
 * starting cannot fail, and a close waits for the right ops at any price; with
 * no strays, which is always, it costs nothing.
 */
#include <string.h>

#include "base/alloc.h"
#include "loop/slot.h"

#define SLOTS_MAX (1U << 20) /* Linux's own limit, fs.nr_open, by default */

bool slot_grow(gyre_loop *loop, uint32_t slot)
{
    uint32_t count = loop->slot_count;
    struct fd_slot *slots;

    if (slot >= SLOTS_MAX)
        return false;
    while (count <= slot)
        count *= 2;
    slots = alloc_zeroed(count, sizeof *slots);
    if (slots == NULL)
        return false;
    memcpy(slots, loop->slots, loop->slot_count * sizeof *slots);
    alloc_free(loop->slots);
    loop->slots = slots;
    loop->slot_count = count;
    return true;
}

static bool is_on(const gyre_op *op, int fd)
{
    return (op->flags_ & OP_STRAY) != 0 && op_fd(op) == fd;
}

static gyre_op *find_stray(gyre_op *op, int fd)
{
    while (op != NULL && !is_on(op, fd))
        op = op->next_;
    return op;
}

/* Is an op on the descriptor started and not ended? */
static bool fd_is_used(const gyre_loop *loop, int fd)
{
    uint32_t slot = (uint32_t)fd + 1;

    if (slot < loop->slot_count && loop->slots[slot].count > 0)
        return true;
    return UNLIKELY(loop->strays > 0) &&
           (find_stray(loop->slots[SLOT_OTHER].flying, fd) != NULL ||
            find_stray(loop->cancels, fd) != NULL ||
            find_stray(loop->backlog.first, fd) != NULL ||
            find_stray(loop->ended.first, fd) != NULL);
}

bool slot_holds_close(const gyre_loop *loop, const gyre_op *op)
{
    int fd;

    if (op->slot_ != SLOT_OTHER && loop->slots[op->slot_].held > 0)
        return true;
    fd = op_fd(op);
    return UNLIKELY(loop->slots[SLOT_OTHER].held > 0) && fd >= 0 &&
           find_stray(loop->held.first, fd) != NULL;
}

bool slot_close_must_wait(const gyre_loop *loop, gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);

    return sqe->file_index == 0 && sqe->fd >= 0 && fd_is_used(loop, sqe->fd) &&
           !slot_is_closing(loop, op);
}

void slot_left(gyre_loop *loop, const gyre_op *op)
{
    int fd = op_fd(op);

    if ((op->flags_ & OP_STRAY) != 0) {
        ASSERT(loop->strays > 0);
        loop->strays--;
    }
    if (fd < 0 || fd_is_used(loop, fd))
        return;
    for (gyre_op *held = loop->held.first; held != NULL; held = held->next_)
        if (gyre_op_sqe(held)->fd == fd) {
            loop_release(loop, held);
            return;
        }
}

void loop_disown(gyre_loop *loop, gyre_op *op)
{
    gyre_op **list = (op->flags_ & OP_ON_CANCELS) != 0
                         ? &loop->cancels
                         : &loop->slots[op->slot_].flying;

    if (op->state_ != OP_FLYING)
        return; /* it ends before the kernel sees it */
    op_head_remove(list, op);
    slot_leave(loop, op);
    op->flags_ &= (uint8_t)~OP_STRAY;
    op->slot_ = SLOT_OTHER;
    slot_enter(loop, op);
    if ((op->flags_ & OP_ON_CANCELS) != 0)
        list = &loop->cancels;
    else
        list = &loop->slots[SLOT_OTHER].flying;
    op_head_push(list, op);
}

/* ---- asking all on a descriptor to end ----------------------------------- */

/* `fd` is looked at for strays only. */
static unsigned cancel_list(gyre_op *op, uint32_t slot, int fd)
{
    unsigned asked = 0;
    gyre_op *next;

    for (; op != NULL; op = next) {
        next = op->next_;
        if (op->slot_ == slot && (slot != SLOT_OTHER || is_on(op, fd)) &&
            gyre_op_cancel(op) == 0)
            asked++;
    }
    return asked;
}

unsigned gyre_loop_cancel_fd(gyre_loop *loop, int fd)
{
    uint32_t slot = (uint32_t)fd + 1;
    unsigned asked = 0;

    loop_assert_owner(loop);
    if (fd < 0)
        return 0;
    if (slot < loop->slot_count && loop->slots[slot].count > 0) {
        asked = cancel_list(loop->slots[slot].flying, slot, fd);
        /* The backlog is looked through only if some of it can be the fd's. */
        if (asked < loop->slots[slot].count)
            asked += cancel_list(loop->backlog.first, slot, fd);
    }
    if (UNLIKELY(loop->strays > 0)) {
        asked += cancel_list(loop->slots[SLOT_OTHER].flying, SLOT_OTHER, fd);
        asked += cancel_list(loop->backlog.first, SLOT_OTHER, fd);
    }
    return asked;
}

/* All of a list, whatever its slots. */
static unsigned cancel_each(gyre_op *op, bool closes_too)
{
    unsigned asked = 0;
    gyre_op *next;

    for (; op != NULL; op = next) {
        next = op->next_;
        if (!closes_too && gyre_op_sqe(op)->opcode == IORING_OP_CLOSE)
            continue;
        if (gyre_op_cancel(op) == 0)
            asked++;
    }
    return asked;
}

static unsigned cancel_all(gyre_loop *loop, bool closes_too)
{
    unsigned asked = cancel_each(loop->backlog.first, closes_too);

    asked += cancel_each(loop->held.first, closes_too);
    for (uint32_t slot = 0; slot < loop->slot_count; slot++)
        asked += cancel_each(loop->slots[slot].flying, closes_too);
    return asked;
}

unsigned gyre_loop_cancel_all(gyre_loop *loop)
{
    loop_assert_owner(loop);
    return cancel_all(loop, true);
}

void loop_cancel_all_but_closes(gyre_loop *loop)
{
    (void)cancel_all(loop, false);
}

#ifdef GYRE_VERIFY
uint64_t slot_count_strays(const gyre_op *op)
{
    uint64_t count = 0;

    for (; op != NULL; op = op->next_)
        count += (op->flags_ & OP_STRAY) != 0;
    return count;
}
#endif
