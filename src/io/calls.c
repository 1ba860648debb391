/* SPDX-License-Identifier: MIT */
/*
 * calls.c - system calls in direct style
 *
 * Each is three lines: an op on the task's stack, filled, awaited. What an op
 * does, and every error, is the op's own matter (gyre/op.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/error.h>
#include <gyre/io.h>

#include "base/assert.h"
#include "task/task.h"

#define SIZE_LIMIT 0x7ffff000U /* Linux moves no more in one call */

static uint32_t bounded(size_t size)
{
    return size < SIZE_LIMIT ? (uint32_t)size : SIZE_LIMIT;
}

ssize_t gyre_read(int fd, void *buffer, size_t size, uint64_t offset)
{
    gyre_op op;

    gyre_op_read(&op, fd, buffer, bounded(size), offset);
    return gyre_await(&op).res;
}

ssize_t gyre_write(int fd, const void *buffer, size_t size, uint64_t offset)
{
    gyre_op op;

    gyre_op_write(&op, fd, buffer, bounded(size), offset);
    return gyre_await(&op).res;
}

ssize_t gyre_readv(int fd, const struct iovec *iov, unsigned count,
                   uint64_t offset)
{
    gyre_op op;

    gyre_op_readv(&op, fd, iov, count, offset);
    return gyre_await(&op).res;
}

ssize_t gyre_writev(int fd, const struct iovec *iov, unsigned count,
                    uint64_t offset)
{
    gyre_op op;

    gyre_op_writev(&op, fd, iov, count, offset);
    return gyre_await(&op).res;
}

int gyre_openat(int dirfd, const char *path, int flags, unsigned mode)
{
    gyre_op op;

    gyre_op_openat(&op, dirfd, path, flags, mode);
    return gyre_await(&op).res;
}

int gyre_open(const char *path, int flags, unsigned mode)
{
    return gyre_openat(AT_FDCWD, path, flags, mode);
}

int gyre_openat2(int dirfd, const char *path, struct open_how *how)
{
    gyre_op op;

    gyre_op_openat2(&op, dirfd, path, how);
    return gyre_await(&op).res;
}

int gyre_close(int fd)
{
    gyre_op op;

    gyre_op_close(&op, fd);
    return task_await_shielded(&op).res;
}

int gyre_statx(int dirfd, const char *path, int flags, unsigned mask,
               struct statx *result)
{
    gyre_op op;

    gyre_op_statx(&op, dirfd, path, flags, mask, result);
    return gyre_await(&op).res;
}

int gyre_fsync(int fd, bool data_only)
{
    gyre_op op;

    gyre_op_fsync(&op, fd, data_only);
    return gyre_await(&op).res;
}

ssize_t gyre_getdents(int fd, void *buffer, size_t size)
{
    gyre_op op;

    gyre_op_getdents(&op, fd, buffer, bounded(size));
    return gyre_await(&op).res;
}

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

int gyre_poll(int fd, unsigned events)
{
    gyre_op op;

    gyre_op_poll(&op, fd, events);
    return gyre_await(&op).res;
}

int gyre_call_blocking(int (*function)(void *arg), void *arg)
{
    gyre_op op;

    gyre_op_call(&op, function, arg);
    return gyre_await(&op).res;
}
