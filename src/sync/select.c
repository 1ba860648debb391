/* SPDX-License-Identifier: MIT */
/*
 * select.c - exactly one of several cases
 *
 * All primitives of the cases are locked together, in the order of their
 * addresses, so two selects cannot wait for each other's locks. Then the cases
 * are looked at from the first to the last. As long as all locks are held this
 * select stands in no queue, so nobody can claim it, and it may claim a partner
 * without having to hold itself: a partner that is claimed by somebody else is
 * simply passed over. If nothing can be had, a waiter goes into each queue, the
 * locks are given back, and from then on whoever claims the select's one wait
 * has performed the case whose index he claimed it with. See
 * docs/decisions/0015.
 *
 * Ops are started last, when nothing else could be had, for starting means
 * asking the kernel, and losing means waiting for its answer. But an op that
 * stands above the case that could be had comes first: it is tried, which does
 * not wait.
 */
#include <gyre/select.h>

#include "sync/case.h"
#include "sync/kind.h"

#define CASES_MAX 65535U
#define CASES_FEW 8U

/* ---- locks in order ------------------------------------------------------ */

static uintptr_t lock_rank(const gyre_case *cases, unsigned at)
{
    return (uintptr_t)case_sync(&cases[cases[at].index_]);
}

/* A step of heap sort: let the order at `root` sink below its betters. */
static void sink(gyre_case *cases, unsigned root, unsigned count)
{
    for (;;) {
        unsigned child = 2 * root + 1;
        uint16_t index = cases[root].index_;

        if (child >= count)
            return;
        if (child + 1 < count &&
            lock_rank(cases, child + 1) > lock_rank(cases, child))
            child++;
        if (lock_rank(cases, root) >= lock_rank(cases, child))
            return;
        cases[root].index_ = cases[child].index_;
        cases[child].index_ = index;
        root = child;
    }
}

/* An insertion sort: the case `at` joins those before it, which are in order.
 */
static void insert_lock(gyre_case *cases, unsigned at)
{
    uintptr_t rank = (uintptr_t)case_sync(&cases[at]);
    unsigned to = at;

    for (; to > 0 && lock_rank(cases, to - 1) > rank; to--)
        cases[to].index_ = cases[to - 1].index_;
    cases[to].index_ = (uint16_t)at;
}

/* cases[i].index_ becomes the case whose lock is the i-th to be taken. */
static void order_locks(gyre_case *cases, unsigned count)
{
    if (count <= CASES_FEW) {
        for (unsigned i = 0; i < count; i++)
            insert_lock(cases, i);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        cases[i].index_ = (uint16_t)i;
    for (unsigned i = count / 2; i-- > 0;)
        sink(cases, i, count);
    for (unsigned i = count; i-- > 1;) {
        uint16_t index = cases[0].index_;

        cases[0].index_ = cases[i].index_;
        cases[i].index_ = index;
        sink(cases, 0, i);
    }
}

/* The i-th lock to be taken; NULL if there is none, or it is the same again. */
static gyre_sync_ *lock_at(const struct selection *s, unsigned i)
{
    gyre_sync_ *sync = case_sync(&s->cases[s->cases[i].index_]);

    if (i > 0 && sync == case_sync(&s->cases[s->cases[i - 1].index_]))
        return NULL;
    return sync;
}

static void lock_all(const struct selection *s)
{
    for (unsigned i = 0; !s->local && i < s->count; i++) {
        gyre_sync_ *sync = lock_at(s, i);

        if (sync != NULL)
            sync_lock(sync);
    }
}

static void unlock_all(const struct selection *s)
{
    for (unsigned i = s->count; !s->local && i-- > 0;) {
        gyre_sync_ *sync = lock_at(s, i);

        if (sync != NULL)
            sync_unlock(sync);
    }
}

/* ---- what is there at once ----------------------------------------------- */

/* Under the locks. The index, or -EAGAIN. */
static int perform_first(struct selection *s, struct wakes *wakes)
{
    for (unsigned i = 0; i < s->count; i++)
        if (s->cases[i].kind_ != CASE_OP && case_perform(&s->cases[i], wakes))
            return (int)i;
    return -EAGAIN;
}

/* Under the locks: the first that could be performed; else the count. */
static unsigned first_ready(const struct selection *s)
{
    unsigned i = 0;

    while (i < s->count && !case_is_ready(&s->cases[i]))
        i++;
    return i;
}

/* Ops that have precedence over what is ready, but are not yet started. */
static int try_ops(struct selection *s, bool waits)
{
    unsigned end;

    lock_all(s);
    end = first_ready(s);
    unlock_all(s);
    if (waits && end == s->count)
        return -EAGAIN; /* they will be started */
    for (unsigned i = 0; i < end; i++)
        if (s->cases[i].kind_ == CASE_OP && case_op_try(&s->cases[i]))
            return (int)i;
    return -EAGAIN;
}

/* The index of a case that was performed at once; or -EAGAIN, and, if the call
 * is going to wait, those that have a queue stand in it. */
static int perform_or_queue(struct selection *s, bool waits)
{
    struct wakes wakes = { 0 };
    int winner;

    lock_all(s);
    winner = perform_first(s, &wakes);
    for (unsigned i = 0; winner < 0 && waits && i < s->count; i++)
        if (case_sync(&s->cases[i]) != NULL)
            case_begin(&s->cases[i], s, i);
    unlock_all(s);
    wakes_run(&wakes);
    if (winner >= 0)
        case_performed(&s->cases[winner]);
    return winner;
}

static int at_once(struct selection *s, bool waits)
{
    int winner = -EAGAIN;

    if (s->ops > 0)
        winner = try_ops(s, waits);
    return winner >= 0 ? winner : perform_or_queue(s, waits);
}

/* ---- waiting ------------------------------------------------------------- */

/* Every loser's op has its last completion. */
static void drain(struct selection *s)
{
    if (s->flying == 0)
        return;
    s->draining = true;
    task_wait(s->wait.task, NULL, "select, for its losers", s->cases);
    ASSERT(s->flying == 0); /* I3: the ops are the caller's again */
}

/* All are asked to end; one that was done all the same is the winner if the
 * call as a whole was cancelled. */
static int settle(struct selection *s, int winner)
{
    /* A task's handle goes with its scope, so it is taken first. */
    if (winner >= 0)
        case_finish(&s->cases[winner], true);
    for (unsigned i = 0; i < s->count; i++)
        if ((int)i != winner)
            case_finish(&s->cases[i], false);
    drain(s);
    for (unsigned i = 0; winner < 0 && i < s->count; i++)
        if (case_op_is_done(&s->cases[i]))
            winner = (int)i;
    for (unsigned i = 0; i < s->count; i++)
        if ((int)i != winner && s->cases[i].kind_ == CASE_OP)
            case_op_dispose(&s->cases[i]);
    return winner;
}

static int wait_for_one(struct selection *s)
{
    int32_t outcome;
    int winner;

    /* Another thread may have claimed it since the locks were given back. */
    for (unsigned i = 0; i < s->count && !wait_is_decided(&s->wait); i++)
        if (case_sync(&s->cases[i]) == NULL)
            case_begin(&s->cases[i], s, i);
    outcome = wait_run(&s->wait, GYRE_NEVER, "select", s->cases);
    winner = settle(s, outcome > 0 ? outcome - 1 : outcome);
    if (winner >= 0 && s->cases[winner].kind_ == CASE_OP &&
        s->cases[winner].result < 0)
        task_note_failure(s->wait.task, s->cases[winner].target_,
                          s->cases[winner].result);
    return winner;
}

/* ---- the calls ----------------------------------------------------------- */

/* Are all of them for this loop alone? */
static bool is_local(const gyre_case *cases, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const gyre_sync_ *sync = case_sync(&cases[i]);

        if (sync != NULL && !sync_is_local(sync))
            return false;
    }
    return true;
}

static void selection_init(struct selection *s, gyre_case *cases,
                           unsigned count)
{
    ASSERT_API(count >= 1 && count <= CASES_MAX,
               "a select has between 1 and 65535 cases");
    *s = (struct selection){ .cases = cases, .count = count };
    for (unsigned i = 0; i < count; i++) {
        bool is_op = cases[i].kind_ == CASE_OP;

        ASSERT_API(cases[i].kind_ >= CASE_RECV && cases[i].kind_ <= CASE_EVENT,
                   "a case of a select is made by one of gyre_on_...()");
        cases[i].state_ = CASE_IDLE;
        cases[i].result = is_op ? -ECANCELED : -EAGAIN;
        s->ops += is_op;
    }
    s->local = is_local(cases, count);
    if (!s->local)
        order_locks(cases, count);
}

int gyre_select(gyre_case *cases, unsigned count)
{
    struct selection s;
    int winner;
    int err;

    (void)task_running(); /* only inside a task */
    selection_init(&s, cases, count);
    err = wait_begin(&s.wait, s.local);
    if (err < 0)
        return err;
    winner = at_once(&s, true);
    return winner >= 0 ? winner : wait_for_one(&s);
}

int gyre_try_select(gyre_case *cases, unsigned count)
{
    struct selection s;

    (void)task_running();
    selection_init(&s, cases, count);
    return at_once(&s, false);
}
