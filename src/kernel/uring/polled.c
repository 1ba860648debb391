/* SPDX-License-Identifier: MIT */
/*
 * polled.c - see polled.h
 *
 * Each request has one CQE, so those that have not ended are what was written
 * to the SQ less what was taken from the CQ: both counters begin at 0.
 */
#include "kernel/uring/polled.h"

#include <errno.h>
#include <linux/fs.h>

#include "ring/syscalls.h"

#define ENTRIES 256U

static int open_with(struct ring *ring, uint32_t flags)
{
    const struct ring_wanted wanted = { .entries = ENTRIES, .flags = flags };

    return ring_open(ring, &wanted);
}

int polled_open(struct uring *uring)
{
    return open_with(&uring->polled, IORING_SETUP_IOPOLL);
}

int polled_open_hybrid(struct uring *uring)
{
    struct ring ring;
    int err;

    if (uring->polled.fd < 0)
        return -EOPNOTSUPP;
    err = open_with(&ring, IORING_SETUP_IOPOLL | IORING_SETUP_HYBRID_IOPOLL);
    if (err < 0)
        return err;
    ring_close(&uring->polled);
    uring->polled = ring;
    return 0;
}

bool polled_wants(const struct uring *uring, const struct io_uring_sqe *sqe)
{
    switch (sqe->opcode) {
    case IORING_OP_READ:
    case IORING_OP_WRITE:
    case IORING_OP_READV:
    case IORING_OP_WRITEV:
    case IORING_OP_READ_FIXED:
    case IORING_OP_WRITE_FIXED:
        /* What a loop is restricted to holds for its one ring. */
        return uring->polled.fd >= 0 && uring->kernel.restriction == NULL &&
               (sqe->rw_flags & RWF_HIPRI) != 0;
    default:
        return false;
    }
}

static int enter(struct ring *ring, unsigned flags)
{
    sq_publish(&ring->sq);
    return ring_sys_enter(ring->fd, sq_used(&ring->sq), 0, flags, NULL, 0);
}

int polled_submit(struct uring *uring, const struct io_uring_sqe *sqe)
{
    struct ring *ring = &uring->polled;
    struct io_uring_sqe *to;

    /* It has neither table nor groups, whoever else has them. */
    if ((sqe->flags & (IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT)) != 0)
        return -EOPNOTSUPP;
    if (sq_room(&ring->sq) == 0 && enter(ring, 0) <= 0)
        return -EAGAIN;
    to = sq_next(&ring->sq);
    *to = *sqe;
    to->rw_flags &= ~(uint32_t)RWF_HIPRI; /* it goes without saying there */
    uring->kernel.polling = true;
    return 1;
}

bool polled_enter(struct uring *uring)
{
    struct ring *ring = &uring->polled;
    uint32_t taken = atomic_load_explicit(ring->cq.head, memory_order_relaxed);

    uring->kernel.polling = ring->sq.filled != taken;
    /* Whatever it answers: the next turn asks again. */
    if (uring->kernel.polling)
        (void)enter(ring, IORING_ENTER_GETEVENTS);
    return uring->kernel.polling;
}
