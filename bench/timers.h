/* SPDX-License-Identifier: MIT */
/*
 * timers.h - what all contenders of the timer bench do alike
 *
 * Insert and fire: a million one-shot timers for each second of the sample (or
 * fewer by a divisor, for what cannot), spread evenly over its length. Inserted
 * in the order of their deadlines, or in no order, when nearly each step of a
 * timer's way misses the cache. By a loop that runs while they pass ("live":
 * the sleeps are in it), or begins when all have passed.
 *
 * Re-arm: timers that all end so long from now, of which one after the other,
 * in no order, starts anew; what a deadline for each operation comes to.
 */
#ifndef BENCH_TIMERS_H
#define BENCH_TIMERS_H

#include <time.h>

#include "bench.h"

#define TIMERS_HAND_DIVISOR 50
#define REARM_HAND_DIVISOR 10
#define REARM_CHUNK 10000U
#define REARM_AFTER_NS (30 * NS_PER_S)

/* A prime, so that index * prime % count visits all in no order. */
#define TIMERS_STRIDE UINT64_C(7368787)

/* of->size */
#define TIMERS_LIVE 1U
#define TIMERS_SHUFFLED 2U

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
static inline uint64_t timers_delay(const struct bench_case *of, uint64_t index,
                                    uint64_t count, uint64_t spread)
{
    uint64_t stride = (of->size & TIMERS_SHUFFLED) != 0 ? TIMERS_STRIDE : 1;
    double part = (double)(index * stride % count) / (double)count;

    return (uint64_t)(part * (double)spread);
}

static inline void timers_sleep_until(uint64_t ns)
{
    struct timespec time = { .tv_sec = (time_t)(ns / NS_PER_S),
                             .tv_nsec = (long)(ns % NS_PER_S) };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) != 0)
        ;
}

#endif
