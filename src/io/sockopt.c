/* SPDX-License-Identifier: MIT */
/*
 * sockopt.c - calls that make a socket, and make it what it is
 */
#include <gyre/socket.h>

#include "io/call.h"

int gyre_socket(int domain, int type, int protocol)
{
    gyre_op op;

    gyre_op_socket(&op, domain, type, protocol);
    return gyre_await(&op).res;
}

int gyre_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    gyre_op op;

    gyre_op_bind(&op, fd, address, size);
    return gyre_await(&op).res;
}

int gyre_listen(int fd, int backlog)
{
    gyre_op op;

    gyre_op_listen(&op, fd, backlog);
    return gyre_await(&op).res;
}

int gyre_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    gyre_op op;

    gyre_op_getsockname(&op, fd, address, size);
    return gyre_await(&op).res;
}

int gyre_getpeername(int fd, struct sockaddr *address, socklen_t *size)
{
    gyre_op op;

    gyre_op_getpeername(&op, fd, address, size);
    return gyre_await(&op).res;
}

int gyre_setsockopt(int fd, int level, int name, const void *value,
                    socklen_t size)
{
    gyre_op op;

    gyre_op_setsockopt(&op, fd, level, name, value, size);
    return gyre_await(&op).res;
}

int gyre_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    gyre_op op;
    int result;

    gyre_op_getsockopt(&op, fd, level, name, value, *size);
    result = gyre_await(&op).res;
    if (result < 0)
        return result;
    *size = (socklen_t)result;
    return 0;
}

int gyre_inq(int fd)
{
    gyre_op op;

    gyre_op_inq(&op, fd);
    return gyre_await(&op).res;
}

int gyre_outq(int fd)
{
    gyre_op op;

    gyre_op_outq(&op, fd);
    return gyre_await(&op).res;
}
