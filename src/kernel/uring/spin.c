/* SPDX-License-Identifier: MIT */
/*
 * spin.c - looking for a while before sleeping
 *
 * To fall asleep and to be woken costs some microseconds, and with sqpoll the
 * only system call of a busy loop. So where the program asked for it, a wait
 * begins with looking at the queues, for as long as `spin_us` says at most.
 *
 * It pays only if something comes in that time. So how long is adapted: each
 * time in vain halves it, down to nothing; and each wait that was over within
 * the whole of it, asleep or awake, shows that looking would have done, and
 * makes it whole again.
 */
#include <errno.h>
#include <sched.h>

#include "kernel/uring/uring.h"

#define NS_PER_US 1000U
#define LOOKS 64 /* between two looks at the clock */

static inline void pause_a_little(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

static bool is_over(const struct uring *uring, unsigned want)
{
    return cq_ready(&uring->kernel.cq) >= want ||
           (sq_flags(&uring->kernel.sq) &
            (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* False: it was in vain. Others that wait for this processor, Linux's thread
 * perhaps, have it now and then. */
static bool look(struct uring *uring, unsigned want, uint64_t until_ns)
{
    for (;;) {
        for (int i = 0; i < LOOKS; i++) {
            if (is_over(uring, want))
                return true;
            pause_a_little();
        }
        if (uring_now_ns(&uring->kernel) >= until_ns)
            return false;
        sched_yield();
    }
}

/* What is to be submitted goes first: something may be waiting for it. */
static int submit_now(struct uring *uring, unsigned submit)
{
    if (submit == 0 && !uring_watch_is_wanted(uring))
        return 0;
    return uring_enter_now(uring, submit, 0, KERNEL_NO_WAIT);
}

int uring_spin(struct uring *uring, unsigned submit, unsigned want,
               uint64_t deadline_ns)
{
    uint64_t whole = (uint64_t)uring->kernel.ring.spin_us * NS_PER_US;
    int taken = submit_now(uring, submit);
    uint64_t begun = uring_now_ns(&uring->kernel);
    uint64_t until = begun + uring->spin_ns;
    int err = 0;

    /* Watches that could not be armed, or a queue that is yet to be taken. */
    if (taken < 0 || (unsigned)taken < submit || uring_watch_is_wanted(uring))
        return taken;
    if (look(uring, want, until < deadline_ns ? until : deadline_ns)) {
        uring->spin_ns = whole;
        uring->kernel.slept = true;
        if (cq_ready(&uring->kernel.cq) >= want)
            return taken;
        deadline_ns = KERNEL_NO_WAIT;
    } else if (uring_now_ns(&uring->kernel) >= deadline_ns) {
        uring->kernel.slept = true;
        return taken > 0 ? taken : -ETIME;
    }
    err = uring_enter_now(uring, 0, want, deadline_ns);
    if (deadline_ns != KERNEL_NO_WAIT)
        uring->spin_ns = uring_now_ns(&uring->kernel) - begun < whole
                             ? whole
                             : uring->spin_ns / 2;
    return uring_taken_or(taken, err);
}
