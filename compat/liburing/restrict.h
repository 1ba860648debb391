/* SPDX-License-Identifier: MIT */
/*
 * restrict.h - what a ring may be asked for, if its program has limited it
 *
 * IORING_REGISTER_RESTRICTIONS, for emulated rings: once, while the ring is
 * disabled; in force from when it is enabled.
 */
#ifndef LIBURING_RESTRICT_H
#define LIBURING_RESTRICT_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/abi.h"
#include "ring/abi_register.h"

struct restrictions {
    bool registered;
    uint64_t sqe_ops[4]; /* a bit for each opcode */
    uint64_t register_ops;
    uint8_t flags_allowed;
    uint8_t flags_required;
};

/* 0, -EBUSY, -EINVAL. */
int restrictions_set(struct restrictions *restrictions,
                     const struct io_uring_restriction *asked, unsigned count);

bool restrictions_allow_sqe(const struct restrictions *restrictions,
                            const struct io_uring_sqe *sqe);
bool restrictions_allow_register(const struct restrictions *restrictions,
                                 unsigned opcode);

#endif
