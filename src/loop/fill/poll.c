/* SPDX-License-Identifier: MIT */
/*
 * poll.c - requests that wait for readiness
 */
#include <endian.h>
#include <gyre/op_poll.h>

#include "loop/fill/fill.h"

void gyre_op_poll(gyre_op *op, int fd, unsigned events)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_POLL_ADD, fd, NULL, 0, 0);

#if __BYTE_ORDER == __BIG_ENDIAN
    events = events << 16 | events >> 16;
#endif
    sqe->poll32_events = events;
}
