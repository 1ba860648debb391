/* SPDX-License-Identifier: MIT */
/*
 * watch.c - how something outside the ring ends a wait inside it
 *
 * A watch is a multishot poll on an eventfd or on the co-processor's
 * descriptor. Writing to an eventfd triggers the poll each time, though nobody
 * ever reads it: 2^64 - 2 writes are never reached. Arming one on a descriptor
 * that is readable already fires at once, so what came before arming is not
 * lost. The price is one early return.
 *
 * Linux ends a multishot poll by itself when the CQ is full (no F_MORE): the
 * watch is then wanted again.
 */
#include <errno.h>
#include <poll.h>

#include "base/assert.h"
#include "kernel/emu/emu.h"
#include "kernel/uring/uring.h"

#define STOP_NS UINT64_C(1000000000) /* how long Linux may take to cancel */

/* user_data above the tag: a watch, or the cancelling of watches. */
#define WATCH_CANCEL URING_WATCHES

uint64_t uring_watch_user_data(unsigned watch)
{
    return ((uint64_t)watch << 4) | KERNEL_TAG_INTERNAL;
}

static int descriptor_of(const struct uring *uring, unsigned watch)
{
    ASSERT(watch < URING_WATCHES);
    if (watch == URING_WATCH_WAKE)
        return uring->wake_fd;
    ASSERT(uring->side != NULL);
    return uring->side->class->pollable_fd(uring->side);
}

/* POLL_ADD's events word: on a big endian machine its halves are swapped. */
static uint32_t poll_word(uint32_t events)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return events << 16 | events >> 16;
#else
    return events;
#endif
}

static int arm(struct uring *uring, unsigned watch)
{
    struct io_uring_sqe sqe = {
        .opcode = IORING_OP_POLL_ADD,
        .fd = descriptor_of(uring, watch),
        .poll32_events = poll_word(POLLIN),
        .len = IORING_POLL_ADD_MULTI,
        .user_data = uring_watch_user_data(watch),
    };

    return uring_submit_own(uring, &sqe);
}

int uring_watch_arm(struct uring *uring)
{
    for (unsigned i = 0; i < URING_WATCHES; i++) {
        if (uring->watch[i] != WATCH_WANTED)
            continue;
        ASSERT(i != URING_WATCH_LIMIT);
        int err = arm(uring, i);

        if (err != 0)
            return err;
        uring->watch[i] = WATCH_ARMED;
    }
    return 0;
}

void uring_watch_event(struct uring *uring, const struct io_uring_cqe *cqe)
{
    uint64_t watch = cqe->user_data >> 4;

    ASSERT((cqe->user_data & KERNEL_TAG_MASK) == KERNEL_TAG_INTERNAL);
    ASSERT(watch <= WATCH_CANCEL);
    if (watch == WATCH_CANCEL)
        return;

    ASSERT(uring->watch[watch] == WATCH_ARMED);
    /* The request is ours to the last field: these would be our bug. */
    ASSERT(cqe->res != -EINVAL && cqe->res != -EBADF);
    if (watch == URING_WATCH_LIMIT)
        uring->watch[watch] = WATCH_OFF;
    else if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        uring->watch[watch] = WATCH_WANTED;
    if (watch == URING_WATCH_WAKE && UNLIKELY(!post_box_is_empty(&uring->mail)))
        uring_mail_collect(uring);
    /* While its CQ is full the co-processor would only tell us again that it
     * has more; enter() asks it when the CQ has been reaped. */
    if (watch == URING_WATCH_SIDE &&
        (sq_flags(&uring->side->sq) & IORING_SQ_CQ_OVERFLOW) == 0)
        emu_progress(uring->side);
}

int uring_side_open(struct uring *uring)
{
    ASSERT(uring->side == NULL);
    struct kernel_options options = {
        .entries = uring->kernel.sq.entries,
        .cq_entries = uring->kernel.cq.entries,
        .threads_max = uring->options.threads_max,
        .queue_max = uring->options.queue_max,
        .idle_ms = uring->options.idle_ms,
        .pool = uring->options.pool,
    };
    struct kernel *side;
    int err = emu_open(&side, &options);

    if (err != 0)
        return err;
    err = side->class->attach(side);
    if (err == 0)
        err = side->class->pollable_fd(side);
    if (err < 0) {
        side->class->destroy(side);
        return err;
    }
    uring->side = side;
    atomic_store_explicit(&uring->seen_side, side, memory_order_release);
    uring->kernel.side_cq = &side->cq;
    uring->watch[URING_WATCH_SIDE] = WATCH_WANTED;
    return 0;
}

static void cancel_armed(struct uring *uring)
{
    for (unsigned i = 0; i < URING_WATCHES; i++) {
        struct io_uring_sqe sqe = {
            .opcode = IORING_OP_ASYNC_CANCEL,
            .fd = -1,
            .addr = uring_watch_user_data(i),
            .user_data = uring_watch_user_data(WATCH_CANCEL),
        };

        if (uring->watch[i] == WATCH_ARMED)
            (void)uring_submit_own(uring, &sqe);
    }
}

/* Their ends make them wanted. One that cannot be told to end, for want of
 * memory, goes on, and interrupts the other thread when it fires. */
void uring_watch_move(struct uring *uring)
{
    if (!uring->kernel.sq_thread)
        cancel_armed(uring);
}

static bool any_armed(const struct uring *uring)
{
    for (unsigned i = 0; i < URING_WATCHES; i++) {
        if (uring->watch[i] == WATCH_ARMED)
            return true;
    }
    return false;
}

void uring_watch_stop(struct uring *uring)
{
    struct kernel *kernel = &uring->kernel;
    uint64_t deadline_ns = uring_now_ns(kernel) + STOP_NS;
    struct io_uring_cqe cqe;

    uring->limits = false; /* no new one for the waits below */
    for (unsigned i = 0; i < URING_WATCHES; i++)
        if (uring->watch[i] == WATCH_WANTED)
            uring->watch[i] = WATCH_OFF;
    cancel_armed(uring);
    while (any_armed(uring) && uring_now_ns(kernel) < deadline_ns) {
        (void)uring_enter(kernel, 0, 1, deadline_ns);
        while (cq_take(&kernel->cq, &cqe)) {
            uint64_t watch = cqe.user_data >> 4;

            if ((cqe.user_data & KERNEL_TAG_MASK) == KERNEL_TAG_INTERNAL &&
                watch < URING_WATCHES && (cqe.flags & IORING_CQE_F_MORE) == 0)
                uring->watch[watch] = WATCH_OFF;
        }
    }
}
