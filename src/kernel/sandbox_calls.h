/* SPDX-License-Identifier: MIT */
/*
 * sandbox_calls.h - which system calls are in which set
 *
 * One table. Calls of which only some forms are let pass are not in it: they
 * are written out in sandbox.c.
 */
#ifndef KERNEL_SANDBOX_CALLS_H
#define KERNEL_SANDBOX_CALLS_H

#include <stddef.h>

struct sandbox_calls {
    unsigned sets; /* one of these is enough; SANDBOX_OWN: always there */
    const short *numbers;
    size_t count;
};

#define SANDBOX_TABLE_COUNT 6

extern const struct sandbox_calls sandbox_table[SANDBOX_TABLE_COUNT];

#endif
