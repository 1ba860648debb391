/* SPDX-License-Identifier: MIT */
/*
 * kind.h - a queue in which waiters of several kinds stand
 *
 * Senders and receivers share the queue of their primitive. At most one kind
 * of them waits for something that can still come, but two sorts of others may
 * stand between: waiters of a select, which has one in each queue and was
 * decided elsewhere, and, of one select on both sides of a primitive, waiters
 * of the other kind. Under the primitive's lock.
 */
#ifndef SYNC_KIND_H
#define SYNC_KIND_H

#include "sync/waiter.h"

/* Has somebody claimed it? */
static inline bool wait_is_decided(const struct wait *wait)
{
    return __atomic_load_n(&wait->outcome, __ATOMIC_RELAXED) != WAIT_UNDECIDED;
}

/* The first waiter of a kind whose wait is undecided; those on the way to it
 * that are decided are passed over for good. NULL: there is none. */
struct waiter *waiter_find_queued(gyre_sync_ *sync, uint16_t kind);

static inline struct waiter *waiter_find(gyre_sync_ *sync, uint16_t kind)
{
    return sync_has_waiters(sync) ? waiter_find_queued(sync, kind) : NULL;
}

/* Likewise, claimed and taken off the queue. */
struct waiter *waiter_claim_queued(gyre_sync_ *sync, uint16_t kind);

static inline struct waiter *waiter_claim_kind(gyre_sync_ *sync, uint16_t kind)
{
    return sync_has_waiters(sync) ? waiter_claim_queued(sync, kind) : NULL;
}

#endif
