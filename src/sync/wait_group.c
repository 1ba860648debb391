/* SPDX-License-Identifier: MIT */
/*
 * wait_group.c - a count of work in progress, and who waits for none
 *
 * As a latch that also counts up. Whoever waits when the count becomes 0 is
 * woken, also if it has risen again before he runs.
 */
#include "sync/waiter.h"

#define COUNT_MAX ((uint64_t)1 << 63)

void gyre_wait_group_init(gyre_wait_group *group, unsigned flags)
{
    *group = (gyre_wait_group)GYRE_WAIT_GROUP_INIT;
    sync_init(&group->sync_, flags);
}

void gyre_wait_group_destroy(gyre_wait_group *group)
{
    sync_destroy(&group->sync_, "a wait group");
}

static void count_set(gyre_wait_group *group, uint64_t count)
{
    __atomic_store_n(&group->count_, count, __ATOMIC_RELEASE);
}

void gyre_wait_group_add(gyre_wait_group *group, uint64_t n)
{
    sync_lock(&group->sync_);
    ASSERT_API(n <= COUNT_MAX - group->count_,
               "the wait group counts more than 2^63");
    count_set(group, group->count_ + n);
    sync_unlock(&group->sync_);
}

void gyre_wait_group_done(gyre_wait_group *group)
{
    struct wakes wakes = { 0 };

    sync_lock(&group->sync_);
    ASSERT_API(group->count_ > 0,
               "the wait group is done more often than was added");
    count_set(group, group->count_ - 1);
    if (group->count_ == 0)
        wakes_add_all(&wakes, &group->sync_);
    sync_unlock(&group->sync_);
    wakes_run(&wakes);
}

int gyre_wait_group_wait_until(gyre_wait_group *group, uint64_t deadline_ns)
{
    struct waiter waiter = { 0 };
    struct wait wait;
    int err = wait_begin(&wait, sync_is_local(&group->sync_));

    if (err < 0 || __atomic_load_n(&group->count_, __ATOMIC_ACQUIRE) == 0)
        return err;
    sync_lock(&group->sync_);
    if (group->count_ == 0) {
        sync_unlock(&group->sync_);
        return 0;
    }
    return wait_in_queue(&group->sync_, &waiter, &wait, deadline_ns,
                         "wait group", NULL);
}

int gyre_wait_group_wait(gyre_wait_group *group)
{
    return gyre_wait_group_wait_until(group, GYRE_NEVER);
}
