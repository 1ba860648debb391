/* SPDX-License-Identifier: MIT */
/*
 * call.h - what the calls in direct style share
 *
 * Each call is three lines: an op on the task's stack, filled, awaited. What an
 * op does, and every error, is the op's own matter (gyre/op_*.h).
 */
#ifndef IO_CALL_H
#define IO_CALL_H

#include "base/assert.h"
#include "task/task.h"

#define SIZE_LIMIT 0x7ffff000U /* Linux moves no more in one call */

static inline uint32_t bounded(size_t size)
{
    return size < SIZE_LIMIT ? (uint32_t)size : SIZE_LIMIT;
}

#endif
