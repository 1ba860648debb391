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

/*
 * Wait again and again: one completion for what is ready when it starts, then
 * one each time the descriptor has news of that kind, whether or not the last
 * was acted upon (edge-triggered). So read until -EAGAIN, or be content with
 * less. Several news may come as one; which other events are set beside the one
 * that is new, is not promised.
 *
 * The last completion, without GYRE_CQE_MORE, is an error, -ECANCELED, or plain
 * events: the kernel had no room for more, or the file is one that is always
 * ready. Then start it again. since 5.13
 */
GYRE_API void gyre_op_poll_multishot(gyre_op *op, int fd, unsigned events);

/*
 * A request that changes what `target` waits for: a started op of one of the
 * two kinds above, of the same loop. The result is 0, and the target tells at
 * once of what is ready now; -ENOENT: it has ended. It is meant for this start
 * of the target: one that has ended and was started again meanwhile is left
 * alone. `target` is borrowed. (What io_uring calls an update of user_data is
 * to change target->user, at any time.) since 5.13
 */
GYRE_API void gyre_op_poll_update(gyre_op *op, gyre_op *target,
                                  unsigned events);

/* A request that ends `target`, a started poll, with -ECANCELED, and reports
 * what the kernel said: 0, or -ENOENT. As gyre_op_cancel_op(), for polls only.
 * since 5.1 */
GYRE_API void gyre_op_poll_remove(gyre_op *op, gyre_op *target);

#ifdef __cplusplus
}
#endif

#endif
