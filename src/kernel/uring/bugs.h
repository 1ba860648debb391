/* SPDX-License-Identifier: MIT */
/*
 * bugs.h - what some releases of Linux have and do wrong
 *
 * The only use of the release's number: everything else is found by asking.
 */
#ifndef KERNEL_URING_BUGS_H
#define KERNEL_URING_BUGS_H

#include <stdbool.h>

/* "6.8.0-94-generic" is 6008; what does not begin with two numbers is 0. */
unsigned bugs_release(const char *text);

/* 6.7 to 6.11: a READ_MULTISHOT of a file that knows no RWF_NOWAIT loses the
 * number of its buffer, and one of any file may overlook that there is more. */
bool bugs_of_read_multishot(void);

/* 6.13 and 6.14: the bytes of a bundle may come in the wrong order. */
bool bugs_of_bundles(void);

#endif
