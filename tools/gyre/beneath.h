/* SPDX-License-Identifier: MIT */
/*
 * beneath.h - how files below the root are opened
 *
 * The kernel guards the border. RESOLVE_BENEATH: no "..", absolute path or
 * symbolic link leads out of the root. RESOLVE_NO_MAGICLINKS: no link of
 * /proc's kind. RESOLVE_NO_XDEV: what is mounted below the root, /proc and /sys
 * above all, is another file system, and is not served.
 *
 * O_NONBLOCK keeps the opening of a FIFO from waiting for a writer; what has
 * been opened is looked at before it is read.
 */
#ifndef GYRE_TOOL_BENEATH_H
#define GYRE_TOOL_BENEATH_H

#include <fcntl.h>
#include <linux/openat2.h>

#define BENEATH_RESOLVE                                                        \
    (RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

#define BENEATH_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

#endif
