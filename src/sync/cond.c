/* SPDX-License-Identifier: MIT */
/*
 * cond.c - wait for a notify, without the mutex meanwhile
 *
 * The waiter is queued before the mutex is given back, so whoever notifies
 * after he has changed what the mutex guards finds it: no notify is lost. A
 * notify that meets a wait which a cancel or a deadline has just ended goes to
 * the next.
 *
 * The mutex is locked again in the order of the wakes, and whatever becomes of
 * the caller's scope.
 */
#include "sync/mutex.h"
#include "sync/waiter.h"

void gyre_cond_init(gyre_cond *cond, unsigned flags)
{
    *cond = (gyre_cond)GYRE_COND_INIT;
    sync_init(&cond->sync_, flags);
}

void gyre_cond_destroy(gyre_cond *cond)
{
    sync_destroy(&cond->sync_, "a condition variable");
}

int gyre_cond_wait_until(gyre_cond *cond, gyre_mutex *mutex,
                         uint64_t deadline_ns)
{
    struct waiter waiter = { 0 };
    struct wait wait;
    int err = wait_begin(&wait, sync_is_local(&cond->sync_));

    ASSERT_API(gyre_mutex_is_mine(mutex),
               "who waits for a condition holds its mutex");
    if (err < 0)
        return err;
    if (wait_is_overdue(&wait, deadline_ns))
        return -ETIMEDOUT;
    sync_lock(&cond->sync_);
    waiter_enqueue(&cond->sync_, &waiter, &wait);
    sync_unlock(&cond->sync_);
    gyre_mutex_unlock(mutex);
    err = wait_queued(&cond->sync_, &waiter, &wait, deadline_ns, "condition",
                      NULL);
    mutex_lock_shielded(mutex);
    return err;
}

int gyre_cond_wait(gyre_cond *cond, gyre_mutex *mutex)
{
    return gyre_cond_wait_until(cond, mutex, GYRE_NEVER);
}

int gyre_cond_wait_for(gyre_cond *cond, gyre_mutex *mutex,
                       bool (*holds)(void *arg), void *arg,
                       uint64_t deadline_ns)
{
    int err = 0;

    ASSERT_API(gyre_mutex_is_mine(mutex),
               "who waits for a condition holds its mutex");
    while (!holds(arg)) {
        if (err < 0)
            return err;
        err = gyre_cond_wait_until(cond, mutex, deadline_ns);
    }
    return 0;
}

void gyre_cond_notify_one(gyre_cond *cond)
{
    struct wakes wakes = { 0 };
    struct waiter *first;

    sync_lock(&cond->sync_);
    first = sync_claim_first(&cond->sync_);
    if (first != NULL)
        wakes_add(&wakes, first);
    sync_unlock(&cond->sync_);
    wakes_run(&wakes);
}

void gyre_cond_notify_all(gyre_cond *cond)
{
    struct wakes wakes = { 0 };

    sync_lock(&cond->sync_);
    wakes_add_all(&wakes, &cond->sync_);
    sync_unlock(&cond->sync_);
    wakes_run(&wakes);
}
