/* SPDX-License-Identifier: MIT */
/*
 * event.c - set once, with a value, for all who wait and all who come later
 *
 * Value and flag change under the lock. Who waits is handed the value when the
 * event is set, in his own frame, so that a reset cannot take it away. `set_`
 * is also read without the lock: its release and acquire show what was done
 * before the event was set.
 */
#include "sync/waiter.h"

void gyre_event_init(gyre_event *event, unsigned flags)
{
    *event = (gyre_event)GYRE_EVENT_INIT;
    sync_init(&event->sync_, flags);
}

void gyre_event_destroy(gyre_event *event)
{
    sync_destroy(&event->sync_, "an event");
}

bool gyre_event_is_set(const gyre_event *event)
{
    return __atomic_load_n(&event->set_, __ATOMIC_ACQUIRE) != 0;
}

int gyre_event_set(gyre_event *event, void *value)
{
    struct wakes wakes = { 0 };
    struct waiter *waiter;

    sync_lock(&event->sync_);
    if (event->set_ != 0) {
        sync_unlock(&event->sync_);
        return -EALREADY;
    }
    event->value_ = value;
    __atomic_store_n(&event->set_, 1, __ATOMIC_RELEASE);
    while ((waiter = sync_claim_first(&event->sync_)) != NULL) {
        waiter->value = value;
        wakes_add(&wakes, waiter);
    }
    sync_unlock(&event->sync_);
    wakes_run(&wakes);
    return 0;
}

void gyre_event_reset(gyre_event *event)
{
    sync_lock(&event->sync_);
    event->value_ = NULL;
    __atomic_store_n(&event->set_, 0, __ATOMIC_RELEASE);
    sync_unlock(&event->sync_);
}

int gyre_event_wait_until(gyre_event *event, void **value, uint64_t deadline_ns)
{
    struct waiter waiter = { 0 };
    struct wait wait;
    int err = wait_begin(&wait, sync_is_local(&event->sync_));

    if (err < 0)
        return err;
    sync_lock(&event->sync_);
    if (event->set_ != 0) {
        waiter.value = event->value_;
        sync_unlock(&event->sync_);
    } else {
        err = wait_in_queue(&event->sync_, &waiter, &wait, deadline_ns, "event",
                            NULL);
    }
    if (err == 0 && value != NULL)
        *value = waiter.value;
    return err;
}

int gyre_event_wait(gyre_event *event, void **value)
{
    return gyre_event_wait_until(event, value, GYRE_NEVER);
}
