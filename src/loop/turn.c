/* SPDX-License-Identifier: MIT */
/*
 * turn.c - one turn of the loop, and running it
 *
 *   1  run what is ready         tasks, posted work            bounded
 *   2  put the backlog into the SQ, cancels first
 *   3  expire timers             callbacks may start more      bounded
 *   4  enter the kernel once     submit, wait, next timer as deadline
 *   5  dispatch completions      callbacks                     bounded
 *
 * Phase 4 is the only system call of a turn (I4), and the only place that
 * sleeps. It is left out when there is nothing to submit, no need to sleep, and
 * the kernel has nothing to hand over that only entering would bring
 * (SQ_TASKRUN, CQ_OVERFLOW). It does not sleep while anything is ready, ended,
 * queued or yet to be cancelled, or was posted.
 *
 * What enter() may answer besides success is dealt with here and counted: EINTR
 * and ETIME end the sleep; EAGAIN and EBUSY mean "reap first", so the next enter
 * submits nothing and, if there is nothing to reap, waits a millisecond, which
 * keeps a loop without memory from spinning.
 */
#include <errno.h>
#include <gyre/loop.h>

#include "loop/loop.h"

#define STARVED_PAUSE_NS GYRE_MS

static _Thread_local char thread_name;
static _Thread_local gyre_loop *current_loop;

const void *loop_thread(void)
{
    return &thread_name;
}

gyre_loop *gyre_loop_current(void)
{
    return current_loop;
}

uint64_t loop_clock(gyre_loop *loop)
{
    return loop->kernel->class->now_ns(loop->kernel);
}

uint64_t gyre_loop_now(gyre_loop *loop)
{
    loop_assert_owner(loop);
    return loop->now_is_old ? gyre_loop_update_now(loop) : loop->now_ns;
}

uint64_t gyre_loop_update_now(gyre_loop *loop)
{
    uint64_t now;

    loop_assert_owner(loop);
    now = loop_clock(loop);
    ASSERT(now >= loop->now_ns);
    loop->now_ns = now;
    loop->now_is_old = false;
    return now;
}

static bool loop_has_work(gyre_loop *loop)
{
    return loop->ready_first != NULL || loop->ended.first != NULL ||
           loop->backlog.first != NULL || loop->cancels != NULL;
}

static bool kernel_has_results(const struct kernel *kernel)
{
    return cq_ready(&kernel->cq) > 0 ||
           (kernel->side_cq != NULL && cq_ready(kernel->side_cq) > 0);
}

bool loop_is_done(gyre_loop *loop)
{
    return counter_get(&loop->in_flight) == 0 && !loop_has_work(loop) &&
           loop->held.first == NULL && counter_get(&loop->timers) == 0 &&
           loop->holds == 0 && atomic_load(&loop->posted) == NULL &&
           atomic_load(&loop->remote_ops) == NULL;
}

int loop_attach(gyre_loop *loop)
{
    int err;

    if (LIKELY(loop->attached))
        return 0;
    err = loop->kernel->class->attach(loop->kernel);
    if (err < 0)
        return err;
    loop->attached = true;
    loop->owner = loop_thread();
    return 0;
}

/* What enter() returned when it is no success; 0 if the turn can go on. */
static int loop_enter_failed(gyre_loop *loop, int err)
{
    switch (err) {
    case -EINTR:
        counter_add(&loop->eintr, 1);
        return 0;
    case -ETIME:
        return 0;
    case -EBUSY:
        counter_add(&loop->ebusy, 1);
        loop->starved = true;
        return 0;
    case -EAGAIN:
    case -ENOMEM:
        counter_add(&loop->eagain, 1);
        loop->starved = true;
        return 0;
    default:
        return err;
    }
}

static int loop_enter(gyre_loop *loop, unsigned submit, unsigned want,
                      uint64_t deadline_ns)
{
    int taken;

    counter_add(&loop->enters, 1);
    sq_publish(&loop->kernel->sq);
    taken = loop->kernel->class->enter(loop->kernel, submit, want, deadline_ns);
    loop->now_is_old = true;
    if (taken < 0)
        return loop_enter_failed(loop, taken);
    ASSERT((unsigned)taken <= submit);
    counter_add(&loop->submitted, (unsigned)taken);
    return 0;
}

/* Nothing was taken for want of memory or room: let the kernel finish some. */
static int loop_enter_starved(gyre_loop *loop)
{
    loop->starved = false;
    if (kernel_has_results(loop->kernel))
        return loop_enter(loop, 0, 0, KERNEL_NO_WAIT);
    return loop_enter(loop, 0, 1, loop_clock(loop) + STARVED_PAUSE_NS);
}

/* Has a run-once had its callback? */
static bool loop_had_once(const gyre_loop *loop, gyre_run_mode mode)
{
    return mode == GYRE_RUN_ONCE && loop->called != loop->called_before;
}

/* Only for what can come: what phases one to three did may have been the last
 * of all, or all that run-once wants. */
static bool loop_wants_sleep(gyre_loop *loop, gyre_run_mode mode)
{
    return mode != GYRE_RUN_NOWAIT && !loop_has_work(loop) &&
           !kernel_has_results(loop->kernel) && !loop_had_once(loop, mode) &&
           (mode == GYRE_RUN_FOREVER || !loop_is_done(loop));
}

/* Phase four. */
static int turn_enter(gyre_loop *loop, gyre_run_mode mode)
{
    struct kernel *kernel = loop->kernel;
    unsigned submit = sq_used(&kernel->sq);
    uint32_t flags = sq_flags(&kernel->sq);
    uint64_t deadline = KERNEL_NO_WAIT;
    uint64_t enters = counter_get(&loop->enters);
    int err;

    if (UNLIKELY((flags & IORING_SQ_CQ_OVERFLOW) != 0))
        counter_add(&loop->overflows, 1);
    if (UNLIKELY(loop->starved))
        return loop_enter_starved(loop);

    if (loop_wants_sleep(loop, mode)) {
        deadline = loop_next_timer(loop);
        if (deadline != KERNEL_NO_WAIT && !loop_may_sleep(loop))
            deadline = KERNEL_NO_WAIT;
    }
    if (deadline == KERNEL_NO_WAIT && submit == 0 && mode != GYRE_RUN_NOWAIT &&
        (flags & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) == 0) {
        loop->now_is_old = true;
        return 0;
    }
    err = loop_enter(loop, submit, deadline != KERNEL_NO_WAIT, deadline);
    if (deadline != KERNEL_NO_WAIT)
        loop_slept(loop);
    ASSERT(counter_get(&loop->enters) == enters + 1); /* I4 */
    return err;
}

static int loop_turn(gyre_loop *loop, gyre_run_mode mode)
{
    int err;

    counter_add(&loop->turns, 1);
    loop_take_posted(loop);
    loop_run_ready(loop, loop->ready_max);
    loop_expire_timers(loop, loop->ready_max);
    loop_flush(loop);
    err = turn_enter(loop, mode);
    loop_dispatch(loop, loop->dispatch_max);
    loop_verify(loop);
    return err;
}

static int loop_run_until(gyre_loop *loop, gyre_run_mode mode)
{
    for (;;) {
        int err;

        if (mode == GYRE_RUN_UNTIL_DONE && loop_is_done(loop))
            return 0;
        err = loop_turn(loop, mode);
        if (err < 0)
            return err;
        if (UNLIKELY(atomic_load_explicit(&loop->stop, memory_order_relaxed)) &&
            atomic_exchange(&loop->stop, false))
            return 1;
        if (mode == GYRE_RUN_NOWAIT || loop_had_once(loop, mode) ||
            (mode == GYRE_RUN_ONCE && loop_is_done(loop)))
            return 0;
    }
}

int gyre_loop_run(gyre_loop *loop, gyre_run_mode mode)
{
    gyre_loop *outer = current_loop;
    int result;

    ASSERT_API(loop != NULL, "there is no loop (gyre_loop_create() made none)");
    if (loop->turning && loop->owner == loop_thread())
        return -EDEADLK;
    result = loop_attach(loop);
    if (result < 0)
        return result;
    loop_assert_owner(loop);
    loop->called_before = loop->called;
    loop_slept(loop); /* a host slept for us */
    loop->turning = true;
    current_loop = loop;
    result = loop_run_until(loop, mode);
    current_loop = outer;
    loop->turning = false;
    return result;
}

/* ---- inside another loop, and single steps ------------------------------- */

int gyre_loop_fd(gyre_loop *loop)
{
    int err;

    loop_assert_owner(loop);
    err = loop_attach(loop);
    if (err < 0)
        return err;
    loop->hosted = true;
    return loop->kernel->class->pollable_fd(loop->kernel);
}

int gyre_loop_prepare(gyre_loop *loop, uint64_t *deadline_ns)
{
    int err;

    loop_assert_owner(loop);
    *deadline_ns = 0;
    err = gyre_loop_submit(loop);
    if (err < 0)
        return err;
    if (!loop_has_work(loop) && !kernel_has_results(loop->kernel) &&
        loop_may_sleep(loop))
        *deadline_ns = loop_next_timer(loop);
    return 0;
}

bool gyre_loop_run_one_ready(gyre_loop *loop)
{
    loop_assert_owner(loop);
    loop_take_posted(loop);
    return loop_run_ready(loop, 1) > 0;
}

int gyre_loop_submit(gyre_loop *loop)
{
    int err;

    loop_assert_owner(loop);
    err = loop_attach(loop);
    if (err < 0)
        return err;
    loop_take_posted(loop);
    loop_flush(loop);
    if (sq_used(&loop->kernel->sq) == 0)
        return 0;
    return loop_enter(loop, sq_used(&loop->kernel->sq), 0, KERNEL_NO_WAIT);
}

unsigned gyre_loop_reap(gyre_loop *loop)
{
    loop_assert_owner(loop);
    return loop_dispatch(loop, loop->dispatch_max);
}
