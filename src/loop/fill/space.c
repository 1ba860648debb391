/* SPDX-License-Identifier: MIT */
/*
 * space.c - requests on the room that files take, and advice
 */
#include <gyre/op_file.h>

#include "loop/fill/fill.h"

void gyre_op_sync_file_range(gyre_op *op, int fd, uint64_t offset,
                             uint64_t size, unsigned flags)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_SYNC_FILE_RANGE, fd, NULL, 0, offset);

    /* More than the field holds: 0, to the end of the file. */
    sqe->len = size <= UINT32_MAX ? (uint32_t)size : 0;
    sqe->sync_range_flags = flags;
}

void gyre_op_fallocate(gyre_op *op, int fd, int mode, uint64_t offset,
                       uint64_t size)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_FALLOCATE, fd, NULL, 0, offset);

    sqe->addr = size;
    sqe->len = (uint32_t)mode;
}

void gyre_op_ftruncate(gyre_op *op, int fd, uint64_t size)
{
    op_fill(op, IORING_OP_FTRUNCATE, fd, NULL, 0, size);
}

/* A size that is too large for `len` goes where Linux looks since 6.11; older
 * ones take no other than a small one. */
void gyre_op_fadvise(gyre_op *op, int fd, uint64_t offset, uint64_t size,
                     int advice)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_FADVISE, fd, NULL, 0, offset);

    if (size <= UINT32_MAX)
        sqe->len = (uint32_t)size;
    else
        sqe->addr = size;
    sqe->fadvise_advice = (uint32_t)advice;
}

void gyre_op_madvise(gyre_op *op, void *memory, size_t size, int advice)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_MADVISE, -1, memory, 0, 0);

    if (size <= UINT32_MAX)
        sqe->len = (uint32_t)size;
    else
        sqe->off = size;
    sqe->fadvise_advice = (uint32_t)advice;
}
