/* SPDX-License-Identifier: MIT */
/*
 * trace_time.h - a duration in nine characters: "950 ns", "12.3 us"
 */
#ifndef GYRE_TOOL_TRACE_TIME_H
#define GYRE_TOOL_TRACE_TIME_H

#include <stdint.h>
#include <stdio.h>

#define TRACE_TIME_BYTES 24

static inline const char *trace_time(char *word, uint64_t ns)
{
    static const char *const units[] = { "us", "ms", "s" };
    double value = (double)ns / 1000;
    unsigned unit = 0;

    if (ns < 1000) {
        (void)snprintf(word, TRACE_TIME_BYTES, "%u ns", (unsigned)ns);
        return word;
    }
    while (value >= 999.95 && unit < 2) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(word, TRACE_TIME_BYTES, "%.1f %s", value, units[unit]);
    return word;
}

#endif
