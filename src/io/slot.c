/* SPDX-License-Identifier: MIT */
/*
 * slot.c - calls that have to do with registered files
 */
#include <gyre/slot.h>

#include "io/call.h"

int gyre_open_slot(int dirfd, const char *path, int flags, unsigned mode,
                   uint32_t slot)
{
    gyre_op op;

    gyre_op_open_slot(&op, dirfd, path, flags, mode, slot);
    return gyre_op_slot(&op, gyre_await(&op));
}

int gyre_accept_slot(int fd, struct sockaddr *address, socklen_t *size,
                     int flags, uint32_t slot)
{
    gyre_op op;

    gyre_op_accept_slot(&op, fd, address, size, flags, slot);
    return gyre_op_slot(&op, gyre_await(&op));
}

int gyre_socket_slot(int domain, int type, int protocol, uint32_t slot)
{
    gyre_op op;

    gyre_op_socket_slot(&op, domain, type, protocol, slot);
    return gyre_op_slot(&op, gyre_await(&op));
}

int gyre_fill_slots(uint32_t first, int *fds, uint32_t count)
{
    gyre_op op;

    gyre_op_fill_slots(&op, first, fds, count);
    return gyre_await(&op).res;
}

int gyre_slot_install(int handle)
{
    gyre_op op;

    gyre_op_slot_install(&op, handle);
    return gyre_await(&op).res;
}
