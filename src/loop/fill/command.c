/* SPDX-License-Identifier: MIT */
/*
 * command.c - commands of drivers, and requests of 128 bytes
 *
 * A command's bytes begin in the last 16 of the first 64, and go on in the
 * other 64 of a large request.
 */
#include <errno.h>
#include <gyre/op_command.h>

#include "loop/fill/fill.h"

_Static_assert(sizeof(gyre_op128) == 192, "64 bytes more than an op");
_Static_assert(offsetof(struct io_uring_sqe, addr3) + GYRE_COMMAND_SIZE ==
                   SQE_SIZE,
               "the bytes of a command are the last of a request");

static struct io_uring_sqe *fill(gyre_op *op, uint8_t opcode, int fd,
                                 uint32_t command)
{
    struct io_uring_sqe *sqe = op_fill(op, opcode, fd, NULL, 0, 0);

    sqe->cmd_op = command;
    return sqe;
}

/* No memcpy() of nothing from nowhere. */
static void copy(void *to, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(to, bytes, size);
}

int gyre_op_command(gyre_op *op, int fd, uint32_t command, const void *bytes,
                    size_t size)
{
    if (size > GYRE_COMMAND_SIZE)
        return -EMSGSIZE;
    copy(&fill(op, IORING_OP_URING_CMD, fd, command)->addr3, bytes, size);
    return 0;
}

int gyre_op128_command(gyre_op128 *op, int fd, uint32_t command,
                       const void *bytes, size_t size)
{
    size_t first = size < GYRE_COMMAND_SIZE ? size : GYRE_COMMAND_SIZE;
    struct io_uring_sqe *sqe;

    if (size > GYRE_COMMAND128_SIZE)
        return -EMSGSIZE;
    sqe = fill(&op->op, IORING_OP_URING_CMD128, fd, command);
    memset(op->more_, 0, sizeof op->more_);
    copy(&sqe->addr3, bytes, first);
    copy(op->more_, (const char *)bytes + first, size - first);
    return 0;
}

void gyre_op_command_set_buffer(gyre_op *op, unsigned index)
{
    struct io_uring_sqe *sqe = gyre_op_sqe(op);

    ASSERT_API(sqe->opcode == IORING_OP_URING_CMD ||
                   sqe->opcode == IORING_OP_URING_CMD128,
               "only a command is given a buffer this way: registered memory "
               "of other ops is found by itself");
    ASSERT_API(index <= UINT16_MAX, "no piece has such an index");
    sqe->uring_cmd_flags |= IORING_URING_CMD_FIXED;
    sqe->buf_index = (uint16_t)index;
}

void gyre_op128_nop(gyre_op128 *op)
{
    op_fill(&op->op, IORING_OP_NOP128, -1, NULL, 0, 0);
    memset(op->more_, 0, sizeof op->more_);
}

void gyre_op_discard(gyre_op *op, int fd, uint64_t offset, uint64_t size)
{
    struct io_uring_sqe *sqe =
        fill(op, IORING_OP_URING_CMD, fd, BLOCK_URING_CMD_DISCARD);

    sqe->addr = offset;
    sqe->addr3 = size;
}
