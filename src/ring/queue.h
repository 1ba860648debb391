/* SPDX-License-Identifier: MIT */
/*
 * queue.h - the two queues that a program shares with a kernel
 *
 * An SQ carries requests down, a CQ results up. Both are rings of a power of
 * two, with a head that the reader moves and a tail that the writer moves; the
 * counters run freely and are masked on use. Who the other side is does not
 * matter here: Linux, the emulator and the scripted kernel use the same memory
 * in the same way.
 *
 * Orderings (the same as Linux's own, see io_uring(7)):
 *
 *   SQ tail  written by us with release: the SQEs before it are complete.
 *   SQ head  read by us with acquire: the slots behind it may be reused.
 *   CQ tail  read by us with acquire: the CQEs before it are complete.
 *   CQ head  written by us with release: we no longer look at what is behind.
 *
 * One thread owns our side of both queues, so our own counters are plain.
 */
#ifndef RING_QUEUE_H
#define RING_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "ring/abi.h"

struct sq {
    _Atomic uint32_t *head;  /* moved by the kernel */
    _Atomic uint32_t *tail;  /* moved by us */
    _Atomic uint32_t *flags; /* IORING_SQ_*, set by the kernel */
    struct io_uring_sqe *sqes;
    uint32_t entries; /* a power of two */
    uint32_t mask;
    uint32_t filled; /* our tail: SQEs written, maybe not yet published */
};

struct cq {
    _Atomic uint32_t *head;  /* moved by us */
    _Atomic uint32_t *tail;  /* moved by the kernel */
    _Atomic uint32_t *flags; /* IORING_CQ_*, set by us */
    struct io_uring_cqe *cqes;
    uint32_t entries; /* a power of two */
    uint32_t mask;
};

/* How many SQEs lie in the queue that the kernel has not taken. */
static inline uint32_t sq_used(const struct sq *sq)
{
    uint32_t used = sq->filled -
                    atomic_load_explicit(sq->head, memory_order_acquire);

    ASSERT(used <= sq->entries);
    return used;
}

static inline uint32_t sq_room(const struct sq *sq)
{
    return sq->entries - sq_used(sq);
}

/* The next slot to write; there must be room. The slot holds old bytes: write
 * all 64 of them. */
static inline struct io_uring_sqe *sq_next(struct sq *sq)
{
    return &sq->sqes[sq->filled++ & sq->mask];
}

/* Show the kernel what was written. */
static inline void sq_publish(struct sq *sq)
{
    atomic_store_explicit(sq->tail, sq->filled, memory_order_release);
}

static inline uint32_t sq_flags(const struct sq *sq)
{
    return atomic_load_explicit(sq->flags, memory_order_relaxed);
}

static inline uint32_t cq_ready(const struct cq *cq)
{
    uint32_t head = atomic_load_explicit(cq->head, memory_order_relaxed);
    uint32_t ready = atomic_load_explicit(cq->tail, memory_order_acquire) -
                     head;

    ASSERT(ready <= cq->entries);
    return ready;
}

/* Copy the oldest CQE out and give its slot back: the callback that it leads to
 * may take any time and may turn the ring. False if there is none. */
static inline bool cq_take(struct cq *cq, struct io_uring_cqe *cqe)
{
    uint32_t head = atomic_load_explicit(cq->head, memory_order_relaxed);

    if (atomic_load_explicit(cq->tail, memory_order_acquire) == head)
        return false;
    *cqe = cq->cqes[head & cq->mask];
    atomic_store_explicit(cq->head, head + 1, memory_order_release);
    return true;
}

#endif
