/* SPDX-License-Identifier: MIT */
/*
 * epoll.c - epoll descriptors of the program's own
 */
#include <gyre/epoll.h>

#include "io/call.h"

int gyre_epoll_ctl(int epoll, int change, int fd,
                   const struct epoll_event *event)
{
    gyre_op op;

    gyre_op_epoll_ctl(&op, epoll, change, fd, event);
    return gyre_await(&op).res;
}

int gyre_epoll_wait(int epoll, struct epoll_event *events, int max)
{
    gyre_op op;

    gyre_op_epoll_wait(&op, epoll, events, max);
    return gyre_await(&op).res;
}
