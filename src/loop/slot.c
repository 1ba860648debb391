/* SPDX-License-Identifier: MIT */
/*
 * slot.c - which ops are on which descriptor
 *
 * The table has a slot for each descriptor and each registered file, and grows
 * to the largest one seen. An op whose descriptor has no slot, since there was
 * no memory or the number is absurd, is a *stray*: it goes to the first slot,
 * with those that have no descriptor, and is found by looking through the
 * lists. So starting cannot fail, and a close waits for the right ops at any
 * price; with no strays, which is always, it costs nothing.
 */
#include <string.h>

#include "base/alloc.h"
#include "loop/slot.h"

/* For each of both kinds Linux's own limit: fs.nr_open, by default. */
#define SLOTS_MAX (2U << 20)

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

static bool is_on(const gyre_op *op, uint32_t slot)
{
    return (op->flags_ & OP_STRAY) != 0 && op_slot(op) == slot;
}

static gyre_op *find_stray(gyre_op *op, uint32_t slot)
{
    while (op != NULL && !is_on(op, slot))
        op = op->next_;
    return op;
}

/* Is an op on the descriptor started and not ended? */
static bool slot_is_used(const gyre_loop *loop, uint32_t slot)
{
    if (slot < loop->slot_count && loop->slots[slot].count > 0)
        return true;
    return UNLIKELY(loop->strays > 0) &&
           (find_stray(loop->slots[SLOT_OTHER].flying, slot) != NULL ||
            find_stray(loop->cancels, slot) != NULL ||
            find_stray(loop->backlog.first, slot) != NULL ||
            find_stray(loop->ended.first, slot) != NULL);
}

bool slot_holds_close(const gyre_loop *loop, const gyre_op *op)
{
    uint32_t slot = op_slot(op);

    if (op->slot_ != SLOT_OTHER && loop->slots[op->slot_].held > 0)
        return true;
    return UNLIKELY(loop->slots[SLOT_OTHER].held > 0) && slot != SLOT_OTHER &&
           find_stray(loop->held.first, slot) != NULL;
}

bool slot_close_must_wait(const gyre_loop *loop, gyre_op *op)
{
    uint32_t slot = op_slot(op);

    return slot != SLOT_OTHER && slot_is_used(loop, slot) &&
           !slot_is_closing(loop, op);
}

void slot_left(gyre_loop *loop, const gyre_op *op)
{
    uint32_t slot = op_slot(op);

    if ((op->flags_ & OP_STRAY) != 0) {
        ASSERT(loop->strays > 0);
        loop->strays--;
    }
    if (slot == SLOT_OTHER || slot_is_used(loop, slot))
        return;
    for (gyre_op *held = loop->held.first; held != NULL; held = held->next_)
        if (op_slot(held) == slot) {
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

/* All on `slot`; strays are those of SLOT_OTHER whose slot it should be. */
static unsigned cancel_list(gyre_op *op, uint32_t slot, bool strays)
{
    unsigned asked = 0;
    gyre_op *next;

    for (; op != NULL; op = next) {
        next = op->next_;
        if (strays ? !is_on(op, slot) : op->slot_ != slot)
            continue;
        next = op_after(op);
        if (gyre_op_cancel(op) == 0)
            asked++;
    }
    return asked;
}

unsigned slot_cancel(gyre_loop *loop, uint32_t slot)
{
    unsigned asked = 0;

    if (slot < loop->slot_count && loop->slots[slot].count > 0) {
        asked = cancel_list(loop->slots[slot].flying, slot, false);
        /* The backlog is looked through only if some of it can be the fd's. */
        if (asked < loop->slots[slot].count)
            asked += cancel_list(loop->backlog.first, slot, false);
    }
    if (UNLIKELY(loop->strays > 0)) {
        asked += cancel_list(loop->slots[SLOT_OTHER].flying, slot, true);
        asked += cancel_list(loop->backlog.first, slot, true);
    }
    return asked;
}

unsigned gyre_loop_cancel_fd(gyre_loop *loop, int fd)
{
    loop_assert_owner(loop);
    if (fd < 0)
        return 0;
    return slot_cancel(loop, slot_of(fd));
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
        next = op_after(op);
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
