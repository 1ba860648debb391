/* SPDX-License-Identifier: MIT */
/*
 * refusal.h - does io_uring work in this process, and if not, why
 */
#ifndef KERNEL_REFUSAL_H
#define KERNEL_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Try a small ring with one NOP.
 *
 *   true   there is an answer for good. `reason` is "" if io_uring works, else
 *          one line that says why it never will in this process.
 *   false  the attempt failed for want of something (memory, descriptors) that
 *          may be there the next time. `reason` is "".
 */
bool refusal_find(char *reason, size_t size);

#endif
