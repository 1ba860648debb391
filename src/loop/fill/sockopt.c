/* SPDX-License-Identifier: MIT */
/*
 * sockopt.c - requests that make a socket, and make it what it is
 *
 * Options and names are commands: URING_CMD with a number of the socket's own.
 */
#include <gyre/op_socket.h>

#include "loop/fill/fill.h"

void gyre_op_socket(gyre_op *op, int domain, int type, int protocol)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_SOCKET, domain, NULL, 0,
                (uint32_t)(type | SOCK_CLOEXEC | SOCK_NONBLOCK));

    sqe->len = (uint32_t)protocol;
}

void gyre_op_bind(gyre_op *op, int fd, const struct sockaddr *address,
                  socklen_t size)
{
    op_fill(op, IORING_OP_BIND, fd, address, 0, size);
}

void gyre_op_listen(gyre_op *op, int fd, int backlog)
{
    op_fill(op, IORING_OP_LISTEN, fd, NULL, 0, 0)->len = (uint32_t)backlog;
}

static struct io_uring_sqe *fill_command(gyre_op *op, int fd, uint32_t command)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_URING_CMD, fd, NULL, 0, 0);

    sqe->cmd_op = command;
    return sqe;
}

static void fill_name(gyre_op *op, int fd, struct sockaddr *address,
                      socklen_t *size, uint32_t peer)
{
    struct io_uring_sqe *sqe =
        fill_command(op, fd, SOCKET_URING_OP_GETSOCKNAME);

    sqe->addr = (uintptr_t)address;
    sqe->addr3 = (uintptr_t)size;
    sqe->optlen = peer;
}

void gyre_op_getsockname(gyre_op *op, int fd, struct sockaddr *address,
                         socklen_t *size)
{
    fill_name(op, fd, address, size, 0);
}

void gyre_op_getpeername(gyre_op *op, int fd, struct sockaddr *address,
                         socklen_t *size)
{
    fill_name(op, fd, address, size, 1);
}

static void fill_option(gyre_op *op, int fd, uint32_t command, int level,
                        int name, const void *value, socklen_t size)
{
    struct io_uring_sqe *sqe = fill_command(op, fd, command);

    sqe->level = (uint32_t)level;
    sqe->optname = (uint32_t)name;
    sqe->optval = (uintptr_t)value;
    sqe->optlen = size;
}

void gyre_op_setsockopt(gyre_op *op, int fd, int level, int name,
                        const void *value, socklen_t size)
{
    fill_option(op, fd, SOCKET_URING_OP_SETSOCKOPT, level, name, value, size);
}

void gyre_op_getsockopt(gyre_op *op, int fd, int level, int name, void *value,
                        socklen_t size)
{
    fill_option(op, fd, SOCKET_URING_OP_GETSOCKOPT, level, name, value, size);
}

void gyre_op_inq(gyre_op *op, int fd)
{
    fill_command(op, fd, SOCKET_URING_OP_SIOCINQ);
}

void gyre_op_outq(gyre_op *op, int fd)
{
    fill_command(op, fd, SOCKET_URING_OP_SIOCOUTQ);
}
