/* SPDX-License-Identifier: MIT */
/*
 * registered.c - requests on registered memory
 */
#include <gyre/registered.h>

#include "loop/fill/fill.h"

static void fill_fixed(gyre_op *op, uint8_t opcode, int fd, const void *buffer,
                       uint32_t size, uint64_t offset, unsigned index)
{
    ASSERT_API(index <= UINT16_MAX, "this is no index of a registered buffer");
    op_fill(op, opcode, fd, buffer, size, offset)->buf_index = (uint16_t)index;
}

void gyre_op_read_fixed(gyre_op *op, int fd, void *buffer, uint32_t size,
                        uint64_t offset, unsigned index)
{
    fill_fixed(op, IORING_OP_READ_FIXED, fd, buffer, size, offset, index);
}

void gyre_op_write_fixed(gyre_op *op, int fd, const void *buffer, uint32_t size,
                         uint64_t offset, unsigned index)
{
    fill_fixed(op, IORING_OP_WRITE_FIXED, fd, buffer, size, offset, index);
}

void gyre_op_readv_fixed(gyre_op *op, int fd, const struct iovec *iov,
                         unsigned count, uint64_t offset, unsigned index)
{
    fill_fixed(op, IORING_OP_READV_FIXED, fd, iov, count, offset, index);
}

void gyre_op_writev_fixed(gyre_op *op, int fd, const struct iovec *iov,
                          unsigned count, uint64_t offset, unsigned index)
{
    fill_fixed(op, IORING_OP_WRITEV_FIXED, fd, iov, count, offset, index);
}
