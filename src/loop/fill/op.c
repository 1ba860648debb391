/* SPDX-License-Identifier: MIT */
/*
 * op.c - requests on nothing: raw, nop, functions
 */
#include "loop/fill/fill.h"

_Static_assert(sizeof(gyre_op) == 128, "an op is 128 bytes");
_Static_assert(_Alignof(gyre_op) == 16,
               "four low bits of its address are free");
_Static_assert(sizeof(struct io_uring_sqe) == sizeof(((gyre_op *)0)->sqe_),
               "the request lies in the op");
_Static_assert(offsetof(gyre_op, sqe_) == 0, "at its start");

void gyre_op_raw(gyre_op *op, uint8_t opcode)
{
    op_clear(op);
    gyre_op_sqe(op)->opcode = opcode;
}

void gyre_op_nop(gyre_op *op)
{
    op_fill(op, IORING_OP_NOP, -1, NULL, 0, 0);
}

void gyre_op_call(gyre_op *op, int (*function)(void *), void *arg)
{
    struct io_uring_sqe *sqe =
        op_fill(op, KERNEL_OP_CALL, -1, NULL, 0, (uintptr_t)arg);

    sqe->addr = (uintptr_t)function;
}
