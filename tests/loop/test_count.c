/* SPDX-License-Identifier: MIT */
/*
 * test_count.c - timeouts that a number of completions ends
 */
#include <errno.h>
#include <string.h>

#include "rig.h"

/* A started timeout with a count, far away. */
static void count_start(struct probe *probe, struct rig *rig, int number,
                        uint32_t count)
{
    static const int64_t far[2] = { 3600, 0 };

    memset(probe, 0, sizeof *probe);
    probe->rig = rig;
    probe->number = number;
    gyre_op_timeout(&probe->op, far, count, 0);
    probe_start(probe);
}

static const struct io_uring_sqe *sqe_of(const struct probe *probe)
{
    int index = probe_index(probe);

    CHECK_GE(index, 0);
    return scripted_at(probe->rig->s, (unsigned)index);
}

TEST(F5_the_kernel_gets_a_pure_timer)
{
    struct rig rig;
    struct probe p;
    struct io_uring_sqe before;

    rig_open(&rig, 8);
    count_start(&p, &rig, 1, 3);
    rig_turn(&rig);
    CHECK_EQ(sqe_of(&p)->off, 0);
    CHECK_EQ(sqe_of(&p)->addr3, 0);
    CHECK_EQ(sqe_of(&p)->pad2_, 0);
    probe_complete(&p, -ETIME);
    CHECK_ENDED(&p, -ETIME);

    /* The op is what it was, to be started again. */
    memcpy(&before, gyre_op_sqe(&p.op), sizeof before);
    CHECK_EQ(before.off, 3);
    CHECK_EQ(before.addr3, 0);
    CHECK_EQ(before.pad2_, 0);
    rig_close(&rig);
}

TEST(F5_a_count_is_exact_and_in_order)
{
    enum { COUNTED = 3, OTHERS = 4 };
    static const uint32_t counts[COUNTED] = { 3, 1, 2 };
    struct rig rig;
    struct probe counted[COUNTED], other[OTHERS];

    rig_open(&rig, 16);
    for (int i = 0; i < COUNTED; i++)
        count_start(&counted[i], &rig, 10 + i, counts[i]);
    for (int i = 0; i < OTHERS; i++)
        probe_fly(&other[i], &rig, i, 5);
    for (uint32_t n = 1; n <= OTHERS; n++) {
        probe_complete(&other[n - 1], 1);
        rig_turn(&rig);
        rig_turn(&rig);
        for (int i = 0; i < COUNTED; i++)
            CHECK_EQ(counted[i].lasts, counts[i] <= n);
    }
    for (int i = 0; i < COUNTED; i++)
        CHECK_ENDED(&counted[i], 0);
    rig_close(&rig);
}

TEST(F5_each_completion_of_a_multishot_op_counts)
{
    struct rig rig;
    struct probe p, many;

    rig_open(&rig, 8);
    count_start(&p, &rig, 1, 2);
    probe_fly(&many, &rig, 2, 5);
    scripted_complete(rig.s, probe_index(&many), 1, IORING_CQE_F_MORE);
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_EQ(p.lasts, 0);
    scripted_complete(rig.s, probe_index(&many), 1, IORING_CQE_F_MORE);
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_ENDED(&p, 0);
    probe_complete(&many, 0);
    rig_close(&rig);
}

TEST(F5_timeouts_cancels_and_wakes_do_not_count)
{
    struct rig rig;
    struct probe p, pure, op;

    rig_open(&rig, 16);
    count_start(&p, &rig, 1, 1);
    count_start(&pure, &rig, 2, 0);
    rig_turn(&rig);
    probe_complete(&pure, -ETIME); /* another timeout */
    gyre_loop_wake(rig.loop, GYRE_WAKE_TASK, 1);
    rig_turn(&rig);
    count_start(&pure, &rig, 3, 1);
    CHECK_OK(gyre_op_cancel(&pure.op)); /* in the backlog */
    rig_turn(&rig);
    CHECK_ENDED(&pure, -ECANCELED);
    count_start(&pure, &rig, 4, 1);
    rig_turn(&rig);
    CHECK_OK(gyre_op_cancel(&pure.op)); /* by a request of the loop's own */
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_ENDED(&pure, -ECANCELED);
    CHECK_EQ(p.lasts, 0);
    probe_fly(&op, &rig, 5, 5);
    probe_complete(&op, 0);
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_ENDED(&p, 0);
    rig_close(&rig);
}

TEST(F5_a_count_may_be_reached_before_the_kernel_sees_the_timeout)
{
    struct rig rig;
    struct probe p, op;

    rig_open(&rig, 8);
    probe_fly(&op, &rig, 2, 5);
    scripted_take_at_most(rig.s, 0);
    count_start(&p, &rig, 1, 1);
    CHECK_OK(gyre_op_cancel(&op.op));
    scripted_take_at_most(rig.s, UINT32_MAX);
    probe_complete(&op, 7);
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_ENDED(&p, 0);
    rig_close(&rig);
}

TEST(F5_G8_whichever_reason_comes_first_is_the_result)
{
    struct rig rig;
    struct probe p, op;

    /* The time, before the count's cancel is answered. */
    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_MISSED);
    count_start(&p, &rig, 1, 1);
    probe_fly(&op, &rig, 2, 5);
    probe_complete(&op, 0);
    rig_turn(&rig);
    CHECK_EQ(p.lasts, 0);
    probe_complete(&p, -ETIME);
    CHECK_ENDED(&p, -ETIME);

    /* A cancel by hand, before the count. */
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    count_start(&p, &rig, 1, 1);
    rig_turn(&rig);
    CHECK_OK(gyre_op_cancel(&p.op));
    probe_fly(&op, &rig, 2, 5);
    probe_complete(&op, 0);
    rig_turn(&rig);
    probe_complete(&p, -ECANCELED);
    CHECK_ENDED(&p, -ECANCELED);
    rig_close(&rig);
}

TEST(F5_repeats_are_no_count)
{
    static const int64_t time[2] = { 1, 0 };
    struct rig rig;
    struct probe p, op;

    rig_open(&rig, 8);
    memset(&p, 0, sizeof p);
    p.rig = &rig;
    gyre_op_timeout(&p.op, time, 2, GYRE_TIMEOUT_MULTISHOT);
    probe_start(&p);
    rig_turn(&rig);
    CHECK_EQ(sqe_of(&p)->off, 2); /* for the kernel to count */
    for (int i = 0; i < 3; i++) {
        probe_fly(&op, &rig, 2, 5);
        probe_complete(&op, 0);
    }
    CHECK_EQ(p.lasts, 0);
    probe_complete(&p, -ETIME);
    CHECK_ENDED(&p, -ETIME);
    rig_close(&rig);
}

/* The words in which the loop keeps something no request uses, but a raw one
 * may have anything there. */
TEST(F5_E3_what_a_raw_request_has_in_unused_words_is_not_the_loops)
{
    static const int64_t time[2] = { 1, 0 };
    struct rig rig;
    struct probe p, raw;

    rig_open(&rig, 8);
    count_start(&p, &rig, 1, 9);
    memset(&raw, 0, sizeof raw);
    raw.rig = &rig;
    gyre_op_timeout(&raw.op, time, 3, 0);
    gyre_op_sqe(&raw.op)->pad2_ = 7;
    gyre_op_sqe(&raw.op)->timeout_flags = 1U << 31; /* Linux will refuse it */
    probe_start(&raw);
    rig_turn(&rig);
    probe_complete(&raw, -EINVAL);
    CHECK_ENDED(&raw, -EINVAL);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_PENDS);
    gyre_op_raw(&raw.op, IORING_OP_ASYNC_CANCEL);
    gyre_op_sqe(&raw.op)->fd = -1;
    gyre_op_sqe(&raw.op)->addr = 0x1230;
    gyre_op_sqe(&raw.op)->pad2_ = 7;
    probe_start(&raw);
    rig_turn(&rig);
    CHECK_EQ(sqe_of(&raw)->addr, 0x1230);
    probe_complete(&raw, -ENOENT);
    probe_complete(&p, -ETIME);
    CHECK_ENDED(&p, -ETIME);
    rig_close(&rig);
}

TEST(F8_G8_a_change_of_clock_that_was_cancelled_leaves_the_timeout_alone)
{
    static const int64_t time[2] = { 1, 5 };
    struct rig rig;
    struct probe p, update;

    rig_open(&rig, 8);
    count_start(&p, &rig, 1, 0);
    rig_turn(&rig);
    memset(&update, 0, sizeof update);
    update.rig = &rig;
    gyre_op_timeout_update(&update.op, &p.op, time, GYRE_TIMEOUT_BOOTTIME);
    probe_start(&update);
    CHECK_OK(gyre_op_cancel(&update.op));
    rig_turn(&rig);
    CHECK_ENDED(&update, -ECANCELED);
    probe_complete(&p, -ECANCELED); /* somebody has removed it */
    CHECK_ENDED(&p, -ECANCELED);
    rig_close(&rig);
}

TEST(F8_an_update_names_one_start_of_its_target)
{
    static const int64_t time[2] = { 1, 5 };
    struct rig rig;
    struct probe p, update;
    const struct io_uring_sqe *sqe;

    rig_open(&rig, 8);
    count_start(&p, &rig, 1, 0);
    memset(&update, 0, sizeof update);
    update.rig = &rig;
    gyre_op_timeout_update(&update.op, &p.op, time, GYRE_TIMEOUT_ABS);
    probe_start(&update);
    rig_turn(&rig);
    sqe = sqe_of(&update);
    CHECK_EQ(sqe->opcode, IORING_OP_TIMEOUT_REMOVE);
    CHECK_EQ(sqe->addr, sqe_of(&p)->user_data);
    CHECK_EQ(sqe->addr2, (uintptr_t)time);
    CHECK_EQ(sqe->timeout_flags, IORING_TIMEOUT_UPDATE | IORING_TIMEOUT_ABS);
    CHECK_EQ(sqe->len, 0);
    probe_complete(&update, 0);
    gyre_op_timeout_remove(&update.op, &p.op);
    probe_start(&update);
    rig_turn(&rig);
    CHECK_EQ(sqe_of(&update)->timeout_flags, 0);
    probe_complete(&update, 0);
    probe_complete(&p, -ECANCELED);
    rig_close(&rig);
}

TEST_PANICS(F8_an_update_of_an_idle_timeout_panics, "the target is idle")
{
    static const int64_t time[2] = { 1, 5 };
    gyre_op op, target;

    gyre_op_timeout(&target, time, 0, 0);
    gyre_op_timeout_update(&op, &target, time, 0);
}
