/* SPDX-License-Identifier: MIT */
/*
 * latch.c - counted down to 0 once; then open for good
 *
 * The count changes under the lock. It is released at each step and acquired by
 * who finds the latch open, with or without the lock: what was done before any
 * count-down is seen by all who come through.
 */
#include "sync/waiter.h"

void gyre_latch_init(gyre_latch *latch, uint64_t count, unsigned flags)
{
    *latch = (gyre_latch)GYRE_LATCH_INIT(count);
    sync_init(&latch->sync_, flags);
}

void gyre_latch_destroy(gyre_latch *latch)
{
    sync_destroy(&latch->sync_, "a latch");
}

bool gyre_latch_is_open(const gyre_latch *latch)
{
    return __atomic_load_n(&latch->count_, __ATOMIC_ACQUIRE) == 0;
}

void gyre_latch_count_down(gyre_latch *latch, uint64_t n)
{
    struct wakes wakes = { 0 };

    sync_lock(&latch->sync_);
    ASSERT_API(n <= latch->count_,
               "the latch is counted down by more than is left");
    __atomic_store_n(&latch->count_, latch->count_ - n, __ATOMIC_RELEASE);
    if (latch->count_ == 0)
        wakes_add_all(&wakes, &latch->sync_);
    sync_unlock(&latch->sync_);
    wakes_run(&wakes);
}

int gyre_latch_wait_until(gyre_latch *latch, uint64_t deadline_ns)
{
    struct waiter waiter = { 0 };
    struct wait wait;
    int err = wait_begin(&wait, sync_is_local(&latch->sync_));

    if (err < 0 || gyre_latch_is_open(latch))
        return err;
    sync_lock(&latch->sync_);
    if (latch->count_ == 0) {
        sync_unlock(&latch->sync_);
        return 0;
    }
    return wait_in_queue(&latch->sync_, &waiter, &wait, deadline_ns, "latch",
                         NULL);
}

int gyre_latch_wait(gyre_latch *latch)
{
    return gyre_latch_wait_until(latch, GYRE_NEVER);
}
