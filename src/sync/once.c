/* SPDX-License-Identifier: MIT */
/*
 * once.c - done by the first who comes, and by the next in line if he fails
 *
 * While somebody is at it the state is RUNNING and `runner_` says who. He hands
 * over to the first in line when he has failed; when he has succeeded, all who
 * wait are told by the `kind` in their waiters, and all who come later by the
 * state alone: its release and acquire show what he wrote.
 */
#include "sync/waiter.h"

enum { NEW = 0, RUNNING = 1, DONE = 2 };

void gyre_once_init(gyre_once *once, unsigned flags)
{
    *once = (gyre_once)GYRE_ONCE_INIT;
    sync_init(&once->sync_, flags);
}

void gyre_once_destroy(gyre_once *once)
{
    sync_destroy(&once->sync_, "a once");
    ASSERT_API(once->state_ != RUNNING,
               "a once is destroyed while its function runs");
}

bool gyre_once_is_done(const gyre_once *once)
{
    return __atomic_load_n(&once->state_, __ATOMIC_ACQUIRE) == DONE;
}

static void state_set(gyre_once *once, uint32_t state, const void *runner)
{
    once->runner_ = runner;
    __atomic_store_n(&once->state_, state, __ATOMIC_RELEASE);
}

static void succeeded(gyre_once *once)
{
    struct wakes wakes = { 0 };
    struct waiter *waiter;

    sync_lock(&once->sync_);
    state_set(once, DONE, NULL);
    while ((waiter = sync_claim_first(&once->sync_)) != NULL) {
        waiter->kind = DONE;
        wakes_add(&wakes, waiter);
    }
    sync_unlock(&once->sync_);
    wakes_run(&wakes);
}

static void failed(gyre_once *once)
{
    struct wakes wakes = { 0 };
    struct waiter *next;

    sync_lock(&once->sync_);
    next = sync_claim_first(&once->sync_);
    if (next != NULL) {
        next->kind = RUNNING;
        state_set(once, RUNNING, next->value);
        wakes_add(&wakes, next);
    } else {
        state_set(once, NEW, NULL);
    }
    sync_unlock(&once->sync_);
    wakes_run(&wakes);
}

/* Wait for one's turn, or until it is done. The latter: DONE. Or an error. */
static int turn_or_done(gyre_once *once, struct wait *wait)
{
    const void *who = sync_caller();
    struct waiter waiter = { .value = (void *)(uintptr_t)who };
    int err;

    sync_lock(&once->sync_);
    if (once->state_ != RUNNING) {
        if (once->state_ == DONE)
            waiter.kind = DONE;
        else
            state_set(once, RUNNING, who);
        sync_unlock(&once->sync_);
        return waiter.kind;
    }
    ASSERT_API(once->runner_ != who,
               "the function runs itself once more, and would wait for itself");
    err = wait_in_queue(&once->sync_, &waiter, wait, GYRE_NEVER, "once", NULL);
    return err < 0 ? err : waiter.kind;
}

int gyre_once_run(gyre_once *once, int (*fn)(void *arg), void *arg)
{
    struct wait wait;
    int result;

    if (gyre_once_is_done(once))
        return 0;
    result = wait_begin(&wait, sync_is_local(&once->sync_));
    if (result == 0)
        result = turn_or_done(once, &wait);
    if (result < 0)
        return result;
    if (result == DONE)
        return 0;
    result = fn(arg);
    if (result < 0) {
        failed(once);
        return result;
    }
    succeeded(once);
    return 0;
}
