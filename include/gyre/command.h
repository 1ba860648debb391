/* SPDX-License-Identifier: MIT */
/*
 * gyre/command.h - commands that a driver understands, from tasks
 *
 * Results, errors and what a loop must have: gyre/op_command.h.
 */
#ifndef GYRE_COMMAND_H
#define GYRE_COMMAND_H

#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * `command` with `size` bytes, which are copied: the result. -EMSGSIZE: more
 * than 80; -EOPNOTSUPP: more than 16, and the loop has neither big_sqes nor
 * mixed_sqes. `extra` (may be NULL) becomes what a completion of 32 bytes
 * brought, or zeros.
 */
GYRE_API int gyre_command(int fd, uint32_t command, const void *bytes,
                          size_t size, uint64_t extra[2]) GYRE_WAITS;

/* As gyre_op_discard(). */
GYRE_API int gyre_discard(int fd, uint64_t offset, uint64_t size) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
