/* SPDX-License-Identifier: MIT */
/*
 * test_run.c - run modes, stopping, nesting, single steps, and looking at it
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "rig.h"

static bool complete_first(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    (void)deadline_ns, (void)arg;
    if (scripted_pending(s) > 0)
        scripted_complete(s, 0, 1, 0);
    return false;
}

/* ---- the modes ----------------------------------------------------------- */

TEST(L1_L8_until_done_ends_when_no_op_is_left)
{
    struct rig rig;
    struct probe p[5];

    rig_open(&rig, 2);
    scripted_on_sleep(rig.s, complete_first, NULL);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE)); /* has nothing */
    CHECK_EQ(rig_stats(&rig).turns, 0);
    for (int i = 0; i < 5; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < 5; i++)
        CHECK_ENDED(&p[i], 1);
    rig_close(&rig);
}

TEST(L1_once_sleeps_until_something_was_called_back)
{
    struct rig rig;
    struct probe p[3];

    rig_open(&rig, 8);
    for (int i = 0; i < 3; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    scripted_on_sleep(rig.s, complete_first, NULL);
    for (unsigned i = 1; i <= 3; i++) {
        CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
        CHECK_EQ(rig.calls, i);
        CHECK_EQ(scripted_sleeps(rig.s), i);
    }
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE)); /* nothing to wait for */
    CHECK_EQ(scripted_sleeps(rig.s), 3);
    rig_close(&rig);
}

static bool end_sleep(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    unsigned *sleeps = arg;

    (void)deadline_ns;
    if (++*sleeps == 4)
        scripted_complete(s, 0, 1, 0);
    return true; /* wakes for no reason */
}

TEST(L1_once_sleeps_again_after_a_wake_for_nothing)
{
    struct rig rig;
    struct probe p;
    unsigned sleeps = 0;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    scripted_on_sleep(rig.s, end_sleep, &sleeps);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_EQ(sleeps, 4);
    CHECK_ENDED(&p, 1);
    rig_close(&rig);
}

TEST(L1_once_with_something_ready_does_not_sleep)
{
    struct rig rig;
    struct probe flying, queued;

    rig_open(&rig, 8);
    probe_fly(&flying, &rig, 1, 7);
    probe_init(&queued, &rig, 2, 8);
    probe_start(&queued);
    CHECK_OK(gyre_op_cancel(&queued.op));
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_ENDED(&queued, -ECANCELED);
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
}

TEST(L1_without_waiting_is_one_turn_that_always_enters)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    rig_turn(&rig);
    CHECK_EQ(scripted_enters(rig.s), 1);
    probe_fly(&p, &rig, 1, 7);
    CHECK_EQ(scripted_enters(rig.s), 2);
    scripted_complete(rig.s, 0, 1, 0);
    rig_turn(&rig);
    CHECK_EQ(scripted_enters(rig.s), 3);
    CHECK_EQ(rig_stats(&rig).turns, 3);
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
}

static bool stop_at_third(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    struct rig *rig = arg;

    CHECK_EQ(deadline_ns, KERNEL_FOREVER);
    if (scripted_sleeps(s) == 3)
        gyre_loop_stop(rig->loop);
    return true;
}

TEST(L1_L2_for_ever_runs_with_nothing_to_do_until_stopped)
{
    struct rig rig;

    rig_open(&rig, 8);
    scripted_on_sleep(rig.s, stop_at_third, &rig);
    CHECK_EQ(gyre_loop_run(rig.loop, GYRE_RUN_FOREVER), 1);
    CHECK_EQ(scripted_sleeps(rig.s), 3);
    rig_close(&rig);
}

TEST(L1_a_hold_keeps_until_done_running)
{
    struct rig rig;

    rig_open(&rig, 8);
    gyre_loop_hold(rig.loop);
    gyre_loop_hold(rig.loop);
    gyre_loop_release(rig.loop);
    scripted_on_sleep(rig.s, stop_at_third, &rig);
    CHECK_EQ(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE), 1);
    gyre_loop_release(rig.loop);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    rig_close(&rig);
}

TEST_PANICS(L1_releasing_more_than_was_held_panics, "more often than held")
{
    struct rig rig;

    rig_open(&rig, 8);
    gyre_loop_release(rig.loop);
}

TEST_PANICS(L1_the_scripted_kernel_tells_a_sleep_without_end, "for ever")
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    gyre_loop_run(rig.loop, GYRE_RUN_ONCE);
}

/* ---- stop ---------------------------------------------------------------- */

static void stop_loop(struct probe *probe, gyre_result result)
{
    (void)result;
    gyre_loop_stop(probe->rig->loop);
}

TEST(L2_stop_from_a_callback_ends_the_turn_first)
{
    struct rig rig;
    struct probe p[3];

    rig_open(&rig, 8);
    for (int i = 0; i < 3; i++)
        probe_fly(&p[i], &rig, i, i);
    p[0].then = stop_loop;
    scripted_complete(rig.s, 0, 1, 0);
    scripted_complete(rig.s, 0, 1, 0);
    CHECK_EQ(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE), 1);
    CHECK_EQ(rig.calls, 2);
    scripted_on_sleep(rig.s, complete_first, NULL);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE)); /* not for good */
    CHECK_EQ(rig.calls, 3);
    rig_close(&rig);
}

TEST(L2_stop_before_the_run_stops_that_run_alone)
{
    static const gyre_run_mode modes[] = { GYRE_RUN_UNTIL_DONE, GYRE_RUN_ONCE,
                                           GYRE_RUN_NOWAIT, GYRE_RUN_FOREVER };
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
        for (int busy = 0; busy < 2; busy++) {
            struct rig rig;
            struct probe p;

            rig_open(&rig, 8);
            if (busy)
                probe_fly(&p, &rig, 1, 7);
            gyre_loop_stop(rig.loop);
            gyre_loop_stop(rig.loop);
            CHECK_EQ(gyre_loop_run(rig.loop, modes[i]), 1);
            CHECK_EQ(scripted_sleeps(rig.s), 0);
            CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_NOWAIT));
            rig_close(&rig);
        }
}

static void *stopper(void *arg)
{
    gyre_loop_stop(arg);
    return NULL;
}

static bool start_stopper(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    struct rig *rig = arg;
    pthread_t thread;

    (void)s, (void)deadline_ns;
    CHECK_OK(pthread_create(&thread, NULL, stopper, rig->loop));
    pthread_join(thread, NULL);
    return false;
}

TEST(L2_stop_from_another_thread_ends_a_sleep)
{
    struct rig rig;

    rig_open(&rig, 8);
    scripted_on_sleep(rig.s, start_stopper, &rig);
    CHECK_EQ(gyre_loop_run(rig.loop, GYRE_RUN_FOREVER), 1);
    CHECK_EQ(scripted_sleeps(rig.s), 1);
    CHECK_EQ(scripted_wake_count(rig.s), 1);
    rig_close(&rig);
}

/* ---- nesting ------------------------------------------------------------- */

static void run_inside(struct probe *probe, gyre_result result)
{
    (void)result;
    for (int mode = GYRE_RUN_UNTIL_DONE; mode <= GYRE_RUN_FOREVER; mode++)
        CHECK_ERR(gyre_loop_run(probe->rig->loop, (gyre_run_mode)mode),
                  -EDEADLK);
}

static void run_inside_timer(gyre_timer *timer, int status)
{
    CHECK_OK(status);
    CHECK_ERR(gyre_loop_run(timer->loop_, GYRE_RUN_NOWAIT), -EDEADLK);
}

static gyre_loop *work_loop;

static void run_inside_work(gyre_work *work)
{
    (void)work;
    CHECK_ERR(gyre_loop_run(work_loop, GYRE_RUN_NOWAIT), -EDEADLK);
}

TEST(L14_a_nested_run_is_refused_in_every_callback)
{
    struct rig rig;
    struct probe p, ended;
    gyre_timer timer;
    gyre_work work;

    rig_open(&rig, 8);
    work_loop = rig.loop;
    probe_fly(&p, &rig, 1, 7);
    p.then = run_inside;
    scripted_complete(rig.s, 0, 0, 0);
    probe_init(&ended, &rig, 2, 7);
    ended.then = run_inside;
    probe_start(&ended);
    CHECK_OK(gyre_op_cancel(&ended.op));
    gyre_timer_init(&timer, rig.loop, run_inside_timer, NULL);
    gyre_timer_start(&timer, 0);
    gyre_loop_post(rig.loop, &work, run_inside_work);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(rig.calls, 2);
    rig_close(&rig);
}

TEST(L14_a_nested_run_is_refused_in_single_steps)
{
    struct rig rig;
    struct probe p;
    gyre_work work;

    rig_open(&rig, 8);
    work_loop = rig.loop;
    probe_fly(&p, &rig, 1, 7);
    p.then = run_inside;
    scripted_complete(rig.s, 0, 0, 0);
    CHECK_EQ(gyre_loop_reap(rig.loop), 1);
    CHECK_EQ(rig.calls, 1);
    gyre_loop_post(rig.loop, &work, run_inside_work);
    CHECK(gyre_loop_run_one_ready(rig.loop));
    rig_close(&rig);
}

static void run_other(struct probe *probe, gyre_result result)
{
    struct rig *other = probe->arg;

    (void)result;
    CHECK(gyre_loop_current() == probe->rig->loop);
    CHECK_OK(gyre_loop_run(other->loop, GYRE_RUN_NOWAIT));
    CHECK(gyre_loop_current() == probe->rig->loop);
}

static void check_current(struct probe *probe, gyre_result result)
{
    (void)result;
    CHECK(gyre_loop_current() == probe->rig->loop);
}

TEST(L14_L15_another_loop_of_the_thread_may_run_inside)
{
    struct rig outer, inner;
    struct probe p, q;

    rig_open(&outer, 8);
    rig_open(&inner, 8);
    probe_fly(&p, &outer, 1, 7);
    probe_fly(&q, &inner, 2, 7);
    p.then = run_other;
    p.arg = &inner;
    q.then = check_current;
    scripted_complete(outer.s, 0, 0, 0);
    scripted_complete(inner.s, 0, 0, 0);
    CHECK(gyre_loop_current() == NULL);
    rig_turn(&outer);
    CHECK(gyre_loop_current() == NULL);
    CHECK_ENDED(&p, 0);
    CHECK_ENDED(&q, 0);
    rig_close(&outer);
    rig_close(&inner);
}

/* ---- who owns it --------------------------------------------------------- */

static void *run_it(void *arg)
{
    struct rig *rig = arg;

    CHECK(!gyre_loop_is_mine(rig->loop));
    rig_turn(rig);
    CHECK(gyre_loop_is_mine(rig->loop));
    rig_close(rig);
    return NULL;
}

TEST(H13_a_loop_belongs_to_the_first_thread_that_runs_it)
{
    struct rig rig;
    struct probe p;
    pthread_t thread;

    rig_open(&rig, 8);
    CHECK(gyre_loop_is_mine(rig.loop));
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p); /* by its maker, before it runs */
    CHECK_OK(pthread_create(&thread, NULL, run_it, &rig));
    pthread_join(thread, NULL);
    CHECK_ENDED(&p, 1);
}

TEST(H13_a_refused_attach_is_told_and_changes_nothing)
{
    struct rig rig;

    rig_open(&rig, 8);
    scripted_fail_attach(rig.s, -EEXIST);
    CHECK_ERR(gyre_loop_run(rig.loop, GYRE_RUN_NOWAIT), -EEXIST);
    CHECK_ERR(gyre_loop_submit(rig.loop), -EEXIST);
    CHECK_ERR(gyre_loop_fd(rig.loop), -EEXIST);
    CHECK(gyre_loop_is_mine(rig.loop));
    scripted_fail_attach(rig.s, 0);
    rig_turn(&rig);
    rig_close(&rig);
}

static void on_another_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;

    CHECK_OK(pthread_create(&thread, NULL, fn, arg));
    pthread_join(thread, NULL);
}

static gyre_op stray_op;

static void *start_wrong(void *arg)
{
    gyre_op_nop(&stray_op);
    gyre_op_start(arg, &stray_op, probe_done, NULL);
    return NULL;
}

static void *run_wrong(void *arg)
{
    gyre_loop_run(arg, GYRE_RUN_NOWAIT);
    return NULL;
}

static void *cancel_wrong(void *arg)
{
    gyre_op_cancel(arg);
    return NULL;
}

static void *timer_wrong(void *arg)
{
    gyre_timer_start(arg, 1);
    return NULL;
}

static void *destroy_wrong(void *arg)
{
    gyre_loop_destroy(arg);
    return NULL;
}

TEST_PANICS(H13_starting_on_the_wrong_thread_panics, "does not own the loop")
{
    struct rig rig;

    rig_open(&rig, 8);
    rig_turn(&rig);
    on_another_thread(start_wrong, rig.loop);
}

TEST_PANICS(H13_running_on_the_wrong_thread_panics, "does not own the loop")
{
    struct rig rig;

    rig_open(&rig, 8);
    rig_turn(&rig);
    on_another_thread(run_wrong, rig.loop);
}

TEST_PANICS(H13_cancelling_on_the_wrong_thread_panics, "does not own the loop")
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    on_another_thread(cancel_wrong, &p.op);
}

TEST_PANICS(H13_a_timer_on_the_wrong_thread_panics, "does not own the loop")
{
    struct rig rig;
    gyre_timer timer;

    rig_open(&rig, 8);
    rig_turn(&rig);
    gyre_timer_init(&timer, rig.loop, run_inside_timer, NULL);
    on_another_thread(timer_wrong, &timer);
}

TEST_PANICS(H13_destroying_on_the_wrong_thread_panics, "does not own the loop")
{
    struct rig rig;

    rig_open(&rig, 8);
    rig_turn(&rig);
    on_another_thread(destroy_wrong, rig.loop);
}

TEST_PANICS(H13_a_loop_that_was_not_made_panics, "there is no loop")
{
    gyre_loop_run(NULL, GYRE_RUN_NOWAIT);
}

TEST_PANICS(H13_starting_without_a_loop_panics, "there is no loop")
{
    start_wrong(NULL);
}

TEST(L15_loops_are_numbered_and_named)
{
    struct rig a, b;

    rig_open(&a, 8);
    rig_open(&b, 8);
    CHECK_GT(gyre_loop_id(a.loop), 0);
    CHECK_EQ(gyre_loop_id(b.loop), gyre_loop_id(a.loop) + 1);
    CHECK_STR_EQ(gyre_loop_kernel(a.loop), "scripted");
    CHECK(gyre_loop_current() == NULL);
    rig_close(&a);
    rig_close(&b);
}

/* ---- single steps -------------------------------------------------------- */

static unsigned ran;

static void count(gyre_work *work)
{
    (void)work;
    CHECK(gyre_loop_current() == work_loop);
    ran++;
}

TEST(L17_one_step_at_a_time)
{
    struct rig rig;
    struct probe p;
    gyre_work work[2];

    rig_open(&rig, 8);
    work_loop = rig.loop;
    CHECK(!gyre_loop_run_one_ready(rig.loop));
    gyre_loop_post(rig.loop, &work[0], count);
    gyre_loop_post(rig.loop, &work[1], count);
    CHECK(gyre_loop_run_one_ready(rig.loop));
    CHECK_EQ(ran, 1);
    CHECK(gyre_loop_run_one_ready(rig.loop));
    CHECK(!gyre_loop_run_one_ready(rig.loop));
    CHECK_EQ(ran, 2);
    CHECK_EQ(scripted_enters(rig.s), 0);

    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    CHECK_EQ(gyre_loop_reap(rig.loop), 0);
    CHECK_OK(gyre_loop_submit(rig.loop));
    CHECK_EQ(scripted_enters(rig.s), 1);
    CHECK_OK(gyre_loop_submit(rig.loop)); /* nothing: no system call */
    CHECK_EQ(scripted_enters(rig.s), 1);
    scripted_complete(rig.s, 0, 5, 0);
    CHECK_EQ(p.calls, 0);
    CHECK_EQ(gyre_loop_reap(rig.loop), 1);
    CHECK_ENDED(&p, 5);
    CHECK_EQ(scripted_enters(rig.s), 1);
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
}

static void reap_inside(struct probe *probe, gyre_result result)
{
    (void)result;
    gyre_loop_reap(probe->rig->loop);
}

TEST_PANICS(L17_a_step_inside_a_callback_panics, "inside a turn")
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    p.then = reap_inside;
    probe_complete(&p, 0);
}

/* ---- looking at it ------------------------------------------------------- */

TEST(L16_the_numbers_tell_where_everything_is)
{
    struct rig rig;
    struct probe p[6];
    gyre_timer timer;
    gyre_work work;
    gyre_loop_stats stats;

    rig_open(&rig, 4);
    CHECK(gyre_loop_is_io_idle(rig.loop));
    for (int i = 0; i < 6; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    gyre_timer_init(&timer, rig.loop, run_inside_timer, NULL);
    gyre_timer_start(&timer, GYRE_NEVER);
    rig_turn(&rig);
    work_loop = rig.loop;
    gyre_loop_post(rig.loop, &work, count);
    CHECK_OK(gyre_loop_submit(rig.loop)); /* takes what was posted */
    stats = rig_stats(&rig);
    CHECK_EQ(stats.ready, 1);
    CHECK_EQ(stats.queued, 0);
    CHECK_EQ(stats.in_flight, 6);
    CHECK_EQ(stats.timers, 1);
    CHECK_EQ(stats.turns, 1);
    CHECK_EQ(stats.enters, 2);
    CHECK_EQ(stats.submitted, 6);
    CHECK_EQ(stats.backlog_max, 6);
    CHECK_EQ(stats.completions, 0);
    CHECK(!gyre_loop_is_io_idle(rig.loop));
    scripted_complete_all(rig.s, 0);
    rig_turn(&rig);
    CHECK_EQ(rig_stats(&rig).completions, 6);
    CHECK_EQ(rig_stats(&rig).in_flight, 0);
    CHECK(gyre_loop_is_io_idle(rig.loop));
    gyre_timer_stop(&timer);
    rig_close(&rig);
}

TEST_PANICS(L16_stats_without_their_size_panic, "sizeof(gyre_loop_stats)")
{
    struct rig rig;
    gyre_loop_stats stats = { .size = 8 };

    rig_open(&rig, 8);
    gyre_loop_get_stats(rig.loop, &stats);
}
