/* SPDX-License-Identifier: MIT */
/*
 * barrier.c - so many go on together when the last of them has come
 *
 * `arrived_` counts those in the queue, which may include some whose wait a
 * cancel or a deadline has ended and who are yet to leave; they do not count as
 * arrived any more. A claim cannot be taken back, so the last to come must know
 * that all claims will succeed before he makes the first: he holds every wait
 * (wait_hold()), and if there are too few lets all go and waits, too.
 */
#include "sync/waiter.h"

void gyre_barrier_init(gyre_barrier *barrier, uint32_t parties, unsigned flags)
{
    ASSERT_API(parties > 0, "a barrier has at least one party");
    *barrier = (gyre_barrier)GYRE_BARRIER_INIT(parties);
    sync_init(&barrier->sync_, flags);
}

void gyre_barrier_destroy(gyre_barrier *barrier)
{
    sync_destroy(&barrier->sync_, "a barrier");
}

static uint32_t hold_all(const gyre_barrier *barrier)
{
    uint32_t held = 0;

    for (struct waiter *at = sync_first(&barrier->sync_); at != NULL;
         at = at->next)
        held += wait_hold(at->wait);
    ASSERT(held < barrier->parties_);
    return held;
}

static void let_all_go(const gyre_barrier *barrier)
{
    for (struct waiter *at = sync_first(&barrier->sync_); at != NULL;
         at = at->next)
        if (wait_is_held(at->wait))
            wait_let_go(at->wait);
}

static void claim_all(gyre_barrier *barrier, struct wakes *wakes)
{
    struct waiter *next;

    for (struct waiter *at = sync_first(&barrier->sync_); at != NULL;
         at = next) {
        next = at->next;
        if (!wait_is_held(at->wait))
            continue; /* it leaves by itself, and takes back its arrival */
        waiter_claim_held(&barrier->sync_, at);
        wakes_add(wakes, at);
        barrier->arrived_--;
    }
}

/* Is the caller the last to come? Then all the others are let through. */
static bool open_if_last(gyre_barrier *barrier, struct wakes *wakes)
{
    if (barrier->arrived_ + 1 < barrier->parties_)
        return false;
    if (hold_all(barrier) + 1 < barrier->parties_) {
        let_all_go(barrier);
        return false;
    }
    claim_all(barrier, wakes);
    return true;
}

static void take_back(gyre_sync_ *sync, struct wakes *wakes)
{
    gyre_barrier *barrier = CONTAINER_OF(sync, gyre_barrier, sync_);

    (void)wakes;
    ASSERT(barrier->arrived_ > 0);
    barrier->arrived_--;
}

int gyre_barrier_wait_until(gyre_barrier *barrier, uint64_t deadline_ns)
{
    struct wakes wakes = { 0 };
    struct waiter waiter = { 0 };
    struct wait wait;
    int err = wait_begin(&wait, sync_is_local(&barrier->sync_));

    ASSERT_API(barrier->parties_ > 0, "a barrier has at least one party");
    if (err < 0)
        return err;
    sync_lock(&barrier->sync_);
    if (open_if_last(barrier, &wakes)) {
        sync_unlock(&barrier->sync_);
        wakes_run(&wakes);
        return 1;
    }
    barrier->arrived_++;
    return wait_in_queue(&barrier->sync_, &waiter, &wait, deadline_ns,
                         "barrier", take_back);
}

int gyre_barrier_wait(gyre_barrier *barrier)
{
    return gyre_barrier_wait_until(barrier, GYRE_NEVER);
}
