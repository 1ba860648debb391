/* SPDX-License-Identifier: MIT */
/*
 * xattr.c - requests on extended attributes
 */
#include <gyre/op_path.h>

#include "loop/fill/fill.h"

static struct io_uring_sqe *xattr_fill(gyre_op *op, uint8_t opcode, int fd,
                                       const char *name, const void *value,
                                       size_t size)
{
    return op_fill(op, opcode, fd, name, size, (uintptr_t)value);
}

void gyre_op_setxattr(gyre_op *op, const char *path, const char *name,
                      const void *value, size_t size, int flags)
{
    struct io_uring_sqe *sqe =
        xattr_fill(op, IORING_OP_SETXATTR, -1, name, value, size);

    sqe->addr3 = (uintptr_t)path;
    sqe->xattr_flags = (uint32_t)flags;
}

void gyre_op_fsetxattr(gyre_op *op, int fd, const char *name, const void *value,
                       size_t size, int flags)
{
    struct io_uring_sqe *sqe =
        xattr_fill(op, IORING_OP_FSETXATTR, fd, name, value, size);

    sqe->xattr_flags = (uint32_t)flags;
}

void gyre_op_getxattr(gyre_op *op, const char *path, const char *name,
                      void *value, size_t size)
{
    struct io_uring_sqe *sqe =
        xattr_fill(op, IORING_OP_GETXATTR, -1, name, value, size);

    sqe->addr3 = (uintptr_t)path;
}

void gyre_op_fgetxattr(gyre_op *op, int fd, const char *name, void *value,
                       size_t size)
{
    xattr_fill(op, IORING_OP_FGETXATTR, fd, name, value, size);
}
