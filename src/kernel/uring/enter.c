/* SPDX-License-Identifier: MIT */
/*
 * enter.c - the one io_uring_enter of a turn
 *
 * A turn costs one system call: it submits, waits, and brings its own deadline
 * along. GETEVENTS is always set, for it makes Linux run deferred work and
 * flush an overflown CQ also when nobody waits.
 *
 * The wait is for one CQE more than there are, never for `want` at once: what
 * wakes us (wake(), or the co-processor) is a single CQE, and must be enough.
 * The caller counts again, as it must in any case, because Linux ends a wait
 * early for a timeout.
 *
 * What is seldom costs a second call: a watch that has to be armed goes in
 * alone and after the caller's SQEs. In one batch with them it could become
 * part of a link chain that the caller's last SQE leaves open.
 */
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "base/assert.h"
#include "kernel/emu/emu.h"
#include "kernel/uring/polled.h"
#include "kernel/uring/uring.h"
#include "ring/syscalls.h"

#define NS_PER_S UINT64_C(1000000000)

uint64_t uring_now_ns(struct kernel *kernel)
{
    struct timespec now;

    (void)kernel;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Never inline: what it keeps on the stack would keep enter_linux() from ending
 * in a jump. */
static int enter_patiently(struct uring *uring, unsigned submit, unsigned want,
                           uint64_t deadline_ns)
    __attribute__((noinline, cold));

/*
 * valgrind lets one thread run at a time, and up to 3.19 at least does not know
 * that io_uring_enter may wait: whoever waits there stops every other thread,
 * and hears no signal. So wait in something it knows, a millisecond at a time;
 * the caller counts again.
 */
static int enter_patiently(struct uring *uring, unsigned submit, unsigned want,
                           uint64_t deadline_ns)
{
    int saved = errno;
    int result = uring_enter_plain(uring, submit, 0);

    if (result != 0 || cq_ready(&uring->kernel.cq) >= want)
        return result;
    if (deadline_ns <= uring_now_ns(&uring->kernel))
        return -ETIME;
    if (poll(NULL, 0, 1) < 0)
        result = -errno;
    errno = saved;
    return result;
}

int uring_enter_plain(struct uring *uring, unsigned submit, unsigned want)
{
    return uring_sys_enter(uring, submit, want,
                           uring->enter_flags | IORING_ENTER_GETEVENTS, NULL,
                           0);
}

/* Submit, and unless deadline_ns is KERNEL_NO_WAIT sleep until the CQ holds
 * `want` CQEs. */
static inline int enter_linux(struct uring *uring, unsigned submit,
                              unsigned want, uint64_t deadline_ns)
{
    uring->kernel.slept |= want > 0 && deadline_ns != KERNEL_NO_WAIT;
    if (deadline_ns == KERNEL_NO_WAIT)
        want = 0;
    else if (UNLIKELY(uring->patient))
        return enter_patiently(uring, submit, want, deadline_ns);
    else if (deadline_ns != KERNEL_FOREVER || UNLIKELY(uring->batches))
        return uring_enter_until(uring, submit, want, deadline_ns);
    return uring_enter_plain(uring, submit, want);
}

int uring_enter_linux(struct uring *uring, unsigned submit, unsigned want,
                      uint64_t deadline_ns)
{
    return enter_linux(uring, submit, want, deadline_ns);
}

int uring_submit_own(struct uring *uring, const struct io_uring_sqe *sqe)
{
    struct sq *sq = &uring->kernel.sq;

    if (uring->kernel.sq_thread)
        return sqpoll_submit_own(uring, sqe);
    ASSERT(sq_used(sq) == 0);
    *sq_next(sq) = *sqe;
    sq_publish(sq);
    int taken = enter_linux(uring, 1, 0, KERNEL_NO_WAIT);

    if (taken == 1)
        return 0;

    /* Linux reads the tail only in enter, so the SQE can be taken back. */
    ASSERT(sq_used(sq) == 1);
    sq->filled--;
    sq_publish(sq);
    return taken < 0 ? taken : -EAGAIN;
}

/* The caller's SQEs, then our own, then the wait. */
static int enter_and_arm(struct uring *uring, unsigned submit, unsigned want,
                         uint64_t deadline_ns)
{
    int taken = enter_linux(uring, submit, 0, KERNEL_NO_WAIT);

    /* Without its watches the ring must not sleep, and behind SQEs that are
     * not taken they cannot go in. */
    if (taken < 0 || sq_used(&uring->kernel.sq) != 0)
        return taken;

    int err = uring_watch_arm(uring);

    if (err == 0)
        err = enter_linux(uring, 0, want, deadline_ns);
    return uring_taken_or(taken, err);
}

/* Is there a CQE of ours in the oldest `ready` places? */
static bool woken_already(const struct cq *cq, unsigned ready)
{
    uint32_t head = atomic_load_explicit(cq->head, memory_order_relaxed);

    for (unsigned i = 0; i < ready;) {
        const struct io_uring_cqe *cqe = cq_at(cq, head + i);

        if (!cqe_is_filler(cqe) &&
            (cqe->user_data & KERNEL_TAG_MASK) == KERNEL_TAG_INTERNAL)
            return true;
        i += cq_places(cq, cqe);
    }
    return false;
}

/* How many CQEs Linux's CQ must hold before the wait ends; 0: do not wait. A
 * wake that comes after this look is one more than were counted. So they are
 * counted first: Linux may add one at any time, and it must not be waited for
 * as if it was yet to come. */
static unsigned linux_must_have(const struct uring *uring, unsigned want)
{
    unsigned counted = cq_counted(&uring->kernel.cq);
    unsigned ready = cq_ready_of(&uring->kernel.cq, counted);
    unsigned side = uring->side != NULL ? cq_ready(&uring->side->cq) : 0;

    if (ready + side >= want || woken_already(&uring->kernel.cq, ready))
        return 0;
    return counted + 1;
}

static int enter_and_settle(struct uring *uring, unsigned submit, unsigned want,
                            uint64_t deadline_ns)
{
    int result;

    if (uring->kernel.sq_thread)
        result = sqpoll_enter(uring, submit, want, deadline_ns);
    else if (uring_watch_is_wanted(uring))
        result = enter_and_arm(uring, submit, want, deadline_ns);
    else
        result = enter_linux(uring, submit, want, deadline_ns);
    if (uring->settles)
        uring_host_settle(uring);
    return result;
}

int uring_enter_now(struct uring *uring, unsigned submit, unsigned want,
                    uint64_t deadline_ns)
{
    return enter_and_settle(uring, submit, want, deadline_ns);
}

/*
 * Nothing is done behind the usual enter, so that it is reached by jumps and
 * left by a single return: what the processor knew of returns is gone when it
 * comes back from Linux, and each one mispredicted costs as much as 15
 * instructions.
 */
int uring_enter(struct kernel *kernel, unsigned submit, unsigned want,
                uint64_t deadline_ns)
{
    struct uring *uring = uring_of(kernel);

    if (!uring_is_owner(uring))
        return -EEXIST;
    if (UNLIKELY(kernel->polling) && polled_enter(uring))
        deadline_ns = KERNEL_NO_WAIT;
    if (UNLIKELY(uring->side != NULL) &&
        (sq_flags(&uring->side->sq) & IORING_SQ_CQ_OVERFLOW) != 0)
        emu_progress(uring->side);
    if (deadline_ns != KERNEL_NO_WAIT) {
        want = linux_must_have(uring, want);
        if (want == 0)
            deadline_ns = KERNEL_NO_WAIT;
        else if (UNLIKELY(kernel->ring.spin_us != 0))
            return uring_spin(uring, submit, want, deadline_ns);
    }
    if (UNLIKELY(uring_watch_is_wanted(uring) || uring->settles ||
                 kernel->sq_thread))
        return enter_and_settle(uring, submit, want, deadline_ns);
    return enter_linux(uring, submit, want, deadline_ns);
}
