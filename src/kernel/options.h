/* SPDX-License-Identifier: MIT */
/*
 * options.h - the numbers that a kernel is asked for, checked
 *
 * One place says which numbers are good, so that a program gets the same answer
 * from every kernel.
 */
#ifndef KERNEL_OPTIONS_H
#define KERNEL_OPTIONS_H

#include "kernel/kernel.h"

/*
 * Write to `result` what `asked` means: the SQ's entries as a power of two, the
 * CQ's likewise or 0. With clamp, numbers out of range become the nearest good
 * ones; else -EINVAL, and with `why` (may be NULL) a sentence.
 */
int kernel_options_resolve(struct kernel_options *result,
                           const struct kernel_options *asked,
                           const char **why);

/*
 * For a kernel that is not Linux: 0 if nothing is asked of a ring that must be
 * had; else -EOPNOTSUPP, and *options->why says what.
 */
int kernel_options_refuse_ring(const struct kernel_options *options);

/* Is a processor named for Linux's workers? */
bool options_name_cpus(const gyre_ring_options *asked);

#endif
