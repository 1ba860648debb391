/* SPDX-License-Identifier: MIT */
/*
 * socket.c - requests on sockets
 */
#include <gyre/op_socket.h>

#include "loop/fill/fill.h"

void gyre_op_accept(gyre_op *op, int fd, struct sockaddr *address,
                    socklen_t *size, int flags)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_ACCEPT, fd, address, 0, (uintptr_t)size);

    if ((flags & GYRE_POLL_FIRST) != 0)
        sqe->ioprio |= IORING_ACCEPT_POLL_FIRST;
    if ((flags & MSG_DONTWAIT) != 0)
        sqe->ioprio |= IORING_ACCEPT_DONTWAIT;
    flags &= ~(GYRE_POLL_FIRST | MSG_DONTWAIT);
    sqe->accept_flags = (uint32_t)(flags | SOCK_CLOEXEC);
}

void gyre_op_connect(gyre_op *op, int fd, const struct sockaddr *address,
                     socklen_t size)
{
    op_fill(op, IORING_OP_CONNECT, fd, address, 0, size);
}

void gyre_op_recv(gyre_op *op, int fd, void *buffer, size_t size, int flags)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_RECV, fd, buffer, size, 0);

    op_set_flags(sqe, flags, 0);
}

void gyre_op_send(gyre_op *op, int fd, const void *buffer, size_t size,
                  int flags)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_SEND, fd, buffer, size, 0);

    op_set_flags(sqe, flags, MSG_NOSIGNAL);
}

void gyre_op_sendto(gyre_op *op, int fd, const void *buffer, size_t size,
                    int flags, const struct sockaddr *to, socklen_t to_size)
{
    gyre_op_send(op, fd, buffer, size, flags);
    op_set_address(gyre_op_sqe(op), to, to_size);
}

void gyre_op_recvmsg(gyre_op *op, int fd, struct msghdr *message, int flags)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_RECVMSG, fd, message, 1, 0);

    op_set_flags(sqe, flags, 0);
}

void gyre_op_sendmsg(gyre_op *op, int fd, const struct msghdr *message,
                     int flags)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_SENDMSG, fd, message, 1, 0);

    op_set_flags(sqe, flags, MSG_NOSIGNAL);
}

void gyre_op_shutdown(gyre_op *op, int fd, int how)
{
    op_fill(op, IORING_OP_SHUTDOWN, fd, NULL, (size_t)how, 0);
}

void gyre_op_sendfile(gyre_op *op, int socket, int file, uint64_t offset,
                      uint32_t size)
{
    struct io_uring_sqe *sqe =
        op_fill(op, KERNEL_OP_SENDFILE, socket, NULL, size, offset);

    op_fill_fd_in(sqe, file);
}
