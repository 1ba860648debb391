/* SPDX-License-Identifier: MIT */
/*
 * sleep.h - the loop says that it sleeps, and takes that back
 *
 * Each turn that waits does both, so they are here and not in wake.c, where it
 * is argued why no wake is lost. On the loop's own thread.
 */
#ifndef LOOP_SLEEP_H
#define LOOP_SLEEP_H

#include "loop/loop.h"

/* GIVEN_WOKEN or GIVEN_STOP: was it said? It is taken with that. */
static inline bool loop_take_word(gyre_loop *loop, uintptr_t word)
{
    if (LIKELY((atomic_load_explicit(&loop->given, memory_order_relaxed) &
                word) == 0))
        return false;
    (void)atomic_fetch_and_explicit(&loop->given, ~word, memory_order_acquire);
    return true;
}

/* It sleeps no longer. Who has taken that word from it wakes the kernel. */
static inline void loop_take_back(gyre_loop *loop)
{
    uintptr_t sleep = GIVEN_SLEEP;

    if (!loop->asleep)
        return;
    loop->asleep = false;
    if (UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &loop->given, &sleep, 0, memory_order_relaxed,
            memory_order_relaxed)))
        loop->roused_in_all++;
}

static inline void loop_slept(gyre_loop *loop)
{
    loop_take_back(loop);
    if (UNLIKELY(loop->company != NULL))
        loop->company->awake(loop);
    /* A bare wake is answered by this turn, and lets run-once return. */
    if (UNLIKELY(loop_take_word(loop, GIVEN_WOKEN)))
        loop->called++;
}

/* Announce the sleep; false: do not, something was given meanwhile. */
static inline bool loop_may_sleep(gyre_loop *loop)
{
    uintptr_t nothing = 0;

    /* I6 */
    ASSERT(loop->ready_first == NULL &&
           (loop->backlog.first == NULL || loop->entry.starved ||
            !loop_may_fly(loop) || loop->backlog_waits));
    if (UNLIKELY(loop->company != NULL) && loop->company->idle(loop))
        return false;
    loop_take_back(loop); /* of a host, who prepares anew */
    loop->asleep =
        atomic_compare_exchange_strong(&loop->given, &nothing, GIVEN_SLEEP);
    if (LIKELY(loop->asleep))
        return true;
    loop_slept(loop);
    return false;
}

#endif
