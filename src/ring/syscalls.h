/* SPDX-License-Identifier: MIT */
/*
 * syscalls.h - io_uring's three system calls
 *
 * Raw, because no libc has them; here and nowhere else. Each returns what Linux
 * returns, or a negative errno, and leaves errno alone.
 */
#ifndef RING_SYSCALLS_H
#define RING_SYSCALLS_H

#include <stddef.h>

#include "ring/abi.h"

int ring_sys_setup(unsigned entries, struct io_uring_params *params);

/* `argument` is NULL, or a struct io_uring_getevents_arg with EXT_ARG. */
int ring_sys_enter(int fd, unsigned submit, unsigned want, unsigned flags,
                   const void *argument, size_t size);

int ring_sys_register(int fd, unsigned opcode, void *argument, unsigned count);

/* Their numbers, for filters; on machines whose numbers are not shifted. */
enum ring_call {
    RING_CALL_SETUP = 425,
    RING_CALL_ENTER = 426,
    RING_CALL_REGISTER = 427,
};

#endif
