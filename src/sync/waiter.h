/* SPDX-License-Identifier: MIT */
/*
 * waiter.h - how a call of this room waits, and how another ends its wait
 *
 * This room stands on task/ and kernel/thread.h, and knows nothing of I/O.
 *
 * A call that waits has one `struct wait` and, in the queue of each primitive
 * it waits for, one `struct waiter`; all in its own frame. Its life:
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
 * and if the claim fails, somebody else ended that wait and the waiter is
 * passed over. From the claim to the wake the frame cannot go away, and after
 * the wake the granter does not touch it. Wakes happen after the lock is given
 * back (struct wakes), for the futex's sake, and because who is woken may end
 * the primitive: so the lock's release is the last touch of a primitive, and
 * its _destroy() takes the lock once more. A waiter that was passed over is
 * still to come for the lock, and is counted until it has.
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
#include "loop/loop.h"
#include "task/task.h"

/* The outcome of a wait. Decided, it is an errno, or 1 + an index. */
enum {
    WAIT_UNDECIDED = 0,
    WAIT_HELD = INT32_MIN /* for a moment, see wait_hold() */
};

struct wait {
    gyre_task *task; /* NULL: a plain thread waits */
    int32_t outcome;
    uint32_t word; /* the thread's futex: 1 when it was woken */
    bool local;
    bool shielded; /* no cancel ends it */
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

/* flags_: above the flags, how many waiters were passed over and are yet to
 * leave. Written under the lock, read without. */
enum { SYNC_FLAGS = GYRE_LOCAL, SYNC_ONE_PASSED = 1 << 1 };

static inline bool sync_is_local(const gyre_sync_ *sync)
{
    return (__atomic_load_n(&sync->flags_, __ATOMIC_RELAXED) & GYRE_LOCAL) != 0;
}

void sync_init(gyre_sync_ *sync, unsigned flags);

/* Panics if somebody waits: `what` is the type's name. Waits until whoever
 * ended the last wait has given the lock back. */
void sync_destroy(gyre_sync_ *sync, const char *what);

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

/* The waiting call takes a waiter out that was not granted: it is still queued,
 * or was passed over. Each waiter either leaves or was claimed. */
void waiter_leave(gyre_sync_ *sync, struct waiter *waiter);

/* ---- claim and wake ------------------------------------------------------ */

/* Decide how the wait ends; false: it was decided before. */
bool wait_claim(struct wait *wait, int32_t outcome);

/* Take a waiter off the queue for giving it something. False: somebody else
 * ended its wait, it is passed over; look at the next. If true, it has to be
 * added to `wakes`. */
bool waiter_claim(gyre_sync_ *sync, struct waiter *waiter);

/* The first of them that can be claimed, claimed; NULL: there is none. */
struct waiter *sync_claim_first(gyre_sync_ *sync);

/*
 * For who can give only to several at once (a barrier). Hold one wait after the
 * other, which keeps cancel and deadline from deciding it; false: it is
 * decided. Then claim all that are held, or let all go. Under the primitive's
 * lock from first to last; a cancel that comes meanwhile spins.
 */
bool wait_hold(struct wait *wait);
bool wait_is_held(const struct wait *wait);
void wait_let_go(struct wait *wait);
void waiter_claim_held(gyre_sync_ *sync, struct waiter *waiter);

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

/* Claim all who wait, in order. */
void wakes_add_all(struct wakes *wakes, gyre_sync_ *sync);

void wakes_run_all(struct wakes *wakes);

/* In the order in which they were added. Not under the lock. */
static inline void wakes_run(struct wakes *wakes)
{
    if (wakes->first != NULL)
        wakes_run_all(wakes);
}

void wait_wake(struct wait *wait);

/* ---- the waiting side ---------------------------------------------------- */

/* Panics where a plain thread must not wait. */
void wait_check_thread(bool local);

static inline void wait_init(struct wait *wait, bool local, bool shielded)
{
    wait->task = task_self;
    wait->outcome = WAIT_UNDECIDED;
    wait->word = 0;
    wait->local = local;
    wait->shielded = shielded;
    if (UNLIKELY(wait->task == NULL))
        wait_check_thread(local);
}

/* Begin a call that may wait: 0, or why it must not (-ECANCELED, -ETIME).
 * Panics in a callback. `local`: every primitive it waits for is. */
static inline int wait_begin(struct wait *wait, bool local)
{
    wait_init(wait, local, false);
    return wait->task != NULL ? task_cancelled(wait->task) : 0;
}

/* Likewise for a wait that a cancel does not end. */
static inline void wait_begin_shielded(struct wait *wait, bool local)
{
    wait_init(wait, local, true);
}

/*
 * Wait until claimed and woken: the outcome, 1 + index or negative. The waiter
 * is in its queue, the lock is not held. `reason` is a static string for dumps,
 * `on` what is waited for.
 */
int32_t wait_run(struct wait *wait, uint64_t deadline_ns, const char *reason,
                 const void *on);

/* Has the call's own deadline passed? Then it is not even to begin to wait. */
bool wait_is_overdue(const struct wait *wait, uint64_t deadline_ns);

/*
 * The common tail: wait; if not granted, leave the queue. Under the lock, which
 * is given back here. `left` (may be NULL) is called under the lock when a
 * waiter has left ungranted, or was not even queued because its deadline has
 * passed: those behind it may now have their turn. 0 or negative.
 */
int wait_in_queue(gyre_sync_ *sync, struct waiter *waiter, struct wait *wait,
                  uint64_t deadline_ns, const char *reason,
                  void (*left)(gyre_sync_ *sync, struct wakes *wakes));

/* Likewise for a waiter that is queued already, without the lock. */
int wait_queued(gyre_sync_ *sync, struct waiter *waiter, struct wait *wait,
                uint64_t deadline_ns, const char *reason,
                void (*left)(gyre_sync_ *sync, struct wakes *wakes));

/* Who calls, for owners: the running task, else the thread. */
static inline const void *sync_caller(void)
{
    return task_self != NULL ? (const void *)task_self : loop_thread();
}

#endif
