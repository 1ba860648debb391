/* SPDX-License-Identifier: MIT */
/*
 * test_timer.c - timers on the scripted clock, which knows no delay but the
 * wheel's own tick
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

#define TICK (UINT64_C(1) << WHEEL_TICK_SHIFT)

struct alarm {
    gyre_timer timer;
    struct rig *rig;
    int number;
    unsigned calls;
    int status;
    uint64_t at; /* of the last call */
    void (*then)(struct alarm *alarm);
    struct alarm *other;
};

static void alarm_rang(gyre_timer *timer, int status)
{
    struct alarm *alarm = CONTAINER_OF(timer, struct alarm, timer);
    struct rig *rig = alarm->rig;

    CHECK(timer->user == alarm);
    if (rig->calls < RIG_JOURNAL_MAX)
        rig->journal[rig->calls] = alarm->number;
    rig->calls++;
    alarm->calls++;
    alarm->status = status;
    alarm->at = gyre_loop_now(rig->loop);
    CHECK_LE(alarm->at, scripted_now(rig->s));
    if (alarm->then != NULL)
        alarm->then(alarm);
}

static void alarm_init(struct alarm *alarm, struct rig *rig, int number)
{
    memset(alarm, 0, sizeof *alarm);
    alarm->rig = rig;
    alarm->number = number;
    gyre_timer_init(&alarm->timer, rig->loop, alarm_rang, alarm);
}

static void run_all(struct rig *rig)
{
    CHECK_OK(gyre_loop_run(rig->loop, GYRE_RUN_UNTIL_DONE));
}

TEST(F1_F17_a_one_shot_timer_rings_once_with_success)
{
    struct rig rig;
    struct alarm a;
    uint64_t start;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    CHECK(!gyre_timer_is_armed(&a.timer));
    start = gyre_loop_now(rig.loop);
    gyre_timer_start_after(&a.timer, 30 * GYRE_SECOND);
    CHECK(gyre_timer_is_armed(&a.timer));
    CHECK_EQ(rig_stats(&rig).timers, 1);
    run_all(&rig);
    CHECK_EQ(a.calls, 1);
    CHECK_OK(a.status);
    CHECK(!gyre_timer_is_armed(&a.timer));
    CHECK_GE(a.at, start + 30 * GYRE_SECOND);
    CHECK_LE(a.at, start + 30 * GYRE_SECOND + TICK);
    CHECK_EQ(rig_stats(&rig).timers, 0);
    /* The wait was the loop's only system call that slept so long. */
    CHECK_LE(scripted_sleeps(rig.s), 9);
    rig_close(&rig);
}

TEST(F2_absolute_deadlines_past_and_far)
{
    struct rig rig;
    struct alarm past, year, never;
    uint64_t now;

    rig_open(&rig, 8);
    now = gyre_loop_now(rig.loop);
    alarm_init(&past, &rig, 1);
    alarm_init(&year, &rig, 2);
    alarm_init(&never, &rig, 3);
    gyre_timer_start(&past.timer, 1);
    gyre_timer_start(&year.timer, now + 365 * 86400 * GYRE_SECOND);
    gyre_timer_start(&never.timer, GYRE_NEVER);
    rig_turn(&rig);
    CHECK_EQ(past.calls, 1);
    CHECK_EQ(past.at, now);
    while (year.calls == 0)
        CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_GE(year.at, now + 365 * 86400 * GYRE_SECOND);
    CHECK_LE(year.at, now + 365 * 86400 * GYRE_SECOND + TICK);
    CHECK(gyre_timer_is_armed(&never.timer));
    CHECK_EQ(never.calls, 0);
    CHECK(gyre_timer_stop(&never.timer));
    rig_close(&rig);
}

TEST(F1_a_delay_beyond_the_end_of_time_never_comes)
{
    struct rig rig;
    struct alarm a;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    gyre_timer_start_after(&a.timer, UINT64_MAX);
    rig_turn(&rig);
    CHECK_EQ(a.calls, 0);
    CHECK_EQ(a.timer.deadline_ns_, GYRE_NEVER);
    gyre_timer_stop(&a.timer);
    rig_close(&rig);
}

/* I5 */
TEST(F15_never_early_and_at_most_a_tick_late)
{
    enum { ALARMS = 2000 };
    struct rig rig;
    struct alarm *a = calloc(ALARMS, sizeof *a);
    uint64_t start, seed = 7;

    CHECK(a != NULL);
    rig_open(&rig, 8);
    start = gyre_loop_now(rig.loop);
    for (int i = 0; i < ALARMS; i++) {
        alarm_init(&a[i], &rig, i);
        seed = seed * UINT64_C(6364136223846793005) + 1;
        gyre_timer_start(&a[i].timer,
                         start + (seed >> 16) % (UINT64_C(1) << (10 + i % 36)));
    }
    run_all(&rig);
    for (int i = 0; i < ALARMS; i++) {
        CHECK_EQ(a[i].calls, 1);
        CHECK_GE(a[i].at, a[i].timer.deadline_ns_);
        CHECK_LE(a[i].at, a[i].timer.deadline_ns_ + TICK);
    }
    rig_close(&rig);
    free(a);
}

TEST(F1_timers_ring_in_the_order_of_their_deadlines)
{
    static const unsigned ms[] = { 70, 10, 5000, 10, 300, 0, 70 };
    static const int order[] = { 5, 1, 3, 0, 6, 4, 2 };
    struct rig rig;
    struct alarm a[ARRAY_SIZE(ms)];

    rig_open(&rig, 8);
    for (size_t i = 0; i < ARRAY_SIZE(ms); i++) {
        alarm_init(&a[i], &rig, (int)i);
        gyre_timer_start_after(&a[i].timer, ms[i] * GYRE_MS);
    }
    run_all(&rig);
    for (size_t i = 0; i < ARRAY_SIZE(ms); i++)
        CHECK_EQ(rig.journal[i], order[i]);
    rig_close(&rig);
}

/* ---- reset, cancel, stop ------------------------------------------------- */

TEST(F9_reset_moves_an_armed_timer_without_a_callback)
{
    struct rig rig;
    struct alarm a;
    uint64_t now;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    now = gyre_loop_now(rig.loop);
    gyre_timer_start(&a.timer, now + 10 * GYRE_MS);
    gyre_timer_reset(&a.timer, now + 50 * GYRE_MS); /* later */
    CHECK_EQ(rig_stats(&rig).timers, 1);
    run_all(&rig);
    CHECK_EQ(a.calls, 1);
    CHECK_GE(a.at, now + 50 * GYRE_MS);
    now = gyre_loop_now(rig.loop);
    gyre_timer_start(&a.timer, now + 50 * GYRE_MS);
    gyre_timer_reset(&a.timer, now + 10 * GYRE_MS); /* sooner */
    run_all(&rig);
    CHECK_EQ(a.calls, 2);
    CHECK_LE(a.at, now + 10 * GYRE_MS + TICK);
    rig_close(&rig);
}

TEST(F9_reset_arms_an_idle_timer)
{
    struct rig rig;
    struct alarm a;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    gyre_timer_reset(&a.timer, gyre_loop_now(rig.loop) + GYRE_MS);
    CHECK(gyre_timer_is_armed(&a.timer));
    run_all(&rig);
    CHECK_EQ(a.calls, 1);
    gyre_timer_reset(&a.timer, gyre_loop_now(rig.loop) + GYRE_MS);
    run_all(&rig);
    CHECK_EQ(a.calls, 2);
    rig_close(&rig);
}

TEST(F9_a_repeating_timer_goes_on_from_its_reset)
{
    struct rig rig;
    struct alarm a;
    uint64_t now;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    now = gyre_loop_now(rig.loop);
    gyre_timer_start_repeating(&a.timer, now + 10 * GYRE_MS, 10 * GYRE_MS);
    gyre_timer_reset(&a.timer, now + 25 * GYRE_MS);
    while (a.calls < 3)
        CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_EQ(a.timer.deadline_ns_, now + 55 * GYRE_MS);
    CHECK(gyre_timer_stop(&a.timer));
    rig_close(&rig);
}

TEST_PANICS(F9_reset_of_a_timer_that_is_being_cancelled_panics, "to be told")
{
    struct rig rig;
    struct alarm a;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    gyre_timer_start_after(&a.timer, GYRE_SECOND);
    gyre_timer_cancel(&a.timer);
    gyre_timer_reset(&a.timer, GYRE_NEVER);
}

TEST_PANICS(F1_arming_an_armed_timer_panics, "armed already")
{
    struct rig rig;
    struct alarm a;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    gyre_timer_start_after(&a.timer, GYRE_SECOND);
    gyre_timer_start_after(&a.timer, GYRE_SECOND);
}

TEST_PANICS(F1_a_repeating_timer_without_a_period_panics, "at least 1 ns")
{
    struct rig rig;
    struct alarm a;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    gyre_timer_start_repeating(&a.timer, 1, 0);
}

TEST(F10_a_cancelled_timer_is_told_once_at_the_next_turn)
{
    struct rig rig;
    struct alarm a;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    CHECK(!gyre_timer_cancel(&a.timer));
    gyre_timer_start_after(&a.timer, GYRE_SECOND);
    CHECK(gyre_timer_cancel(&a.timer));
    CHECK(gyre_timer_cancel(&a.timer)); /* it still will be told */
    CHECK_EQ(a.calls, 0);
    CHECK(gyre_timer_is_armed(&a.timer));
    run_all(&rig);
    CHECK_EQ(a.calls, 1);
    CHECK_ERR(a.status, -ECANCELED);
    CHECK(!gyre_timer_is_armed(&a.timer));
    CHECK(!gyre_timer_cancel(&a.timer));
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    gyre_timer_start_after(&a.timer, GYRE_MS); /* as good as new */
    run_all(&rig);
    CHECK_EQ(a.calls, 2);
    CHECK_OK(a.status);
    rig_close(&rig);
}

TEST(F10_a_timer_that_is_due_can_still_be_cancelled)
{
    struct rig rig;
    struct alarm a;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    gyre_timer_start_after(&a.timer, GYRE_MS);
    scripted_advance(rig.s, GYRE_SECOND);
    CHECK(gyre_timer_cancel(&a.timer));
    run_all(&rig);
    CHECK_EQ(a.calls, 1);
    CHECK_ERR(a.status, -ECANCELED);
    rig_close(&rig);
}

TEST(F10_stop_is_silent_in_every_state)
{
    struct rig rig;
    struct alarm a;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    CHECK(!gyre_timer_stop(&a.timer));
    gyre_timer_start_after(&a.timer, GYRE_SECOND);
    CHECK(gyre_timer_stop(&a.timer));
    CHECK(!gyre_timer_is_armed(&a.timer));
    gyre_timer_start_after(&a.timer, GYRE_SECOND);
    CHECK(gyre_timer_cancel(&a.timer));
    CHECK(gyre_timer_stop(&a.timer)); /* also what was yet to be told */
    gyre_timer_start_repeating(&a.timer, GYRE_SECOND, GYRE_SECOND);
    CHECK(gyre_timer_stop(&a.timer));
    CHECK_EQ(rig_stats(&rig).timers, 0);
    run_all(&rig);
    CHECK_EQ(a.calls, 0);
    memset(&a, 0xDD, sizeof a); /* the memory is ours again */
    rig_turn(&rig);
    rig_close(&rig);
}

/* ---- repeating ----------------------------------------------------------- */

static void stop_at_ten(struct alarm *alarm)
{
    CHECK(gyre_timer_is_armed(&alarm->timer));
    if (alarm->calls == 10)
        CHECK(gyre_timer_stop(&alarm->timer));
}

TEST(F1_a_repeating_timer_does_not_drift)
{
    struct rig rig;
    struct alarm a;
    uint64_t first;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    a.then = stop_at_ten;
    first = gyre_loop_now(rig.loop) + 7 * GYRE_MS + 13;
    gyre_timer_start_repeating(&a.timer, first, 10 * GYRE_MS + 1);
    run_all(&rig);
    CHECK_EQ(a.calls, 10);
    CHECK_GE(a.at, first + 9 * (10 * GYRE_MS + 1));
    CHECK_LE(a.at, first + 9 * (10 * GYRE_MS + 1) + TICK);
    rig_close(&rig);
}

TEST(F1_periods_that_were_slept_over_are_left_out)
{
    struct rig rig;
    struct alarm a;
    uint64_t first;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    first = gyre_loop_now(rig.loop) + 10 * GYRE_MS;
    gyre_timer_start_repeating(&a.timer, first, 10 * GYRE_MS);
    scripted_advance(rig.s, 100 * GYRE_MS);
    rig_turn(&rig); /* expires before it enters: the clock is the old one */
    rig_turn(&rig);
    CHECK_EQ(a.calls, 1);
    CHECK_EQ(a.timer.deadline_ns_, first + 100 * GYRE_MS);
    rig_turn(&rig);
    CHECK_EQ(a.calls, 1);
    CHECK(gyre_timer_cancel(&a.timer));
    rig_turn(&rig);
    CHECK_EQ(a.calls, 2);
    CHECK_ERR(a.status, -ECANCELED);
    rig_close(&rig);
}

TEST(F1_the_shortest_period_rings_once_a_turn)
{
    struct rig rig;
    struct alarm a;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    gyre_timer_start_repeating(&a.timer, 0, 1);
    rig_turn(&rig);
    CHECK_EQ(a.calls, 1);
    scripted_advance(rig.s, TICK);
    rig_turn(&rig);
    CHECK_EQ(a.calls, 2);
    CHECK(gyre_timer_stop(&a.timer));
    rig_close(&rig);
}

TEST(F1_a_period_beyond_the_end_of_time_rings_once)
{
    struct rig rig;
    struct alarm a;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    gyre_timer_start_repeating(&a.timer, 5, UINT64_MAX - 1);
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_EQ(a.calls, 1);
    CHECK_EQ(a.timer.deadline_ns_, GYRE_NEVER);
    CHECK(gyre_timer_stop(&a.timer));
    rig_close(&rig);
}

/* ---- inside callbacks ---------------------------------------------------- */

static void rearm_in_the_past(struct alarm *alarm)
{
    CHECK(!gyre_timer_is_armed(&alarm->timer));
    if (alarm->calls < 5)
        gyre_timer_start(&alarm->timer, 0);
}

TEST(F1_a_timer_armed_for_the_past_rings_next_turn)
{
    struct rig rig;
    struct alarm a;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    a.then = rearm_in_the_past;
    gyre_timer_start(&a.timer, 0);
    for (unsigned i = 1; i <= 5; i++) {
        CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
        CHECK_EQ(a.calls, i);
    }
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
}

static void stop_other(struct alarm *alarm)
{
    CHECK(gyre_timer_stop(&alarm->other->timer));
    memset(alarm->other, 0xDD, sizeof *alarm->other);
}

TEST(F10_a_callback_stops_another_that_is_due)
{
    struct rig rig;
    struct alarm a, b, c;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    alarm_init(&b, &rig, 2);
    alarm_init(&c, &rig, 3);
    a.then = stop_other;
    a.other = &b;
    gyre_timer_start(&a.timer, 1);
    gyre_timer_start(&b.timer, 1);
    gyre_timer_start(&c.timer, 1);
    run_all(&rig);
    CHECK_EQ(a.calls, 1);
    CHECK_EQ(c.calls, 1);
    CHECK_EQ(rig.calls, 2);
    rig_close(&rig);
}

static void cancel_other(struct alarm *alarm)
{
    CHECK(gyre_timer_cancel(&alarm->other->timer));
}

TEST(F10_a_callback_cancels_another_that_is_due)
{
    struct rig rig;
    struct alarm a, b;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    alarm_init(&b, &rig, 2);
    a.then = cancel_other;
    a.other = &b;
    gyre_timer_start(&a.timer, 1);
    gyre_timer_start(&b.timer, 1);
    run_all(&rig);
    CHECK_OK(a.status);
    CHECK_EQ(b.calls, 1);
    CHECK_ERR(b.status, -ECANCELED);
    rig_close(&rig);
}

static void stop_told(struct alarm *alarm)
{
    CHECK_ERR(alarm->status, -ECANCELED);
    CHECK(gyre_timer_stop(&alarm->other->timer));
}

TEST(F10_a_callback_stops_another_that_is_to_be_told)
{
    struct rig rig;
    struct alarm a, b;

    rig_open(&rig, 8);
    alarm_init(&a, &rig, 1);
    alarm_init(&b, &rig, 2);
    a.then = stop_told;
    a.other = &b;
    gyre_timer_start_after(&a.timer, GYRE_SECOND);
    gyre_timer_start_after(&b.timer, GYRE_SECOND);
    CHECK(gyre_timer_cancel(&a.timer));
    CHECK(gyre_timer_cancel(&b.timer));
    run_all(&rig);
    CHECK_EQ(a.calls, 1);
    CHECK_EQ(b.calls, 0);
    rig_close(&rig);
}

static void free_timer(gyre_timer *timer, int status)
{
    ++*(unsigned *)timer->user;
    (void)status;
    memset(timer, 0xDD, sizeof *timer);
    free(timer);
}

TEST(F1_a_callback_frees_its_timer)
{
    struct rig rig;
    unsigned rang = 0;

    rig_open(&rig, 8);
    for (int i = 0; i < 10; i++) {
        gyre_timer *timer = malloc(sizeof *timer);

        CHECK(timer != NULL);
        gyre_timer_init(timer, rig.loop, free_timer, &rang);
        gyre_timer_start(timer, 1);
        if (i % 2 != 0)
            gyre_timer_cancel(timer);
    }
    run_all(&rig);
    CHECK_EQ(rang, 10);
    rig_close(&rig);
}

TEST(J7_expiring_is_bounded_in_a_turn)
{
    enum { ALARMS = 50 };
    struct rig rig;
    struct alarm a[ALARMS];

    rig_open_with(&rig, &(gyre_loop_options){ .entries = 8, .ready_max = 8 });
    for (int i = 0; i < ALARMS; i++) {
        alarm_init(&a[i], &rig, i);
        gyre_timer_start(&a[i].timer, 1);
        if (i % 2 != 0)
            CHECK(gyre_timer_cancel(&a[i].timer));
    }
    for (int turn = 1; rig.calls < ALARMS; turn++) {
        unsigned before = rig.calls;

        rig_turn(&rig);
        CHECK_LE(rig.calls - before, 16); /* told, and due */
        CHECK_GT(rig.calls, before);
    }
    for (int i = 0; i < ALARMS; i++)
        CHECK_EQ(a[i].calls, 1);
    rig_close(&rig);
}

TEST(F14_a_million_timers_cost_no_memory_and_no_scan)
{
    enum { ALARMS = 1000000 };
    int count = ALARMS / (int)test_scale();
    struct rig rig;
    struct alarm *a = calloc((size_t)count, sizeof *a);
    uint64_t seed = 3;

    CHECK(a != NULL);
    rig_open(&rig, 8);
    alloc_fail_nth(1);
    for (int i = 0; i < count; i++) {
        alarm_init(&a[i], &rig, 0);
        seed = seed * UINT64_C(6364136223846793005) + 1;
        gyre_timer_start_after(&a[i].timer, (seed >> 20) % GYRE_SECOND);
    }
    for (int i = 0; i < count; i += 2)
        CHECK(gyre_timer_stop(&a[i].timer));
    CHECK(!alloc_did_fail());
    CHECK_EQ(rig_stats(&rig).timers, count / 2);
    for (int i = 1; i < count; i += 2)
        CHECK(gyre_timer_stop(&a[i].timer));
    alloc_fail_nth(0);
    rig_close(&rig);
    free(a);
}

/* ---- the clock ----------------------------------------------------------- */

static struct rig *clocked;
static struct alarm *to_arm;

static void look_twice(gyre_work *work)
{
    uint64_t now = gyre_loop_now(clocked->loop);

    (void)work;
    CHECK_EQ(now, scripted_now(clocked->s));
    scripted_advance(clocked->s, GYRE_SECOND);
    CHECK_EQ(gyre_loop_now(clocked->loop), now);
    CHECK_EQ(gyre_loop_update_now(clocked->loop), now + GYRE_SECOND);
    CHECK_EQ(gyre_loop_now(clocked->loop), now + GYRE_SECOND);
}

TEST(F13_the_turn_clock_stands_still_within_a_turn)
{
    gyre_work work;
    struct rig rig;
    uint64_t now;

    rig_open(&rig, 8);
    clocked = &rig;
    now = gyre_loop_now(rig.loop);
    gyre_loop_post(rig.loop, &work, look_twice);
    rig_turn(&rig);
    CHECK_EQ(gyre_loop_now(rig.loop), now + GYRE_SECOND);
    scripted_advance(rig.s, GYRE_SECOND);
    rig_turn(&rig);
    CHECK_EQ(gyre_loop_now(rig.loop), now + 2 * GYRE_SECOND);
    rig_close(&rig);
}

/* Nobody turns the loop, so no clock stands still. */
TEST(F13_between_turns_the_clock_is_read_afresh)
{
    struct rig rig;
    uint64_t now;

    rig_open(&rig, 8);
    now = gyre_loop_now(rig.loop);
    scripted_advance(rig.s, GYRE_SECOND);
    CHECK_EQ(gyre_loop_now(rig.loop), now + GYRE_SECOND);
    scripted_advance(rig.s, GYRE_SECOND);
    CHECK_EQ(gyre_loop_now(rig.loop), now + 2 * GYRE_SECOND);
    rig_close(&rig);
}

static void arm_late(gyre_work *work)
{
    uint64_t now = gyre_loop_now(clocked->loop);

    (void)work;
    scripted_advance(clocked->s, 3 * GYRE_SECOND);
    gyre_timer_start_after(&to_arm->timer, GYRE_SECOND);
    CHECK_EQ(to_arm->timer.deadline_ns_, now + GYRE_SECOND);
}

TEST(F1_delays_count_from_the_turn_clock)
{
    gyre_work work;
    struct rig rig;
    struct alarm a;

    rig_open(&rig, 8);
    clocked = &rig;
    to_arm = &a;
    alarm_init(&a, &rig, 1);
    gyre_loop_post(rig.loop, &work, arm_late);
    rig_turn(&rig);
    run_all(&rig);
    CHECK_EQ(a.calls, 1);
    rig_close(&rig);
}
