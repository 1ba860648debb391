/* SPDX-License-Identifier: MIT */
/*
 * grow.c - a CQ that becomes larger before it overflows
 *
 * Linux copies what lies in the queues into new ones and takes these from then
 * on, under the same counters (RESIZE_RINGS, of deferring rings alone). It
 * costs a system call, new memory, and two mappings, so the CQ doubles.
 */
#include <errno.h>

#include "kernel/uring/uring.h"
#include "ring/feature.h"

static int resize(struct uring *uring, unsigned cq_entries)
{
    struct kernel *kernel = &uring->kernel;

    /* Linux copies what is published. */
    sq_publish(&kernel->sq);
    uring->ring.sq.filled = kernel->sq.filled;
    int err = ring_resize(&uring->ring, kernel->sq.entries, cq_entries);

    kernel->sq = uring->ring.sq;
    kernel->cq = uring->ring.cq;
    return err;
}

int uring_grow_try(struct uring *uring)
{
    struct ring *ring = &uring->ring;

    /* Linux would copy what lies between a head and a tail that stand still. */
    if (!ring_feature_allowed(RING_RESIZE) ||
        (ring->setup_flags & IORING_SETUP_SQ_REWIND) != 0 ||
        (ring->setup_flags & IORING_SETUP_DEFER_TASKRUN) == 0)
        return -EOPNOTSUPP;
    return ring_resize(ring, ring->sq.entries, ring->cq.entries);
}

uint64_t uring_grow(struct kernel *kernel, uint64_t wanted)
{
    struct uring *uring = uring_of(kernel);
    unsigned max = kernel->ring.cq_entries_max;
    unsigned entries = kernel->cq.entries;

    ASSERT(uring_is_owner(uring));
    while (entries < wanted && entries * 2 <= max)
        entries *= 2;
    /* Without memory it overflows: Linux keeps the rest, as in any ring. */
    if (entries > kernel->cq.entries && resize(uring, entries) < 0)
        return UINT64_MAX;
    return entries * 2 <= max ? entries : UINT64_MAX;
}
