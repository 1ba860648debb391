/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_cancel.h - ending ops by what they are
 *
 *     gyre_match all_reads = { .flags = GYRE_MATCH_ALL | GYRE_MATCH_OPCODE,
 *                              .opcode = IORING_OP_READ };
 *     int asked = gyre_loop_cancel_matching(loop, &all_reads);
 *
 * A cancel is a wish. Each op that it reaches is still answered by its own last
 * completion, once: -ECANCELED, or its result if it was quicker. Reached are
 * all ops of the loop that were started before and have not ended: those that
 * wait for room (which end at once), those the kernel has, and those that are
 * executed beside it.
 *
 * Errors.   -EINVAL: GYRE_MATCH_ANY with GYRE_MATCH_FD or GYRE_MATCH_OPCODE, or
 *           an unknown flag.
 */
#ifndef GYRE_OP_CANCEL_H
#define GYRE_OP_CANCEL_H

#include <gyre/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers as Linux's IORING_ASYNC_CANCEL_*. Keys are combined by "and"; without
 * any of FD, OPCODE and ANY the op itself is the key. */
enum gyre_match_flags {
    GYRE_MATCH_ALL = 1 << 0,    /* all that match, instead of one of them */
    GYRE_MATCH_FD = 1 << 1,     /* those on `fd`, also the handle of a slot */
    GYRE_MATCH_ANY = 1 << 2,    /* everything; implies ALL */
    GYRE_MATCH_FIXED = 1 << 3,  /* `fd` is the number of a registered file */
    GYRE_MATCH_OP = 1 << 4,     /* the op `op`, besides FD or OPCODE */
    GYRE_MATCH_OPCODE = 1 << 5, /* those whose request is `opcode` */
};

typedef struct gyre_match {
    unsigned flags;
    int fd;
    uint8_t opcode;
    const gyre_op
        *op; /* NULL: none; only looked at by the call that takes it */
} gyre_match;

/*
 * A request that cancels `target`, which the kernel must have or be about to
 * get (a close that waits is cancelled by gyre_op_cancel()), and reports what
 * the kernel said: 0 (it will end, mostly by -ECANCELED), -ENOENT (it has
 * ended), -EALREADY (it runs and may or may not be stopped). since 5.5
 */
GYRE_API void gyre_op_cancel_op(gyre_op *op, gyre_op *target);

/*
 * A request that cancels what matches when it is started. With ALL or ANY its
 * result is the number of ops that it asked to end, which may be 0; without,
 * one op is asked, and the result is that of gyre_op_cancel_op(). Descriptors
 * are compared by number. All Linux versions alike: the loop itself looks.
 */
GYRE_API void gyre_op_cancel_matching(gyre_op *op, const gyre_match *match);

/* At once: the number of ops that were asked to end (at most 1 without ALL and
 * ANY), or -EINVAL. */
GYRE_API int gyre_loop_cancel_matching(gyre_loop *loop,
                                       const gyre_match *match);

/*
 * The same, and turn the loop until the last of them has ended, at most until
 * `deadline_ns` (monotonic, or GYRE_NEVER). Other callbacks are called
 * meanwhile. Result: the number asked; -ENOENT: nothing matched; -ETIME: some
 * have not ended, and will later (what runs on a thread cannot be stopped);
 * -EINVAL; -EDEADLK: inside a turn of the loop; or an error of gyre_loop_run().
 */
GYRE_API int gyre_loop_cancel_sync(gyre_loop *loop, const gyre_match *match,
                                   uint64_t deadline_ns);

/*
 * In a callback that has no use for its result: give back what the completion
 * made, that is close the descriptor, or empty the slot, that an accept, an
 * open, a socket or an install delivered, or both descriptors of a pipe. Of
 * each completion of a multishot op, too. A buffer that the kernel has chosen
 * is not given back: that is its group's matter (gyre/op_group.h). Others have
 * made nothing.
 */
GYRE_API void gyre_op_dispose(gyre_op *op, gyre_result result);

#ifdef __cplusplus
}
#endif

#endif
