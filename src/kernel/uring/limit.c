/* SPDX-License-Identifier: MIT */
/*
 * limit.c - the limit of a wait, where Linux's own is not to be trusted
 *
 * Some releases round the limit that io_uring_enter is given, or overlook it
 * (ring/advice.h: whatever takes `timed_wait` away). There the limit is a
 * request: a timeout, whose completion ends the wait as any other does. It
 * costs an enter of its own, but only where none is armed that fires early
 * enough.
 *
 * One that fires too early is left: the caller counts again, and comes back
 * with the same deadline. One that would fire too late is changed in place.
 */
#include <errno.h>

#include "base/assert.h"
#include "kernel/uring/uring.h"

#define NS_PER_S UINT64_C(1000000000)

static int arm(struct uring *uring, uint64_t deadline_ns)
{
    bool is_armed = uring->watch[URING_WATCH_LIMIT] == WATCH_ARMED;
    /* Read at submission: it may go when we return. */
    struct ring_timespec when = {
        .tv_sec = (int64_t)(deadline_ns / NS_PER_S),
        .tv_nsec = (int64_t)(deadline_ns % NS_PER_S),
    };
    struct io_uring_sqe start = {
        .opcode = IORING_OP_TIMEOUT,
        .fd = -1,
        .addr = (uintptr_t)&when,
        .len = 1,
        .timeout_flags = IORING_TIMEOUT_ABS,
        .user_data = uring_watch_user_data(URING_WATCH_LIMIT),
    };
    struct io_uring_sqe change = {
        .opcode = IORING_OP_TIMEOUT_REMOVE,
        .fd = -1,
        .addr = start.user_data,
        .addr2 = start.addr,
        .timeout_flags = IORING_TIMEOUT_UPDATE | IORING_TIMEOUT_ABS,
        .user_data = uring_watch_user_data(URING_WATCHES),
    };
    /* If it fires before it is changed, that is only too early. */
    int err = uring_submit_own(uring, is_armed ? &change : &start);

    if (err != 0)
        return err;
    uring->watch[URING_WATCH_LIMIT] = WATCH_ARMED;
    uring->limit_ns = deadline_ns;
    return 0;
}

static int wait_limited(struct uring *uring, unsigned want,
                        uint64_t deadline_ns)
{
    int err = 0;

    if (uring->watch[URING_WATCH_LIMIT] != WATCH_ARMED ||
        uring->limit_ns > deadline_ns)
        err = arm(uring, deadline_ns);
    if (err == 0)
        err = uring_enter_plain(uring, 0, want);
    if (err == 0 && uring_now_ns(&uring->kernel) >= deadline_ns)
        err = -ETIME;
    return err;
}

int uring_enter_limited(struct uring *uring, unsigned submit, unsigned want,
                        uint64_t deadline_ns)
{
    const struct kernel *kernel = &uring->kernel;
    int taken = 0;

    if (submit > 0)
        taken = uring_enter_plain(uring, submit, 0);
    /* Behind SQEs that are not taken no request of ours can go in, unless a
     * thread of Linux's takes them. */
    if (taken < 0 || (sq_used(&kernel->sq) != 0 && !kernel->sq_thread))
        return taken;
    return uring_taken_or(taken, wait_limited(uring, want, deadline_ns));
}
