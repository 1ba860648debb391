/* SPDX-License-Identifier: MIT */
/*
 * by_hand_uring.h - a ring as one writes it by hand for one purpose
 *
 * The peer that gyre is measured by: the best that io_uring gives to a program
 * that knows all it will ever do. Setup flags as they should be (DEFER_TASKRUN,
 * SINGLE_ISSUER, NO_SQARRAY, SUBMIT_ALL), a registered ring descriptor, one
 * system call to submit and wait, no bookkeeping at all. It shares nothing with
 * gyre but the wrappers of the three system calls and Linux's structs.
 */
#ifndef BENCH_BY_HAND_URING_H
#define BENCH_BY_HAND_URING_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "ring/abi.h"
#include "ring/abi_register.h"
#include "ring/syscalls.h"

struct hand_ring {
    _Atomic uint32_t *sq_tail;
    _Atomic uint32_t *cq_head;
    _Atomic uint32_t *cq_tail;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    uint32_t sq_mask;
    uint32_t cq_mask;
    uint32_t filled;    /* our tail */
    uint32_t submitted; /* the kernel's */
    uint32_t seen;      /* our head of the CQ */
    int fd;             /* the index of the registered descriptor */
    int real_fd;
    uint64_t enters;
};

/* 0 or a negative errno. Without a Linux that knows all the flags there is no
 * best to be measured by. It lasts as long as the process. */
int hand_open(struct hand_ring *ring, unsigned entries, unsigned cq_entries);

static inline struct io_uring_sqe *hand_sqe(struct hand_ring *ring)
{
    struct io_uring_sqe *sqe = &ring->sqes[ring->filled++ & ring->sq_mask];

    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

static inline uint32_t hand_room(const struct hand_ring *ring)
{
    return ring->sq_mask + 1 - (ring->filled - ring->submitted);
}

/* Submit all and wait until `want` CQEs are there. The number submitted, or a
 * negative errno. */
static inline int hand_enter(struct hand_ring *ring, unsigned want)
{
    unsigned submit = ring->filled - ring->submitted;
    int taken;

    atomic_store_explicit(ring->sq_tail, ring->filled, memory_order_release);
    taken = ring_sys_enter(
        ring->fd, submit, want,
        IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING, NULL, 0);
    ring->enters++;
    if (taken > 0)
        ring->submitted += (unsigned)taken;
    return taken;
}

/* The number of CQEs to be looked at; then hand_cqe(ring, 0 .. n - 1). */
static inline uint32_t hand_ready(const struct hand_ring *ring)
{
    return atomic_load_explicit(ring->cq_tail, memory_order_acquire) -
           ring->seen;
}

static inline const struct io_uring_cqe *hand_cqe(const struct hand_ring *ring,
                                                  uint32_t index)
{
    return &ring->cqes[(ring->seen + index) & ring->cq_mask];
}

static inline void hand_seen(struct hand_ring *ring, uint32_t count)
{
    ring->seen += count;
    atomic_store_explicit(ring->cq_head, ring->seen, memory_order_release);
}

#endif
