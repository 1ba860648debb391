/* SPDX-License-Identifier: MIT */
/*
 * semaphore.c - a number of units, taken several at a time, in order of arrival
 *
 * The first in line decides: nobody is given units while he has too few. So
 * each change that may help him, units given back or the one before him leaving
 * unserved, looks at the head of the queue again.
 */
#include "sync/waiter.h"

#define UNITS_MAX ((uint64_t)1 << 63)

void gyre_semaphore_init(gyre_semaphore *semaphore, uint64_t units,
                         unsigned flags)
{
    ASSERT_API(units <= UNITS_MAX, "a semaphore has at most 2^63 units");
    *semaphore = (gyre_semaphore)GYRE_SEMAPHORE_INIT(units);
    sync_init(&semaphore->sync_, flags);
}

void gyre_semaphore_destroy(gyre_semaphore *semaphore)
{
    sync_destroy(&semaphore->sync_, "a semaphore");
}

uint64_t gyre_semaphore_units(const gyre_semaphore *semaphore)
{
    return __atomic_load_n(&semaphore->units_, __ATOMIC_RELAXED);
}

static void units_set(gyre_semaphore *semaphore, uint64_t units)
{
    __atomic_store_n(&semaphore->units_, units, __ATOMIC_RELAXED);
}

static bool take(gyre_semaphore *semaphore, uint64_t units)
{
    if (sync_has_waiters(&semaphore->sync_) || semaphore->units_ < units)
        return false;
    units_set(semaphore, semaphore->units_ - units);
    return true;
}

/* Serve from the head as long as there is enough. */
static void serve(gyre_sync_ *sync, struct wakes *wakes)
{
    gyre_semaphore *semaphore = CONTAINER_OF(sync, gyre_semaphore, sync_);
    struct waiter *first;

    while ((first = sync_first(sync)) != NULL &&
           first->units <= semaphore->units_) {
        if (!waiter_claim(sync, first))
            continue;
        units_set(semaphore, semaphore->units_ - first->units);
        wakes_add(wakes, first);
    }
}

bool gyre_semaphore_try_acquire(gyre_semaphore *semaphore, uint64_t units)
{
    bool taken;

    sync_lock(&semaphore->sync_);
    taken = take(semaphore, units);
    sync_unlock(&semaphore->sync_);
    return taken;
}

int gyre_semaphore_acquire_until(gyre_semaphore *semaphore, uint64_t units,
                                 uint64_t deadline_ns)
{
    struct waiter waiter = { .units = units };
    struct wait wait;
    int err = wait_begin(&wait, sync_is_local(&semaphore->sync_));

    if (err < 0)
        return err;
    sync_lock(&semaphore->sync_);
    if (take(semaphore, units)) {
        sync_unlock(&semaphore->sync_);
        return 0;
    }
    return wait_in_queue(&semaphore->sync_, &waiter, &wait, deadline_ns,
                         "semaphore", serve);
}

int gyre_semaphore_acquire(gyre_semaphore *semaphore, uint64_t units)
{
    return gyre_semaphore_acquire_until(semaphore, units, GYRE_NEVER);
}

void gyre_semaphore_release(gyre_semaphore *semaphore, uint64_t units)
{
    struct wakes wakes = { 0 };

    sync_lock(&semaphore->sync_);
    ASSERT_API(units <= UNITS_MAX - semaphore->units_,
               "the semaphore would have more than 2^63 units");
    units_set(semaphore, semaphore->units_ + units);
    serve(&semaphore->sync_, &wakes);
    sync_unlock(&semaphore->sync_);
    wakes_run(&wakes);
}
