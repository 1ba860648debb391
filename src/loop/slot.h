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

#include <gyre/op_slot.h>

#include "loop/loop.h"
#include "loop/optable.h"

#define SLOT_OTHER 0U

/* Descriptors and registered files take turns, so that one table serves both
 * without a test: 1, 3, 5 ... are descriptors 0, 1, 2 ...; 2, 4, 6 ... are
 * files 0, 1, 2 ... of the loop's table. */
static inline uint32_t slot_of_fd(uint32_t fd)
{
    return fd * 2 + 1;
}

static inline uint32_t slot_of_file(uint32_t file)
{
    return file * 2 + 2;
}

/* Of what a user names: a descriptor or a handle (gyre/op_slot.h). */
static inline uint32_t slot_of(int fd)
{
    return gyre_is_slot(fd) ? slot_of_file(gyre_slot_number(fd))
                            : slot_of_fd((uint32_t)fd);
}

/* The slot of what an op works on; SLOT_OTHER if that is nothing. */
static inline uint32_t op_slot(const gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe((gyre_op *)(uintptr_t)op);
    const struct op_info *info = &op_table[sqe->opcode];

    static_assert(IOSQE_FIXED_FILE == 1, "it is added to a descriptor's slot");
    if (sqe->fd < 0 || (!info->has_fd && info->name != NULL))
        return SLOT_OTHER;
    if (UNLIKELY(sqe->opcode == IORING_OP_CLOSE && sqe->file_index != 0))
        return slot_of_file(sqe->file_index - 1);
    return slot_of_fd((uint32_t)sqe->fd) + (sqe->flags & IOSQE_FIXED_FILE);
}

/* The same as a user names it: a descriptor, a handle, or -1. */
static inline int op_fd(const gyre_op *op)
{
    uint32_t slot = op_slot(op);

    if (slot == SLOT_OTHER)
        return -1;
    return (int)((slot - 1) / 2) | (slot % 2 == 0 ? GYRE_SLOT_BIT : 0);
}

static inline const char *fd_kind(int fd)
{
    return gyre_is_slot(fd) ? "slot" : "fd";
}

/* Make the table reach to the slot; false: the op is a stray. */
bool slot_grow(gyre_loop *loop, uint32_t slot);

/* Choose op->slot_, and whether the op is a stray. */
static inline void slot_choose(gyre_loop *loop, gyre_op *op)
{
    uint32_t slot = op_slot(op);

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

/* Ask all on the slot to end, but for closes that wait: how many were. */
unsigned slot_cancel(gyre_loop *loop, uint32_t slot);

#ifdef GYRE_VERIFY
uint64_t slot_count_strays(const gyre_op *op);
#endif

#endif
