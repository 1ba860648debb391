/* SPDX-License-Identifier: MIT */
/*
 * kind.h - a queue in which waiters of two kinds stand
 *
 * Under the primitive's lock. Waiters that were decided elsewhere (cancelled,
 * or of a select) are met on the way, and passed over for good.
 */
#ifndef SYNC_KIND_H
#define SYNC_KIND_H

#include "sync/waiter.h"

/* Has somebody claimed it? */
static inline bool wait_is_decided(const struct wait *wait)
{
    return __atomic_load_n(&wait->outcome, __ATOMIC_RELAXED) != WAIT_UNDECIDED;
}

/* The first waiter of a kind whose wait is undecided; NULL: there is none. It
 * may have to walk past all of the other kind. */
struct waiter *waiter_find(gyre_sync_ *sync, uint16_t kind);

/* Likewise, where the kinds are partners: whoever comes is matched at once if
 * one of the other kind waits. So when the first in the queue is of that kind,
 * the one wanted can only be of the same select, next to it: it stands there
 * for both. */
struct waiter *waiter_find_queued(gyre_sync_ *sync, uint16_t kind);

static inline struct waiter *waiter_find_partner(gyre_sync_ *sync,
                                                 uint16_t kind)
{
    return sync_has_waiters(sync) ? waiter_find_queued(sync, kind) : NULL;
}

#endif
