/* SPDX-License-Identifier: MIT */
/*
 * test_stress.c - random use of a loop on a random kernel, from a seed
 *
 * Each step does one thing to the loop or lets the kernel do one: start,
 * cancel, cancel_fd, deadline, close, restart inside callbacks, remote start,
 * timers; complete in any order, with several CQEs, late cancels, EINTR, short
 * submits, refusals, a tiny CQ. A model of each op says what may be true;
 * loop_verify() walks the loop after each turn. At the end every start has had
 * its one last completion.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

enum { SUBJECTS = 60, TIMERS = 20, FDS = 9 };

struct subject {
    gyre_op op;
    gyre_deadline deadline;
    struct stress *stress;
    int fd;
    bool started;
    bool is_close;
    bool asked;    /* to end, by whom ever */
    bool timed;    /* has a deadline */
    bool deserves; /* the kernel has given it a good last CQE */
    int32_t good;  /* its result */
    unsigned starts;
    unsigned lasts;
};

struct stress {
    struct rig rig;
    uint64_t random;
    struct subject subjects[SUBJECTS];
    gyre_timer timers[TIMERS];
    uint64_t timer_due[TIMERS]; /* 0: idle */
    unsigned timer_told;
    bool over;
};

static uint64_t random_next(struct stress *s)
{
    uint64_t z = s->random += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static unsigned below(struct stress *s, unsigned n)
{
    return (unsigned)(random_next(s) % n);
}

static struct subject *any(struct stress *s)
{
    return &s->subjects[below(s, SUBJECTS)];
}

static void subject_fill(struct subject *x)
{
    struct stress *s = x->stress;

    x->fd = (int)below(s, FDS) - 1;
    x->is_close = x->fd >= 0 && below(s, 12) == 0;
    if (x->is_close)
        gyre_op_close(&x->op, x->fd);
    else if (x->fd >= 0 && below(s, 5) == 0)
        gyre_op_getdents(&x->op, x->fd, x, 1); /* beside the ring */
    else
        gyre_op_recv(&x->op, x->fd, x, 1, 0);
}

static void subject_begin(struct subject *x)
{
    x->started = true;
    x->asked = x->timed = x->deserves = false;
    x->starts++;
}

static void done(gyre_op *op, gyre_result result);

static void start(struct subject *x)
{
    struct stress *s = x->stress;

    subject_fill(x);
    subject_begin(x);
    if (below(s, 4) == 0)
        gyre_op_start_remote(s->rig.loop, &x->op, done, x);
    else
        gyre_op_start(s->rig.loop, &x->op, done, x);
}

static void done(gyre_op *op, gyre_result result)
{
    struct subject *x = CONTAINER_OF(op, struct subject, op);
    struct stress *s = x->stress;

    CHECK(op->user == x);
    CHECK(x->started);
    CHECK_NE(result.res, -EINTR);
    CHECK_GT(result.res, -500);
    if (!gyre_result_is_last(result)) {
        CHECK_EQ(gyre_op_state(op), GYRE_OP_IN_FLIGHT);
        if (below(s, 3) == 0)
            gyre_op_cancel(op);
        return;
    }
    CHECK_EQ(gyre_op_state(op), GYRE_OP_IDLE);
    x->started = false;
    x->lasts++;
    CHECK_EQ(x->lasts, x->starts);
    if (x->deserves)
        CHECK_EQ(result.res, x->good); /* the kernel's word, unchanged */
    else if (result.res == -ETIME)
        CHECK(x->timed);
    else
        CHECK(result.res == -ECANCELED || result.res == -EBADF);
    memset(op, 0xDD, sizeof *op);
    if (s->over)
        return;
    switch (below(s, 4)) {
    case 0:
        start(x);
        break;
    case 1: {
        struct subject *other = any(s);

        if (other->started && gyre_op_state(&other->op) != GYRE_OP_IDLE)
            gyre_op_cancel(&other->op);
        break;
    }
    default:
        break;
    }
}

static void rang(gyre_timer *timer, int status)
{
    struct stress *s = timer->user;
    size_t i = (size_t)(timer - s->timers);

    CHECK_NE(s->timer_due[i], 0);
    if (status == 0)
        CHECK_LE(s->timer_due[i], gyre_loop_now(s->rig.loop));
    else
        CHECK_ERR(status, -ECANCELED);
    s->timer_due[i] = 0;
    s->timer_told++;
}

/* ---- what is done to the loop -------------------------------------------- */

static void step_op(struct stress *s)
{
    struct subject *x = any(s);
    bool remote = x->started && x->op.state_ == OP_IDLE;

    if (!x->started) {
        start(x);
    } else if (remote) {
        return; /* handed over, not taken yet: nobody may touch it */
    } else if (below(s, 2) == 0) {
        int err = gyre_op_cancel(&x->op);

        CHECK(err == 0 || err == -EALREADY);
    } else if (!x->timed) {
        x->timed = true;
        gyre_op_set_deadline(&x->op, &x->deadline,
                             gyre_loop_now(s->rig.loop) +
                                 below(s, 20) * GYRE_MS);
    }
}

static void step_timer(struct stress *s)
{
    unsigned i = below(s, TIMERS);
    uint64_t due = gyre_loop_now(s->rig.loop) + 1 + below(s, 1U << 26);

    if (s->timer_due[i] == 0) {
        s->timer_due[i] = due;
        gyre_timer_start(&s->timers[i], due);
        return;
    }
    switch (below(s, 3)) {
    case 0:
        CHECK(gyre_timer_stop(&s->timers[i]));
        s->timer_due[i] = 0;
        break;
    case 1:
        CHECK(gyre_timer_cancel(&s->timers[i]));
        break;
    default:
        if (s->timers[i].period_ns_ == 0) { /* not yet cancelled */
            gyre_timer_reset(&s->timers[i], due);
            s->timer_due[i] = due;
        }
        break;
    }
}

/* ---- what the kernel does ------------------------------------------------ */

static void complete_one(struct stress *s)
{
    struct scripted *k = s->rig.s;
    unsigned pending = scripted_pending(k);
    unsigned index;
    const struct io_uring_sqe *sqe;
    struct subject *x;

    if (pending == 0)
        return;
    index = below(s, pending);
    sqe = scripted_at(k, index);
    if ((sqe->user_data & KERNEL_TAG_MASK) != KERNEL_TAG_OP) {
        scripted_complete(k, (int)index, -ENOENT, 0);
        return;
    }
    x = CONTAINER_OF((gyre_op *)(uintptr_t)(sqe->user_data & 0xFFFFFFFFFFF0),
                     struct subject, op);
    switch (below(s, 6)) {
    case 0:
        if (!x->is_close)
            scripted_complete(k, (int)index, 1, IORING_CQE_F_MORE);
        break;
    case 1:
        if (!x->is_close) /* which does not retry */
            scripted_complete(k, (int)index, below(s, 2) ? -EINTR : -512, 0);
        break;
    default:
        x->deserves = true;
        x->good = (int32_t)below(s, 1000);
        scripted_complete(k, (int)index, x->good, 0);
        break;
    }
}

static void change_the_kernel(struct stress *s)
{
    static const int errors[] = { -EINTR, -EAGAIN, -EBUSY, -ETIME, -ENOMEM };
    struct scripted *k = s->rig.s;

    switch (below(s, 6)) {
    case 0:
        scripted_set_cancel(k, (enum scripted_cancel)below(s, 5));
        break;
    case 1:
        scripted_fail_enter(k, errors[below(s, ARRAY_SIZE(errors))],
                            below(s, 4));
        break;
    case 2:
        scripted_take_at_most(k, below(s, 3) ? UINT32_MAX : 1 + below(s, 4));
        break;
    case 3:
        scripted_defer(k, below(s, 2));
        break;
    case 4:
        scripted_be_busy(k, below(s, 2));
        break;
    default:
        scripted_fail_side(k, -EAGAIN, 0);
        break;
    }
}

static bool wake_at_once(struct scripted *k, uint64_t deadline_ns, void *arg)
{
    struct stress *s = arg;

    if (deadline_ns == KERNEL_FOREVER || below(s, 3) == 0) {
        complete_one(s);
        return true;
    }
    (void)k;
    return false; /* until the deadline */
}

static void step(struct stress *s)
{
    unsigned what = below(s, 100);

    if (what < 40)
        step_op(s);
    else if (what < 50)
        step_timer(s);
    else if (what < 51)
        gyre_loop_cancel_fd(s->rig.loop, (int)below(s, FDS));
    else if (what < 70)
        complete_one(s);
    else if (what < 73)
        change_the_kernel(s);
    else if (what < 76)
        scripted_advance(s->rig.s, below(s, 1U << 24));
    else if (what < 78)
        gyre_loop_reap(s->rig.loop);
    else if (what < 80)
        CHECK_OK(gyre_loop_submit(s->rig.loop));
    else if (what < 81)
        gyre_loop_wake(s->rig.loop, GYRE_WAKE_IO, 1);
    else if (what < 90)
        CHECK_OK(gyre_loop_run(s->rig.loop, GYRE_RUN_ONCE));
    else
        rig_turn(&s->rig);
    loop_verify(s->rig.loop);
}

static void stress_run(uint64_t seed, unsigned long steps)
{
    struct stress *s = calloc(1, sizeof *s);
    unsigned long lasts = 0;

    CHECK(s != NULL);
    printf("seed %llu\n", (unsigned long long)seed); /* shown if it fails */
    s->random = seed;
    rig_open_with(&s->rig,
                  &(gyre_loop_options){ .entries = 1U << below(s, 5),
                                        .cq_entries = 2U << below(s, 5),
                                        .dispatch_max = 1 + below(s, 9),
                                        .ready_max = 1 + below(s, 9) });
    CHECK(scripted_add_side(s->rig.s, 4));
    scripted_on_sleep(s->rig.s, wake_at_once, s);
    for (int i = 0; i < SUBJECTS; i++)
        s->subjects[i].stress = s;
    for (int i = 0; i < TIMERS; i++)
        gyre_timer_init(&s->timers[i], s->rig.loop, rang, s);
    for (unsigned long i = 0; i < steps; i++)
        step(s);

    /* The end: cancels that work from here on, and what was asked in vain ends
     * by the kernel. */
    s->over = true;
    scripted_set_cancel(s->rig.s, SCRIPTED_CANCEL_FIRST);
    scripted_take_at_most(s->rig.s, UINT32_MAX);
    scripted_be_busy(s->rig.s, false);
    if (seed % 2 == 0) {
        gyre_loop_destroy(s->rig.loop);
    } else {
        while (!gyre_loop_is_io_idle(s->rig.loop) ||
               !loop_is_done(s->rig.loop)) {
            gyre_loop_cancel_all(s->rig.loop);
            CHECK_OK(gyre_loop_run(s->rig.loop, GYRE_RUN_ONCE));
        }
        gyre_loop_destroy(s->rig.loop);
    }
    for (int i = 0; i < SUBJECTS; i++) {
        CHECK(!s->subjects[i].started);
        CHECK_EQ(s->subjects[i].lasts, s->subjects[i].starts);
        lasts += s->subjects[i].lasts;
    }
    CHECK_GT(lasts, steps / 50); /* it did something */
    free(s);
}

TEST(E1_G8_random_use_from_seeds)
{
    for (uint64_t seed = 1; seed <= 8; seed++)
        stress_run(seed, 100000 / test_scale());
}

TEST(E1_G8_random_use_of_many_short_lives)
{
    for (uint64_t seed = 1000; seed < 1000 + 400 / test_scale(); seed++)
        stress_run(seed, 500);
}
