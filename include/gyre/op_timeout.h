/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_timeout.h - the kernel's own timers as ops
 *
 *     gyre_timeout_op tick;
 *     gyre_timeout_op_fill(&tick, GYRE_SECOND, 0, GYRE_TIMEOUT_MULTISHOT);
 *     gyre_op_start(loop, &tick.op, ticked, NULL);
 *
 * For other clocks than the monotonic one, for times that are changed in place,
 * for counts of completions, for links; else gyre/timer.h is cheaper.
 *
 * Result.   -ETIME when the time has passed, never early (E8: it is what was
 *           asked for, and no failure; GYRE_TIMEOUT_ETIME_SUCCESS tells so to a
 *           link).
 *
 * Clocks.   A length of time is one, whatever is done to the clock; on the
 *           boottime clock the time counts that the machine slept. A point on
 *           the realtime clock is reached when the clock says so, also if it
 *           was set meanwhile.
 *
 * Memory.   `time` points to a struct __kernel_timespec or, with 64-bit time, a
 *           struct timespec (two int64_t: seconds, nanoseconds), held until
 *           submission. gyre_timeout_op carries a copy.
 *
 * Errors.   -EINVAL: unknown flags; both clocks; GYRE_TIMEOUT_MULTISHOT with
 *           GYRE_TIMEOUT_ABS; negative times. -EFAULT: `time` leads nowhere.
 */
#ifndef GYRE_OP_TIMEOUT_H
#define GYRE_OP_TIMEOUT_H

#include <gyre/op.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gyre_timeout_flags {
    GYRE_TIMEOUT_ABS = 1 << 0,      /* a point in time instead of a length */
    GYRE_TIMEOUT_BOOTTIME = 1 << 2, /* CLOCK_BOOTTIME. since 5.15 */
    GYRE_TIMEOUT_REALTIME = 1 << 3, /* CLOCK_REALTIME. since 5.15 */
    /* In a chain: what is linked behind it runs when it has passed, instead of
     * being cancelled. since 5.16 */
    GYRE_TIMEOUT_ETIME_SUCCESS = 1 << 5,
    /* Again and again, `count` times (0: for ever): each a completion of
     * -ETIME, the last of which says so. since 6.4 */
    GYRE_TIMEOUT_MULTISHOT = 1 << 6,
};

/*
 * `count` 0 is a pure timer, which no other completion ends. With a count the
 * op also ends, with 0, when so many completions of other ops of the loop have
 * been called back since its start; those of timeouts do not count, nor what
 * gyre asks the kernel by itself. since 5.4
 */
GYRE_API void gyre_op_timeout(gyre_op *op, const void *time, uint32_t count,
                              unsigned flags);

/*
 * A request that gives `target`, a started timeout, another time, counted from
 * now or, with GYRE_TIMEOUT_ABS, a point in time; it keeps its count. 0: from
 * now on the target goes by it; -ENOENT: the target has ended; -EINVAL: another
 * flag than ABS and a clock. since 5.11
 *
 * Without a clock among the flags the target keeps its own. Linux knows no
 * more; the loop gives it another by starting it anew: repeats begin again, the
 * target's request is changed for good, and `time` (of the form with a copy:
 * the op) is held until the target's last completion. -EALREADY: such a change
 * is under way; -EINVAL: the target is one of a chain.
 */
GYRE_API void gyre_op_timeout_update(gyre_op *op, const gyre_op *target,
                                     const void *time, unsigned flags);

/* A request that takes the timeout `target` away: 0, and the target ends with
 * -ECANCELED; -ENOENT: it has ended, or is none. since 5.5 */
GYRE_API void gyre_op_timeout_remove(gyre_op *op, const gyre_op *target);

/*
 * The same, with the time in the request itself, in nanoseconds: nothing is to
 * be held. since 7.1; below, the timeout is emulated, and so its update must be
 * of this form (-EOPNOTSUPP: of another's timeout).
 */
GYRE_API void gyre_op_timeout_ns(gyre_op *op, uint64_t ns, uint32_t count,
                                 unsigned flags);
GYRE_API void gyre_op_timeout_update_ns(gyre_op *op, const gyre_op *target,
                                        uint64_t ns, unsigned flags);

/* ---- with copies of the time ---------------------------------------------
 *
 * Start, cancel and receive them by their member `op`, which comes first.
 */

typedef struct gyre_timeout_op {
    gyre_op op;
    int64_t time_[2];
} gyre_timeout_op;

/* `ns` is a length, or a point on the clock with GYRE_TIMEOUT_ABS. */
GYRE_API void gyre_timeout_op_fill(gyre_timeout_op *op, uint64_t ns,
                                   uint32_t count, unsigned flags);
GYRE_API void gyre_timeout_op_update(gyre_timeout_op *op, const gyre_op *target,
                                     uint64_t ns, unsigned flags);

#ifdef __cplusplus
}
#endif

#endif
