/* SPDX-License-Identifier: MIT */
/*
 * output.h - text for people, to a descriptor of any kind
 *
 * For reports that are made when something is wrong. Blocks, but not for ever:
 * a reader who does not read costs at most OUTPUT_PATIENCE_MS.
 */
#ifndef KERNEL_OUTPUT_H
#define KERNEL_OUTPUT_H

#include <stddef.h>

#define OUTPUT_PATIENCE_MS 1000

/* Write all of it: 0, or a negative errno. -EAGAIN: the descriptor is
 * non-blocking, and nobody has read from it for that long. */
int output_write(int fd, const char *text, size_t size);

#endif
