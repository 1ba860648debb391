/* SPDX-License-Identifier: MIT */
/*
 * delay.c - lengths of time in any unit
 *
 * The bound of 2^63 - 1 ns leaves room for every sum of a delay and a clock.
 */
#include <errno.h>
#include <gyre/timer.h>

#include "base/assert.h"

#define DELAY_MAX ((uint64_t)INT64_MAX)

static uint64_t unit_ns(gyre_unit unit)
{
    switch (unit) {
    case GYRE_NANOSECONDS:
        return 1;
    case GYRE_MICROSECONDS:
        return GYRE_US;
    case GYRE_MILLISECONDS:
        return GYRE_MS;
    case GYRE_SECONDS:
        return GYRE_SECOND;
    }
    panic("gyre_delay: %d is no unit of time", (int)unit);
}

int gyre_delay_add(gyre_delay *delay, uint64_t count, gyre_unit unit)
{
    uint64_t ns, sum;

    if (__builtin_mul_overflow(count, unit_ns(unit), &ns) ||
        __builtin_add_overflow(delay->ns, ns, &sum) || sum > DELAY_MAX)
        return -EOVERFLOW;
    delay->ns = sum;
    return 0;
}

int gyre_delay_set(gyre_delay *delay, uint64_t count, gyre_unit unit)
{
    gyre_delay fresh = { 0 };
    int err = gyre_delay_add(&fresh, count, unit);

    if (err == 0)
        *delay = fresh;
    return err;
}

void gyre_delay_split(gyre_delay delay, int64_t *seconds, int64_t *nanoseconds)
{
    *seconds = (int64_t)(delay.ns / GYRE_SECOND);
    *nanoseconds = (int64_t)(delay.ns % GYRE_SECOND);
}
