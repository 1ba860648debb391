/* SPDX-License-Identifier: MIT */
/*
 * test_cancel.c - asking ops to end: in every state, in every order, in vain
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

static void probe_init_cancel(struct probe *probe, struct rig *rig, int number,
                              struct probe *target)
{
    memset(probe, 0, sizeof *probe);
    probe->rig = rig;
    probe->number = number;
    gyre_op_cancel_op(&probe->op, &target->op);
}

TEST(G1_a_cancel_names_its_target_by_user_data)
{
    struct rig rig;
    struct probe p, other;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_PENDS);
    probe_fly(&other, &rig, 1, 7);
    probe_fly(&p, &rig, 2, 7);
    CHECK_OK(gyre_op_cancel(&p.op));
    rig_turn(&rig);
    {
        int index = scripted_find_opcode(rig.s, IORING_OP_ASYNC_CANCEL);
        const struct io_uring_sqe *sqe = scripted_at(rig.s, (unsigned)index);

        CHECK_EQ(sqe->addr, op_user_data(&p.op));
        CHECK_EQ(sqe->cancel_flags, 0);
        CHECK_EQ(sqe->fd, -1);
        CHECK_EQ(sqe->user_data & KERNEL_TAG_MASK, KERNEL_TAG_CANCEL);
        scripted_complete(rig.s, index, 0, 0);
    }
    scripted_complete_all(rig.s, -ECANCELED);
    rig_turn(&rig);
    CHECK_ENDED(&p, -ECANCELED);
    CHECK_ENDED(&other, -ECANCELED);
    rig_close(&rig);
}

TEST(G1_G8_cancelled_and_told_once_whatever_comes_first)
{
    static const enum scripted_cancel orders[] = { SCRIPTED_CANCEL_FIRST,
                                                   SCRIPTED_TARGET_FIRST };
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        struct rig rig;
        struct probe p;

        rig_open(&rig, 8);
        scripted_set_cancel(rig.s, orders[i]);
        probe_fly(&p, &rig, 1, 7);
        CHECK_OK(gyre_op_cancel(&p.op));
        CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IN_FLIGHT);
        rig_turn(&rig);
        CHECK_ENDED(&p, -ECANCELED);
        CHECK_EQ(p.calls, 1);
        CHECK_EQ(rig_stats(&rig).cancels, 1);
        rig_close(&rig);
    }
}

TEST(G4_an_op_in_the_backlog_is_cancelled_without_the_kernel)
{
    struct rig rig;
    struct probe p[3];

    rig_open(&rig, 8);
    for (int i = 0; i < 3; i++) {
        probe_init(&p[i], &rig, i, 7);
        probe_start(&p[i]);
    }
    CHECK_OK(gyre_op_cancel(&p[1].op));
    CHECK_EQ(p[1].calls, 0);
    rig_turn(&rig);
    CHECK_ENDED(&p[1], -ECANCELED);
    CHECK_EQ(scripted_seen(rig.s), 2);
    CHECK_EQ(rig_stats(&rig).cancels, 0);
    scripted_complete_all(rig.s, 1);
    rig_turn(&rig);
    CHECK_ENDED(&p[0], 1);
    CHECK_ENDED(&p[2], 1);
    rig_close(&rig);
}

TEST(G4_first_middle_and_last_leave_the_backlog_in_order)
{
    for (int gone = 0; gone < 5; gone++) {
        struct rig rig;
        struct probe p[5];
        size_t seen = 0;

        rig_open(&rig, 8);
        for (int i = 0; i < 5; i++) {
            probe_init(&p[i], &rig, i, 20 + i);
            probe_start(&p[i]);
        }
        CHECK_OK(gyre_op_cancel(&p[gone].op));
        rig_turn(&rig);
        for (int i = 0; i < 5; i++)
            if (i != gone)
                CHECK_EQ(scripted_seen_at(rig.s, seen++)->fd, 20 + i);
        CHECK_EQ(scripted_seen(rig.s), 4);
        rig_close(&rig);
    }
}

TEST(G5_a_cancel_outlives_a_full_queue)
{
    struct rig rig;
    struct probe p[4], late[8];

    rig_open(&rig, 2);
    for (int i = 0; i < 4; i++)
        probe_init(&p[i], &rig, i, 20 + i), probe_start(&p[i]);
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), 4);
    /* Fill the queue and the backlog, then ask for more cancels than fit. */
    for (int i = 0; i < 8; i++)
        probe_init(&late[i], &rig, 10 + i, 30 + i), probe_start(&late[i]);
    scripted_take_at_most(rig.s, 0);
    rig_turn(&rig);
    /* It lies in the queue, where the kernel has not read it. */
    CHECK_EQ(gyre_op_state(&late[1].op), GYRE_OP_QUEUED);
    CHECK_EQ(gyre_op_state(&late[2].op), GYRE_OP_QUEUED);
    for (int i = 0; i < 4; i++)
        CHECK_OK(gyre_op_cancel(&p[i].op));
    CHECK_OK(gyre_op_cancel(&late[0].op)); /* lies in the queue itself */
    rig_turn(&rig);
    CHECK_EQ(rig_stats(&rig).cancels, 0);
    scripted_take_at_most(rig.s, UINT32_MAX);
    for (int i = 0; i < 10; i++)
        rig_turn(&rig);
    for (int i = 0; i < 4; i++)
        CHECK_ENDED(&p[i], -ECANCELED);
    CHECK_ENDED(&late[0], -ECANCELED);
    for (int i = 1; i < 8; i++)
        CHECK_EQ(gyre_op_state(&late[i].op), GYRE_OP_IN_FLIGHT);
    /* Cancels go before what was started later. */
    for (size_t n = 6; n < 11; n++)
        CHECK_EQ(scripted_seen_at(rig.s, n)->opcode, IORING_OP_ASYNC_CANCEL);
    rig_close(&rig);
}

TEST(G5_asking_allocates_nothing)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    alloc_fail_nth(1);
    CHECK_OK(gyre_op_cancel(&p.op));
    CHECK(!alloc_did_fail());
    alloc_fail_nth(0);
    rig_turn(&rig);
    CHECK_ENDED(&p, -ECANCELED);
    rig_close(&rig);
}

TEST(G3_asking_twice_is_EALREADY_and_asking_the_idle_ENOENT)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    CHECK_ERR(gyre_op_cancel(&p.op), -ENOENT);
    probe_start(&p);
    CHECK_OK(gyre_op_cancel(&p.op));
    CHECK_ERR(gyre_op_cancel(&p.op), -EALREADY);
    rig_turn(&rig);
    CHECK_ERR(gyre_op_cancel(&p.op), -ENOENT);
    gyre_op_restart(&p.op);
    rig_turn(&rig);
    CHECK_OK(gyre_op_cancel(&p.op));
    CHECK_ERR(gyre_op_cancel(&p.op), -EALREADY);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    rig_turn(&rig);
    CHECK_ERR(gyre_op_cancel(&p.op), -EALREADY);
    CHECK_EQ(rig_stats(&rig).cancels, 1);
    probe_complete(&p, 3);
    CHECK_EQ(p.result.res, 3);
    CHECK_EQ(p.lasts, 2);
    CHECK_ERR(gyre_op_cancel(&p.op), -ENOENT);
    rig_close(&rig);
}

TEST(G8_an_op_that_ends_before_its_cancel_is_written_ends_once)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    CHECK_OK(gyre_op_cancel(&p.op));
    scripted_complete(rig.s, 0, 11, 0);
    CHECK_EQ(gyre_loop_reap(rig.loop), 1);
    CHECK_ENDED(&p, 11);
    rig_turn(&rig);
    CHECK_EQ(scripted_seen(rig.s), 1); /* there is nothing to cancel any more */
    CHECK_EQ(rig_stats(&rig).cancels, 0);
    rig_close(&rig);
}

TEST(G8_a_late_cancel_leaves_the_op_its_result)
{
    static const enum scripted_cancel policies[] = { SCRIPTED_CANCEL_LATE,
                                                     SCRIPTED_CANCEL_MISSED };
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
        struct rig rig;
        struct probe p;

        rig_open(&rig, 8);
        scripted_set_cancel(rig.s, policies[i]);
        probe_fly(&p, &rig, 1, 7);
        CHECK_OK(gyre_op_cancel(&p.op));
        rig_turn(&rig);
        CHECK_EQ(p.calls, 0);
        CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IN_FLIGHT);
        probe_complete(&p, 4096);
        CHECK_ENDED(&p, 4096);
        rig_close(&rig);
    }
}

TEST(G7_the_buffer_is_the_kernel_until_the_last_completion)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_PENDS);
    probe_fly(&p, &rig, 1, 7);
    CHECK_OK(gyre_op_cancel(&p.op));
    rig_turn(&rig);
    scripted_complete(rig.s, 1, 0, 0); /* "it will end" is not "it has" */
    rig_turn(&rig);
    CHECK_EQ(p.calls, 0);
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IN_FLIGHT);
    probe_complete(&p, -ECANCELED);
    CHECK_ENDED(&p, -ECANCELED);
    rig_close(&rig);
}

TEST(G3_a_cancel_op_reports_what_the_kernel_said)
{
    static const struct {
        enum scripted_cancel policy;
        int answer;
    } cases[] = {
        { SCRIPTED_CANCEL_FIRST, 0 },
        { SCRIPTED_TARGET_FIRST, 0 },
        { SCRIPTED_CANCEL_LATE, -EALREADY },
        { SCRIPTED_CANCEL_MISSED, -ENOENT },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rig rig;
        struct probe target, cancel;

        rig_open(&rig, 8);
        scripted_set_cancel(rig.s, cases[i].policy);
        probe_fly(&target, &rig, 1, 7);
        probe_init_cancel(&cancel, &rig, 2, &target);
        probe_start(&cancel);
        rig_turn(&rig);
        CHECK_ENDED(&cancel, cases[i].answer);
        if (cases[i].answer == 0) {
            CHECK_ENDED(&target, -ECANCELED);
        } else {
            probe_complete(&target, 2);
            CHECK_ENDED(&target, 2);
        }
        rig_close(&rig);
    }
}

TEST(G3_G4_a_cancel_op_finds_a_target_started_just_before)
{
    struct rig rig;
    struct probe target, cancel;

    rig_open(&rig, 1); /* one after the other */
    probe_init(&target, &rig, 1, 7);
    probe_start(&target);
    probe_init_cancel(&cancel, &rig, 2, &target);
    probe_start(&cancel);
    for (int i = 0; i < 3; i++)
        rig_turn(&rig);
    CHECK_ENDED(&cancel, 0);
    CHECK_ENDED(&target, -ECANCELED);
    rig_close(&rig);
}

TEST_PANICS(G3_a_cancel_op_for_an_idle_target_panics, "the target is idle")
{
    struct rig rig;
    struct probe target, cancel;

    rig_open(&rig, 8);
    probe_init(&target, &rig, 1, 7);
    probe_init_cancel(&cancel, &rig, 2, &target);
}

TEST(G1_cancels_reach_the_executor_that_has_the_op)
{
    struct rig rig;
    struct probe asked, named, cancel;

    rig_open(&rig, 8);
    CHECK(scripted_add_side(rig.s, 8));
    probe_init(&asked, &rig, 1, 8);
    gyre_op_getdents(&asked.op, 8, &asked, 1);
    probe_start(&asked);
    probe_init(&named, &rig, 2, 8);
    gyre_op_getdents(&named.op, 8, &named, 1);
    probe_start(&named);
    rig_turn(&rig);
    CHECK_OK(gyre_op_cancel(&asked.op));
    rig_turn(&rig);
    CHECK_ENDED(&asked, -ECANCELED);
    probe_init_cancel(&cancel, &rig, 3, &named);
    probe_start(&cancel);
    rig_turn(&rig);
    CHECK_ENDED(&cancel, 0);
    CHECK_ENDED(&named, -ECANCELED);
    CHECK_EQ(rig_stats(&rig).submitted, 0); /* the ring saw none of it */
    rig_close(&rig);
}

TEST(G5_a_cancel_that_the_side_has_no_memory_for_is_tried_again)
{
    struct rig rig;
    struct probe p;
    uint64_t enters;

    rig_open(&rig, 8);
    CHECK(scripted_add_side(rig.s, 8));
    probe_init(&p, &rig, 1, 8);
    gyre_op_getdents(&p.op, 8, &p, 1);
    probe_start(&p);
    rig_turn(&rig);
    scripted_fail_side(rig.s, -ENOMEM, 5);
    CHECK_OK(gyre_op_cancel(&p.op));
    enters = scripted_enters(rig.s);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ENDED(&p, -ECANCELED);
    /* One short sleep for each refusal, and no spinning between. */
    CHECK_GE(scripted_sleeps(rig.s), 5);
    CHECK_LE(scripted_enters(rig.s) - enters, 8);
    rig_close(&rig);
}

/* ---- many ---------------------------------------------------------------- */

TEST(G1_cancel_fd_asks_all_on_the_descriptor_and_no_other)
{
    struct rig rig;
    struct probe on[4], off[2];

    rig_open(&rig, 8);
    probe_fly(&on[0], &rig, 0, 9);
    probe_fly(&off[0], &rig, 10, 8);
    probe_fly(&on[1], &rig, 1, 9);
    probe_init(&on[2], &rig, 2, 9);
    probe_start(&on[2]);
    probe_init(&off[1], &rig, 11, 10);
    probe_start(&off[1]);
    probe_init(&on[3], &rig, 3, 9);
    probe_start(&on[3]);
    CHECK_EQ(gyre_loop_cancel_fd(rig.loop, 9), 4);
    CHECK_EQ(gyre_loop_cancel_fd(rig.loop, 9), 0);
    CHECK_EQ(gyre_loop_cancel_fd(rig.loop, 1000000), 0);
    CHECK_EQ(gyre_loop_cancel_fd(rig.loop, -1), 0);
    rig_turn(&rig);
    for (int i = 0; i < 4; i++)
        CHECK_ENDED(&on[i], -ECANCELED);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(gyre_op_state(&off[i].op), GYRE_OP_IN_FLIGHT);
    rig_close(&rig);
}

TEST(G1_cancel_fd_finds_what_waits_behind_those_already_asked)
{
    struct rig rig;
    struct probe p[3];

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_fly(&p[0], &rig, 0, 9);
    CHECK_EQ(gyre_loop_cancel_fd(rig.loop, 9), 1);
    rig_turn(&rig);
    probe_init(&p[1], &rig, 1, 9);
    probe_start(&p[1]);
    CHECK_EQ(gyre_loop_cancel_fd(rig.loop, 9), 1);
    rig_turn(&rig);
    CHECK_ENDED(&p[1], -ECANCELED);
    probe_complete(&p[0], 0);
    rig_close(&rig);
}

TEST(G1_cancel_all_asks_everything_once)
{
    struct rig rig;
    struct probe p[6];

    rig_open(&rig, 8);
    probe_fly(&p[0], &rig, 0, 9);
    probe_fly(&p[1], &rig, 1, -1); /* without a descriptor */
    probe_fly(&p[2], &rig, 2, 500);
    for (int i = 3; i < 5; i++)
        probe_init(&p[i], &rig, i, 9), probe_start(&p[i]);
    memset(&p[5], 0, sizeof p[5]);
    p[5].rig = &rig;
    gyre_op_close(&p[5].op, 500); /* waits for its descriptor */
    probe_start(&p[5]);
    CHECK_EQ(gyre_loop_cancel_all(rig.loop), 5); /* one was asked by close */
    CHECK_EQ(gyre_loop_cancel_all(rig.loop), 0);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < 6; i++)
        CHECK_ENDED(&p[i], -ECANCELED);
    rig_close(&rig);
}

static void cancel_next(struct probe *probe, gyre_result result)
{
    struct probe *next = probe->arg;

    (void)result;
    if (next != NULL)
        CHECK_OK(gyre_op_cancel(&next->op));
}

TEST(E2_G8_a_callback_cancels_another_op_in_any_state)
{
    struct rig rig;
    struct probe first, flying, queued, arrived;

    rig_open(&rig, 8);
    probe_fly(&first, &rig, 1, 7);
    probe_fly(&arrived, &rig, 2, 7);
    probe_fly(&flying, &rig, 3, 8);
    probe_init(&queued, &rig, 4, 9);
    first.then = cancel_next;
    first.arg = &flying;
    flying.then = cancel_next;
    flying.arg = &queued;
    scripted_complete(rig.s, 0, 0, 0);
    scripted_complete(rig.s, 0, 5, 0);
    rig_turn(&rig);
    CHECK_ENDED(&first, 0);
    CHECK_ENDED(&arrived, 5);
    probe_start(&queued);
    scripted_take_at_most(rig.s, 1); /* the cancel goes first */
    rig_turn(&rig);
    scripted_take_at_most(rig.s, UINT32_MAX);
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_ENDED(&flying, -ECANCELED);
    CHECK_ENDED(&queued, -ECANCELED);
    rig_close(&rig);
}

TEST(G8_J8_a_thousand_cancels_through_a_queue_of_four)
{
    enum { OPS = 1000 };
    struct rig rig;
    struct probe *p = calloc(OPS, sizeof *p);

    CHECK(p != NULL);
    rig_open(&rig, 4);
    for (int i = 0; i < OPS; i++) {
        probe_init(&p[i], &rig, i, i % 40);
        probe_start(&p[i]);
    }
    while (scripted_pending(rig.s) < OPS)
        rig_turn(&rig);
    for (int i = 0; i < OPS; i++)
        CHECK_OK(gyre_op_cancel(&p[i].op));
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < OPS; i++)
        CHECK_ENDED(&p[i], -ECANCELED);
    CHECK_EQ(rig_stats(&rig).cancels, OPS);
    rig_close(&rig);
    free(p);
}
