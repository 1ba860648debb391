/* SPDX-License-Identifier: MIT */
/*
 * timers.h - what all contenders of the timer bench do alike
 *
 * Insert and fire: as many one-shot timers as a second of theirs has (a million,
 * or fewer by a divisor for what cannot), spread evenly but in no order over
 * the sample's length, and the clock of a loop that runs while they fire.
 *
 * Re-arm: so many timers far away, of which one after the other, in no order,
 * is moved; what a deadline for each operation comes to.
 */
#ifndef BENCH_TIMERS_H
#define BENCH_TIMERS_H

#include "bench.h"

#define TIMERS_HAND_DIVISOR 50
#define REARM_HAND_DIVISOR 10
#define REARM_CHUNK 10000U
#define REARM_AFTER_NS (30 * NS_PER_S)

/* Primes, so that index * prime % count visits all in no order. */
#define TIMERS_STRIDE UINT64_C(7368787)

static inline uint64_t timers_spread(const struct budget *budget)
{
    return budget->ns != 0 ? budget->ns : NS_PER_S / 20;
}

static inline uint64_t timers_count(const struct bench_case *of,
                                    const struct budget *budget,
                                    unsigned divisor)
{
    if (budget->ops != 0)
        return budget->ops;
    return (uint64_t)((double)of->n * (double)budget->ns / (double)NS_PER_S) /
               divisor +
           1;
}

/* When the index-th is due, after the begin. */
static inline uint64_t timers_delay(uint64_t index, uint64_t count,
                                    uint64_t spread)
{
    double part = (double)(index * TIMERS_STRIDE % count) / (double)count;

    return (uint64_t)(part * (double)spread);
}

#endif
