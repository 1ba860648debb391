/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_epoll.h - requests on epoll descriptors of the program's own
 *
 * Each fills a whole op (gyre/op.h). Results are those of the system call of
 * the same name (see its man page and io_uring_enter(2)). "since" is the first
 * Linux that executes the opcode; below it, and without io_uring, gyre emulates
 * it.
 */
#ifndef GYRE_OP_EPOLL_H
#define GYRE_OP_EPOLL_H

#include <gyre/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct epoll_event; /* sys/epoll.h */

/* epoll_ctl(2): `change` is EPOLL_CTL_ADD, _MOD or _DEL. `event` is held until
 * submission; NULL is allowed for _DEL. Result: 0; -EEXIST, -ENOENT ... since
 * 5.6 */
GYRE_API void gyre_op_epoll_ctl(gyre_op *op, int epoll, int change, int fd,
                                const struct epoll_event *event);

/* Wait until something is ready, and report up to `max` of it. `events` is held
 * until the last completion. Result: how many, at least one. since 6.15 */
GYRE_API void gyre_op_epoll_wait(gyre_op *op, int epoll,
                                 struct epoll_event *events, int max);

#ifdef __cplusplus
}
#endif

#endif
