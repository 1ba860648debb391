/* SPDX-License-Identifier: MIT */
/*
 * poll.c - requests that wait for readiness
 */
#include <endian.h>
#include <gyre/op_poll.h>

#include "loop/fill/fill.h"

static uint32_t events_word(unsigned events)
{
#if __BYTE_ORDER == __BIG_ENDIAN
    return events << 16 | events >> 16;
#else
    return events;
#endif
}

void gyre_op_poll(gyre_op *op, int fd, unsigned events)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_POLL_ADD, fd, NULL, 0, 0);

    sqe->poll32_events = events_word(events);
}

void gyre_op_poll_multishot(gyre_op *op, int fd, unsigned events)
{
    gyre_op_poll(op, fd, events);
    gyre_op_sqe(op)->len = IORING_POLL_ADD_MULTI;
}

void gyre_op_poll_update(gyre_op *op, gyre_op *target, unsigned events)
{
    struct io_uring_sqe *sqe;

    gyre_op_poll_remove(op, target);
    sqe = gyre_op_sqe(op);
    sqe->len = IORING_POLL_UPDATE_EVENTS;
    sqe->poll32_events = events_word(events);
}

void gyre_op_poll_remove(gyre_op *op, gyre_op *target)
{
    ASSERT_API(target->state_ != OP_IDLE,
               "the poll is idle: only a started one can be changed");
    ASSERT_API(gyre_op_sqe(target)->opcode == IORING_OP_POLL_ADD,
               "the target is no poll: gyre_op_cancel_op() takes any op");
    op_fill(op, IORING_OP_POLL_REMOVE, -1, NULL, 0, 0);
    op_aim(op, target);
}
