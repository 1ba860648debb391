/* SPDX-License-Identifier: MIT */
/*
 * poll.c - waiting for readiness
 */
#include <gyre/poll.h>

#include "io/call.h"

int gyre_poll(int fd, unsigned events)
{
    gyre_op op;

    gyre_op_poll(&op, fd, events);
    return gyre_await(&op).res;
}
