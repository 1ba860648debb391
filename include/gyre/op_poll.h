/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_poll.h - requests that wait for readiness
 *
 * Each fills a whole op (gyre/op.h). Results are those of the system call of
 * the same name (see its man page and io_uring_enter(2)). "since" is the first
 * Linux that executes the opcode; below it, and without io_uring, gyre emulates
 * it.
 */
#ifndef GYRE_OP_POLL_H
#define GYRE_OP_POLL_H

#include <gyre/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Wait once for any of `events` (POLLIN, POLLOUT ...). Result: the events that
 * are there. since 5.1 */
GYRE_API void gyre_op_poll(gyre_op *op, int fd, unsigned events);

#ifdef __cplusplus
}
#endif

#endif
