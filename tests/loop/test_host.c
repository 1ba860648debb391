/* SPDX-License-Identifier: MIT */
/*
 * test_host.c - a loop inside another loop: prepare, sleep, turn
 *
 * The host's poll() is played by scripted_is_readable(); on real descriptors
 * the same protocol is tested in tests/conformance.
 */
#include <errno.h>
#include <string.h>

#include "rig.h"

static uint64_t prepare(struct rig *rig)
{
    uint64_t deadline;

    CHECK_OK(gyre_loop_prepare(rig->loop, &deadline));
    return deadline;
}

static void ring(gyre_timer *timer, int status)
{
    CHECK_OK(status);
    ++*(unsigned *)timer->user;
}

static void nothing(gyre_work *work)
{
    (void)work;
}

TEST(H11_prepare_submits_and_says_how_long)
{
    struct rig rig;
    struct probe p;
    gyre_timer timer;
    unsigned rang = 0;
    uint64_t due;

    rig_open(&rig, 8);
    CHECK_GE(gyre_loop_fd(rig.loop), 0);
    CHECK_EQ(prepare(&rig), GYRE_NEVER);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    CHECK_EQ(prepare(&rig), GYRE_NEVER);
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IN_FLIGHT);
    CHECK(!scripted_is_readable(rig.s));

    gyre_timer_init(&timer, rig.loop, ring, &rang);
    due = gyre_loop_now(rig.loop) + 5 * GYRE_MS;
    gyre_timer_start(&timer, due);
    for (;;) {
        uint64_t until = prepare(&rig);

        if (until == GYRE_NEVER)
            break;
        CHECK_LE(until, due + (1U << WHEEL_TICK_SHIFT));
        if (until > scripted_now(rig.s)) /* the host sleeps */
            scripted_advance(rig.s, until - scripted_now(rig.s));
        rig_turn(&rig);
    }
    CHECK_EQ(rang, 1);

    scripted_complete(rig.s, 0, 4, 0);
    CHECK(scripted_is_readable(rig.s));
    rig_turn(&rig);
    CHECK_ENDED(&p, 4);
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
}

TEST(H11_the_host_must_not_sleep_on_what_is_to_be_done)
{
    struct rig rig;
    struct probe p, ended;
    gyre_work work;
    gyre_timer timer;
    unsigned rang = 0;

    rig_open(&rig, 8);
    CHECK_GE(gyre_loop_fd(rig.loop), 0);
    gyre_loop_post(rig.loop, &work, nothing);
    CHECK_EQ(prepare(&rig), 0);
    rig_turn(&rig);
    CHECK_EQ(prepare(&rig), GYRE_NEVER);

    probe_init(&ended, &rig, 1, 7);
    probe_start(&ended);
    CHECK_OK(gyre_op_cancel(&ended.op));
    CHECK_EQ(prepare(&rig), 0);
    rig_turn(&rig);
    CHECK_EQ(prepare(&rig), GYRE_NEVER);

    probe_fly(&p, &rig, 2, 7);
    scripted_complete(rig.s, 0, 1, 0); /* a result that nobody has reaped */
    CHECK_EQ(prepare(&rig), 0);
    rig_turn(&rig);

    gyre_timer_init(&timer, rig.loop, ring, &rang);
    gyre_timer_start_after(&timer, GYRE_SECOND);
    gyre_timer_cancel(&timer); /* to be told */
    CHECK_EQ(prepare(&rig), 0);
    gyre_timer_stop(&timer);

    gyre_loop_wake(rig.loop, GYRE_WAKE_IO, 1);
    CHECK_EQ(prepare(&rig), 0);
    rig_turn(&rig);
    CHECK_EQ(prepare(&rig), GYRE_NEVER);

    gyre_loop_stop(rig.loop);
    CHECK_EQ(prepare(&rig), 0);
    CHECK_EQ(gyre_loop_run(rig.loop, GYRE_RUN_NOWAIT), 1);
    CHECK_EQ(prepare(&rig), GYRE_NEVER);
    rig_close(&rig);
}

TEST(H11_more_than_the_queue_holds_keeps_the_host_awake)
{
    struct rig rig;
    struct probe p[10];

    rig_open(&rig, 2);
    CHECK_GE(gyre_loop_fd(rig.loop), 0);
    for (int i = 0; i < 10; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    CHECK_EQ(prepare(&rig), 0);
    while (prepare(&rig) == 0)
        rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), 10);
    rig_close(&rig);
}

TEST(H11_a_short_submit_keeps_the_host_awake)
{
    struct rig rig;
    struct probe p[4];

    rig_open(&rig, 8);
    CHECK_GE(gyre_loop_fd(rig.loop), 0);
    for (int i = 0; i < 4; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    scripted_take_at_most(rig.s, 3);
    CHECK_EQ(prepare(&rig), 0);
    CHECK_EQ(scripted_pending(rig.s), 3);
    CHECK_EQ(prepare(&rig), GYRE_NEVER);
    CHECK_EQ(scripted_pending(rig.s), 4);
    rig_close(&rig);
}

TEST(H11_a_starved_loop_lets_the_host_sleep_a_moment_only)
{
    struct rig rig;
    struct probe p;
    uint64_t until;

    rig_open(&rig, 8);
    CHECK_GE(gyre_loop_fd(rig.loop), 0);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    scripted_fail_enter(rig.s, -EAGAIN, 1);
    until = prepare(&rig);
    CHECK_GT(until, scripted_now(rig.s));
    CHECK_LE(until, scripted_now(rig.s) + GYRE_MS);
    rig_turn(&rig);
    while (prepare(&rig) != GYRE_NEVER)
        rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), 1);
    rig_close(&rig);
}

TEST(H11_results_that_only_entering_brings_keep_the_host_awake)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    CHECK_GE(gyre_loop_fd(rig.loop), 0);
    probe_fly(&p, &rig, 1, 7);
    scripted_defer(rig.s, true);
    scripted_complete(rig.s, 0, 1, 0);
    CHECK_EQ(prepare(&rig), 0);
    rig_turn(&rig);
    CHECK_ENDED(&p, 1);
    rig_close(&rig);
}

TEST(H11_H3_a_wake_between_prepare_and_sleep_is_seen_by_the_host)
{
    struct rig rig;
    gyre_work work;

    rig_open(&rig, 8);
    CHECK_GE(gyre_loop_fd(rig.loop), 0);
    CHECK_EQ(prepare(&rig), GYRE_NEVER);
    CHECK(!scripted_is_readable(rig.s));
    gyre_loop_post(rig.loop, &work, nothing);
    CHECK(scripted_is_readable(rig.s));
    CHECK_EQ(scripted_wake_count(rig.s), 1);
    rig_turn(&rig);
    CHECK(!scripted_is_readable(rig.s));
    CHECK_EQ(prepare(&rig), GYRE_NEVER);
    gyre_loop_wake(rig.loop, GYRE_WAKE_TASK, 1);
    CHECK(scripted_is_readable(rig.s));
    rig_turn(&rig);
    CHECK_EQ(prepare(&rig), GYRE_NEVER); /* answered by that turn */
    rig_close(&rig);
}

/* The end waits for who woke it from either, and finds that all have. */
TEST(H11_H1_a_host_prepares_again_and_ends_between_wakes)
{
    struct rig rig;
    gyre_work work[2];

    rig_open(&rig, 8);
    CHECK_GE(gyre_loop_fd(rig.loop), 0);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(prepare(&rig), GYRE_NEVER);
        CHECK_EQ(prepare(&rig), GYRE_NEVER);
        gyre_loop_post(rig.loop, &work[i], nothing);
        CHECK_EQ(scripted_wake_count(rig.s), i + 1);
        CHECK_EQ(prepare(&rig), 0);
        rig_turn(&rig);
    }
    CHECK_EQ(prepare(&rig), GYRE_NEVER);
    gyre_loop_wake(rig.loop, GYRE_WAKE_TASK, 1);
    CHECK_EQ(scripted_wake_count(rig.s), 3);
    rig_close(&rig);
}
