/* SPDX-License-Identifier: MIT */
/*
 * channel.c - values from hand to hand, or by way of a queue
 *
 * One lock, one queue of those who wait. Of senders and receivers only one side
 * waits at a time (but for a select on both, see 0015): receivers when nothing
 * is stored, senders when the store is full. So who comes looks for a partner
 * first and copies from frame to frame; a store of capacity 0 is always empty
 * and always full, and nothing in here knows that case by name.
 *
 * A receiver that makes room moves the first waiting sender's element into the
 * store, so the order is that of the calls. A close claims all who wait without
 * a grant, which tells them -EPIPE or GYRE_EOF.
 */
#include "sync/channel.h"

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "sync/fifo.h"
#include "sync/kind.h"

#define ELEMENT_SIZE_MAX 65536U
#define CAPACITY_MAX ((size_t)1 << 31)

struct gyre_channel {
    gyre_sync_ sync;
    struct fifo store;
    void (*dispose)(void *element, void *user);
    void *user;
    bool closed;
    bool draining;
    /* An element on its way out, if it is disposed of and not received. */
    _Alignas(max_align_t) unsigned char scratch[];
};

/* ---- life ---------------------------------------------------------------- */

static bool bounds_hold(size_t element_size, size_t capacity)
{
    return element_size >= 1 && element_size <= ELEMENT_SIZE_MAX &&
           (capacity <= CAPACITY_MAX || capacity == GYRE_UNBOUNDED);
}

int gyre_channel_create(gyre_channel **channel, size_t element_size,
                        const gyre_channel_options *options)
{
    gyre_channel_options o = { 0 };
    gyre_channel *made;

    if (options != NULL) {
        ASSERT_API(options->size == 0 || options->size == sizeof *options,
                   "gyre_channel_options.size is not that of this library");
        o = *options;
    }
    if (!bounds_hold(element_size, o.capacity))
        return -EINVAL;
    made =
        alloc_zeroed(1, sizeof *made + (o.dispose != NULL ? element_size : 0));
    if (made == NULL)
        return -ENOMEM;
    if (fifo_init(&made->store, element_size, o.capacity) < 0) {
        alloc_free(made);
        return -ENOMEM;
    }
    sync_init(&made->sync, o.flags);
    made->dispose = o.dispose;
    made->user = o.user;
    *channel = made;
    return 0;
}

void gyre_channel_destroy(gyre_channel *channel)
{
    if (channel == NULL)
        return;
    sync_destroy(&channel->sync, "a channel");
    ASSERT_API(!channel->draining, "the channel is being drained");
    while (channel->store.length > 0) {
        if (channel->dispose != NULL)
            channel->dispose(fifo_oldest(&channel->store), channel->user);
        fifo_pop(&channel->store, NULL);
    }
    fifo_deinit(&channel->store);
    alloc_free(channel);
}

/* ---- a transfer at once; under the lock ---------------------------------- */

gyre_sync_ *channel_sync(gyre_channel *channel)
{
    return &channel->sync;
}

/* The first who waits on the other side, claimed; NULL: there is none. */
static struct waiter *claim_partner(gyre_channel *channel,
                                    enum channel_side side)
{
    struct waiter *at;

    while ((at = waiter_find_partner(&channel->sync, (uint16_t)side)) != NULL)
        if (waiter_claim(&channel->sync, at))
            return at;
    return NULL;
}

/* The waiter's part of the transfer is done. */
static void grant(struct waiter *waiter, struct wakes *wakes)
{
    waiter->granted = true;
    wakes_add(wakes, waiter);
}

static int send_now(gyre_channel *channel, const void *element,
                    struct wakes *wakes)
{
    struct waiter *receiver;

    if (channel->closed)
        return -EPIPE;
    receiver = claim_partner(channel, CHANNEL_RECV);
    if (receiver != NULL) {
        ASSERT(channel->store.length == 0);
        memcpy(receiver->value, element, channel->store.size);
        grant(receiver, wakes);
        return 0;
    }
    return fifo_is_full(&channel->store) ? -EAGAIN
                                         : fifo_push(&channel->store, element);
}

/* Room was made: the first sender who waits has it. */
static void admit_sender(gyre_channel *channel, struct wakes *wakes)
{
    struct waiter *sender = claim_partner(channel, CHANNEL_SEND);
    int err;

    if (sender == NULL)
        return;
    err = fifo_push(&channel->store, sender->value);
    ASSERT(err == 0); /* only bounded channels have senders that wait */
    grant(sender, wakes);
}

static int recv_now(gyre_channel *channel, void *element, struct wakes *wakes)
{
    struct waiter *sender;

    if (channel->store.length > 0) {
        fifo_pop(&channel->store, element);
        admit_sender(channel, wakes);
        return 0;
    }
    sender = claim_partner(channel, CHANNEL_SEND);
    if (sender != NULL) {
        ASSERT(channel->store.capacity == 0 && !channel->closed);
        memcpy(element, sender->value, channel->store.size);
        grant(sender, wakes);
        return 0;
    }
    return channel->closed ? GYRE_EOF : -EAGAIN;
}

int channel_transfer(gyre_channel *channel, enum channel_side side,
                     void *element, struct wakes *wakes)
{
    return side == CHANNEL_SEND ? send_now(channel, element, wakes)
                                : recv_now(channel, element, wakes);
}

bool channel_is_ready(gyre_channel *channel, enum channel_side side)
{
    if (channel->closed)
        return true;
    if (side == CHANNEL_SEND)
        return !fifo_is_full(&channel->store) ||
               waiter_find_partner(&channel->sync, CHANNEL_RECV) != NULL;
    return channel->store.length > 0 ||
           waiter_find_partner(&channel->sync, CHANNEL_SEND) != NULL;
}

/* ---- send and receive ---------------------------------------------------- */

/* Under the lock, which is given back. */
static int wait_for_partner(gyre_channel *channel, enum channel_side side,
                            void *element, struct wait *wait,
                            uint64_t deadline_ns)
{
    struct waiter waiter = { .value = element, .kind = (uint16_t)side };
    int err = wait_in_queue(&channel->sync, &waiter, wait, deadline_ns,
                            side == CHANNEL_SEND ? "channel, to send"
                                                 : "channel, to receive",
                            NULL);

    return err < 0 ? err : channel_result(&waiter);
}

static int transfer_until(gyre_channel *channel, enum channel_side side,
                          void *element, uint64_t deadline_ns)
{
    struct wakes wakes = { 0 };
    struct wait wait;
    int result = wait_begin(&wait, sync_is_local(&channel->sync));

    if (result < 0)
        return result;
    sync_lock(&channel->sync);
    result = channel_transfer(channel, side, element, &wakes);
    if (result == -EAGAIN)
        return wait_for_partner(channel, side, element, &wait, deadline_ns);
    sync_unlock(&channel->sync);
    wakes_run(&wakes);
    return result;
}

static int try_transfer(gyre_channel *channel, enum channel_side side,
                        void *element)
{
    struct wakes wakes = { 0 };
    int result;

    sync_lock(&channel->sync);
    result = channel_transfer(channel, side, element, &wakes);
    sync_unlock(&channel->sync);
    wakes_run(&wakes);
    return result;
}

/* A sender's element is only read. */
static void *readable(const void *element)
{
    return (void *)(uintptr_t)element;
}

int gyre_channel_send_until(gyre_channel *channel, const void *element,
                            uint64_t deadline_ns)
{
    return transfer_until(channel, CHANNEL_SEND, readable(element),
                          deadline_ns);
}

int gyre_channel_send(gyre_channel *channel, const void *element)
{
    return transfer_until(channel, CHANNEL_SEND, readable(element), GYRE_NEVER);
}

int gyre_channel_try_send(gyre_channel *channel, const void *element)
{
    return try_transfer(channel, CHANNEL_SEND, readable(element));
}

int gyre_channel_recv_until(gyre_channel *channel, void *element,
                            uint64_t deadline_ns)
{
    return transfer_until(channel, CHANNEL_RECV, element, deadline_ns);
}

int gyre_channel_recv(gyre_channel *channel, void *element)
{
    return transfer_until(channel, CHANNEL_RECV, element, GYRE_NEVER);
}

int gyre_channel_try_recv(gyre_channel *channel, void *element)
{
    return try_transfer(channel, CHANNEL_RECV, element);
}

/* ---- close, drain, look -------------------------------------------------- */

int gyre_channel_close(gyre_channel *channel)
{
    gyre_sync_ *sync = &channel->sync;
    struct wakes wakes = { 0 };

    sync_lock(sync);
    if (channel->closed) {
        sync_unlock(sync);
        return -EALREADY;
    }
    channel->closed = true;
    wakes_add_all(&wakes, sync); /* without a grant */
    sync_unlock(sync);
    wakes_run(&wakes);
    return 0;
}

/* The lock is only taken, and given back. */
static gyre_sync_ *lock_of(const gyre_channel *channel)
{
    return &((gyre_channel *)(uintptr_t)channel)->sync;
}

bool gyre_channel_is_closed(const gyre_channel *channel)
{
    bool closed;

    sync_lock(lock_of(channel));
    closed = channel->closed;
    sync_unlock(lock_of(channel));
    return closed;
}

size_t gyre_channel_length(const gyre_channel *channel)
{
    size_t length;

    sync_lock(lock_of(channel));
    length = channel->store.length;
    sync_unlock(lock_of(channel));
    return length;
}

/* `dispose` may take its time, or wait: not under the lock. False: somebody
 * else took the last one. */
static bool drain_one(gyre_channel *channel)
{
    void *element = channel->dispose != NULL ? channel->scratch : NULL;
    struct wakes wakes = { 0 };
    bool took;

    sync_lock(&channel->sync);
    took = channel->store.length > 0;
    if (took) {
        fifo_pop(&channel->store, element);
        admit_sender(channel, &wakes);
    }
    sync_unlock(&channel->sync);
    wakes_run(&wakes);
    if (took && element != NULL)
        channel->dispose(element, channel->user);
    return took;
}

size_t gyre_channel_drain(gyre_channel *channel)
{
    size_t length;
    size_t count = 0;

    sync_lock(&channel->sync);
    ASSERT_API(!channel->draining, "the channel is being drained already, and "
                                   "by one at a time only");
    channel->draining = true;
    length = channel->store.length;
    sync_unlock(&channel->sync);
    while (count < length && drain_one(channel))
        count++;
    sync_lock(&channel->sync);
    channel->draining = false;
    sync_unlock(&channel->sync);
    return count;
}
