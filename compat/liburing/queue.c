/* SPDX-License-Identifier: MIT */
/*
 * queue.c - submitting, and getting at CQEs
 *
 * The half of liburing that is no inline function of liburing.h. A call enters
 * if there is something to submit, to wait for, or to collect that shows only
 * in a kernel: overflown CQEs, work that is run when its thread enters, and all
 * of an emulated ring's.
 */
#include <errno.h>
#include <stdatomic.h>

#include "library.h"

static unsigned sq_flags_of(const struct io_uring *ring)
{
    return atomic_load_explicit(ring->sq.flags, memory_order_relaxed);
}

static bool collects_by_entering(const struct io_uring *ring)
{
    return (ring->flags & IORING_SETUP_IOPOLL) != 0 ||
           (sq_flags_of(ring) & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) !=
               0;
}

/* The flags, when the tail was shown before. gcc's thread sanitizer knows no
 * fences; see ring/queue.h. */
static unsigned flags_after(_Atomic unsigned *flags)
{
#if defined(__SANITIZE_THREAD__)
    return atomic_fetch_or_explicit(flags, 0, memory_order_acq_rel);
#else
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_load_explicit(flags, memory_order_relaxed);
#endif
}

/* Must the kernel be told of `count` SQEs? With SQPOLL only if its thread
 * sleeps. */
static bool submits_by_entering(const struct io_uring *ring, unsigned count,
                                unsigned *flags)
{
    if (count == 0)
        return false;
    if ((ring->flags & IORING_SETUP_SQPOLL) == 0)
        return true;
    if ((flags_after(ring->sq.flags) & IORING_SQ_NEED_WAKEUP) == 0)
        return false;
    *flags |= IORING_ENTER_SQ_WAKEUP;
    return true;
}

static int enter(const struct io_uring *ring, unsigned submit, unsigned want,
                 unsigned flags, const void *argument, size_t size)
{
    if ((ring->int_flags & LIBRARY_REGISTERED) != 0)
        flags |= IORING_ENTER_REGISTERED_RING;
    return library_enter((unsigned)ring->enter_ring_fd, submit, want, flags,
                         argument, size);
}

/* Show the kernel what was filled: how many it has not taken. */
static unsigned publish(struct io_uring *ring)
{
    struct io_uring_sq *sq = &ring->sq;

    if (sq->sqe_head != sq->sqe_tail) {
        sq->sqe_head = sq->sqe_tail;
        atomic_store_explicit(sq->tail, sq->sqe_tail, memory_order_release);
    }
    return sq->sqe_tail - atomic_load_explicit(sq->head, memory_order_acquire);
}

struct io_uring_sqe *io_uring_get_sqe(struct io_uring *ring)
{
    struct io_uring_sq *sq = &ring->sq;
    uint32_t head = atomic_load_explicit(sq->head, memory_order_acquire);
    unsigned shift = (ring->flags & IORING_SETUP_SQE128) != 0 ? 1 : 0;

    if (sq->sqe_tail - head >= sq->entries)
        return NULL;
    return &sq->sqes[(sq->sqe_tail++ & sq->mask) << shift];
}

/* ---- submitting ---------------------------------------------------------- */

static int submit(struct io_uring *ring, unsigned want, bool collect)
{
    unsigned count = publish(ring), flags = 0;
    bool looks = collect || want > 0 || collects_by_entering(ring);

    if (!submits_by_entering(ring, count, &flags) && !looks)
        return (int)count;
    if (looks)
        flags |= IORING_ENTER_GETEVENTS;
    return enter(ring, count, want, flags, NULL, _NSIG / 8);
}

int io_uring_submit(struct io_uring *ring)
{
    return submit(ring, 0, false);
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned want)
{
    return submit(ring, want, false);
}

int io_uring_submit_and_get_events(struct io_uring *ring)
{
    return submit(ring, 0, true);
}

int io_uring_get_events(struct io_uring *ring)
{
    return enter(ring, 0, 0, IORING_ENTER_GETEVENTS, NULL, _NSIG / 8);
}

int __io_uring_sqring_wait(struct io_uring *ring)
{
    return enter(ring, 0, 0, IORING_ENTER_SQ_WAIT, NULL, _NSIG / 8);
}

/* ---- waiting ------------------------------------------------------------- */

/* The oldest CQE, which stays in the CQ, or NULL; and how many there are. */
static struct io_uring_cqe *peek(const struct io_uring *ring, unsigned *count)
{
    const struct io_uring_cq *cq = &ring->cq;
    uint32_t head = atomic_load_explicit(cq->head, memory_order_relaxed);
    unsigned shift = (ring->flags & IORING_SETUP_CQE32) != 0 ? 1 : 0;

    *count = atomic_load_explicit(cq->tail, memory_order_acquire) - head;
    return *count > 0 ? &cq->cqes[(head & cq->mask) << shift] : NULL;
}

struct get {
    unsigned submit;
    unsigned want;
    unsigned flags;
    const void *argument;
    size_t size;
    bool timed;
};

/* One round of get(): true if there is another. */
static bool get_once(struct io_uring *ring, struct io_uring_cqe **cqe,
                     struct get *get, bool first, int *result)
{
    unsigned count, flags = 0;
    bool enters = false;
    int taken;

    *cqe = peek(ring, &count);
    if (*cqe == NULL && get->want == 0 && get->submit == 0) {
        bool emulated = (ring->int_flags & LIBRARY_EMULATED) != 0;

        if (!first || (!emulated && !collects_by_entering(ring))) {
            if (*result == 0)
                *result = -EAGAIN;
            return false;
        }
        enters = true;
    }
    if (get->want > count || enters) {
        flags = IORING_ENTER_GETEVENTS | get->flags;
        enters = true;
    }
    if (submits_by_entering(ring, get->submit, &flags))
        enters = true;
    if (!enters)
        return false;
    if (!first && get->timed) {
        if (*cqe == NULL && *result == 0)
            *result = -ETIME;
        return false;
    }
    taken =
        enter(ring, get->submit, get->want, flags, get->argument, get->size);
    if (taken < 0) {
        if (*result == 0)
            *result = taken;
        return false;
    }
    get->submit -= (unsigned)taken;
    if (*cqe != NULL)
        return false;
    if (first)
        *result = taken;
    return true;
}

static int get(struct io_uring *ring, struct io_uring_cqe **cqe,
               struct get *get)
{
    bool first = true;
    int result = 0;

    while (get_once(ring, cqe, get, first, &result))
        first = false;
    return result;
}

int __io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
                       unsigned count, unsigned want, sigset_t *sigmask)
{
    struct get asked = {
        .submit = count,
        .want = want,
        .argument = sigmask,
        .size = _NSIG / 8,
    };

    return get(ring, cqe, &asked);
}

static int get_until(struct io_uring *ring, struct io_uring_cqe **cqe,
                     unsigned count, unsigned want,
                     const struct ring_timespec *timeout,
                     const sigset_t *sigmask)
{
    const struct io_uring_getevents_arg argument = {
        .sigmask = (uintptr_t)sigmask,
        .sigmask_sz = _NSIG / 8,
        .ts = (uintptr_t)timeout,
    };
    struct get asked = {
        .submit = count,
        .want = want,
        .flags = IORING_ENTER_EXT_ARG,
        .argument = &argument,
        .size = sizeof argument,
        .timed = true,
    };

    return get(ring, cqe, &asked);
}

int io_uring_wait_cqes(struct io_uring *ring, struct io_uring_cqe **cqe,
                       unsigned want, struct ring_timespec *timeout,
                       sigset_t *sigmask)
{
    if (timeout == NULL)
        return __io_uring_get_cqe(ring, cqe, 0, want, sigmask);
    return get_until(ring, cqe, 0, want, timeout, sigmask);
}

int io_uring_wait_cqe_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                              struct ring_timespec *timeout)
{
    return io_uring_wait_cqes(ring, cqe, 1, timeout, NULL);
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring,
                                     struct io_uring_cqe **cqe, unsigned want,
                                     struct ring_timespec *timeout,
                                     sigset_t *sigmask)
{
    unsigned count = publish(ring);

    if (timeout == NULL)
        return __io_uring_get_cqe(ring, cqe, count, want, sigmask);
    return get_until(ring, cqe, count, want, timeout, sigmask);
}

unsigned io_uring_peek_batch_cqe(struct io_uring *ring,
                                 struct io_uring_cqe **cqes, unsigned most)
{
    const struct io_uring_cq *cq = &ring->cq;
    unsigned shift = (ring->flags & IORING_SETUP_CQE32) != 0 ? 1 : 0;
    unsigned count;
    uint32_t head;

    if (peek(ring, &count) == NULL &&
        ((ring->int_flags & LIBRARY_EMULATED) != 0 ||
         collects_by_entering(ring))) {
        (void)io_uring_get_events(ring);
        (void)peek(ring, &count);
    }
    if (count > most)
        count = most;
    head = atomic_load_explicit(cq->head, memory_order_relaxed);
    for (unsigned i = 0; i < count; i++)
        cqes[i] = &cq->cqes[((head + i) & cq->mask) << shift];
    return count;
}
