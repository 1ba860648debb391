/* SPDX-License-Identifier: MIT */
/*
 * waiter.h - how a call of this room waits, and how another ends its wait
 *
 * This room stands on task/ and kernel/thread.h, and knows nothing of I/O.
 *
 * A call that waits has one `struct wait` and, in the queue of each primitive it
 * waits for, one `struct waiter`; all in its own frame. Its life:
 *
 *   1  under the primitive's lock: nothing to be had, so waiter_enqueue()
 *   2  wait_run(): a task switches away, a thread sleeps on a futex
 *   3  whoever ends the wait first *claims* it (wait_claim()), gives what there
 *      is to give, and wakes it (wait_wake()). A cancel of the scope, the
 *      call's own deadline and the granters of several primitives may all try:
 *      exactly one succeeds (I12)
 *   4  the waiting call goes on. If it was not granted, its waiter may still be
 *      in the queue, and it takes it out under the lock.
 *
 * A granter works under the primitive's lock; it takes a waiter off the queue,
 * and if the claim fails, somebody else ended that wait and the waiter is passed
 * over. From the claim to the wake the frame cannot go away, and after the wake
 * the granter does not touch it. Wakes happen after the lock is given back
 * (struct wakes), for the futex's sake.
 *
 * Memory order. The claim is a compare-exchange (acquire and release); what the
 * granter wrote before wait_wake() is seen by the waiting call, by way of the
 * loop's queue of posted work or of the futex word. What waits and grants on
 * one primitive is ordered by its lock. With GYRE_LOCAL everything happens on
 * one thread, and neither lock nor claim is atomic.
 */
#ifndef SYNC_WAITER_H
#define SYNC_WAITER_H

#include <errno.h>
#include <gyre/sync.h>
#include <gyre/task.h>

#include "base/assert.h"
#include "task/task.h"

enum { WAIT_UNDECIDED = 0 }; /* outcome: then an errno, or 1 + an index */

struct wait {
    gyre_task *task; /* NULL: a plain thread waits */
    int32_t outcome;
    uint32_t word; /* the thread's futex: 1 when it was woken */
    bool local;
};

struct waiter {
    struct waiter *next;
    struct waiter *prev;
    struct wait *wait;
    void *value;    /* what is to be sent, or where it goes */
    uint32_t index; /* of the case, for select */
    uint16_t kind;  /* the primitive's own: reader, writer, ... */
    bool queued;
    bool granted; /* the primitive's own */
    uint64_t units;
};

/* ---- the primitive's lock ------------------------------------------------ */

static inline bool sync_is_local(const gyre_sync_ *sync)
{
    return (sync->flags_ & GYRE_LOCAL) != 0;
}

void sync_init(gyre_sync_ *sync, unsigned flags);

/* Panics if somebody waits: `what` is the type's name. */
void sync_destroy(const gyre_sync_ *sync, const char *what);

static inline void sync_lock(gyre_sync_ *sync)
{
    if (!sync_is_local(sync))
        gyre_spin_lock(&sync->lock_);
}

static inline void sync_unlock(gyre_sync_ *sync)
{
    if (!sync_is_local(sync))
        gyre_spin_unlock(&sync->lock_);
}

/* ---- the queue; all under the lock --------------------------------------- */

static inline bool sync_has_waiters(const gyre_sync_ *sync)
{
    return sync->first_ != NULL;
}

static inline struct waiter *sync_first(const gyre_sync_ *sync)
{
    return sync->first_;
}

void waiter_enqueue(gyre_sync_ *sync, struct waiter *waiter, struct wait *wait);
void waiter_dequeue(gyre_sync_ *sync, struct waiter *waiter);

/* ---- claim and wake ------------------------------------------------------ */

/* Decide how the wait ends; false: it was decided before. */
static inline bool wait_claim(struct wait *wait, int32_t outcome)
{
    int32_t undecided = WAIT_UNDECIDED;

    if (wait->local) {
        if (wait->outcome != WAIT_UNDECIDED)
            return false;
        wait->outcome = outcome;
        return true;
    }
    return __atomic_compare_exchange_n(&wait->outcome, &undecided, outcome,
                                       false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

/* Take a waiter off the queue for giving it something. False: somebody else
 * ended its wait; look at the next. If true, it has to be added to `wakes`. */
static inline bool waiter_claim(gyre_sync_ *sync, struct waiter *waiter)
{
    waiter_dequeue(sync, waiter);
    return wait_claim(waiter->wait, (int32_t)waiter->index + 1);
}

/* Waits that were claimed under the lock and are yet to be woken. */
struct wakes {
    struct waiter *first;
    struct waiter *last;
};

static inline void wakes_add(struct wakes *wakes, struct waiter *waiter)
{
    waiter->next = NULL;
    if (wakes->last != NULL)
        wakes->last->next = waiter;
    else
        wakes->first = waiter;
    wakes->last = waiter;
}

/* In the order in which they were added. Not under the lock. */
void wakes_run(struct wakes *wakes);

void wait_wake(struct wait *wait);

/* ---- the waiting side ---------------------------------------------------- */

/* Begin a call that may wait: 0, or why it must not (-ECANCELED, -ETIME).
 * Panics in a callback. `local`: every primitive it waits for is. */
int wait_begin(struct wait *wait, bool local);

/* Likewise for a wait that a cancel does not end. */
void wait_begin_shielded(struct wait *wait, bool local);

/*
 * Wait until claimed and woken: the outcome, 1 + index or negative. The waiter
 * is in its queue, the lock is not held. `reason` is a static string for dumps,
 * `on` what is waited for.
 */
int32_t wait_run(struct wait *wait, uint64_t deadline_ns, const char *reason,
                 const void *on);
int32_t wait_run_shielded(struct wait *wait, const char *reason,
                          const void *on);

/* Has the call's own deadline passed? Then it is not even to begin to wait. */
bool wait_is_overdue(const struct wait *wait, uint64_t deadline_ns);

/* The common tail: enqueued under the lock, which is given back here; wait; if
 * not granted, leave the queue. `left` (may be NULL) is called under the lock
 * when a waiter has left ungranted: those behind it may now have their turn. 0
 * or negative. */
int wait_in_queue(gyre_sync_ *sync, struct waiter *waiter, struct wait *wait,
                  uint64_t deadline_ns, const char *reason,
                  void (*left)(gyre_sync_ *sync, struct wakes *wakes));

/* Who calls, for owners: the running task, else the thread. */
const void *sync_caller(void);

#endif
