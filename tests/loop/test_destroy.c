/* SPDX-License-Identifier: MIT */
/*
 * test_destroy.c - making a loop without memory, and ending one in any state
 */
#include <errno.h>
#include <string.h>

#include "rig.h"

static void make_and_drop(void)
{
    struct scripted *s = scripted_create(8, 0);
    gyre_loop *loop = NULL;
    gyre_loop_options options = { .entries = 8 };
    int err;

    if (s == NULL) {
        CHECK(alloc_did_fail());
        return;
    }
    err = loop_create_on(&loop, scripted_kernel(s), &options);
    if (err < 0) {
        CHECK(alloc_did_fail());
        CHECK_ERR(err, -ENOMEM);
        CHECK(loop == NULL);
        scripted_kernel(s)->class->destroy(scripted_kernel(s)); /* ours still */
        return;
    }
    gyre_loop_destroy(loop);
}

TEST(A1_every_allocation_of_a_loop_may_fail)
{
    CHECK_GE(for_each_failure(make_and_drop), 5);
}

TEST(L10_destroying_nothing_is_allowed)
{
    gyre_loop_destroy(NULL);
}

static bool close_at_once(void *arg, const struct io_uring_sqe *sqe,
                          int32_t *res)
{
    unsigned *closed = arg;

    if (sqe->opcode != IORING_OP_CLOSE)
        return false;
    ++*closed;
    *res = 0;
    return true;
}

/* What was to be closed is not left open, queued or held back as the close may
 * be. */
TEST(L10_B12_destroy_carries_out_the_closes_that_were_asked_for)
{
    struct probe reading, behind, alone;
    unsigned closed = 0;
    struct rig rig;

    rig_open(&rig, 4);
    scripted_set_policy(rig.s, close_at_once, &closed);
    probe_fly(&reading, &rig, 1, 5);
    probe_init(&behind, &rig, 2, 5);
    gyre_op_close(&behind.op, 5); /* held until the read has ended */
    probe_start(&behind);
    probe_init(&alone, &rig, 3, 6);
    gyre_op_close(&alone.op, 6); /* queued */
    probe_start(&alone);
    gyre_loop_destroy(rig.loop);
    CHECK_ENDED(&reading, -ECANCELED);
    CHECK_ENDED(&behind, 0);
    CHECK_ENDED(&alone, 0);
    CHECK_EQ(closed, 2);
}

/* I7 */
TEST(L10_destroy_ends_ops_in_every_state)
{
    struct rig rig;
    struct probe idle, queued, flying, asked, ended, held, several, handed;
    struct probe side, behind[3];
    unsigned closed = 0;

    rig_open(&rig, 4);
    scripted_set_policy(rig.s, close_at_once, &closed);
    CHECK(scripted_add_side(rig.s, 4));
    probe_init(&idle, &rig, 0, 5);
    probe_fly(&flying, &rig, 1, 5);
    probe_fly(&asked, &rig, 2, 6);
    CHECK_OK(gyre_op_cancel(&asked.op));
    probe_fly(&several, &rig, 3, 7);
    scripted_complete(rig.s, probe_index(&several), 1, IORING_CQE_F_MORE);
    probe_init(&side, &rig, 4, 8);
    gyre_op_getdents(&side.op, 8, &side, 1);
    probe_start(&side);
    rig_turn(&rig);
    probe_init(&ended, &rig, 5, 5);
    probe_start(&ended);
    CHECK_OK(gyre_op_cancel(&ended.op));
    probe_init(&held, &rig, 6, 5);
    gyre_op_close(&held.op, 5);
    probe_start(&held);
    probe_init(&queued, &rig, 7, 9);
    probe_start(&queued);
    scripted_take_at_most(rig.s, 1);
    for (int i = 0; i < 3; i++) {
        probe_init(&behind[i], &rig, 10 + i, 20 + i);
        probe_start(&behind[i]);
    }
    probe_init(&handed, &rig, 8, 10);
    gyre_op_start_remote(rig.loop, &handed.op, probe_done, &handed);
    gyre_loop_destroy(rig.loop);

    CHECK_EQ(idle.calls, 0);
    CHECK_ENDED(&queued, -ECANCELED);
    CHECK_ENDED(&flying, -ECANCELED);
    CHECK_ENDED(&asked, -ECANCELED);
    CHECK_ENDED(&ended, -ECANCELED);
    CHECK_ENDED(&held, 0);
    CHECK_ENDED(&side, -ECANCELED);
    CHECK_ENDED(&several, -ECANCELED);
    CHECK_EQ(several.calls, 2);
    CHECK_ENDED(&handed, -ECANCELED);
    for (int i = 0; i < 3; i++)
        CHECK_ENDED(&behind[i], -ECANCELED);
}

static bool complete_late(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    unsigned *sleeps = arg;

    (void)deadline_ns;
    if (++*sleeps == 3)
        scripted_complete_all(s, 77);
    return true;
}

TEST(L10_destroy_waits_for_what_cannot_be_cancelled)
{
    struct rig rig;
    struct probe p;
    unsigned sleeps = 0;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_fly(&p, &rig, 1, 7);
    scripted_on_sleep(rig.s, complete_late, &sleeps);
    gyre_loop_destroy(rig.loop);
    CHECK_ENDED(&p, 77);
    CHECK_EQ(sleeps, 3);
}

TEST(L10_destroy_goes_through_overflow_and_refusals)
{
    enum { OPS = 200 };
    struct rig rig;
    struct probe p[OPS];

    rig_open_with(&rig, &(gyre_loop_options){ .entries = 2, .cq_entries = 2 });
    for (int i = 0; i < OPS; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    while (scripted_pending(rig.s) < OPS)
        rig_turn(&rig);
    scripted_be_busy(rig.s, true);
    scripted_fail_enter(rig.s, -EAGAIN, 2);
    gyre_loop_stop(rig.loop); /* must not end the waiting */
    gyre_loop_destroy(rig.loop);
    for (int i = 0; i < OPS; i++)
        CHECK_ENDED(&p[i], -ECANCELED);
}

TEST(L10_a_loop_that_never_ran_can_be_destroyed)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    gyre_loop_destroy(rig.loop);
    CHECK_ENDED(&p, -ECANCELED);
}

static void must_not_ring(gyre_timer *timer, int status)
{
    (void)timer;
    FAIL("a timer was called with %d by destroy", status);
}

static void must_not_run(gyre_work *work)
{
    (void)work;
    FAIL("work was run by destroy");
}

TEST(L10_timers_and_work_are_dropped_without_a_call)
{
    struct rig rig;
    gyre_timer armed, due, cancelled;
    gyre_work posted, ready;
    struct probe p;
    gyre_deadline deadline;

    rig_open(&rig, 8);
    gyre_timer_init(&armed, rig.loop, must_not_ring, NULL);
    gyre_timer_init(&due, rig.loop, must_not_ring, NULL);
    gyre_timer_init(&cancelled, rig.loop, must_not_ring, NULL);
    gyre_loop_post(rig.loop, &ready, must_not_run);
    CHECK_OK(gyre_loop_submit(rig.loop));
    gyre_loop_post(rig.loop, &posted, must_not_run);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    gyre_op_set_deadline(&p.op, &deadline,
                         gyre_loop_now(rig.loop) + GYRE_SECOND);
    gyre_timer_start_after(&armed, GYRE_SECOND);
    gyre_timer_start(&due, 1);
    gyre_timer_start_after(&cancelled, GYRE_SECOND);
    gyre_timer_cancel(&cancelled);
    gyre_loop_destroy(rig.loop);
    CHECK_ENDED(&p, -ECANCELED);
    CHECK(!gyre_timer_is_armed(&armed));
    CHECK(!gyre_timer_is_armed(&due));
    CHECK(!gyre_timer_is_armed(&cancelled));
}

static void restart_anyway(struct probe *probe, gyre_result result)
{
    (void)result;
    gyre_op_restart(&probe->op);
}

TEST_PANICS(L10_starting_while_the_loop_is_destroyed_panics, "being destroyed")
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    p.then = restart_anyway;
    gyre_loop_destroy(rig.loop);
}

static void arm_anyway(struct probe *probe, gyre_result result)
{
    static gyre_timer timer;

    (void)result;
    gyre_timer_init(&timer, probe->rig->loop, must_not_ring, NULL);
    gyre_timer_start(&timer, GYRE_NEVER);
}

TEST_PANICS(L10_arming_while_the_loop_is_destroyed_panics, "being destroyed")
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    p.then = arm_anyway;
    gyre_loop_destroy(rig.loop);
}

static void destroy_inside(struct probe *probe, gyre_result result)
{
    (void)result;
    gyre_loop_destroy(probe->rig->loop);
}

TEST_PANICS(L10_destroying_inside_a_turn_panics, "inside its turn")
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    p.then = destroy_inside;
    probe_complete(&p, 0);
}

TEST_PANICS(L10_destroying_inside_a_step_panics, "inside its turn")
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    p.then = destroy_inside;
    scripted_complete(rig.s, 0, 0, 0);
    gyre_loop_reap(rig.loop);
}

TEST_PANICS(L10_a_kernel_that_refuses_to_finish_is_told, "refuses to finish")
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    scripted_fail_enter(rig.s, -EPERM, 100);
    gyre_loop_destroy(rig.loop);
}
