/* SPDX-License-Identifier: MIT */
/*
 * epoll.c - requests on epoll descriptors
 */
#include <gyre/op_epoll.h>

#include "loop/fill/fill.h"

void gyre_op_epoll_ctl(gyre_op *op, int epoll, int change, int fd,
                       const struct epoll_event *event)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_EPOLL_CTL, epoll, event, 0, (uint32_t)fd);

    sqe->len = (uint32_t)change;
}

void gyre_op_epoll_wait(gyre_op *op, int epoll, struct epoll_event *events,
                        int max)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_EPOLL_WAIT, epoll, events, 0, 0);

    sqe->len = (uint32_t)max;
}
