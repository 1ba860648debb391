/* SPDX-License-Identifier: MIT */
/*
 * turn.c - one turn of the loop, and running it
 *
 *   1  run what is ready         tasks, posted work            bounded
 *   2  expire timers             callbacks may start more      bounded
 *   3  put the backlog into the SQ, cancels first
 *   4  enter the kernel once     submit, wait, next timer as deadline
 *   5  dispatch completions      callbacks                     bounded
 *
 * Phase 4 is the only system call of a turn (I4), and the only place that
 * sleeps. It is left out when there is nothing to submit, no need to sleep, and
 * nothing that only entering would bring: results are at hand, without
 * SQ_TASKRUN or CQ_OVERFLOW, or nothing is in flight. It does not sleep while
 * anything is ready, ended, queued or yet to be cancelled, or was posted.
 *
 * What enter() may answer besides success is dealt with here and counted: EINTR
 * and ETIME end the sleep; EAGAIN and EBUSY mean "reap first", so the next turn
 * submits nothing and, if it has nothing to do and may sleep, waits a
 * millisecond, which keeps a loop without memory from spinning.
 */
#include <errno.h>
#include <gyre/loop.h>

#include "kernel/thread.h"
#include "loop/sleep.h"

#define STARVED_PAUSE_NS GYRE_MS

_Thread_local char loop_thread_name;
static _Thread_local gyre_loop *current_loop;

gyre_loop *gyre_loop_current(void)
{
    return current_loop;
}

uint64_t loop_clock(gyre_loop *loop)
{
    return loop->kernel->class->now_ns(loop->kernel);
}

uint64_t gyre_deadline_in(uint64_t delay_ns)
{
    uint64_t now = current_loop != NULL ? loop_clock(current_loop)
                                        : thread_clock();

    return delay_ns < GYRE_NEVER - now ? now + delay_ns : GYRE_NEVER;
}

uint64_t gyre_loop_now(gyre_loop *loop)
{
    loop_assert_owner(loop);
    return loop->entry.now_is_old || !loop->turning ? gyre_loop_update_now(loop)
                                                    : loop->now_ns;
}

uint64_t gyre_loop_update_now(gyre_loop *loop)
{
    uint64_t now;

    loop_assert_owner(loop);
    now = loop_clock(loop);
    ASSERT(now >= loop->now_ns);
    loop->now_ns = now;
    loop->entry.now_is_old = false;
    return now;
}

static bool loop_has_callbacks(const gyre_loop *loop)
{
    return loop->ready_first != NULL || loop->ended.first != NULL;
}

/* What is held back by the limit, or by a drain, waits for what is in flight,
 * as we do. Silence has to be looked for, for nothing tells of it. */
static bool loop_has_work(const gyre_loop *loop)
{
    return loop_has_callbacks(loop) || loop->cancels != NULL ||
           (loop->backlog.first != NULL && loop_may_fly(loop) &&
            !loop->backlog_waits) ||
           loop->silent > 0;
}

static bool kernel_has_results(const struct kernel *kernel)
{
    return cq_ready(&kernel->cq) > 0 ||
           (kernel->side_cq != NULL && cq_ready(kernel->side_cq) > 0) ||
           (kernel->polled_cq != NULL && cq_ready(kernel->polled_cq) > 0);
}

bool loop_is_done_but(gyre_loop *loop, uint32_t timers)
{
    return counter_get(&loop->in_flight) == 0 && !loop_has_work(loop) &&
           loop->backlog.first == NULL && loop->held.first == NULL &&
           counter_get(&loop->timers) == timers + (loop->alarm != NULL) &&
           loop->holds == 0 && !given_any(atomic_load(&loop->given));
}

bool loop_is_done(gyre_loop *loop)
{
    return loop_is_done_but(loop, 0);
}

/* Mostly something is in flight, and that is said without a call. */
static inline bool turn_is_done(gyre_loop *loop)
{
    return counter_get(&loop->in_flight) == 0 && loop_is_done(loop);
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
    atomic_store_explicit(&loop->owner, loop_thread(), memory_order_relaxed);
    if (loop->tasks_attach != NULL)
        loop->tasks_attach(loop);
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
        loop->entry.starved = true;
        return 0;
    case -EAGAIN:
    case -ENOMEM:
        counter_add(&loop->eagain, 1);
        loop->entry.starved = true;
        return 0;
    default:
        return err;
    }
}

/* The loop is traced. */
static __attribute__((noinline)) int enter_told(gyre_loop *loop,
                                                unsigned submit, unsigned want,
                                                uint64_t deadline_ns)
{
    int taken;

    loop_tell(loop, STEP_ENTER, NULL, (int32_t)submit, deadline_ns);
    taken = loop->kernel->class->enter(loop->kernel, submit, want, deadline_ns);
    loop_tell(loop, STEP_ENTERED, NULL, taken, 0);
    return taken;
}

/* How many requests enter() is to submit. */
static inline unsigned loop_unsubmitted(const gyre_loop *loop)
{
    const struct kernel *kernel = loop->kernel;

    return UNLIKELY(kernel->sq_thread) ? sq_unpublished(&kernel->sq)
                                       : sq_used(&kernel->sq);
}

static inline int loop_enter(gyre_loop *loop, unsigned submit, unsigned want,
                             uint64_t deadline_ns)
{
    int taken;

    counter_add(&loop->enters, 1);
    loop->entry = (struct loop_entry){ .entered = true };
    sq_publish(&loop->kernel->sq);
    taken = LIKELY(loop->tell == NULL)
                ? loop->kernel->class->enter(loop->kernel, submit, want,
                                             deadline_ns)
                : enter_told(loop, submit, want, deadline_ns);
    loop->entry = (struct loop_entry){ .now_is_old = true };
    if (taken < 0)
        return loop_enter_failed(loop, taken);
    ASSERT((unsigned)taken <= submit);
    counter_add(&loop->submitted, (unsigned)taken);
    if (UNLIKELY((unsigned)taken < submit))
        chains_mend(loop);
    return 0;
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
    return mode != GYRE_RUN_NOWAIT && !loop_had_once(loop, mode) &&
           (mode == GYRE_RUN_FOREVER || !turn_is_done(loop));
}

/*
 * Until when the kernel may sleep; KERNEL_NO_WAIT if there is something to do.
 * Starved, it may sleep on a backlog too, but only for a moment, in which the
 * kernel can finish something and free what was wanting. The sleep has been
 * announced unless the answer is KERNEL_NO_WAIT: loop_slept() ends it.
 */
static uint64_t loop_sleep_until(gyre_loop *loop)
{
    uint64_t deadline;

    if (kernel_has_results(loop->kernel) ||
        (loop->entry.starved ? loop_has_callbacks(loop) : loop_has_work(loop)))
        return KERNEL_NO_WAIT;
    deadline = loop_next_timer(loop);
    if (UNLIKELY(loop->entry.starved)) {
        uint64_t pause = loop_clock(loop) + STARVED_PAUSE_NS;

        deadline = deadline < pause ? deadline : pause;
    }
    if (deadline == KERNEL_NO_WAIT || !loop_may_sleep(loop))
        return KERNEL_NO_WAIT;
    return deadline;
}

/* Is there something that only entering the kernel would bring? */
static bool kernel_has_more(const struct kernel *kernel)
{
    return kernel->polling ||
           (sq_flags(&kernel->sq) &
            (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
}

/*
 * Is entering worth while with nothing to submit and nothing to wait for? Not
 * if there are results at hand, or nothing is in flight. Else it is, flag or
 * no flag: what the emulator's threads and sockets have to say is collected by
 * entering alone, also beside a ring, and a task that yields again and again
 * would keep the loop from it.
 */
static bool loop_must_look(const gyre_loop *loop)
{
    return kernel_has_more(loop->kernel) ||
           (counter_get(&loop->in_flight) > 0 &&
            !kernel_has_results(loop->kernel));
}

/*
 * Let the clock that dumps go by (when did this wait begin, this op?) not grow
 * old: after each sleep, and now and then in a loop that never sleeps. It is no
 * reading of the turn's clock, so timers read afresh; and some milliseconds
 * more or less do not matter, so the cheap one will do.
 */
#define AGE_TURNS 64U

static inline void loop_age(gyre_loop *loop, bool slept)
{
    struct kernel *kernel = loop->kernel;
    uint64_t now_ns;

    if (!slept && counter_get(&loop->turns) % AGE_TURNS != 0)
        return;
    if (kernel->class->coarse_ns == NULL)
        return;
    kernel->slept = false;
    now_ns = kernel->class->coarse_ns(kernel);
    if (now_ns > loop->now_ns)
        loop->now_ns = now_ns;
}

/* Others may submit while the loop sleeps, so what is its own goes first. */
static __attribute__((noinline)) int enter_shared(gyre_loop *loop,
                                                  unsigned submit,
                                                  uint64_t deadline)
{
    struct kernel *kernel = loop->kernel;
    int err;

    if (submit > 0) {
        err = loop_enter(loop, submit, 0, KERNEL_NO_WAIT);
        /* Linux sleeps on nothing that it has not taken; nor may we. */
        if (err < 0 || loop->entry.starved || loop_unsubmitted(loop) > 0 ||
            kernel_has_results(kernel))
            return err;
    }
    /* A trace is written by the owner alone. */
    if (loop->tell != NULL || kernel->class->has_own(kernel))
        return loop_enter(loop, 0, 1, deadline);
    counter_add(&loop->enters, 1);
    loop->entry = (struct loop_entry){ .entered = true };
    share_open(loop);
    err = kernel->class->enter(kernel, 0, 1, deadline);
    share_close(loop);
    loop->entry = (struct loop_entry){ .now_is_old = true };
    return err < 0 ? loop_enter_failed(loop, err) : 0;
}

/* Phase four. */
static inline int turn_enter(gyre_loop *loop, gyre_run_mode mode)
{
    struct kernel *kernel = loop->kernel;
    unsigned submit =
        loop->entry.starved && !kernel->sq_thread ? 0 : loop_unsubmitted(loop);
    uint64_t deadline = KERNEL_NO_WAIT;
    uint64_t enters = counter_get(&loop->enters);
    int err;

    if (UNLIKELY((sq_flags(&kernel->sq) & IORING_SQ_CQ_OVERFLOW) != 0)) {
        counter_add(&loop->overflows, 1);
        loop_grow(loop, 2 * (uint64_t)kernel->cq.entries);
    }
    if (loop_wants_sleep(loop, mode))
        deadline = loop_sleep_until(loop);
    if (deadline == KERNEL_NO_WAIT && submit == 0 && mode != GYRE_RUN_NOWAIT &&
        !loop_must_look(loop)) {
        loop->entry = (struct loop_entry){ .now_is_old = true };
        loop_age(loop, false);
        return 0;
    }
    if (UNLIKELY(loop->share != NULL) && deadline != KERNEL_NO_WAIT) {
        err = enter_shared(loop, submit, deadline);
        loop_slept(loop);
        loop_age(loop, kernel->slept);
        return err;
    }
    err = loop_enter(loop, submit, deadline != KERNEL_NO_WAIT, deadline);
    if (deadline != KERNEL_NO_WAIT)
        loop_slept(loop);
    loop_age(loop, kernel->slept || mode == GYRE_RUN_NOWAIT);
    ASSERT(counter_get(&loop->enters) == enters + 1); /* I4 */
    return err;
}

static __attribute__((noinline)) void turn_told(gyre_loop *loop)
{
    loop_tell(loop, STEP_TURN, NULL, 0, counter_get(&loop->turns));
}

/* Phases with nothing to do are not even called: a turn is 30 ns in all. */
static int loop_turn(gyre_loop *loop, gyre_run_mode mode)
{
    int err;

    counter_add(&loop->turns, 1);
    if (UNLIKELY(loop->tell != NULL))
        turn_told(loop);
    if (UNLIKELY(loop_was_given(loop)))
        loop_take_posted(loop);
    if (loop->ready_first != NULL || UNLIKELY(loop->company != NULL))
        loop_run_ready(loop, loop->ready_max);
    if (counter_get(&loop->timers) > 0)
        loop_expire_timers(loop, loop->ready_max);
    loop_flush(loop);
    err = turn_enter(loop, mode);
    loop_dispatch(loop, loop->dispatch_max);
    loop_verify(loop);
    return err;
}

static bool loop_take_stop(gyre_loop *loop)
{
    return loop_take_word(loop, GIVEN_STOP);
}

static int loop_run_until(gyre_loop *loop, gyre_run_mode mode)
{
    for (;;) {
        int err;

        if (mode == GYRE_RUN_UNTIL_DONE && loop_is_done(loop))
            return loop_take_stop(loop);
        err = loop_turn(loop, mode);
        if (err < 0)
            return err;
        if (loop_take_stop(loop))
            return 1;
        if (mode == GYRE_RUN_NOWAIT || loop_had_once(loop, mode) ||
            (mode == GYRE_RUN_ONCE && loop_is_done(loop)))
            return 0;
    }
}

/* Between these two callbacks are called; the second takes what the first
 * gave. */
static gyre_loop *turning_begin(gyre_loop *loop)
{
    gyre_loop *outer = current_loop;

    ASSERT_API(!loop->turning, "a single step inside a turn of the same loop");
    loop->turning = true;
    current_loop = loop;
    return outer;
}

static void turning_end(gyre_loop *loop, gyre_loop *outer)
{
    current_loop = outer;
    loop->turning = false;
}

int gyre_loop_run(gyre_loop *loop, gyre_run_mode mode)
{
    gyre_loop *outer;
    int result;

    ASSERT_API(loop != NULL, "there is no loop (gyre_loop_create() made none)");
    if (loop_owner(loop) == loop_thread() && loop->turning)
        return -EDEADLK;
    result = loop_attach(loop);
    if (result < 0)
        return result;
    loop_assert_owner(loop);
    loop->called_before = loop->called;
    loop_slept(loop); /* a host slept for us */
    outer = turning_begin(loop);
    result = loop_run_until(loop, mode);
    turning_end(loop, outer);
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

/* What is started goes to the kernel. */
static int loop_submit(gyre_loop *loop)
{
    unsigned submit;
    int err = loop_attach(loop);

    if (err < 0)
        return err;
    loop_take_posted(loop);
    loop_flush(loop);
    submit = loop_unsubmitted(loop);
    return submit > 0 ? loop_enter(loop, submit, 0, KERNEL_NO_WAIT) : 0;
}

int gyre_loop_prepare(gyre_loop *loop, uint64_t *deadline_ns)
{
    int err;

    loop_assert_owner(loop);
    *deadline_ns = 0;
    err = loop_submit(loop);
    if (err < 0)
        return err;
    /* What could not be submitted needs another turn: soon, if it starved. */
    if (kernel_has_more(loop->kernel) ||
        (!loop->entry.starved && loop_unsubmitted(loop) > 0))
        return 0;
    *deadline_ns = loop_sleep_until(loop);
    return 0;
}

bool gyre_loop_run_one_ready(gyre_loop *loop)
{
    gyre_loop *outer;
    bool ran;

    loop_assert_owner(loop);
    outer = turning_begin(loop);
    if (UNLIKELY(loop_was_given(loop)))
        loop_take_posted(loop);
    ran = loop_run_ready(loop, 1) > 0;
    turning_end(loop, outer);
    return ran;
}

int gyre_loop_submit(gyre_loop *loop)
{
    int err;

    loop_assert_owner(loop);
    err = loop_submit(loop);
    if (err == 0 && loop->kernel->sq_thread)
        err = loop->kernel->class->await_taken(loop->kernel);
    return err;
}

unsigned gyre_loop_reap(gyre_loop *loop)
{
    gyre_loop *outer;
    unsigned taken;

    loop_assert_owner(loop);
    outer = turning_begin(loop);
    taken = loop_dispatch(loop, loop->dispatch_max);
    turning_end(loop, outer);
    return taken;
}
