/* SPDX-License-Identifier: MIT */
/*
 * command.c - commands of drivers
 */
#include <gyre/command.h>
#include <gyre/op_command.h>

#include "io/call.h"

int gyre_command(int fd, uint32_t command, const void *bytes, size_t size,
                 uint64_t extra[2])
{
    uint64_t unwanted[2];
    gyre_op128 op;
    int err;

    if (extra == NULL)
        extra = unwanted;
    err = size <= GYRE_COMMAND_SIZE
              ? gyre_op_command(&op.op, fd, command, bytes, size)
              : gyre_op128_command(&op, fd, command, bytes, size);
    if (err < 0) {
        extra[0] = extra[1] = 0;
        return err;
    }
    return gyre_await_extra(&op.op, extra).res;
}

int gyre_discard(int fd, uint64_t offset, uint64_t size)
{
    gyre_op op;

    gyre_op_discard(&op, fd, offset, size);
    return gyre_await(&op).res;
}
