/* SPDX-License-Identifier: MIT */
/*
 * start.h - from the backlog into the submission queue
 *
 * What start.c, which does it for nearly every op, shares with special.c.
 */
#ifndef LOOP_START_H
#define LOOP_START_H

#include <string.h>

#include "loop/slot.h"

/* In place of a kernel's route: the op is one of a chain. */
#define ROUTE_CHAIN 0xFF

/* Such a request is never given to the kernel as it is: special.c. */
#define SPECIAL_FLAGS                                                          \
    (IOSQE_IO_DRAIN | IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK |                 \
     IOSQE_IO_HARDLINK)

/* The caller counts. */
static inline void op_take_off(gyre_loop *loop, gyre_op *op)
{
    ASSERT(op == loop->backlog.first); /* I2: the oldest goes first */
    op_list_remove_first(&loop->backlog);
    op->state_ = OP_FLYING;
    op_head_push(&loop->slots[op->slot_].flying, op);
}

static inline void loop_count_flying(gyre_loop *loop, unsigned count)
{
    counter_sub(&loop->queued, count);
    counter_add(&loop->in_flight, count);
}

/* What is between the loop and the op is not for the kernel to see. */
void op_disguise(struct io_uring_sqe *to, const gyre_op *op);

static inline void sqe_copy(struct io_uring_sqe *to, const gyre_op *op)
{
    memcpy(to, op->sqe_, sizeof *to);
    to->user_data = op_user_data(op);
    if (UNLIKELY(op->loop_->disguised > 0))
        op_disguise(to, op);
}

/* The first op of the backlog goes where its request's opcode goes; false if
 * there is no room: `room` is how many places there were when *taken was 0.
 * Adds to *taken if it went into the SQ. */
bool op_flush(gyre_loop *loop, gyre_op *op, uint32_t room, uint32_t *taken);

/* The first part of every start: the op is the loop's, and on no list. */
void op_enlist(gyre_loop *loop, gyre_op *op);
void op_queue(gyre_loop *loop, gyre_op *op);

/* Where the requests of the op's opcode go. */
uint8_t op_route(const struct kernel *kernel, const gyre_op *op);

#endif
