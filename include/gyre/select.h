/* SPDX-License-Identifier: MIT */
/*
 * gyre/select.h - the first of several, or all of them
 *
 *     gyre_case cases[] = {
 *         gyre_on_recv(requests, &request),
 *         gyre_on_op(&op),
 *         gyre_on_timer(deadline),
 *     };
 *     switch (gyre_select(cases, 3)) { case 0: ... }
 *
 * Life.     gyre_select() performs exactly one of its cases and returns its
 *           index: the first in order that can be had at once, else the first
 *           to happen. When it returns, none of the others waits any more, and
 *           no op of it is in flight.
 *
 * Memory.   The cases lie in the caller's frame, and what they point to is used
 *           until the call returns. Nothing is allocated.
 *
 * Threads.  Only inside a task; the channels and events may be shared with
 *           other loops and threads.
 *
 * Cancel.   -ECANCELED, -ETIME: no case was performed. As ever, a case that was
 *           done first counts, also an op that was quicker than its cancel: its
 *           index is returned, the next call tells. How long it takes for ops
 *           to end is up to the kernel; until then the call does not return.
 *
 * Errors.   An error of the case itself (a closed channel, an op's negative
 *           result) is in its `result`; the case has then been performed.
 */
#ifndef GYRE_SELECT_H
#define GYRE_SELECT_H

#include <gyre/channel.h>
#include <gyre/op.h>
#include <gyre/sync.h>
#include <gyre/task.h>
#include <gyre/timer.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One of the things a select waits for; can be used again as it is. What became
 * of it is in `result`:
 *
 *   recv, send  what gyre_channel_recv(), gyre_channel_send() would return
 *   op          the result of its first completion, also of a loser: -ECANCELED
 *               if it was not started, or the cancel was quick enough. One that
 *               goes on (multishot) is asked to end, and what it gives besides
 *               is given back (gyre_op_dispose()). A loser
 *               that was quicker and made a descriptor (accept, open, socket)
 *               has it closed, and says -ECANCELED, unless `keep` is set. Its
 *               `user` is overwritten
 *   task        0: it has ended, *result_out is its result, the handle is gone
 *   timer       0: the deadline has come
 *   event       0: it is set
 *
 * A loser other than an op says -EAGAIN: nothing was taken, nothing given.
 */
typedef struct gyre_case {
    int result;
    bool keep; /* op: a loser's descriptor is the caller's to close */
    /* Private from here on. */
    uint8_t kind_;
    uint8_t state_;
    uint16_t index_;
    void *target_;
    void *value_;
    uint64_t deadline_ns_;
    void *waiter_[6];
    gyre_timer timer_;
} gyre_case;

GYRE_API gyre_case gyre_on_recv(gyre_channel *channel, void *element);
GYRE_API gyre_case gyre_on_send(gyre_channel *channel, const void *element);
/* A filled, idle op, which does not choose its buffer from a group; it is
 * started by gyre_select(). */
GYRE_API gyre_case gyre_on_op(gyre_op *op);
/* A task with a handle, as for gyre_join(); `result` may be NULL. The task is
 * not cancelled if it loses. */
GYRE_API gyre_case gyre_on_task(gyre_task *task, int *result);
GYRE_API gyre_case gyre_on_timer(uint64_t deadline_ns);
GYRE_API gyre_case gyre_on_event(gyre_event *event, void **value);

/* Wait for one of `count` cases (1 to 65535). Its index, or an error. A channel
 * or an event may be there several times, an op or a task once. */
GYRE_API int gyre_select(gyre_case *cases,
                         unsigned count) GYRE_WAITS GYRE_MUST_USE;

/* Likewise, of what is there at once; -EAGAIN: nothing is. Ops are tried as by
 * gyre_op_try(), not started. Also in a cancelled scope. */
GYRE_API int gyre_try_select(gyre_case *cases, unsigned count) GYRE_MUST_USE;

/* ---- several functions at the same time --------------------------------- */

typedef struct gyre_branch {
    gyre_task_fn *fn;
    void *arg;
    const char *name; /* of its task; may be NULL */
    int result;       /* what fn returned */
    void *call_;      /* private */
} gyre_branch;

/*
 * Run each branch as a task of its own, and wait for all of them. The first
 * negative result cancels the others and is returned; else 0. Each branch runs,
 * in a cancelled scope if it has to, and has its result when the call returns.
 * -ENOMEM (or what else gyre_spawn() returned): some branch could not start;
 * then those that did were cancelled and awaited, and those that never ran say
 * -ECANCELED. In a cancelled scope the branches run, too.
 */
GYRE_API int gyre_all(gyre_branch *branches,
                      unsigned count) GYRE_WAITS GYRE_MUST_USE;

/* Likewise, but nobody is cancelled for an error: the first is returned. */
GYRE_API int gyre_all_settled(gyre_branch *branches,
                              unsigned count) GYRE_WAITS GYRE_MUST_USE;

/*
 * Run each as a task; when the first has returned >= 0, cancel the others, wait
 * for them, and return the index of the first. If all fail: the first error.
 * -ECANCELED, -ETIME: the caller's scope ended it.
 */
GYRE_API int gyre_race(gyre_branch *branches,
                       unsigned count) GYRE_WAITS GYRE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
