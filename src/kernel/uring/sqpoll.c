/* SPDX-License-Identifier: MIT */
/*
 * sqpoll.c - a ring from which a thread of Linux's takes the requests
 *
 * While that thread is awake nothing but publishing is needed to submit, and
 * nothing but looking to reap: enter() makes a system call only to wake it, to
 * sleep, and to have what the CQ could not hold.
 *
 * No request is left lying: we publish the tail and then look at NEED_WAKEUP;
 * the thread sets NEED_WAKEUP and then looks at the tail. With a full fence
 * between the two on each side, one of us sees the other.
 *
 * What is published is the thread's: it cannot be taken back, and where its
 * batches begin and end is unknown. The SQ's head passes a request when it has
 * been read and started.
 */
#include <errno.h>
#include <sched.h>

#include "base/assert.h"
#include "kernel/uring/uring.h"
#include "ring/syscalls.h"

#define LOOKS 1000 /* at the head, before the processor is left to others */

static bool thread_sleeps(const struct uring *uring)
{
    return (sq_flags_after(uring->kernel.sq.flags) & IORING_SQ_NEED_WAKEUP) !=
           0;
}

static int enter_with(struct uring *uring, unsigned flags, unsigned want,
                      uint64_t deadline_ns)
{
    unsigned usual = uring->enter_flags;

    atomic_fetch_add_explicit(&uring->kernel.calls, 1, memory_order_relaxed);
    uring->enter_flags |= flags;
    int result = uring_enter_linux(uring, 0, want, deadline_ns);

    uring->enter_flags = usual;
    return result;
}

/* The thread is awake, so it is a matter of microseconds. Should it have ended,
 * entering tells. */
int sqpoll_await_taken(struct uring *uring)
{
    const struct sq *sq = &uring->kernel.sq;
    int err = 0;

    for (unsigned i = 1; err >= 0 && sq_used(sq) > sq_unpublished(sq); i++) {
        if (i % LOOKS == 0)
            sched_yield();
        if (i % (LOOKS * LOOKS) == 0)
            err = enter_with(uring, IORING_ENTER_SQ_WAKEUP, 0, KERNEL_NO_WAIT);
    }
    return err < 0 ? err : 0;
}

int sqpoll_submit_own(struct uring *uring, const struct io_uring_sqe *sqe)
{
    struct sq *sq = &uring->kernel.sq;

    if (sq_room(sq) == 0)
        (void)enter_with(uring, IORING_ENTER_SQ_WAIT, 0, KERNEL_NO_WAIT);
    if (sq_room(sq) == 0)
        return -EAGAIN;
    *sq_next(sq) = *sqe;
    sq_publish(sq);
    if (thread_sleeps(uring))
        (void)enter_with(uring, IORING_ENTER_SQ_WAKEUP, 0, KERNEL_NO_WAIT);
    return sqpoll_await_taken(uring); /* what it points to may go */
}

int sqpoll_submit_for(struct uring *uring, unsigned submit)
{
    if (!thread_sleeps(uring))
        return (int)submit;
    atomic_fetch_add_explicit(&uring->kernel.calls, 1, memory_order_relaxed);
    int err =
        ring_sys_enter(uring->ring.fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);

    return err < 0 ? err : (int)submit;
}

int sqpoll_enter(struct uring *uring, unsigned submit, unsigned want,
                 uint64_t deadline_ns)
{
    struct kernel *kernel = &uring->kernel;
    unsigned flags = 0;
    int err;

    /* Without its watches the ring must not sleep. */
    if (uring_watch_is_wanted(uring) && uring_watch_arm(uring) != 0)
        deadline_ns = KERNEL_NO_WAIT;
    if (submit > 0 && thread_sleeps(uring))
        flags |= IORING_ENTER_SQ_WAKEUP;
    if (submit > 0 && sq_room(&kernel->sq) == 0)
        flags |= IORING_ENTER_SQ_WAIT;
    if (deadline_ns == KERNEL_NO_WAIT && flags == 0 &&
        (sq_flags(&kernel->sq) & IORING_SQ_CQ_OVERFLOW) == 0)
        return (int)submit;
    err = enter_with(uring, flags, want, deadline_ns);
    return uring_taken_or((int)submit, err);
}
