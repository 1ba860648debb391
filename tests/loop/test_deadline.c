/* SPDX-License-Identifier: MIT */
/*
 * test_deadline.c - a deadline for one op, and the races between the two
 */
#include <errno.h>
#include <string.h>

#include "rig.h"

static bool complete_first(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    (void)deadline_ns, (void)arg;
    scripted_complete(s, 0, 10, 0);
    return false;
}

TEST(F12_the_op_first_disarms_its_deadline)
{
    struct rig rig;
    struct probe p;
    gyre_deadline deadline;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    gyre_op_set_deadline(&p.op, &deadline,
                         gyre_loop_now(rig.loop) + GYRE_SECOND);
    CHECK_EQ(rig_stats(&rig).timers, 1);
    scripted_on_sleep(rig.s, complete_first, NULL);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ENDED(&p, 10);
    CHECK_EQ(rig_stats(&rig).timers, 0);
    CHECK_EQ(rig_stats(&rig).cancels, 0);
    memset(&deadline, 0xDD, sizeof deadline); /* ours again */
    rig_turn(&rig);
    rig_close(&rig);
}

TEST(F12_the_deadline_first_cancels_the_op)
{
    struct rig rig;
    struct probe p;
    gyre_deadline deadline;
    uint64_t due;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    due = gyre_loop_now(rig.loop) + GYRE_SECOND;
    gyre_op_set_deadline(&p.op, &deadline, due);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ENDED(&p, -ETIME);
    CHECK_GE(scripted_now(rig.s), due);
    CHECK_LE(scripted_now(rig.s), due + (1U << WHEEL_TICK_SHIFT));
    CHECK_EQ(rig_stats(&rig).cancels, 1);
    rig_close(&rig);
}

static bool complete_and_pass(struct scripted *s, uint64_t deadline_ns,
                              void *arg)
{
    (void)arg;
    scripted_complete(s, 0, 10, 0);
    scripted_advance(s, deadline_ns - scripted_now(s) + GYRE_SECOND);
    return false;
}

TEST(F12_both_at_once_gives_the_result)
{
    struct rig rig;
    struct probe p;
    gyre_deadline deadline;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    gyre_op_set_deadline(&p.op, &deadline,
                         gyre_loop_now(rig.loop) + GYRE_SECOND);
    scripted_on_sleep(rig.s, complete_and_pass, NULL);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ENDED(&p, 10);
    rig_close(&rig);
}

TEST(F12_a_result_that_beats_the_cancel_is_given)
{
    struct rig rig;
    struct probe p;
    gyre_deadline deadline;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_fly(&p, &rig, 1, 7);
    gyre_op_set_deadline(&p.op, &deadline, 1);
    rig_turn(&rig);
    CHECK_EQ(rig_stats(&rig).cancels, 1);
    probe_complete(&p, 33);
    CHECK_ENDED(&p, 33);
    rig_close(&rig);
}

TEST(F12_an_op_in_the_backlog_ends_at_its_deadline_unseen)
{
    struct rig rig;
    struct probe p;
    gyre_deadline deadline;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    gyre_op_set_deadline(&p.op, &deadline, 1);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ENDED(&p, -ETIME);
    CHECK_EQ(scripted_seen(rig.s), 0);
    rig_close(&rig);
}

TEST(F12_an_interrupted_worker_at_the_deadline_is_a_timeout)
{
    struct rig rig;
    struct probe p;
    gyre_deadline deadline;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_fly(&p, &rig, 1, 7);
    gyre_op_set_deadline(&p.op, &deadline, 1);
    rig_turn(&rig);
    probe_complete(&p, -EINTR);
    CHECK_ENDED(&p, -ETIME);
    rig_close(&rig);
}

TEST(F12_who_was_cancelled_before_its_deadline_was_cancelled)
{
    struct rig rig;
    struct probe p;
    gyre_deadline deadline;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_fly(&p, &rig, 1, 7);
    gyre_op_set_deadline(&p.op, &deadline,
                         gyre_loop_now(rig.loop) + GYRE_SECOND);
    CHECK_OK(gyre_op_cancel(&p.op));
    rig_turn(&rig);
    scripted_advance(rig.s, 2 * GYRE_SECOND);
    rig_turn(&rig);
    rig_turn(&rig);
    probe_complete(&p, -ECANCELED);
    CHECK_ENDED(&p, -ECANCELED);
    CHECK_EQ(rig_stats(&rig).cancels, 1);
    rig_close(&rig);
}

TEST(F12_a_retry_keeps_the_deadline)
{
    struct rig rig;
    struct probe p;
    gyre_deadline deadline;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    gyre_op_set_deadline(&p.op, &deadline,
                         gyre_loop_now(rig.loop) + GYRE_SECOND);
    probe_complete(&p, -EINTR);
    CHECK_EQ(rig_stats(&rig).timers, 1);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ENDED(&p, -ETIME);
    rig_close(&rig);
}

TEST(F12_a_close_that_waits_ends_at_its_deadline)
{
    struct rig rig;
    struct probe flying, closing;
    gyre_deadline deadline;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_fly(&flying, &rig, 1, 9);
    probe_init(&closing, &rig, 2, 9);
    gyre_op_close(&closing.op, 9);
    probe_start(&closing);
    gyre_op_set_deadline(&closing.op, &deadline,
                         gyre_loop_now(rig.loop) + GYRE_SECOND);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_ENDED(&closing, -ETIME);
    CHECK_EQ(gyre_op_state(&flying.op), GYRE_OP_IN_FLIGHT);
    rig_close(&rig);
}

static void restart_with_deadline(struct probe *probe, gyre_result result)
{
    gyre_deadline *deadline = probe->arg;

    CHECK_ERR(result.res, -ETIME);
    if (probe->lasts == 3)
        return;
    gyre_op_restart(&probe->op);
    gyre_op_set_deadline(&probe->op, deadline,
                         gyre_loop_now(probe->rig->loop) + GYRE_MS);
}

TEST(F12_one_deadline_serves_start_after_start)
{
    struct rig rig;
    struct probe p;
    gyre_deadline deadline;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    p.then = restart_with_deadline;
    p.arg = &deadline;
    probe_start(&p);
    gyre_op_set_deadline(&p.op, &deadline, gyre_loop_now(rig.loop) + GYRE_MS);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(p.lasts, 3);
    rig_close(&rig);
}

TEST(F12_a_deadline_that_never_comes_costs_nothing)
{
    struct rig rig;
    struct probe p;
    gyre_deadline deadline;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    gyre_op_set_deadline(&p.op, &deadline, GYRE_NEVER);
    CHECK_EQ(rig_stats(&rig).timers, 0);
    probe_complete(&p, 3);
    CHECK_ENDED(&p, 3);
    rig_close(&rig);
}

TEST_PANICS(F12_a_deadline_for_an_idle_op_panics, "only a started op")
{
    struct rig rig;
    struct probe p;
    gyre_deadline deadline;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    gyre_op_set_deadline(&p.op, &deadline, 1);
}

TEST_PANICS(F12_a_second_deadline_panics, "a deadline already")
{
    struct rig rig;
    struct probe p;
    gyre_deadline a, b;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    gyre_op_set_deadline(&p.op, &a, GYRE_NEVER);
    gyre_op_set_deadline(&p.op, &b, GYRE_NEVER);
}
