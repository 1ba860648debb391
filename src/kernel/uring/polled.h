/* SPDX-License-Identifier: MIT */
/*
 * polled.h - a second ring, whose requests are asked after
 *
 * An IOPOLL ring takes reads and writes past the page cache and little else: no
 * poll for wakes, no cancel, nothing that waits. So it lies beside the ring
 * that has all that, and gets those reads and writes that ask for it by
 * RWF_HIPRI. While it has any, enter() does not sleep: nothing but asking
 * brings their results, into a CQ of their own.
 */
#ifndef KERNEL_URING_POLLED_H
#define KERNEL_URING_POLLED_H

#include "kernel/uring/uring.h"

/* For options of the ring: make it; make it again, to sleep before it asks. 0
 * or a negative errno. */
int polled_open(struct uring *uring);
int polled_open_hybrid(struct uring *uring);

/* Is the request one of those? */
bool polled_wants(const struct uring *uring, const struct io_uring_sqe *sqe);

/* Put it into the ring's queue: 1; -EAGAIN: there is no room; -EOPNOTSUPP: it
 * names a slot or a group. */
int polled_submit(struct uring *uring, const struct io_uring_sqe *sqe);

/* Submit what lies there, and ask once. False: it has no request any more. */
bool polled_enter(struct uring *uring);

#endif
