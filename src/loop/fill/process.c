/* SPDX-License-Identifier: MIT */
/*
 * process.c - requests on processes
 */
#include <gyre/op_process.h>

#include "loop/fill/fill.h"

void gyre_op_waitid(gyre_op *op, int type, int id, void *info, int options)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_WAITID, 0, NULL, 0, (uintptr_t)info);

    sqe->fd = id; /* no descriptor, also with P_PIDFD: see has_fd */
    sqe->len = (uint32_t)type;
    sqe->file_index = (uint32_t)options;
}
