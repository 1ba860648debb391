/* SPDX-License-Identifier: MIT */
/*
 * library.h - what the files of libgyre-uring share
 *
 * Above: liburing's functions, which know rings by `struct io_uring` and speak
 * io_uring's three system calls. Below: library_setup(), library_enter() and
 * library_register(), which are these calls, or the emulator's answer to them.
 */
#ifndef LIBURING_LIBRARY_H
#define LIBURING_LIBRARY_H

#include <stdbool.h>

#include "abi.h"

/* As io_uring_setup(2), io_uring_enter(2) and io_uring_register(2), with a
 * negative errno for an error. */
int library_setup(unsigned entries, struct io_uring_params *params);
int library_enter(unsigned fd, unsigned submit, unsigned want, unsigned flags,
                  const void *argument, size_t size);
int library_register(unsigned fd, unsigned opcode, const void *argument,
                     unsigned count);

/* Does this process have Linux's rings? Decided once (kernel/choose.h). */
bool library_is_native(void);

#endif
