/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_chain.h - ops that depend on each other; drain, silence, threads
 *
 *     gyre_op_write(&write, fd, text, size, 0);
 *     gyre_op_fsync(&sync, fd, true);
 *     gyre_op_close(&close, fd);
 *     err = gyre_chain_start(loop, (gyre_chain_link[]){ { &write, wrote, me },
 *                                                 { &sync, synced, me },
 *                                                 { &close, closed, me } },
 *                            3, 0);
 *
 * The kernel begins an op of a chain when the one before it has succeeded, with
 * no turn of the loop between them. If one fails, what is behind it ends with
 * -ECANCELED. A transfer of a file that is shorter than was asked for is a
 * failure here, and so is a short send or receive with MSG_WAITALL.
 *
 * Life.     A chain is started whole or not at all, and reaches the kernel by
 *           one submission. Each of its ops has its own callback and exactly
 *           one last completion, as any op. When all have ended nothing is
 *           left: the same ops can be started again, alone or in a chain.
 *
 * Memory.   Ops, buffers and small arguments are held as those of any op
 *           (gyre/op.h); the array of links is borrowed. A started chain keeps
 *           a record of some 100 bytes and 16 for each op.
 *
 * Threads.  Only the loop's own.
 *
 * Cancel.   gyre_op_cancel() of one: before the kernel has the chain, all of
 *           it ends with -ECANCELED, and nothing is done. Afterwards that op is
 *           cancelled when its turn comes, if not before; those before it go
 *           on, those behind it end as after any failure. A deadline does the
 *           same. To cancel a linked timeout is to cancel what it guards.
 *
 * Errors.   Inside a chain nothing is tried again: an interrupted op ends with
 *           -EINTR, and the rest with -ECANCELED.
 */
#ifndef GYRE_OP_CHAIN_H
#define GYRE_OP_CHAIN_H

#include <gyre/op.h>
#include <gyre/op_timeout.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_chain_link {
    gyre_op *op; /* filled and idle */
    gyre_op_fn *done;
    void *user;
    bool hard; /* the next one begins even if this one fails */
} gyre_chain_link;

enum gyre_chain_flags {
    /*
     * Only the last op reports its success, and spares the kernel the other
     * completions. The ops before it then end with result 0 and GYRE_CQE_SKIP,
     * just before the last one. One that fails reports, and what is behind it
     * ends with -ECANCELED and GYRE_CQE_SKIP. (Linux before 5.17 does not know
     * silence: there all report.)
     */
    GYRE_CHAIN_QUIET = 1 << 0,
};

/*
 * Start `count` ops as a chain, in this order. What stands in an op's request
 * about links does not count. 0, or nothing is started:
 *
 *   -EINVAL      no ops; a linked timeout without an op before it, or behind
 *                another; unknown flags; an op of GYRE_OP_QUIET; a timeout with
 *                a count, a cancel by anything but its target; a send without
 *                copying that is not the first op; in a quiet chain a hard
 *                link, a linked timeout that does not guard the last op, or
 *                before the last an op whose result is needed: one that makes a
 *                descriptor, or a slot of the table's choice, or that chooses
 *                its buffer
 *   -E2BIG       more ops than the submission queue holds
 *                (gyre_loop_options.entries), or than may be in flight
 *   -EBADF       an op is on a descriptor that is being closed
 *   -EBUSY       the chain closes a descriptor on which other ops are
 *   -EOPNOTSUPP  no executor has all of its ops: Linux lacks one, and the
 *                emulator another
 *   -ENOMEM      no memory for the record
 */
GYRE_API int gyre_chain_start(gyre_loop *loop, const gyre_chain_link *links,
                              unsigned count, unsigned flags) GYRE_MUST_USE;

/*
 * A limit of time for the op before it in a chain. `time` points to a struct
 * __kernel_timespec (two int64_t: seconds, nanoseconds), held until submission;
 * `flags` as for gyre_op_timeout(). It begins when that op does. Results:
 *
 *   it passes first      this op -ETIME, the other -ECANCELED
 *   the op ends first    -ECANCELED; also if it failed, or was cancelled
 *   it passes, but the op runs on a thread and cannot be stopped
 *                        -EALREADY, and the op ends by itself
 *
 * It never breaks the chain itself: what follows is linked to the op before it.
 * since 5.5
 */
GYRE_API void gyre_op_link_timeout(gyre_op *op, const void *time,
                                   unsigned flags);

/* The same with a time that is copied: `ns` is a length, or a point on the
 * monotonic clock with GYRE_TIMEOUT_ABS. */
GYRE_API void gyre_timeout_op_link(gyre_timeout_op *op, uint64_t ns,
                                   unsigned flags);

/* Give a linked timeout that runs another time, held until submission. Result:
 * 0; -ENOENT: it has passed, or its op has not begun or has ended; -EALREADY:
 * it is just passing. since 5.15 */
GYRE_API void gyre_op_link_timeout_update(gyre_op *op, gyre_op *target,
                                          const void *time, unsigned flags);

/* ---- how one op is executed --------------------------------------------- */

enum gyre_op_flags {
    /*
     * Not before every op that was started earlier on this loop has had its
     * last completion, and nothing that is started later before this one has
     * ended. Requests that go on for ever (multishot) do not count. In a chain
     * it is the whole chain that waits. The loop does this itself, so it costs
     * turns; cancels are not held up, except by gyre_op_cancel_op().
     */
    GYRE_OP_DRAIN = 1 << 1,

    /* Let a thread of the kernel's begin it, without a try on this one: for
     * what is known to block or to compute. Changes no result. since 5.6 */
    GYRE_OP_ASYNC = 1 << 4,

    /*
     * For gyre_op_send() and gyre_op_sendmsg() with MSG_DONTWAIT: no completion
     * if all was sent. The op then ends in the turn that submitted it, with
     * result 0 and GYRE_CQE_SKIP (or, where it is not known, its true result).
     * An error or a short send reports. MSG_WAITALL is added, for without it
     * a short send would be a success. Other ops end with -EINVAL.
     */
    GYRE_OP_QUIET = 1 << 6,
};

/* Add to a filled, idle op; filling it again takes them away. */
GYRE_API void gyre_op_add_flags(gyre_op *op, unsigned flags);

#ifdef __cplusplus
}
#endif

#endif
