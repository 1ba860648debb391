/* SPDX-License-Identifier: MIT */
/*
 * kind.c - find and claim by kind
 *
 * Each decided waiter is passed once, and live ones of another kind belong to
 * one select, so a search is short on average, however long the queue.
 */
#include "sync/kind.h"

struct waiter *waiter_find_queued(gyre_sync_ *sync, uint16_t kind)
{
    struct waiter *next;

    for (struct waiter *at = sync_first(sync); at != NULL; at = next) {
        next = at->next;
        if (wait_is_decided(at->wait)) {
            bool claimed = waiter_claim(sync, at);

            ASSERT(!claimed);
        } else if (at->kind == kind) {
            return at;
        }
    }
    return NULL;
}

struct waiter *waiter_claim_queued(gyre_sync_ *sync, uint16_t kind)
{
    struct waiter *waiter;

    while ((waiter = waiter_find_queued(sync, kind)) != NULL)
        if (waiter_claim(sync, waiter))
            return waiter;
    return NULL;
}
