/* SPDX-License-Identifier: MIT */
/*
 * case.h - what a select asks of each kind of case
 *
 * select.c knows the order of things, case.c and case_op.c what a channel, an
 * event, a task, a timer and an op do at each step. A case has a waiter, in its
 * own memory, which stands in the queue of its primitive if it has one; for the
 * others it only leads to the selection.
 */
#ifndef SYNC_CASE_H
#define SYNC_CASE_H

#include <gyre/select.h>

#include "sync/waiter.h"

/* One call of gyre_select(), in its frame. */
struct selection {
    struct wait wait; /* its outcome: 1 + the index of a case, or an errno */
    gyre_case *cases;
    unsigned count;
    unsigned ops;    /* cases that are ops */
    unsigned flying; /* ops started and not ended */
    bool draining;   /* the task waits for those */
    bool local;      /* no lock is to be taken */
};

enum case_kind {
    CASE_RECV = 1, /* a zeroed one is no case */
    CASE_SEND,
    CASE_OP,
    CASE_TASK,
    CASE_TIMER,
    CASE_EVENT,
};

enum case_state {
    CASE_IDLE,
    CASE_BEGUN,     /* stands in a queue, is watched, is armed, flies */
    CASE_COMPLETED, /* an op that had the first of several completions */
    CASE_ENDED,     /* an op that has ended; a task that ended as a loser */
};

_Static_assert(sizeof(struct waiter) <= sizeof(((gyre_case *)0)->waiter_),
               "a waiter fits into a case");
_Static_assert(_Alignof(struct waiter) <= _Alignof(gyre_case),
               "a waiter may lie in a case");

static inline struct waiter *case_waiter(const gyre_case *at)
{
    return (struct waiter *)(uintptr_t)at->waiter_;
}

/* Of a case that has begun. */
static inline struct selection *case_selection(const gyre_case *at)
{
    return CONTAINER_OF(case_waiter(at)->wait, struct selection, wait);
}

/* The primitive whose lock and queue the case needs; NULL: none. */
gyre_sync_ *case_sync(const gyre_case *at);

/* Under the locks. Perform it now, if that is possible: true, and the result is
 * set. Not for ops. */
bool case_perform(gyre_case *at, struct wakes *wakes);

/* The rest of it, not under the locks: a task's stack is given back. */
void case_performed(gyre_case *at);

/* Under the locks: would that be possible? */
bool case_is_ready(const gyre_case *at);

/* Let it claim the selection as the `index`-th. Under the lock of its primitive
 * if it has one, else without any; ops are started. */
void case_begin(gyre_case *at, struct selection *selection, unsigned index);

/* The selection is decided, for this case or for another: leave the queue, stop
 * the timer, ask the op to end. If it won, the result is set. */
void case_finish(gyre_case *at, bool won);

/* An op that the kernel has. */
static inline bool case_flies(const gyre_case *at)
{
    return at->kind_ == CASE_OP &&
           (at->state_ == CASE_BEGUN || at->state_ == CASE_COMPLETED);
}

/* ---- case_op.c ----------------------------------------------------------- */

/* Perform it now, if that does not block. */
bool case_op_try(gyre_case *at);
void case_op_start(gyre_case *at);
void case_op_stop(gyre_case *at);

/* Was an op done, although the selection as a whole was cancelled? */
bool case_op_is_done(const gyre_case *at);

/* An op that lost, after its end: close what it opened. */
void case_op_dispose(gyre_case *at);

#endif
