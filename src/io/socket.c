/* SPDX-License-Identifier: MIT */
/*
 * socket.c - calls on sockets
 */
#include <errno.h>
#include <gyre/error.h>
#include <gyre/socket.h>
#include <sys/uio.h>

#include "io/call.h"

int gyre_accept(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    gyre_op op;

    gyre_op_accept(&op, fd, address, size, flags);
    return gyre_await(&op).res;
}

int gyre_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    gyre_op op;

    gyre_op_connect(&op, fd, address, size);
    return gyre_await(&op).res;
}

ssize_t gyre_recv(int fd, void *buffer, size_t size, int flags)
{
    gyre_op op;

    gyre_op_recv(&op, fd, buffer, size, flags);
    return gyre_await(&op).res;
}

ssize_t gyre_send(int fd, const void *buffer, size_t size, int flags)
{
    gyre_op op;

    gyre_op_send(&op, fd, buffer, size, flags);
    return gyre_await(&op).res;
}

ssize_t gyre_recvmsg(int fd, struct msghdr *message, int flags)
{
    gyre_op op;

    gyre_op_recvmsg(&op, fd, message, flags);
    return gyre_await(&op).res;
}

ssize_t gyre_sendmsg(int fd, const struct msghdr *message, int flags)
{
    gyre_op op;

    gyre_op_sendmsg(&op, fd, message, flags);
    return gyre_await(&op).res;
}

ssize_t gyre_sendto(int fd, const void *buffer, size_t size, int flags,
                    const struct sockaddr *to, socklen_t to_size)
{
    gyre_op op;

    gyre_op_sendto(&op, fd, buffer, size, flags, to, to_size);
    return gyre_await(&op).res;
}

ssize_t gyre_recvfrom(int fd, void *buffer, size_t size, int flags,
                      struct sockaddr *address, socklen_t *address_size)
{
    struct iovec iov = { buffer, size };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (address != NULL) {
        message.msg_name = address;
        message.msg_namelen = *address_size;
    }
    n = gyre_recvmsg(fd, &message, flags);
    if (n >= 0 && address != NULL)
        *address_size = message.msg_namelen;
    return n;
}

int gyre_shutdown(int fd, int how)
{
    gyre_op op;

    gyre_op_shutdown(&op, fd, how);
    return gyre_await(&op).res;
}

int gyre_send_all(int fd, const void *buffer, size_t size, int flags)
{
    const char *at = buffer;

    if (size == 0)
        return gyre_cancelled();
    while (size > 0) {
        ssize_t n = gyre_send(fd, at, size, flags);

        if (n < 0)
            return (int)n;
        ASSERT((size_t)n <= size);
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

int gyre_recv_all(int fd, void *buffer, size_t size, int flags)
{
    char *at = buffer;

    if (size == 0)
        return gyre_cancelled();
    while (size > 0) {
        ssize_t n = gyre_recv(fd, at, size, flags);

        if (n <= 0)
            return n == 0 ? GYRE_EOF : (int)n;
        ASSERT((size_t)n <= size);
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

ssize_t gyre_sendfile(int socket, int file, uint64_t offset, size_t size)
{
    gyre_task *task = task_running();
    gyre_op op;
    int sent;

    if (task_cancelled(task) != 0)
        return task_cancelled(task);
    gyre_op_sendfile(&op, socket, file, offset, bounded(size));
    sent = gyre_op_try(task->tasks->loop, &op);
    if (sent == -EAGAIN)
        return gyre_await(&op).res;
    /* With a fast peer all slices go out at once, and nobody else would run.
     * What yield says of a cancel, the next call says again. */
    if (sent > 0 && (size_t)sent < size)
        (void)gyre_yield();
    return sent;
}
