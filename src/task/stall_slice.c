/* SPDX-License-Identifier: MIT */
/*
 * stall_slice.c - from sample to sample
 *
 * A slice is as old as the first sample that has seen it, so what is called too
 * long is too long. What one sample after the other does not see is short.
 *
 * The clock also runs while the process is stopped, and the watcher with it:
 * then it wakes late. A sleep counts as what it was to be, and a sample more at
 * most.
 */
#include "task/stall.h"

uint64_t slice_elapsed(uint64_t elapsed_ns, uint64_t late_ns,
                       uint64_t sample_ns)
{
    return late_ns > sample_ns ? elapsed_ns - (late_ns - sample_ns)
                               : elapsed_ns;
}

enum slice_news slice_look(struct slice *slice, const struct loop_pulse *pulse,
                           uint64_t elapsed_ns, uint64_t threshold_ns)
{
    bool goes_on = slice->pulse.runs && loop_pulse_is(&slice->pulse, pulse);

    if (!goes_on && !slice->stalls) {
        *slice = (struct slice){ .pulse = *pulse };
        return SLICE_NEW;
    }
    slice->held_ns += elapsed_ns;
    if (!goes_on) {
        slice->pulse.runs = false;
        slice->stalls = false;
        return SLICE_ENDED;
    }
    if (slice->stalls || slice->held_ns < threshold_ns)
        return SLICE_GOES_ON;
    slice->stalls = true;
    return SLICE_STALLS;
}
