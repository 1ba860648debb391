/* SPDX-License-Identifier: MIT */
/*
 * file.c - requests on files
 */
#include <fcntl.h>
#include <gyre/op_file.h>

#include "loop/fill/fill.h"

#define OPEN_HOW_SIZE 24U /* struct open_how as of 5.6 */

void gyre_op_read(gyre_op *op, int fd, void *buffer, uint32_t size,
                  uint64_t offset)
{
    op_fill(op, IORING_OP_READ, fd, buffer, size, offset);
}

void gyre_op_write(gyre_op *op, int fd, const void *buffer, uint32_t size,
                   uint64_t offset)
{
    op_fill(op, IORING_OP_WRITE, fd, buffer, size, offset);
}

void gyre_op_readv(gyre_op *op, int fd, const struct iovec *iov, unsigned count,
                   uint64_t offset)
{
    op_fill(op, IORING_OP_READV, fd, iov, count, offset);
}

void gyre_op_writev(gyre_op *op, int fd, const struct iovec *iov,
                    unsigned count, uint64_t offset)
{
    op_fill(op, IORING_OP_WRITEV, fd, iov, count, offset);
}

static void vector_fill(gyre_op *op, uint8_t opcode, int fd,
                        const struct iovec *iov, unsigned count,
                        uint64_t offset, int flags)
{
    op_fill(op, opcode, fd, iov, count, offset)->rw_flags = (uint32_t)flags;
}

void gyre_op_readv2(gyre_op *op, int fd, const struct iovec *iov,
                    unsigned count, uint64_t offset, int flags)
{
    vector_fill(op, IORING_OP_READV, fd, iov, count, offset, flags);
}

void gyre_op_writev2(gyre_op *op, int fd, const struct iovec *iov,
                     unsigned count, uint64_t offset, int flags)
{
    vector_fill(op, IORING_OP_WRITEV, fd, iov, count, offset, flags);
}

void gyre_op_openat(gyre_op *op, int dirfd, const char *path, int flags,
                    unsigned mode)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_OPENAT, dirfd, path, mode, 0);

    sqe->open_flags = (uint32_t)(flags | O_CLOEXEC);
}

void gyre_op_openat2(gyre_op *op, int dirfd, const char *path,
                     struct open_how *how)
{
    *(gyre_sqe_word *)(void *)how |= O_CLOEXEC; /* how->flags comes first */
    op_fill(op, IORING_OP_OPENAT2, dirfd, path, OPEN_HOW_SIZE, (uintptr_t)how);
}

void gyre_op_close(gyre_op *op, int fd)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_CLOSE, 0, NULL, 0, 0);

    if (gyre_is_slot(fd))
        sqe->file_index = gyre_slot_number(fd) + 1; /* 0 is none */
    else
        sqe->fd = fd;
}

void gyre_op_statx(gyre_op *op, int dirfd, const char *path, int flags,
                   unsigned mask, struct statx *result)
{
    struct io_uring_sqe *sqe;

    /* Before Linux 6.11 no path is no empty path. */
    if (path == NULL && (flags & AT_EMPTY_PATH) != 0)
        path = "";
    sqe = op_fill(op, IORING_OP_STATX, dirfd, path, 0, (uintptr_t)result);

    sqe->len = mask;
    sqe->statx_flags = (uint32_t)flags;
}

void gyre_op_fsync(gyre_op *op, int fd, bool data_only)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_FSYNC, fd, NULL, 0, 0);

    sqe->fsync_flags = data_only ? IORING_FSYNC_DATASYNC : 0;
}

void gyre_op_getdents(gyre_op *op, int fd, void *buffer, uint32_t size)
{
    op_fill(op, KERNEL_OP_GETDENTS, fd, buffer, size, 0);
}
