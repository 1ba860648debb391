/* SPDX-License-Identifier: MIT */
/*
 * slot.h - an op enters its slot and leaves it
 *
 * The part of slot.c that every start and every end passes, inline: together
 * they were a tenth of what a request costs. Whatever is seldom (the table
 * grows, a stray, a close that waits) is behind one test each, in slot.c.
 */
#ifndef LOOP_SLOT_H
#define LOOP_SLOT_H

#include "loop/loop.h"
#include "loop/optable.h"

#define SLOT_OTHER 0U

/* The descriptor that an op works on; -1 if it has none. */
static inline int op_fd(const gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe((gyre_op *)(uintptr_t)op);
    const struct op_info *info = &op_table[sqe->opcode];

    if (sqe->fd < 0 || (!info->has_fd && info->name != NULL) ||
        (sqe->flags & IOSQE_FIXED_FILE) != 0)
        return -1;
    return sqe->fd;
}

/* Make the table reach to the slot; false: the op is a stray. */
bool slot_grow(gyre_loop *loop, uint32_t slot);

/* Choose op->slot_, and whether the op is a stray. */
static inline void slot_choose(gyre_loop *loop, gyre_op *op)
{
    uint32_t slot = (uint32_t)op_fd(op) + 1; /* -1: SLOT_OTHER */

    if (UNLIKELY(slot >= loop->slot_count) && !slot_grow(loop, slot)) {
        slot = SLOT_OTHER;
        op->flags_ |= OP_STRAY;
    }
    op->slot_ = slot;
}

/* The op counts as one on its descriptor, until it ends; the end lets a close
 * go that has waited for it. */
static inline void slot_enter(gyre_loop *loop, const gyre_op *op)
{
    loop->slots[op->slot_].count++;
    if (UNLIKELY((op->flags_ & OP_STRAY) != 0))
        loop->strays++;
}

/* A stray has left, or an op from a slot on which a close waits. */
void slot_left(gyre_loop *loop, const gyre_op *op);

static inline void slot_leave(gyre_loop *loop, const gyre_op *op)
{
    struct fd_slot *slot = &loop->slots[op->slot_];

    ASSERT(slot->count > 0);
    slot->count--;
    if (UNLIKELY(slot->held > 0 || (op->flags_ & OP_STRAY) != 0))
        slot_left(loop, op);
}

/* Does one of the closes that wait (there are some) wait for the descriptor? */
bool slot_holds_close(const gyre_loop *loop, const gyre_op *op);

/* Does a close of the op's descriptor wait? */
static inline bool slot_is_closing(const gyre_loop *loop, const gyre_op *op)
{
    return UNLIKELY(loop->held.first != NULL) && slot_holds_close(loop, op);
}

/* Must the op, if it is a close, wait? */
bool slot_close_must_wait(const gyre_loop *loop, gyre_op *op);

static inline bool slot_must_wait(const gyre_loop *loop, gyre_op *op)
{
    return UNLIKELY(gyre_op_sqe(op)->opcode == IORING_OP_CLOSE) &&
           slot_close_must_wait(loop, op);
}

#ifdef GYRE_VERIFY
uint64_t slot_count_strays(const gyre_op *op);
#endif

#endif
