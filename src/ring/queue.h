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
 *
 * Sizes.  Places of the SQ are 64 bytes or 128, those of the CQ 16 or 32. Mixed
 *         queues have the small places, and what is large takes two of them,
 *         of which the second is never the first of the memory: before the end
 *         comes a filler. What is large is seldom, so of the CQ's path it costs
 *         one test, and of the SQ's a multiplication in place of a shift.
 */
#ifndef RING_QUEUE_H
#define RING_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
    uint32_t base;   /* the position that lies in the first place; 0 but in
                        queues that are rewound: kernel/uring/rewind.c */
    uint32_t stride; /* bytes from one to the next: SQE_SIZE or SQE_SIZE_BIG */
};

#define SQE_SIZE 64U
#define SQE_SIZE_BIG 128U
#define SQE_BIG_PLACES 2U /* of a mixed queue */

enum cq_form {
    CQ_SMALL, /* 16 bytes each */
    CQ_BIG,   /* 32 */
    CQ_MIXED, /* 16, and 32 where IORING_CQE_F_32 says so */
};

struct cq {
    _Atomic uint32_t *head;  /* moved by us */
    _Atomic uint32_t *tail;  /* moved by the kernel */
    _Atomic uint32_t *flags; /* IORING_CQ_*, set by us */
    struct io_uring_cqe *cqes;
    uint32_t entries; /* a power of two */
    uint32_t mask;
    uint8_t form; /* enum cq_form */

    /* Of the CQE that was taken last: what follows its 16 bytes, and its
     * user_data; 0 if nothing does. */
    uint64_t extra_of;
    uint64_t extra[2];
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

static inline struct io_uring_sqe *sq_at(const struct sq *sq, uint32_t position)
{
    return (void *)((char *)sq->sqes +
                    (size_t)((position - sq->base) & sq->mask) * sq->stride);
}

/* The next slot to write; there must be room. The slot holds old bytes: write
 * all 64 of them. */
static inline struct io_uring_sqe *sq_next(struct sq *sq)
{
    return sq_at(sq, sq->filled++);
}

/* The same, with zeros in what a big place has beyond 64 bytes: commands are
 * read to their ends. */
static inline struct io_uring_sqe *sq_next_clear(struct sq *sq)
{
    struct io_uring_sqe *sqe = sq_next(sq);

    if (sq->stride == SQE_SIZE_BIG)
        memset((char *)sqe + SQE_SIZE, 0, SQE_SIZE_BIG - SQE_SIZE);
    return sqe;
}

/* May the next place of a mixed queue not be the first of a big request? */
static inline bool sq_wants_filler(const struct sq *sq)
{
    return sq->stride == SQE_SIZE &&
           ((sq->filled - sq->base) & sq->mask) == sq->mask;
}

/* How many places a request of 128 bytes takes. */
static inline uint32_t sq_big_places(const struct sq *sq)
{
    return sq->stride == SQE_SIZE ? SQE_BIG_PLACES : 1;
}

/* The next place for 128 bytes, all of which are to be written. */
static inline void *sq_next_big(struct sq *sq)
{
    struct io_uring_sqe *sqe = sq_at(sq, sq->filled);

    ASSERT(!sq_wants_filler(sq) && sq_room(sq) >= sq_big_places(sq));
    sq->filled += sq_big_places(sq);
    return sqe;
}

/* Show the kernel what was written. */
static inline void sq_publish(struct sq *sq)
{
    atomic_store_explicit(sq->tail, sq->filled, memory_order_release);
}

/* How many were written and not shown. */
static inline uint32_t sq_unpublished(const struct sq *sq)
{
    return sq->filled - atomic_load_explicit(sq->tail, memory_order_relaxed);
}

static inline uint32_t sq_flags(const struct sq *sq)
{
    return atomic_load_explicit(sq->flags, memory_order_relaxed);
}

/*
 * The flags, looked at after what was published is to be seen: either they tell
 * that the kernel's thread sleeps, or that sees the tail before it does, which
 * sets the flag, has a full fence, and looks. gcc's thread sanitizer knows no
 * fences. For it the flags are looked at by writing them as they are: their
 * writes have one order, so the thread's sees ours and what was before, or
 * ours its.
 */
static inline uint32_t sq_flags_after(_Atomic uint32_t *flags)
{
#if defined(__SANITIZE_THREAD__)
    return atomic_fetch_or_explicit(flags, 0, memory_order_acq_rel);
#else
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_load_explicit(flags, memory_order_relaxed);
#endif
}

/* How many places the kernel has filled, as it counts them itself. */
static inline uint32_t cq_counted(const struct cq *cq)
{
    uint32_t head = atomic_load_explicit(cq->head, memory_order_relaxed);
    uint32_t counted = atomic_load_explicit(cq->tail, memory_order_acquire) -
                       head;

    /* One may be counted twice: see cq_take_sized(). */
    ASSERT(counted <= cq->entries ||
           (cq->form == CQ_MIXED && counted == cq->entries + 1));
    return counted;
}

/* Of a mixed queue. Its flags are read before the rest: it may become a result
 * at any time. */
static inline bool cqe_is_filler(const struct io_uring_cqe *cqe)
{
    return (__atomic_load_n(&cqe->flags, __ATOMIC_ACQUIRE) &
            IORING_CQE_F_SKIP) != 0;
}

/* In how many of so many places something may be. A filler is nothing. */
static inline uint32_t cq_ready_of(const struct cq *cq, uint32_t counted)
{
    if (UNLIKELY(cq->form == CQ_MIXED) && counted == 1) {
        uint32_t head = atomic_load_explicit(cq->head, memory_order_relaxed);

        return cqe_is_filler(&cq->cqes[head & cq->mask]) ? 0 : 1;
    }
    return counted;
}

static inline uint32_t cq_ready(const struct cq *cq)
{
    return cq_ready_of(cq, cq_counted(cq));
}

/* Where the CQE that begins at this place lies. */
static inline const struct io_uring_cqe *cq_at(const struct cq *cq,
                                               uint32_t place)
{
    return &cq->cqes[(place & cq->mask) << (cq->form == CQ_BIG)];
}

/* How many places it takes. */
static inline uint32_t cq_places(const struct cq *cq,
                                 const struct io_uring_cqe *cqe)
{
    return 1U + (cq->form == CQ_MIXED && (cqe->flags & IORING_CQE_F_32) != 0);
}

/*
 * cq_take() from a queue in which there may be big ones.
 *
 * Linux, 6.18 to 7.2 at least, loses completions of a mixed queue that is all
 * but full. Where a big one meets the last place, a filler goes there; if there
 * is no room behind it, the big one waits, and the place counts as free for the
 * next small one, though it is counted twice then. So the place after it is
 * never written. Two rules keep that from doing harm: a filler is left alone
 * while nothing follows it, so what is written over it is found; and each place
 * that was taken becomes a filler, so one that was not written is passed over.
 */
static inline bool cq_take_sized(struct cq *cq, struct io_uring_cqe *cqe)
{
    uint32_t head = atomic_load_explicit(cq->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(cq->tail, memory_order_acquire);
    bool mixed = cq->form == CQ_MIXED;
    struct io_uring_cqe *at;
    uint32_t places;

    cq->extra_of = 0;
    for (;; head++) {
        at = &cq->cqes[(head & cq->mask) << (cq->form == CQ_BIG)];
        if (!mixed || !cqe_is_filler(at))
            break;
        if (head + 1 == tail)
            return false;
    }
    *cqe = *at;
    places = cq_places(cq, at);
    if (!mixed || places > 1) {
        cq->extra_of = cqe->user_data;
        memcpy(cq->extra, at + 1, sizeof cq->extra);
    }
    for (uint32_t i = 0; mixed && i < places; i++)
        at[i].flags = IORING_CQE_F_SKIP;
    atomic_store_explicit(cq->head, head + places, memory_order_release);
    return true;
}

/* Copy the oldest CQE out and give its slot back: the callback that it leads to
 * may take any time and may turn the ring. False if there is none. */
static inline bool cq_take(struct cq *cq, struct io_uring_cqe *cqe)
{
    uint32_t head = atomic_load_explicit(cq->head, memory_order_relaxed);

    if (atomic_load_explicit(cq->tail, memory_order_acquire) == head)
        return false;
    if (UNLIKELY(cq->form != CQ_SMALL))
        return cq_take_sized(cq, cqe);
    *cqe = cq->cqes[head & cq->mask];
    atomic_store_explicit(cq->head, head + 1, memory_order_release);
    return true;
}

#endif
