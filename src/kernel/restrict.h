/* SPDX-License-Identifier: MIT */
/*
 * restrict.h - what a kernel may be asked for, and nothing else
 *
 * A restriction names the opcodes, the flags of requests and the registrations
 * that are permitted, and narrows some opcodes by their arguments. It is held
 * twice. Above, the loop asks restriction_refuses() of each request before it
 * chooses where that goes, so the answer, -EACCES, is the same on every kernel,
 * and what the ring may not do is not done beside it either. Below, Linux holds
 * the ring to it where it can: that is for whoever got hold of the ring.
 *
 * The kernel's own requests (wakes, cancels) stay allowed by themselves.
 */
#ifndef KERNEL_RESTRICT_H
#define KERNEL_RESTRICT_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/abi.h"

struct restriction {
    uint64_t ops[4]; /* by opcode, gyre's own among them */
    /* Of these: not for the ring. Linux could not tell the permitted requests
     * from the others, but something else can, which sees the system calls of
     * the emulator. */
    uint64_t beside[4];
    uint64_t registers;     /* by opcode of io_uring_register(2) */
    uint8_t flags_allowed;  /* IOSQE_* */
    uint8_t flags_required; /* these and no others besides the allowed */

    /* What the permitted SOCKET, CONNECT, OPENAT and OPENAT2 may say. */
    uint64_t families; /* of SOCKET: 1 << AF_...; 0: any */
    uint64_t peers;    /* of CONNECT: likewise */
    uint32_t types;    /* of SOCKET: 1 << SOCK_...; 0: any */
    bool opens_few;    /* O_... that are not in open_flags are refused */
    uint64_t open_flags;
    uint64_t open_resolve; /* RESOLVE_... that OPENAT2 must say; then there is
                            * no OPENAT */
    bool strict; /* in: refuse the whole if Linux cannot look at arguments */

    /* Out, of a kernel's copy: what Linux itself holds the ring to. */
    bool by_linux;        /* opcodes, flags, registrations */
    bool linux_arguments; /* and what they may say */
};

static inline bool restriction_bit(const uint64_t set[4], unsigned opcode)
{
    return (set[(opcode & 255) / 64] >> opcode % 64 & 1) != 0;
}

static inline void restriction_add(uint64_t set[4], unsigned opcode)
{
    set[(opcode & 255) / 64] |= UINT64_C(1) << opcode % 64;
}

/* 0, or -EACCES; -EFAULT for an OPENAT2 or CONNECT whose argument cannot be
 * read. */
int restriction_refuses(const struct restriction *restriction,
                        const struct io_uring_sqe *sqe);

/* May io_uring_register(2) be called so? NULL: there is no restriction. */
bool restriction_registers(const struct restriction *restriction,
                           unsigned opcode);

#endif
