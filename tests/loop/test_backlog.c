/* SPDX-License-Identifier: MIT */
/*
 * test_backlog.c - more than the queues hold, and a kernel that is
 * short of room
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rig.h"

/* I2 */
static void do_nothing(gyre_work *work)
{
    (void)work;
}

TEST(J1_a_thousand_ops_pass_a_queue_of_one_in_order)
{
    enum { OPS = 1000 };
    struct rig rig;
    struct probe *p = calloc(OPS, sizeof *p);

    CHECK(p != NULL);
    rig_open(&rig, 1);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    for (int i = 0; i < OPS; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    CHECK_EQ(rig_stats(&rig).queued, OPS);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(rig.calls, OPS);
    for (int i = 0; i < OPS; i++) {
        CHECK_ENDED(&p[i], 1);
        CHECK_EQ(rig.journal[i], i);
        CHECK_EQ(scripted_seen_at(rig.s, (size_t)i)->fd, i);
    }
    CHECK_EQ(rig_stats(&rig).backlog_max, OPS);
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
    free(p);
}

TEST(J1_short_submits_keep_the_order)
{
    enum { OPS = 100 };
    struct rig rig;
    struct probe p[OPS];

    rig_open(&rig, 8);
    scripted_take_at_most(rig.s, 3);
    for (int i = 0; i < OPS; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    for (int i = 0; i < OPS / 3 + 2; i++)
        rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), OPS);
    for (int i = 0; i < OPS; i++)
        CHECK_EQ(scripted_at(rig.s, (unsigned)i)->fd, i);
    rig_close(&rig);
}

/* I4 */
TEST(A13_one_enter_submits_a_batch_and_one_turn_reaps_it)
{
    enum { OPS = 64 };
    struct rig rig;
    struct probe p[OPS];

    rig_open(&rig, OPS);
    for (int i = 0; i < OPS; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    rig_turn(&rig);
    CHECK_EQ(scripted_enters(rig.s), 1);
    CHECK_EQ(scripted_pending(rig.s), OPS);
    scripted_complete_all(rig.s, 0);
    rig_turn(&rig);
    CHECK_EQ(rig.calls, OPS);
    CHECK_EQ(scripted_enters(rig.s), 2);
    rig_close(&rig);
}

TEST(A12_a_turn_with_results_at_hand_makes_no_system_call)
{
    struct rig rig;
    struct probe p;
    uint64_t enters;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    scripted_complete(rig.s, 0, 1, 0);
    enters = scripted_enters(rig.s);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_ENDED(&p, 1);
    CHECK_EQ(scripted_enters(rig.s), enters);
    rig_close(&rig);
}

TEST(A12_a_turn_enters_when_only_that_brings_the_results)
{
    struct rig rig;
    struct probe p;
    uint64_t enters;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    scripted_defer(rig.s, true); /* SQ_TASKRUN instead of a CQE */
    scripted_complete(rig.s, 0, 1, 0);
    enters = scripted_enters(rig.s);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_ENDED(&p, 1);
    CHECK_EQ(scripted_enters(rig.s), enters + 1);
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
}

static struct probe *deferred;

static void busy_until_called(gyre_work *work)
{
    static unsigned turns;

    CHECK_LE(++turns, 3); /* a busy loop enters for it as well */
    if (deferred->calls == 0)
        gyre_loop_post(deferred->rig->loop, work, busy_until_called);
}

TEST(A12_a_busy_turn_enters_when_only_that_brings_the_results)
{
    struct rig rig;
    struct probe p;
    gyre_work work;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    scripted_defer(rig.s, true);
    scripted_complete(rig.s, 0, 1, 0);
    deferred = &p;
    gyre_loop_post(rig.loop, &work, busy_until_called);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ENDED(&p, 1);
    rig_close(&rig);
}

TEST(A12_a_busy_turn_without_need_does_not_enter)
{
    struct rig rig;
    gyre_work work[5];
    uint64_t enters;

    rig_open_with(&rig, &(gyre_loop_options){ .entries = 8, .ready_max = 1 });
    rig_turn(&rig);
    enters = scripted_enters(rig.s);
    for (int i = 0; i < 5; i++)
        gyre_loop_post(rig.loop, &work[i], do_nothing);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(scripted_enters(rig.s), enters);
    rig_close(&rig);
}

/* ---- the completion queue overflows -------------------------------------- */

TEST(J1_a_completion_queue_of_two_loses_nothing)
{
    enum { OPS = 500 };
    struct rig rig;
    struct probe p[OPS];

    rig_open_with(&rig,
                  &(gyre_loop_options){ .entries = 512, .cq_entries = 2 });
    for (int i = 0; i < OPS; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    rig_turn(&rig);
    scripted_complete_all(rig.s, 6);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(rig.calls, OPS);
    for (int i = 0; i < OPS; i++) {
        CHECK_ENDED(&p[i], 6);
        CHECK_EQ(rig.journal[i], i);
    }
    CHECK_GT(rig_stats(&rig).overflows, 0);
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
}

TEST(J1_an_overflow_is_reaped_before_more_is_submitted)
{
    enum { OPS = 300 };
    struct rig rig;
    struct probe p[OPS];

    rig_open_with(&rig, &(gyre_loop_options){ .entries = 16, .cq_entries = 2 });
    scripted_be_busy(rig.s, true);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    for (int i = 0; i < OPS; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < OPS; i++)
        CHECK_ENDED(&p[i], 1);
    CHECK_GT(rig_stats(&rig).ebusy, 0);
    /* Progress at each step: turns are bounded by CQEs, two at a time. */
    CHECK_LE(scripted_enters(rig.s), 3 * OPS);
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
}

TEST(J1_both_queues_of_results_are_emptied)
{
    enum { OPS = 40 };
    struct rig rig;
    struct probe p[OPS];

    rig_open_with(&rig, &(gyre_loop_options){ .entries = 64, .cq_entries = 4 });
    CHECK(scripted_add_side(rig.s, 4));
    for (int i = 0; i < OPS; i++) {
        probe_init(&p[i], &rig, i, i);
        if (i % 2 != 0)
            gyre_op_getdents(&p[i].op, i, p, 1);
        probe_start(&p[i]);
    }
    rig_turn(&rig);
    scripted_complete_all(rig.s, 2);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < OPS; i++)
        CHECK_ENDED(&p[i], 2);
    rig_close(&rig);
}

/* ---- enter() refuses ----------------------------------------------------- */

TEST(A14_EINTR_from_enter_is_not_seen)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    scripted_fail_enter(rig.s, -EINTR, 5);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ENDED(&p, 1);
    CHECK_EQ(rig_stats(&rig).eintr, 5);
    CHECK_EQ(scripted_seen(rig.s), 1);
    rig_close(&rig);
}

TEST(A14_EINTR_in_run_once_goes_on_sleeping)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    scripted_fail_enter(rig.s, -EINTR, 3);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_ENDED(&p, 1);
    rig_close(&rig);
}

static void starve(int err, uint64_t gyre_loop_stats_member_offset)
{
    struct rig rig;
    struct probe p[20];
    gyre_loop_stats stats;
    uint64_t counted;
    uint64_t before;

    rig_open(&rig, 4);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    for (int i = 0; i < 20; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    scripted_fail_enter(rig.s, err, 1);
    before = scripted_now(rig.s);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    stats = rig_stats(&rig);
    memcpy(&counted, (char *)&stats + gyre_loop_stats_member_offset,
           sizeof counted);
    CHECK_EQ(counted, 1);
    for (int i = 0; i < 20; i++)
        CHECK_ENDED(&p[i], 1);
    /* One pause, that of the turn after the refusal. */
    CHECK_EQ(scripted_sleeps(rig.s), 1);
    CHECK_EQ(scripted_now(rig.s) - before, GYRE_MS);
    rig_close(&rig);
}

TEST(A14_EAGAIN_from_enter_loses_nothing_and_does_not_spin)
{
    starve(-EAGAIN, offsetof(gyre_loop_stats, eagain));
}

TEST(A14_ENOMEM_from_enter_loses_nothing_and_does_not_spin)
{
    starve(-ENOMEM, offsetof(gyre_loop_stats, eagain));
}

TEST(A14_EBUSY_from_enter_loses_nothing_and_does_not_spin)
{
    starve(-EBUSY, offsetof(gyre_loop_stats, ebusy));
}

static bool finish_one(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    unsigned *sleeps = arg;

    (void)deadline_ns;
    if (++*sleeps == 1)
        scripted_complete(s, 0, 9, 0);
    return false;
}

TEST(A14_a_starved_loop_goes_on_as_soon_as_something_is_finished)
{
    struct rig rig;
    struct probe p[2];
    unsigned sleeps = 0;
    uint64_t before;

    rig_open(&rig, 4);
    probe_fly(&p[0], &rig, 0, 7);
    probe_init(&p[1], &rig, 1, 8);
    probe_start(&p[1]);
    scripted_fail_enter(rig.s, -EAGAIN, 1);
    rig_turn(&rig);
    before = scripted_now(rig.s);
    scripted_on_sleep(rig.s, finish_one, &sleeps);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_ENDED(&p[0], 9);
    CHECK_EQ(scripted_now(rig.s), before);
    rig_turn(&rig);
    CHECK_EQ(gyre_op_state(&p[1].op), GYRE_OP_IN_FLIGHT);
    rig_close(&rig);
}

TEST(A14_L1_a_starved_turn_without_waiting_does_not_wait)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 4);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    scripted_fail_enter(rig.s, -EAGAIN, 1);
    rig_turn(&rig);
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    CHECK_EQ(scripted_pending(rig.s), 1);
    rig_close(&rig);
}

static void note_timer(gyre_timer *timer, int status)
{
    CHECK_OK(status);
    *(uint64_t *)timer->user = gyre_loop_now(timer->loop_);
}

TEST(A14_a_starved_loop_does_not_sleep_past_a_timer)
{
    struct rig rig;
    struct probe p;
    gyre_timer timer;
    uint64_t rang = 0, due;

    rig_open(&rig, 4);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    gyre_timer_init(&timer, rig.loop, note_timer, &rang);
    due = gyre_loop_now(rig.loop) + GYRE_MS / 4;
    gyre_timer_start(&timer, due);
    scripted_fail_enter(rig.s, -EAGAIN, 1);
    while (rang == 0)
        CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_GE(rang, due);
    CHECK_LE(rang, due + (1U << WHEEL_TICK_SHIFT));
    rig_close(&rig);
}

TEST(A14_other_errors_of_enter_end_the_run_and_lose_nothing)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    scripted_fail_enter(rig.s, -EPERM, 1);
    CHECK_ERR(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE), -EPERM);
    CHECK_EQ(p.calls, 0);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ENDED(&p, 1);
    rig_close(&rig);
}

TEST(A14_a_kernel_without_memory_for_requests_gets_them_later)
{
    enum { OPS = 300 };
    struct rig rig;
    struct probe *p = calloc(OPS, sizeof *p);

    CHECK(p != NULL);
    rig_open(&rig, 512);
    for (int i = 0; i < OPS; i++) {
        probe_init(&p[i], &rig, i, i % 50);
        probe_start(&p[i]);
    }
    for (long n = 1; n <= 6; n++) {
        alloc_fail_nth(n);
        rig_turn(&rig);
        rig_turn(&rig);
        alloc_fail_nth(0);
    }
    CHECK_EQ(scripted_pending(rig.s), OPS);
    for (int i = 0; i < OPS; i++)
        CHECK_EQ(scripted_at(rig.s, (unsigned)i)->fd, i % 50);
    rig_close(&rig);
    free(p);
}

/* ---- budgets ------------------------------------------------------------- */

static void flood(struct probe *probe, gyre_result result)
{
    if (result.res >= 0)
        gyre_op_restart(&probe->op);
}

TEST(J7_a_flood_of_completions_leaves_the_others_their_turn)
{
    enum { FLOOD = 64 };
    struct rig rig;
    struct probe flooder[FLOOD], quiet;
    gyre_timer timer;
    uint64_t rang = 0;

    rig_open_with(&rig, &(gyre_loop_options){ .entries = 128,
                                              .cq_entries = 256,
                                              .dispatch_max = 8,
                                              .ready_max = 8 });
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    for (int i = 0; i < FLOOD; i++) {
        probe_init(&flooder[i], &rig, i, i);
        flooder[i].then = flood;
        probe_start(&flooder[i]);
    }
    probe_init(&quiet, &rig, 1000, 99);
    probe_start(&quiet);
    gyre_timer_init(&timer, rig.loop, note_timer, &rang);
    gyre_timer_start(&timer, gyre_loop_now(rig.loop));
    for (int turns = 0; turns < FLOOD / 8 + 2; turns++) {
        unsigned before = rig.calls;

        scripted_advance(rig.s, GYRE_MS);
        rig_turn(&rig);
        CHECK_LE(rig.calls - before, 8);
    }
    CHECK_ENDED(&quiet, 1);
    CHECK_NE(rang, 0);
    for (int i = 0; i < FLOOD; i++)
        flooder[i].then = NULL;
    rig_close(&rig);
}

struct rerun {
    gyre_work work;
    gyre_loop *loop;
    unsigned runs;
};

static void run_again(gyre_work *work)
{
    struct rerun *r = CONTAINER_OF(work, struct rerun, work);

    r->runs++;
    gyre_loop_post(r->loop, work, run_again);
}

TEST(J7_work_that_posts_itself_leaves_the_others_their_turn)
{
    struct rig rig;
    struct probe quiet;
    struct rerun busy = { .runs = 0 };

    rig_open_with(&rig, &(gyre_loop_options){
                            .entries = 8, .ready_max = 4, .dispatch_max = 4 });
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    busy.loop = rig.loop;
    gyre_loop_post(rig.loop, &busy.work, run_again);
    probe_init(&quiet, &rig, 1, 9);
    probe_start(&quiet);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_NOWAIT));
    CHECK_EQ(busy.runs, 1); /* posted again: next turn */
    CHECK_ENDED(&quiet, 1);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_NOWAIT));
    CHECK_EQ(busy.runs, 2);
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
}

TEST(J7_ready_work_is_run_in_portions)
{
    struct rig rig;
    gyre_work work[20];

    rig_open_with(&rig, &(gyre_loop_options){ .entries = 8, .ready_max = 6 });
    for (int i = 0; i < 20; i++)
        gyre_loop_post(rig.loop, &work[i], do_nothing);
    rig_turn(&rig);
    CHECK_EQ(rig_stats(&rig).ready, 14);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(rig_stats(&rig).ready, 0);
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
}

/* ---- what a backlog costs ----------------------------------------------- */

#ifndef GYRE_VERIFY /* which walks the backlog each turn */

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static unsigned long ended;

static void count_end(gyre_op *op, gyre_result result)
{
    (void)op, (void)result;
    ended++;
}

/* CPU per op when `batch` are started at a time on a queue of 64. */
static double cost_of(unsigned batch, unsigned total, bool cancel)
{
    struct rig rig;
    gyre_op *ops = aligned_alloc(16, batch * sizeof *ops);
    double start;

    CHECK(ops != NULL);
    rig_open_with(&rig,
                  &(gyre_loop_options){ .entries = 64, .cq_entries = 128 });
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    ended = 0;
    start = cpu_seconds();
    for (unsigned done = 0; done < total; done += batch) {
        for (unsigned i = 0; i < batch; i++) {
            gyre_op_recv(&ops[i], (int)(i % 50), ops, 1, 0);
            gyre_op_start(rig.loop, &ops[i], count_end, NULL);
        }
        for (unsigned i = 0; cancel && i < batch; i++)
            CHECK_OK(gyre_op_cancel(&ops[i * 7 % batch]));
        CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    }
    start = (cpu_seconds() - start) / total;
    CHECK_EQ(ended, total);
    rig_close(&rig);
    free(ops);
    return start;
}

TEST(J8_an_op_costs_the_same_behind_a_hundred_queues)
{
    unsigned total = 256000 / test_scale();

    for (int cancel = 0; cancel < 2; cancel++) {
        double fits = cost_of(64, total / 6400 * 6400, cancel);
        double waits = cost_of(6400, total / 6400 * 6400, cancel);

        printf("%s: %.0f ns an op when it fits, %.0f ns at 100 times that, "
               "ratio %.2f\n",
               cancel ? "cancelled" : "completed", fits * 1e9, waits * 1e9,
               waits / fits);
        /* More than the caches hold may cost ten times as much; a list that is
         * searched costs 50 times and more. */
        CHECK_LE(waits, 30 * fits);
    }
}

#endif
