/* SPDX-License-Identifier: MIT */
/*
 * tell.h - what a loop tells to who traces it
 *
 * One function, loop->tell, is called at each step of an op and of the loop;
 * NULL, nearly always, costs a test. It changes nothing that the loop has. The
 * numbers stand in files (docs/TRACE.md), so they stay what they are.
 */
#ifndef LOOP_TELL_H
#define LOOP_TELL_H

#include <gyre/types.h>
#include <stdint.h>

enum loop_step {
    /* Of an op. */
    STEP_STARTED = 1,   /* it is the loop's */
    STEP_HELD = 2,      /* a close that waits for others on its descriptor */
    STEP_SUBMITTED = 3, /* its request lies in the queue, or went beside */
    STEP_MORE = 4,     /* a result that is not the last: value, detail: flags */
    STEP_ENDED = 5,    /* the last: likewise; the callback follows */
    STEP_RETURNED = 6, /* that has returned; the op may be gone: detail */
    STEP_AGAIN = 7,    /* interrupted or dropped: it is on the backlog again */
    STEP_CANCEL = 8,   /* it was asked to end */
    STEP_DEADLINE = 9, /* it has one: detail */
    STEP_EXPIRED = 10, /* which has passed */
    STEP_TRIED = 11,   /* done at once without the loop: value */
    STEP_ASKED = 12,   /* the request to cancel it was written */
    /* Of the loop. */
    STEP_OPENED = 16,  /* the trace begins */
    STEP_TURN = 17,    /* a turn begins: detail, how many there were before */
    STEP_ENTER = 18,   /* the kernel is entered: value requests to submit,
                        * detail until when it may sleep (0: not at all) */
    STEP_ENTERED = 19, /* it has returned: value */
    STEP_CLOSED = 20,  /* the trace ends */
    /* Of a task: told by task/, not by the loop. */
    STEP_SPAWNED = 24,
    STEP_RUNS = 25,
    STEP_WAITS = 26,
    STEP_RETURNS = 27,
};

typedef void loop_tell_fn(gyre_loop *loop, enum loop_step step,
                          const gyre_op *op, int32_t value, uint64_t detail);

#endif
