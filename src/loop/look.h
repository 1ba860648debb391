/* SPDX-License-Identifier: MIT */
/*
 * look.h - does a loop get on?
 *
 * For another thread that watches it, and for a signal handler on the loop's
 * own. A slice is what happens between two callbacks, or pieces of ready work,
 * or turns: a task from its wake to its next wait, say. While a slice lasts the
 * numbers stay as they are. Costs the loop nothing: it keeps them anyway.
 */
#ifndef LOOP_LOOK_H
#define LOOP_LOOK_H

#include <gyre/loop.h>
#include <stdbool.h>
#include <stdint.h>

struct loop_pulse {
    uint64_t called;
    uint64_t turns;
    uint64_t enters;
    bool runs; /* inside a turn, and not inside the kernel */
};

/* Any thread that knows that the loop is there. */
struct loop_pulse loop_pulse(const gyre_loop *loop);

/* Are both of one slice? */
static inline bool loop_pulse_is(const struct loop_pulse *a,
                                 const struct loop_pulse *b)
{
    return a->called == b->called && a->turns == b->turns &&
           a->enters == b->enters && a->runs == b->runs;
}

#endif
