/* SPDX-License-Identifier: MIT */
/*
 * test_limits.c - how much the kernel may have, and how long the queue may grow
 */
#include <errno.h>

#include "rig.h"

enum { LIMIT = 3, OPS = 10 };

static void open_limited(struct rig *rig)
{
    rig_open_with(rig,
                  &(gyre_loop_options){ .entries = 8, .in_flight_max = LIMIT });
}

static unsigned in_flight(const struct rig *rig)
{
    return (unsigned)rig_stats(rig).in_flight;
}

TEST(J4_no_more_ops_are_in_flight_than_the_limit)
{
    struct rig rig;
    struct probe p[OPS];

    open_limited(&rig);
    for (int i = 0; i < OPS; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    for (int i = 0; i < OPS; i++) {
        rig_turn(&rig);
        CHECK_EQ(in_flight(&rig), i + LIMIT <= OPS ? LIMIT : OPS - i);
        CHECK_GE(probe_index(&p[i]), 0); /* I2: in order of start */
        probe_complete(&p[i], i);
        CHECK_ENDED(&p[i], i);
    }
    rig_close(&rig);
}

/* Else it would turn and turn until something ends. */
TEST(J4_the_loop_sleeps_on_a_backlog_that_the_limit_holds)
{
    struct rig rig;
    struct probe p[OPS];
    uint64_t turns;

    open_limited(&rig);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    for (int i = 0; i < OPS; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    turns = rig_stats(&rig).turns;
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_LE(rig_stats(&rig).turns - turns, 2 * OPS);
    for (int i = 0; i < OPS; i++)
        CHECK_ENDED(&p[i], 1);
    rig_close(&rig);
}

TEST(J4_what_the_limit_holds_back_is_cancelled_at_once)
{
    struct rig rig;
    struct probe p[LIMIT + 1];

    open_limited(&rig);
    for (int i = 0; i <= LIMIT; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    rig_turn(&rig);
    CHECK_EQ(gyre_op_state(&p[LIMIT].op), GYRE_OP_QUEUED);
    CHECK_OK(gyre_op_cancel(&p[LIMIT].op));
    rig_turn(&rig);
    CHECK_ENDED(&p[LIMIT], -ECANCELED);
    for (int i = 0; i < LIMIT; i++)
        probe_complete(&p[i], 0);
    rig_close(&rig);
}

TEST(J4_ops_beside_the_ring_count_too)
{
    struct rig rig;
    struct probe p[OPS];

    open_limited(&rig);
    CHECK(scripted_add_side(rig.s, 32));
    scripted_set_route(rig.s, IORING_OP_RECV, KERNEL_ROUTE_SIDE);
    for (int i = 0; i < OPS; i++) {
        probe_init(&p[i], &rig, i, i);
        probe_start(&p[i]);
    }
    rig_turn(&rig);
    CHECK_EQ(in_flight(&rig), LIMIT);
    CHECK_EQ(rig_stats(&rig).queued, OPS - LIMIT);
    CHECK_EQ(gyre_loop_cancel_all(rig.loop), OPS);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    rig_close(&rig);
}

TEST(J2_a_full_backlog_refuses_try_start_alone)
{
    struct rig rig;
    struct probe p[4];

    rig_open_with(&rig, &(gyre_loop_options){ .entries = 8, .backlog_max = 2 });
    for (int i = 0; i < 4; i++)
        probe_init(&p[i], &rig, i, i);
    CHECK_OK(gyre_op_try_start(rig.loop, &p[0].op, probe_done, &p[0]));
    CHECK_OK(gyre_op_try_start(rig.loop, &p[1].op, probe_done, &p[1]));
    CHECK_ERR(gyre_op_try_start(rig.loop, &p[2].op, probe_done, &p[2]),
              -EAGAIN);
    CHECK_EQ(gyre_op_state(&p[2].op), GYRE_OP_IDLE);
    probe_start(&p[3]);
    CHECK_EQ(rig_stats(&rig).queued, 3);
    rig_turn(&rig);
    CHECK_OK(gyre_op_try_start(rig.loop, &p[2].op, probe_done, &p[2]));
    rig_turn(&rig);
    for (int i = 0; i < 4; i++) {
        probe_complete(&p[i], i);
        CHECK_ENDED(&p[i], i);
    }
    rig_close(&rig);
}
