/* SPDX-License-Identifier: MIT */
/*
 * test_time.c - timers, deadlines and timeout ops on the machine's own clock
 *
 * Never early is checked to the nanosecond. How late is measured and printed,
 * and only bounded far above what a free machine shows: others may be busy.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "stage.h"

struct alarm {
    gyre_timer timer;
    uint64_t due;
    uint64_t at;
    unsigned rang;
    int status;
};

static void ring(gyre_timer *timer, int status)
{
    struct alarm *alarm = timer->user;

    alarm->at = clock_ns();
    alarm->status = status;
    alarm->rang++;
    if (status == 0)
        CHECK_GE(alarm->at, alarm->due);
}

KERNEL_TEST(F1_F2_F15_timers_are_never_early_and_come_in_order)
{
    enum { ALARMS = 200 };
    gyre_loop *loop = stage_open(8);
    struct alarm alarm[ALARMS];
    uint64_t last = 0;

    for (int i = 0; i < ALARMS; i++) {
        alarm[i] = (struct alarm){ .rang = 0 };
        gyre_timer_init(&alarm[i].timer, loop, ring, &alarm[i]);
        alarm[i].due = clock_ns() + (uint64_t)(i * 7919 % 100) * GYRE_MS / 2;
        gyre_timer_start(&alarm[i].timer, alarm[i].due);
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < ALARMS; i++) {
        CHECK_EQ(alarm[i].rang, 1);
        CHECK_OK(alarm[i].status);
        last = alarm[i].at > last ? alarm[i].at : last;
    }
    for (int i = 0; i < ALARMS; i++)
        for (int n = 0; n < ALARMS; n++)
            if (alarm[i].due + GYRE_MS < alarm[n].due)
                CHECK_LE(alarm[i].at, alarm[n].at);
    gyre_loop_destroy(loop);
}

static int by_size(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

KERNEL_TEST(F18_lateness_is_measured)
{
    enum { ROUNDS = 200 };
    gyre_loop *loop = stage_open(8);
    uint64_t late[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        struct alarm alarm = { .due = clock_ns() + GYRE_MS + 12345 };

        gyre_timer_init(&alarm.timer, loop, ring, &alarm);
        gyre_timer_start(&alarm.timer, alarm.due);
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        CHECK_EQ(alarm.rang, 1);
        late[i] = alarm.at - alarm.due;
    }
    qsort(late, ROUNDS, sizeof late[0], by_size);
    printf("%s: late by %llu us at p50, %llu us at p90\n", test_kernel(),
           (unsigned long long)(late[ROUNDS / 2] / GYRE_US),
           (unsigned long long)(late[ROUNDS * 9 / 10] / GYRE_US));
    CHECK_LE(late[ROUNDS / 2], test_scale() * 20 * GYRE_MS);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F9_F10_timers_are_reset_and_cancelled_while_the_loop_runs)
{
    gyre_loop *loop = stage_open(8);
    struct alarm sooner = { .rang = 0 }, gone = { .rang = 0 };
    uint64_t now = clock_ns();

    gyre_timer_init(&sooner.timer, loop, ring, &sooner);
    gyre_timer_init(&gone.timer, loop, ring, &gone);
    gyre_timer_start(&sooner.timer, now + 3600 * GYRE_SECOND);
    gyre_timer_start(&gone.timer, now + 3600 * GYRE_SECOND);
    stage_turn(loop);
    sooner.due = now + 2 * GYRE_MS;
    gyre_timer_reset(&sooner.timer, sooner.due);
    CHECK(gyre_timer_cancel(&gone.timer));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_OK(sooner.status);
    CHECK_EQ(sooner.rang, 1);
    CHECK_ERR(gone.status, -ECANCELED);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F12_a_deadline_cuts_a_waiting_op)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    char byte;
    struct call call;
    gyre_deadline deadline;
    uint64_t due;

    make_pair(fds);
    gyre_op_recv(&call.op, fds[0], &byte, 1, 0);
    for (int i = 0; i < 10; i++) {
        call_start(loop, &call);
        due = clock_ns() + 3 * GYRE_MS;
        gyre_op_set_deadline(&call.op, &deadline, due);
        CHECK_ERR(call_wait(loop, &call), -ETIME);
        CHECK_GE(clock_ns(), due);

        call_start(loop, &call); /* and lets a quick one be */
        gyre_op_set_deadline(&call.op, &deadline,
                             clock_ns() + 3600 * GYRE_SECOND);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(call_wait(loop, &call), 1);
        CHECK_EQ(stage_stats(loop).timers, 0);
    }
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F1_F17_a_timeout_op_ends_with_ETIME_and_not_early)
{
    gyre_loop *loop = stage_open(8);
    gyre_timeout_op op;
    uint64_t start = clock_ns();

    gyre_timeout_op_fill(&op, 5 * GYRE_MS, 0, 0);
    CHECK_ERR(op_run(loop, &op.op), -ETIME);
    CHECK_GE(clock_ns(), start + 5 * GYRE_MS);
    start = clock_ns() + 5 * GYRE_MS;
    gyre_timeout_op_fill(&op, start, 0, GYRE_TIMEOUT_ABS);
    CHECK_ERR(op_run(loop, &op.op), -ETIME);
    CHECK_GE(clock_ns(), start);
    gyre_timeout_op_fill(&op, 1, 0, GYRE_TIMEOUT_ABS); /* long ago */
    CHECK_ERR(op_run(loop, &op.op), -ETIME);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F1_a_plain_timeout_needs_its_time_until_submission_only)
{
    gyre_loop *loop = stage_open(8);
    int64_t time[2] = { 0, 2000000 };
    struct call call;
    uint64_t start = clock_ns();

    gyre_op_timeout(&call.op, time, 0, 0);
    call_start(loop, &call);
    CHECK_OK(gyre_loop_submit(loop));
    CHECK_EQ(gyre_op_state(&call.op), GYRE_OP_IN_FLIGHT);
    time[0] = 3600;
    CHECK_ERR(call_wait(loop, &call), -ETIME);
    CHECK_GE(clock_ns(), start + 2 * GYRE_MS);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F5_a_pure_timeout_is_not_ended_by_other_completions)
{
    gyre_loop *loop = stage_open(8);
    gyre_timeout_op op;
    struct call timeout = { .calls = 0 }, nop;
    uint64_t start = clock_ns();

    gyre_timeout_op_fill(&op, 4 * GYRE_MS, 0, 0);
    gyre_op_start(loop, &op.op, call_done, &timeout);
    gyre_op_nop(&nop.op);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(call_run(loop, &nop), 0);
    while (timeout.lasts == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_ERR(timeout.result.res, -ETIME);
    CHECK_GE(clock_ns(), start + 4 * GYRE_MS);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F5_a_counted_timeout_ends_after_that_many_others)
{
    static const uint32_t counts[] = { 1, 3 };
    gyre_loop *loop = stage_open(8);
    struct call nop;

    gyre_op_nop(&nop.op);
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct call timeout = { .calls = 0 };
        gyre_timeout_op op;

        gyre_timeout_op_fill(&op, 3600 * GYRE_SECOND, counts[i], 0);
        gyre_op_start(loop, &op.op, call_done, &timeout);
        stage_turn(loop);
        for (uint32_t n = 0; n < counts[i]; n++) {
            CHECK_EQ(timeout.lasts, 0);
            CHECK_EQ(call_run(loop, &nop), 0);
        }
        while (timeout.lasts == 0)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        CHECK_EQ(timeout.result.res, 0);

        /* One too few: it ends by its time. */
        gyre_timeout_op_fill(&op, 3 * GYRE_MS, counts[i], 0);
        timeout.lasts = 0;
        gyre_op_start(loop, &op.op, call_done, &timeout);
        stage_turn(loop);
        for (uint32_t n = 1; n < counts[i]; n++)
            CHECK_EQ(call_run(loop, &nop), 0);
        while (timeout.lasts == 0)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        CHECK_ERR(timeout.result.res, -ETIME);
    }
    gyre_loop_destroy(loop);
}

static void look_at_clock(gyre_op *op, gyre_result result)
{
    gyre_loop *loop = op->user;
    uint64_t now = gyre_loop_now(loop), start = clock_ns();

    CHECK_EQ(result.res, 0);
    while (clock_ns() < start + 10 * GYRE_US)
        ;
    CHECK_EQ(gyre_loop_now(loop), now); /* one clock for the whole turn */
    CHECK_GT(gyre_loop_update_now(loop), now);
}

KERNEL_TEST(F13_the_loop_clock_follows_the_monotonic_one)
{
    gyre_loop *loop = stage_open(8);
    uint64_t before = clock_ns(), now;
    gyre_op op;

    now = gyre_loop_update_now(loop);
    CHECK_GE(now, before);
    CHECK_LE(now, clock_ns());
    gyre_op_nop(&op);
    gyre_op_start(loop, &op, look_at_clock, loop);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_GE(gyre_loop_now(loop), now);
    gyre_loop_destroy(loop);
}

/* ---- signals ------------------------------------------------------------- */

static volatile sig_atomic_t signals;

static void on_alarm(int number)
{
    (void)number;
    signals = signals + 1;
}

KERNEL_TEST(A14_E10_a_storm_of_signals_is_not_seen)
{
    gyre_loop *loop = stage_open(8);
    struct sigaction action = { .sa_handler = on_alarm }; /* no SA_RESTART */
    struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { 0 };
    int fds[2];
    char byte;
    struct call call;
    struct alarm alarm;

    make_pipe(fds);
    gyre_op_read(&call.op, fds[0], &byte, 1, GYRE_CURRENT_POSITION);
    call_start(loop, &call);
    gyre_timer_init(&alarm.timer, loop, ring, &alarm);
    CHECK_OK(sigaction(SIGALRM, &action, NULL));
    CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
    do {
        alarm.rang = 0;
        alarm.due = clock_ns() + 100 * GYRE_MS;
        gyre_timer_start(&alarm.timer, alarm.due);
        while (alarm.rang == 0)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    } while (signals <= 3); /* a guest whose clock hurries gets one at a time */
    CHECK_EQ(call.calls, 0);
    while (write(fds[1], "x", 1) != 1)
        ;
    CHECK_EQ(call_wait(loop, &call), 1);
    CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
    close_both(fds);
    gyre_loop_destroy(loop);
}
