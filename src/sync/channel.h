/* SPDX-License-Identifier: MIT */
/*
 * channel.h - a channel from the inside, for select
 *
 * Under the channel's lock a transfer either happens at once or does not: with
 * a partner that waits, with what is stored, or because the channel is closed.
 * Who waits stands in the lock's queue, with its kind, and with the element, or
 * the place for it, as value.
 */
#ifndef SYNC_CHANNEL_H
#define SYNC_CHANNEL_H

#include <gyre/channel.h>

#include "sync/waiter.h"

enum channel_side { CHANNEL_SEND, CHANNEL_RECV }; /* a waiter's kind */

/* The lock and the queue of a channel. */
gyre_sync_ *channel_sync(gyre_channel *channel);

/* Transfer *element now: 0, -EPIPE, GYRE_EOF, -ENOMEM; -EAGAIN: it would have
 * to wait. Under the lock; `wakes` are to be run after it. */
int channel_transfer(gyre_channel *channel, enum channel_side side,
                     void *element, struct wakes *wakes);

/* Would that be something else than -EAGAIN? Under the lock. */
bool channel_is_ready(gyre_channel *channel, enum channel_side side);

/* What came of a wait that was claimed. */
static inline int channel_result(const struct waiter *waiter)
{
    if (waiter->granted)
        return 0;
    return waiter->kind == CHANNEL_SEND ? -EPIPE : GYRE_EOF;
}

#endif
