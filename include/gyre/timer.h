/* SPDX-License-Identifier: MIT */
/*
 * gyre/timer.h - call a function when a deadline passes, once or repeatedly
 *
 *     gyre_timer_init(&conn->idle, loop, conn_idle, conn);
 *     gyre_timer_start_after(&conn->idle, 30 * GYRE_SECOND);
 *
 * Life.     A timer is idle or armed. Arming it is answered by exactly one
 *           callback: status 0 when the deadline has passed, -ECANCELED after
 *           gyre_timer_cancel(). A repeating timer is called with 0 again and
 *           again, until it is cancelled or stopped. When the callback is
 *           entered a one-shot timer is idle; it may free or arm it.
 *
 * Memory.   The caller owns it; leave it where it is while it is armed. Arming
 *           and cancelling allocate nothing and cost the same for a million
 *           timers as for one.
 *
 * Threads.  Only the loop's own.
 *
 * Time.     CLOCK_MONOTONIC. Never early; late by at most a tick (32.768 us)
 *           and what the machine takes to wake the thread. Delays count from
 *           the turn's clock (gyre_loop_now()).
 *
 * Errors.   None: no call here can fail. The kernel's timers, for other clocks:
 *           gyre_op_timeout().
 */
#ifndef GYRE_TIMER_H
#define GYRE_TIMER_H

#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void gyre_timer_fn(gyre_timer *timer, int status);

struct gyre_timer {
    void *user; /* the caller's; never read by gyre */
    /* Private from here on. */
    void *link_[2];
    uint64_t deadline_ns_;
    uint64_t period_ns_;
    gyre_timer_fn *done_;
    gyre_loop *loop_;
};

/* Make an idle timer, on uninitialised memory or an idle one. */
GYRE_API void gyre_timer_init(gyre_timer *timer, gyre_loop *loop,
                              gyre_timer_fn *done, void *user);

/* Arm an idle timer for a deadline. One that has passed is called next turn. */
GYRE_API void gyre_timer_start(gyre_timer *timer, uint64_t deadline_ns);

/* Arm an idle timer, `delay_ns` from the turn's clock. */
GYRE_API void gyre_timer_start_after(gyre_timer *timer, uint64_t delay_ns);

/* Arm an idle timer: first at `first_ns`, then every `period_ns` (at least 1)
 * after that, drift-free; periods that were slept over are left out. */
GYRE_API void gyre_timer_start_repeating(gyre_timer *timer, uint64_t first_ns,
                                         uint64_t period_ns);

/* Armed: move to the new deadline, without a callback for the old one. Idle:
 * arm. A repeating timer goes on with its period from there. Panics between a
 * cancel and its callback. */
GYRE_API void gyre_timer_reset(gyre_timer *timer, uint64_t deadline_ns);

/* Ask an armed timer to be called with -ECANCELED at the next turn. True: it
 * will be; false: it was idle, nothing happens. */
GYRE_API bool gyre_timer_cancel(gyre_timer *timer);

/* Disarm without a callback; the timer is idle, its memory the caller's, when
 * the call returns. True if it was armed. */
GYRE_API bool gyre_timer_stop(gyre_timer *timer);

/* True from arming until a one-shot timer's callback is entered. */
GYRE_API bool gyre_timer_is_armed(const gyre_timer *timer);

/* The deadline `delay_ns` from now, by a fresh reading of the clock; GYRE_NEVER
 * if that is too far. Any thread. */
GYRE_API uint64_t gyre_deadline_in(uint64_t delay_ns);

/* ---- a length of time, built in any unit -------------------------------- */

typedef enum gyre_unit {
    GYRE_NANOSECONDS,
    GYRE_MICROSECONDS,
    GYRE_MILLISECONDS,
    GYRE_SECONDS,
} gyre_unit;

/*
 * A value: whoever waits for it (gyre_sleep_for(), gyre_timer_start_after())
 * has taken its own copy, so changing or destroying it changes no wait that is
 * under way.
 */
typedef struct gyre_delay {
    uint64_t ns;
} gyre_delay;

/* Set, or add `count` units. 0; -EOVERFLOW (the delay is left as it was) when
 * the sum exceeds 2^63 - 1 ns, some 292 years. Any thread. */
GYRE_API int gyre_delay_set(gyre_delay *delay, uint64_t count,
                            gyre_unit unit) GYRE_MUST_USE;
GYRE_API int gyre_delay_add(gyre_delay *delay, uint64_t count,
                            gyre_unit unit) GYRE_MUST_USE;

/* As seconds and nanoseconds below 10^9, the form of struct timespec. */
GYRE_API void gyre_delay_split(gyre_delay delay, int64_t *seconds,
                               int64_t *nanoseconds);

#ifdef __cplusplus
}
#endif

#endif
