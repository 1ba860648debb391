/* SPDX-License-Identifier: MIT */
/*
 * wait.c - an io_uring_enter that waits until a deadline, or for a batch
 *
 * The arguments go with the call (EXT_ARG), or lie in a page that Linux knows
 * (EXT_ARG_REG), which spares it copying them.
 *
 * Batches. A wake costs as much as some completions, so under load it pays to
 * wait a little for more of them. How many to wait for is what the turn before
 * found: below FEW the loop is not under load and the first one ends the wait.
 * Linux waits for the batch min_wait_usec at most, then for one more, until the
 * deadline; so nothing is late by more than that.
 */
#include <errno.h>
#include <sys/mman.h>

#include "kernel/memory.h"
#include "kernel/uring/uring.h"
#include "ring/syscalls.h"

#define NS_PER_S UINT64_C(1000000000)
#define FEW 4U

static struct ring_timespec timespec_of(uint64_t ns)
{
    return (struct ring_timespec){
        .tv_sec = (int64_t)(ns / NS_PER_S),
        .tv_nsec = (int64_t)(ns % NS_PER_S),
    };
}

/* How many were reaped since the last wait. */
static unsigned reaped(struct uring *uring)
{
    uint32_t head =
        atomic_load_explicit(uring->kernel.cq.head, memory_order_relaxed);
    unsigned count = head - uring->batch_head;

    uring->batch_head = head;
    return count;
}

/* How long to wait for a batch, and, in *want, for how many. */
static uint32_t batch_wait_us(struct uring *uring, unsigned *want)
{
    unsigned batch;

    if (!uring->batches)
        return 0;
    batch = reaped(uring);
    if (batch < FEW)
        return 0;
    *want += batch - 1;
    if (*want > uring->kernel.cq.entries)
        *want = uring->kernel.cq.entries;
    return uring->kernel.ring.min_wait_us;
}

/* By the page that Linux knows. */
static int enter_registered(struct uring *uring, unsigned submit, unsigned want,
                            unsigned flags, const struct ring_timespec *ts,
                            uint32_t min_wait_us)
{
    struct io_uring_reg_wait *wait = &uring->waits[0];

    wait->min_wait_usec = min_wait_us;
    wait->flags = ts != NULL ? IORING_REG_WAIT_TS : 0;
    if (ts != NULL)
        wait->ts = *ts;
    /* The argument is the place in the region. */
    return uring_sys_enter(uring, submit, want,
                           flags | IORING_ENTER_EXT_ARG_REG, NULL,
                           sizeof *wait);
}

int uring_enter_until(struct uring *uring, unsigned submit, unsigned want,
                      uint64_t deadline_ns)
{
    if (UNLIKELY(uring->limits) && deadline_ns != KERNEL_FOREVER)
        return uring_enter_limited(uring, submit, want, deadline_ns);

    unsigned flags = uring->enter_flags | IORING_ENTER_GETEVENTS |
                     IORING_ENTER_EXT_ARG;
    uint32_t min_wait_us = batch_wait_us(uring, &want);
    bool ends = deadline_ns != KERNEL_FOREVER;
    uint64_t ns = deadline_ns;

    /* ABS_TIMER (6.12): the deadline as it is. Without it the wait is
     * relative, at the price of a clock reading. */
    if (ends && uring->ring.absolute_wait) {
        flags |= IORING_ENTER_ABS_TIMER;
    } else if (ends) {
        uint64_t now_ns = uring_now_ns(&uring->kernel);

        ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    }

    struct ring_timespec timespec = timespec_of(ends ? ns : 0);
    const struct ring_timespec *ts = ends ? &timespec : NULL;
    struct io_uring_getevents_arg argument = {
        .min_wait_usec = min_wait_us,
        .ts = (uintptr_t)ts,
    };

    if (uring->waits != NULL)
        return enter_registered(uring, submit, want, flags, ts, min_wait_us);
    return uring_sys_enter(uring, submit, want, flags, &argument,
                           sizeof argument);
}

/* ---- the page ------------------------------------------------------------ */

int uring_waits_register(struct uring *uring)
{
    size_t size = memory_page_size();
    struct io_uring_region_desc region = { .size = size };
    struct io_uring_mem_region_reg reg = {
        .region_uptr = (uintptr_t)&region,
        .flags = IORING_MEM_REGION_REG_WAIT_ARG,
    };

    if (!ring_feature_allowed(RING_REGISTERED_WAITS))
        return -EOPNOTSUPP;
    void *page = memory_map(size);

    if (page == NULL)
        return -ENOMEM;
    region.user_addr = (uintptr_t)page;
    region.flags = IORING_MEM_REGION_TYPE_USER;
    /* A child of fork() has no use for it. */
    int err = madvise(page, size, MADV_DONTFORK) != 0 ? -errno : 0;

    if (err == 0)
        err = ring_sys_register(uring->ring.fd, IORING_REGISTER_MEM_REGION,
                                &reg, 1);
    if (err < 0) {
        memory_unmap(page, size);
        return err;
    }
    uring->waits = page;
    return 0;
}

void uring_waits_free(struct uring *uring)
{
    if (uring->waits != NULL)
        memory_unmap(uring->waits, memory_page_size());
    uring->waits = NULL;
}
