/* SPDX-License-Identifier: MIT */
/*
 * futex.c - requests on futexes
 */
#include <gyre/op_futex.h>

#include "loop/fill/fill.h"

/* Linux's flags of futex2: the size of a word, and whose it is. */
#define FUTEX2_U32 2U
#define FUTEX2_PRIVATE_BIT 128U

static uint32_t futex_flags(unsigned flags)
{
    return FUTEX2_U32 |
           ((flags & GYRE_FUTEX_SHARED) != 0 ? 0 : FUTEX2_PRIVATE_BIT);
}

static void fill_word(gyre_op *op, uint8_t opcode, const void *word,
                      uint32_t value, uint32_t mask, unsigned flags)
{
    struct io_uring_sqe *sqe = op_fill(op, opcode, 0, word, 0, value);

    sqe->fd = (int)futex_flags(flags);
    sqe->addr3 = mask;
}

void gyre_op_futex_wait(gyre_op *op, const void *word, uint32_t expected,
                        uint32_t mask, unsigned flags)
{
    fill_word(op, IORING_OP_FUTEX_WAIT, word, expected, mask, flags);
}

void gyre_op_futex_wake(gyre_op *op, const void *word, uint32_t count,
                        uint32_t mask, unsigned flags)
{
    fill_word(op, IORING_OP_FUTEX_WAKE, word, count, mask, flags);
}

gyre_futex gyre_futex_make(const void *word, uint32_t expected, unsigned flags)
{
    return (gyre_futex){ .expected = expected,
                         .word = (uintptr_t)word,
                         .flags = futex_flags(flags) };
}

void gyre_op_futex_waitv(gyre_op *op, const gyre_futex *futexes, unsigned count)
{
    op_fill(op, IORING_OP_FUTEX_WAITV, 0, futexes, count, 0);
}
