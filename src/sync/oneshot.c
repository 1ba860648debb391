/* SPDX-License-Identifier: MIT */
/*
 * oneshot.c - one value, once
 *
 * Each side is open, then over. A receiver that waits stands in the queue, and
 * so may one who waits for the receiver to be over. The lock is taken by every
 * call, also by those that only look: who sees that the other side is over may
 * free the structure, so nobody may still be inside the call that made it so.
 */
#include <gyre/channel.h>

#include "sync/kind.h"

enum {
    FULL = 1,          /* the value was sent, and not received */
    SENDER_OVER = 2,   /* has sent or closed */
    RECEIVER_OVER = 4, /* has received or closed */
};

enum side { RECEIVER, WATCHER }; /* a waiter's kind */

void gyre_oneshot_init(gyre_oneshot *oneshot, unsigned flags)
{
    *oneshot = (gyre_oneshot)GYRE_ONESHOT_INIT;
    sync_init(&oneshot->sync_, flags);
}

void gyre_oneshot_destroy(gyre_oneshot *oneshot)
{
    sync_destroy(&oneshot->sync_, "a oneshot");
}

/* The first of a side, claimed; NULL: none waits. */
static struct waiter *claim_first(gyre_oneshot *oneshot, enum side side)
{
    struct waiter *waiter;

    while ((waiter = waiter_find(&oneshot->sync_, (uint16_t)side)) != NULL)
        if (waiter_claim(&oneshot->sync_, waiter))
            return waiter;
    return NULL;
}

/* Claim all of a kind; a receiver so woken has got `value`, if `granted`. */
static void end_waits(gyre_oneshot *oneshot, enum side side, bool granted,
                      struct wakes *wakes)
{
    struct waiter *waiter;

    while ((waiter = claim_first(oneshot, side)) != NULL) {
        waiter->granted = granted;
        wakes_add(wakes, waiter);
    }
}

static void receiver_is_over(gyre_oneshot *oneshot, struct wakes *wakes)
{
    oneshot->state_ |= RECEIVER_OVER;
    oneshot->state_ &= ~(uint32_t)FULL;
    end_waits(oneshot, WATCHER, true, wakes);
}

/* ---- the sender ---------------------------------------------------------- */

static int send_locked(gyre_oneshot *oneshot, void *value, struct wakes *wakes)
{
    struct waiter *receiver;

    ASSERT_API((oneshot->state_ & SENDER_OVER) == 0,
               "this oneshot's sender has sent or closed before");
    oneshot->state_ |= SENDER_OVER;
    if ((oneshot->state_ & RECEIVER_OVER) != 0)
        return -EPIPE;
    receiver = claim_first(oneshot, RECEIVER);
    if (receiver == NULL) {
        oneshot->value_ = value;
        oneshot->state_ |= FULL;
        return 0;
    }
    receiver->value = value;
    receiver->granted = true;
    wakes_add(wakes, receiver);
    receiver_is_over(oneshot, wakes);
    return 0;
}

int gyre_oneshot_send(gyre_oneshot *oneshot, void *value)
{
    struct wakes wakes = { 0 };
    int err;

    sync_lock(&oneshot->sync_);
    err = send_locked(oneshot, value, &wakes);
    sync_unlock(&oneshot->sync_);
    wakes_run(&wakes);
    return err;
}

void gyre_oneshot_close_send(gyre_oneshot *oneshot)
{
    struct wakes wakes = { 0 };

    sync_lock(&oneshot->sync_);
    if ((oneshot->state_ & SENDER_OVER) == 0) {
        oneshot->state_ |= SENDER_OVER;
        end_waits(oneshot, RECEIVER, false, &wakes);
    }
    sync_unlock(&oneshot->sync_);
    wakes_run(&wakes);
}

int gyre_oneshot_wait_closed(gyre_oneshot *oneshot)
{
    gyre_sync_ *sync = &oneshot->sync_;
    struct waiter waiter = { .kind = WATCHER };
    struct wait wait;
    int err = wait_begin(&wait, sync_is_local(sync));

    if (err < 0)
        return err;
    sync_lock(sync);
    if ((oneshot->state_ & RECEIVER_OVER) != 0) {
        sync_unlock(sync);
        return 0;
    }
    return wait_in_queue(sync, &waiter, &wait, GYRE_NEVER, "oneshot, to close",
                         NULL);
}

/* ---- the receiver -------------------------------------------------------- */

/* Under the lock: 0, GYRE_EOF; -EAGAIN: it would have to wait. */
static int recv_locked(gyre_oneshot *oneshot, void **value, struct wakes *wakes)
{
    ASSERT_API((oneshot->state_ & RECEIVER_OVER) == 0,
               "this oneshot's receiver has received or closed before");
    ASSERT_API(waiter_find(&oneshot->sync_, RECEIVER) == NULL,
               "this oneshot has one receiver, and it waits");
    if ((oneshot->state_ & FULL) != 0) {
        *value = oneshot->value_;
        receiver_is_over(oneshot, wakes);
        return 0;
    }
    return (oneshot->state_ & SENDER_OVER) != 0 ? GYRE_EOF : -EAGAIN;
}

/* Under the lock, which is given back. */
static int wait_for_value(gyre_oneshot *oneshot, void **value,
                          struct wait *wait, uint64_t deadline_ns)
{
    struct waiter waiter = { .kind = RECEIVER };
    int err = wait_in_queue(&oneshot->sync_, &waiter, wait, deadline_ns,
                            "oneshot, to receive", NULL);

    if (err < 0)
        return err;
    if (!waiter.granted)
        return GYRE_EOF;
    *value = waiter.value;
    return 0;
}

int gyre_oneshot_recv_until(gyre_oneshot *oneshot, void **value,
                            uint64_t deadline_ns)
{
    struct wakes wakes = { 0 };
    struct wait wait;
    int err = wait_begin(&wait, sync_is_local(&oneshot->sync_));

    if (err < 0)
        return err;
    sync_lock(&oneshot->sync_);
    err = recv_locked(oneshot, value, &wakes);
    if (err == -EAGAIN)
        return wait_for_value(oneshot, value, &wait, deadline_ns);
    sync_unlock(&oneshot->sync_);
    wakes_run(&wakes);
    return err;
}

int gyre_oneshot_recv(gyre_oneshot *oneshot, void **value)
{
    return gyre_oneshot_recv_until(oneshot, value, GYRE_NEVER);
}

int gyre_oneshot_try_recv(gyre_oneshot *oneshot, void **value)
{
    struct wakes wakes = { 0 };
    int err;

    sync_lock(&oneshot->sync_);
    err = recv_locked(oneshot, value, &wakes);
    sync_unlock(&oneshot->sync_);
    wakes_run(&wakes);
    return err;
}

bool gyre_oneshot_close_recv(gyre_oneshot *oneshot, void **value)
{
    struct wakes wakes = { 0 };
    bool had;

    sync_lock(&oneshot->sync_);
    ASSERT_API(waiter_find(&oneshot->sync_, RECEIVER) == NULL,
               "this oneshot's receiver still waits for the value");
    had = (oneshot->state_ & FULL) != 0;
    if (had)
        *value = oneshot->value_;
    if ((oneshot->state_ & RECEIVER_OVER) == 0)
        receiver_is_over(oneshot, &wakes);
    sync_unlock(&oneshot->sync_);
    wakes_run(&wakes);
    return had;
}
