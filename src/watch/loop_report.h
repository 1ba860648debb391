/* SPDX-License-Identifier: MIT */
/*
 * loop_report.h - what a loop has in its books, in words
 *
 * Reads, on the loop's own thread, and changes nothing.
 */
#ifndef WATCH_LOOP_REPORT_H
#define WATCH_LOOP_REPORT_H

#include "loop/loop.h"
#include "watch/out.h"

/* The kernel, the counters, timers and the blocking pool. */
void report_loop(struct out *out, gyre_loop *loop, uint64_t now_ns);

/* "RECV on fd 7, in flight for 12 ms", of a started op. */
void report_op(struct out *out, const gyre_op *op, uint64_t now_ns);

/* Every started op, but for those of tasks, which tell of theirs themselves. */
void report_ops(struct out *out, gyre_loop *loop, uint64_t now_ns,
                bool (*is_of_task)(const gyre_op *op));

/* "cancelled, " ... */
const char *report_cancel_reason(int cancelled);

#endif
