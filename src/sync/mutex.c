/* SPDX-License-Identifier: MIT */
/*
 * mutex.c - one holder at a time, in order of arrival
 *
 * The state word has two bits. While nobody waits, lock and unlock are one
 * compare-exchange each and do not touch the queue's lock. WAITERS is set,
 * under that lock, by who is about to wait; from then on unlock comes under the
 * lock too, and hands the mutex over: the state stays LOCKED and the next
 * holder's name is written before it is woken. So nobody can come in between.
 *
 * Orderings. Taking (compare-exchange from OPEN) acquires what unlock released;
 * a hand-over is ordered by the wake, see waiter.h. tests/model/test_mutex.c is
 * the model of this.
 */
#include "sync/mutex.h"

#include "sync/waiter.h"

enum { OPEN = 0, LOCKED = 1, WAITERS = 2 };

static bool state_change(gyre_mutex *mutex, uint32_t from, uint32_t to)
{
    if (sync_is_local(&mutex->sync_)) {
        if (mutex->state_ != from)
            return false;
        mutex->state_ = to;
        return true;
    }
    return __atomic_compare_exchange_n(&mutex->state_, &from, to, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static uint32_t state_get(const gyre_mutex *mutex)
{
    return __atomic_load_n(&mutex->state_, __ATOMIC_RELAXED);
}

/* Other threads may look, for gyre_mutex_is_mine(): they see some other owner,
 * or none, never themselves. */
static void owner_set(gyre_mutex *mutex, const void *owner)
{
    __atomic_store_n(&mutex->owner_, owner, __ATOMIC_RELAXED);
}

void gyre_mutex_init(gyre_mutex *mutex, unsigned flags)
{
    *mutex = (gyre_mutex)GYRE_MUTEX_INIT;
    sync_init(&mutex->sync_, flags);
}

void gyre_mutex_destroy(gyre_mutex *mutex)
{
    sync_destroy(&mutex->sync_, "a mutex");
    ASSERT_API(state_get(mutex) == OPEN, "the mutex is still locked");
}

bool gyre_mutex_is_mine(const gyre_mutex *mutex)
{
    return __atomic_load_n(&mutex->owner_, __ATOMIC_RELAXED) == sync_caller();
}

/* For dumps. */
static const void *owner_get(const void *mutex)
{
    return __atomic_load_n(&((const gyre_mutex *)mutex)->owner_,
                           __ATOMIC_RELAXED);
}

bool gyre_mutex_try_lock(gyre_mutex *mutex)
{
    if (!state_change(mutex, OPEN, LOCKED))
        return false;
    owner_set(mutex, sync_caller());
    return true;
}

/* Under the queue's lock: take the mutex, or leave word that somebody waits. */
static bool take_or_mark(gyre_mutex *mutex)
{
    for (;;) {
        if (state_change(mutex, OPEN, LOCKED))
            return true;
        if (state_get(mutex) == (LOCKED | WAITERS) ||
            state_change(mutex, LOCKED, LOCKED | WAITERS))
            return false;
    }
}

/* Under the queue's lock, after a waiter has left it. */
static void unmark_if_empty(gyre_sync_ *sync, struct wakes *wakes)
{
    gyre_mutex *mutex = CONTAINER_OF(sync, gyre_mutex, sync_);

    (void)wakes;
    if (!sync_has_waiters(sync))
        (void)state_change(mutex, LOCKED | WAITERS, LOCKED);
}

static int lock_slowly(gyre_mutex *mutex, struct wait *wait,
                       uint64_t deadline_ns, const char *reason)
{
    struct waiter waiter = { .value = (void *)(uintptr_t)sync_caller() };
    int err;

    ASSERT_API(!gyre_mutex_is_mine(mutex),
               "the caller holds this mutex already, and would wait for "
               "itself");
    __atomic_store_n(&task_mutex_owner, owner_get, __ATOMIC_RELAXED);
    sync_lock(&mutex->sync_);
    if (take_or_mark(mutex)) {
        sync_unlock(&mutex->sync_);
        owner_set(mutex, sync_caller());
        return 0;
    }
    err = wait_in_queue(&mutex->sync_, &waiter, wait, deadline_ns, reason,
                        unmark_if_empty);
    ASSERT(err < 0 || gyre_mutex_is_mine(mutex)); /* handed over */
    return err;
}

void mutex_lock_shielded(gyre_mutex *mutex)
{
    struct wait wait;
    int err = 0;

    wait_begin_shielded(&wait, sync_is_local(&mutex->sync_));
    if (LIKELY(state_change(mutex, OPEN, LOCKED)))
        owner_set(mutex, sync_caller());
    else
        err = lock_slowly(mutex, &wait, GYRE_NEVER, "mutex, shielded");
    ASSERT(err == 0);
}

int gyre_mutex_lock_until(gyre_mutex *mutex, uint64_t deadline_ns)
{
    struct wait wait;
    int err = wait_begin(&wait, sync_is_local(&mutex->sync_));

    if (err < 0)
        return err;
    if (LIKELY(state_change(mutex, OPEN, LOCKED))) {
        owner_set(mutex, sync_caller());
        return 0;
    }
    return lock_slowly(mutex, &wait, deadline_ns, "mutex");
}

int gyre_mutex_lock(gyre_mutex *mutex)
{
    return gyre_mutex_lock_until(mutex, GYRE_NEVER);
}

static void unlock_slowly(gyre_mutex *mutex)
{
    gyre_sync_ *sync = &mutex->sync_;
    struct wakes wakes = { 0 };
    struct waiter *next;

    sync_lock(sync);
    next = sync_claim_first(sync);
    if (next != NULL) {
        owner_set(mutex, next->value);
        wakes_add(&wakes, next);
        unmark_if_empty(sync, NULL);
    } else { /* all of them had been cancelled */
        __atomic_store_n(&mutex->state_, OPEN, __ATOMIC_RELEASE);
    }
    sync_unlock(sync);
    wakes_run(&wakes);
}

void gyre_mutex_unlock(gyre_mutex *mutex)
{
    ASSERT_API(gyre_mutex_is_mine(mutex),
               "the caller does not hold this mutex");
    owner_set(mutex, NULL);
    if (UNLIKELY(!state_change(mutex, LOCKED, OPEN)))
        unlock_slowly(mutex);
}

gyre_guard gyre_guard_begin(gyre_mutex *mutex)
{
    return (gyre_guard){ .mutex = mutex, .error = gyre_mutex_lock(mutex) };
}

void gyre_guard_end(gyre_guard *guard)
{
    if (guard->error == 0)
        gyre_mutex_unlock(guard->mutex);
}
