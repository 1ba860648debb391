/* SPDX-License-Identifier: MIT */
/*
 * gyre/clock.h - for tasks: sleeping until a clock says so
 *
 * gyre_sleep_until() goes by the monotonic clock and is cheaper.
 */
#ifndef GYRE_CLOCK_H
#define GYRE_CLOCK_H

#include <gyre/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sleep until `clock` (CLOCK_MONOTONIC, CLOCK_BOOTTIME or CLOCK_REALTIME) has
 * reached `time`, also if the clock is set meanwhile. 0: it has; -ECANCELED,
 * -ETIME: the scope ended it; -EINVAL: another clock, or a negative time.
 */
GYRE_API int gyre_sleep_until_clock(int clock, struct timespec time) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
