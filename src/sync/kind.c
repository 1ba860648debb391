/* SPDX-License-Identifier: MIT */
/*
 * kind.c - find a waiter by its kind
 *
 * Each decided waiter is passed once, so what that costs is paid by who came.
 */
#include "sync/kind.h"

/* The first whose wait is undecided, from `at` on. */
static struct waiter *first_live(gyre_sync_ *sync, struct waiter *at)
{
    while (at != NULL && wait_is_decided(at->wait)) {
        struct waiter *next = at->next;
        bool claimed = waiter_claim(sync, at);

        ASSERT(!claimed);
        at = next;
    }
    return at;
}

struct waiter *waiter_find(gyre_sync_ *sync, uint16_t kind)
{
    struct waiter *at = first_live(sync, sync_first(sync));

    while (at != NULL && at->kind != kind)
        at = first_live(sync, at->next);
    return at;
}

struct waiter *waiter_find_queued(gyre_sync_ *sync, uint16_t kind)
{
    struct waiter *first = first_live(sync, sync_first(sync));
    struct waiter *at = first;

    while (at != NULL && at->wait == first->wait && at->kind != kind)
        at = at->next;
    return at != NULL && at->wait == first->wait ? at : NULL;
}
