/* SPDX-License-Identifier: MIT */
/*
 * name.c - requests on names in directories
 */
#include <gyre/op_path.h>

#include "loop/fill/fill.h"

void gyre_op_renameat2(gyre_op *op, int old_dirfd, const char *old_path,
                       int new_dirfd, const char *new_path, unsigned flags)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_RENAMEAT, old_dirfd,
                                       old_path, 0, (uintptr_t)new_path);

    sqe->len = (uint32_t)new_dirfd;
    sqe->rename_flags = flags;
}

void gyre_op_unlinkat(gyre_op *op, int dirfd, const char *path, int flags)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_UNLINKAT, dirfd, path, 0, 0);

    sqe->unlink_flags = (uint32_t)flags;
}

void gyre_op_mkdirat(gyre_op *op, int dirfd, const char *path, unsigned mode)
{
    op_fill(op, IORING_OP_MKDIRAT, dirfd, path, 0, 0)->len = mode;
}

void gyre_op_symlinkat(gyre_op *op, const char *target, int dirfd,
                       const char *path)
{
    op_fill(op, IORING_OP_SYMLINKAT, dirfd, target, 0, (uintptr_t)path);
}

void gyre_op_linkat(gyre_op *op, int old_dirfd, const char *old_path,
                    int new_dirfd, const char *new_path, int flags)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_LINKAT, old_dirfd,
                                       old_path, 0, (uintptr_t)new_path);

    sqe->len = (uint32_t)new_dirfd;
    sqe->hardlink_flags = (uint32_t)flags;
}
