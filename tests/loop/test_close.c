/* SPDX-License-Identifier: MIT */
/*
 * test_close.c - closing a descriptor that is in use
 *
 * Close asks what this loop has on the descriptor to end, waits for all of it,
 * and only then goes to the kernel.
 */
#include <errno.h>
#include <string.h>

#include "rig.h"

static void close_init(struct probe *probe, struct rig *rig, int number, int fd)
{
    probe_init(probe, rig, number, fd);
    gyre_op_close(&probe->op, fd);
}

TEST(G9_B12_a_close_in_company_cancels_waits_and_closes)
{
    struct rig rig;
    struct probe flying, queued, other, closing;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_fly(&flying, &rig, 1, 9);
    probe_fly(&other, &rig, 2, 8);
    probe_init(&queued, &rig, 3, 9);
    probe_start(&queued);
    close_init(&closing, &rig, 4, 9);
    probe_start(&closing);
    CHECK_EQ(gyre_op_state(&closing.op), GYRE_OP_QUEUED);
    rig_turn(&rig);
    CHECK_ENDED(&queued, -ECANCELED);
    CHECK_EQ(scripted_find_opcode(rig.s, IORING_OP_CLOSE), -1);
    for (int i = 0; i < 3; i++)
        rig_turn(&rig);
    CHECK_EQ(gyre_op_state(&closing.op), GYRE_OP_QUEUED);
    probe_complete(&flying, -ECANCELED);
    CHECK_EQ(closing.calls, 0);
    rig_turn(&rig);
    CHECK_EQ(gyre_op_state(&closing.op), GYRE_OP_IN_FLIGHT);
    probe_complete(&closing, 0);
    CHECK_ENDED(&closing, 0);
    CHECK_EQ(gyre_op_state(&other.op), GYRE_OP_IN_FLIGHT);
    rig_close(&rig);
}

TEST(G9_B12_a_close_alone_goes_at_once)
{
    struct rig rig;
    struct probe closing;

    rig_open(&rig, 8);
    close_init(&closing, &rig, 1, 9);
    probe_start(&closing);
    rig_turn(&rig);
    CHECK_EQ(gyre_op_state(&closing.op), GYRE_OP_IN_FLIGHT);
    probe_complete(&closing, 0);
    CHECK_ENDED(&closing, 0);
    rig_close(&rig);
}

TEST(G9_starting_on_a_descriptor_that_is_being_closed_is_EBADF)
{
    struct rig rig;
    struct probe flying, closing, late, second;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_fly(&flying, &rig, 1, 9);
    close_init(&closing, &rig, 2, 9);
    probe_start(&closing);
    probe_init(&late, &rig, 3, 9);
    probe_start(&late);
    close_init(&second, &rig, 4, 9);
    probe_start(&second);
    CHECK_EQ(late.calls, 0);
    rig_turn(&rig);
    CHECK_ENDED(&late, -EBADF);
    CHECK_ENDED(&second, -EBADF);
    CHECK_EQ(gyre_op_state(&closing.op), GYRE_OP_QUEUED);
    probe_complete(&flying, 1);
    rig_turn(&rig);
    probe_complete(&closing, 0);
    CHECK_ENDED(&closing, 0);
    rig_close(&rig);
}

static void try_once_more(struct probe *probe, gyre_result result)
{
    struct probe *again = probe->arg;

    (void)result;
    probe_start(again);
}

TEST(G9_the_last_op_cannot_start_another_before_the_close)
{
    struct rig rig;
    struct probe flying, closing, again;

    rig_open(&rig, 8);
    probe_fly(&flying, &rig, 1, 9);
    probe_init(&again, &rig, 2, 9);
    flying.then = try_once_more;
    flying.arg = &again;
    close_init(&closing, &rig, 3, 9);
    probe_start(&closing);
    rig_turn(&rig);
    CHECK_ENDED(&flying, -ECANCELED);
    rig_turn(&rig);
    /* Whatever became of it, it did not reach the file before the close. */
    if (again.lasts == 0)
        CHECK_GT(probe_index(&again), probe_index(&closing));
    else
        CHECK_ERR(again.result.res, -EBADF);
    rig_close(&rig);
}

TEST(G9_a_close_that_waits_can_be_cancelled)
{
    struct rig rig;
    struct probe flying, closing, again;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_fly(&flying, &rig, 1, 9);
    close_init(&closing, &rig, 2, 9);
    probe_start(&closing);
    CHECK_OK(gyre_op_cancel(&closing.op));
    rig_turn(&rig);
    CHECK_ENDED(&closing, -ECANCELED);
    probe_init(&again, &rig, 3, 9);
    probe_start(&again);
    rig_turn(&rig);
    CHECK_EQ(gyre_op_state(&again.op), GYRE_OP_IN_FLIGHT); /* open still */
    rig_close(&rig);
}

TEST(G9_several_descriptors_close_at_once)
{
    enum { FDS = 5 };
    struct rig rig;
    struct probe flying[FDS], closing[FDS];

    rig_open(&rig, 16);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    for (int i = 0; i < FDS; i++)
        probe_fly(&flying[i], &rig, i, 9 + i);
    for (int i = 0; i < FDS; i++) {
        close_init(&closing[i], &rig, 10 + i, 9 + i);
        probe_start(&closing[i]);
    }
    for (int i = FDS - 1; i >= 0; i--) {
        probe_complete(&flying[i], -ECANCELED);
        rig_turn(&rig);
        CHECK_EQ(gyre_op_state(&closing[i].op), GYRE_OP_IN_FLIGHT);
        if (i > 0)
            CHECK_EQ(gyre_op_state(&closing[i - 1].op), GYRE_OP_QUEUED);
        probe_complete(&closing[i], 0);
        CHECK_ENDED(&closing[i], 0);
    }
    rig_close(&rig);
}

TEST(G9_B12_the_number_is_free_for_its_next_use_after_the_close)
{
    struct rig rig;
    struct probe flying, closing, next;

    rig_open(&rig, 8);
    probe_fly(&flying, &rig, 1, 9);
    close_init(&closing, &rig, 2, 9);
    probe_start(&closing);
    rig_turn(&rig);
    rig_turn(&rig);
    probe_complete(&closing, 0);
    probe_fly(&next, &rig, 3, 9);
    probe_complete(&next, 8);
    CHECK_ENDED(&next, 8);
    rig_close(&rig);
}

TEST(G9_a_fixed_slot_is_no_descriptor)
{
    struct rig rig;
    struct probe flying, closing;

    rig_open(&rig, 8);
    probe_init(&flying, &rig, 1, 9);
    gyre_op_sqe(&flying.op)->flags = IOSQE_FIXED_FILE;
    probe_start(&flying);
    rig_turn(&rig);
    close_init(&closing, &rig, 2, 9);
    probe_start(&closing);
    rig_turn(&rig);
    CHECK_EQ(gyre_op_state(&closing.op), GYRE_OP_IN_FLIGHT);
    CHECK_EQ(gyre_op_state(&flying.op), GYRE_OP_IN_FLIGHT);
    CHECK_EQ(rig_stats(&rig).cancels, 0);
    rig_close(&rig);
}

TEST(G9_a_descriptor_far_beyond_the_table_costs_no_memory)
{
    struct rig rig;
    struct probe p, closing;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, INT32_MAX);
    CHECK_LE(rig.loop->slot_count, 2U << 20);
    CHECK_EQ(gyre_loop_cancel_fd(rig.loop, INT32_MAX - 1), 0);
    close_init(&closing, &rig, 2, INT32_MAX);
    probe_start(&closing);
    rig_turn(&rig);
    CHECK_ENDED(&p, -ECANCELED);
    rig_turn(&rig);
    probe_complete(&closing, -EBADF);
    CHECK_ENDED(&closing, -EBADF);
    rig_close(&rig);
}

TEST(G9_without_memory_for_its_table_a_close_still_waits)
{
    struct rig rig;
    struct probe flying, other, closing, late;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_init(&flying, &rig, 1, 1000);
    probe_init(&other, &rig, 2, 2000);
    close_init(&closing, &rig, 3, 1000);
    probe_init(&late, &rig, 4, 1000);
    alloc_fail_nth(1);
    probe_start(&flying);
    alloc_fail_nth(1);
    probe_start(&other);
    alloc_fail_nth(0);
    rig_turn(&rig);
    alloc_fail_nth(1);
    probe_start(&closing);
    CHECK(alloc_did_fail());
    alloc_fail_nth(1);
    probe_start(&late);
    alloc_fail_nth(0);
    rig_turn(&rig);
    CHECK_ENDED(&late, -EBADF);
    CHECK_EQ(gyre_op_state(&closing.op), GYRE_OP_QUEUED);
    CHECK_EQ(rig_stats(&rig).cancels, 1);
    probe_complete(&flying, -ECANCELED);
    rig_turn(&rig);
    CHECK_EQ(gyre_op_state(&closing.op), GYRE_OP_IN_FLIGHT);
    CHECK_EQ(gyre_op_state(&other.op), GYRE_OP_IN_FLIGHT);
    probe_complete(&closing, 0);
    CHECK_ENDED(&closing, 0);
    rig_close(&rig);
}
