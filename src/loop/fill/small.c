/* SPDX-License-Identifier: MIT */
/*
 * small.c - requests that carry their few bytes themselves
 */
#include <errno.h>
#include <gyre/op_file.h>
#include <gyre/op_small.h>
#include <gyre/op_socket.h>

#include "loop/fill/fill.h"

static int small_copy(gyre_small_op *op, const void *data, size_t size)
{
    if (size > sizeof op->data_)
        return -EMSGSIZE;
    memcpy(op->data_, data, size);
    return 0;
}

int gyre_small_op_write(gyre_small_op *op, int fd, const void *data,
                        size_t size, uint64_t offset)
{
    int err = small_copy(op, data, size);

    if (err == 0)
        gyre_op_write(&op->op, fd, op->data_, (uint32_t)size, offset);
    return err;
}

int gyre_small_op_send(gyre_small_op *op, int fd, const void *data, size_t size,
                       int flags)
{
    int err = small_copy(op, data, size);

    if (err == 0)
        gyre_op_send(&op->op, fd, op->data_, size, flags);
    return err;
}

void gyre_small_op_read(gyre_small_op *op, int fd, uint64_t offset)
{
    gyre_op_read(&op->op, fd, op->data_, sizeof op->data_, offset);
}

void gyre_small_op_recv(gyre_small_op *op, int fd, int flags)
{
    gyre_op_recv(&op->op, fd, op->data_, sizeof op->data_, flags);
}
