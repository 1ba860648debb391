/* SPDX-License-Identifier: MIT */
/*
 * file.c - calls on files
 */
#include <fcntl.h>
#include <gyre/file.h>

#include "io/call.h"

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

ssize_t gyre_readv2(int fd, const struct iovec *iov, unsigned count,
                    uint64_t offset, int flags)
{
    gyre_op op;

    gyre_op_readv2(&op, fd, iov, count, offset, flags);
    return gyre_await(&op).res;
}

ssize_t gyre_writev2(int fd, const struct iovec *iov, unsigned count,
                     uint64_t offset, int flags)
{
    gyre_op op;

    gyre_op_writev2(&op, fd, iov, count, offset, flags);
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
