/* SPDX-License-Identifier: MIT */
/*
 * choose.h - which kernel a program gets
 *
 * Decided once per process by a real NOP round trip through a small ring. Only
 * permanent reasons lead to the emulator: ENOSYS, EPERM, EACCES, a seccomp
 * kill, or a Linux whose io_uring is too old. GYRE_KERNEL=uring|emu forces the
 * choice, GYRE_WITHOUT=feature,... takes features of the ring away one by one;
 * both are ignored in programs that gained privileges (secure_getenv).
 */
#ifndef KERNEL_CHOOSE_H
#define KERNEL_CHOOSE_H

#include "kernel/kernel.h"

/*
 * Open the kernel that this process uses. 0, or a negative errno:
 * -EINVAL (entries out of range, or GYRE_KERNEL names no kernel), -ENOMEM, ...
 * With `why` (may be NULL) a sentence in static storage that names the limit
 * and the remedy.
 */
int kernel_open(struct kernel **kernel, const struct kernel_options *options,
                const char **why);

/* NULL if io_uring works here; else one line that says why it does not:
 * "io_uring_setup: EPERM (kernel.io_uring_disabled=2)", ... */
const char *kernel_uring_refusal(void);

/* From now on io_uring is refused to this process, for that reason (a line in
 * static storage), whatever it is worth here. */
void kernel_refuse_uring(const char *reason);

/* "uring" or "emu", and one line with the reason for that choice. */
const char *kernel_chosen_name(void);
const char *kernel_chosen_reason(void);

/* GYRE_LOOP, or NULL. */
const char *kernel_loop_options(void);

/* GYRE_ENGINES, or NULL. */
const char *kernel_engines_option(void);

#endif
