/* SPDX-License-Identifier: MIT */
/*
 * futex.c - waiting on futexes, and waking
 */
#include <gyre/futex.h>

#include "io/call.h"

int gyre_futex_wait(const void *word, uint32_t expected, uint32_t mask,
                    unsigned flags)
{
    gyre_op op;

    gyre_op_futex_wait(&op, word, expected, mask, flags);
    return gyre_await(&op).res;
}

int gyre_futex_wake(const void *word, uint32_t count, uint32_t mask,
                    unsigned flags)
{
    gyre_op op;

    gyre_op_futex_wake(&op, word, count, mask, flags);
    return gyre_await(&op).res;
}

int gyre_futex_waitv(const gyre_futex *futexes, unsigned count)
{
    gyre_op op;

    gyre_op_futex_waitv(&op, futexes, count);
    return gyre_await(&op).res;
}
