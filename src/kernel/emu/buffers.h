/* SPDX-License-Identifier: MIT */
/*
 * buffers.h - the emulator's table of registered buffers
 *
 * To the emulator registered memory is memory like any other: what the table is
 * for is to say, as Linux does, whether a request keeps within it, and when the
 * last request that used a piece is over.
 */
#ifndef KERNEL_EMU_BUFFERS_H
#define KERNEL_EMU_BUFFERS_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/abi.h"

struct emu;
struct request;
struct emu_buffer;

struct emu_buffers {
    struct emu_buffer **slots; /* NULL: there is no table */
    uint32_t count;
};

/* io_uring_register(2), of the opcodes that have to do with buffers. */
bool buffers_has(unsigned opcode);
int buffers_register(struct emu *emu, unsigned opcode, void *arg,
                     unsigned count);

/* Does the request name a registered buffer? */
bool buffers_are_named(const struct io_uring_sqe *sqe);

/* Give a new request the buffer that it names: 0, or -EFAULT. */
int buffers_take(struct emu *emu, struct request *r);

/* The request has had its last CQE and lets go of its buffer (or NULL). */
void buffers_drop(struct emu *emu, struct emu_buffer *buffer);

void buffers_deinit(struct emu *emu);

#endif
