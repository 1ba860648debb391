/* SPDX-License-Identifier: MIT */
/*
 * registered.h - a loop's table of registered memory, for this room
 */
#ifndef MEM_REGISTERED_H
#define MEM_REGISTERED_H

#include "loop/loop.h"

/* Register memory with the kernel: its index. -ENOSPC: the table is full. Other
 * errors: the kernel refuses, which was told; then it is not registered. */
int registered_add(gyre_loop *loop, void *memory, size_t size);

/* The memory that begins there, if it is registered, is so no more. */
void registered_remove(gyre_loop *loop, const void *memory);

#endif
