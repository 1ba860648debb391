/* SPDX-License-Identifier: MIT */
/*
 * test_timeout.c - the kernel's timers as ops: clocks, repeats, changes
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stage.h"

static const struct {
    clockid_t id;
    unsigned flag;
} clocks[] = {
    { CLOCK_MONOTONIC, 0 },
    { CLOCK_BOOTTIME, GYRE_TIMEOUT_BOOTTIME },
    { CLOCK_REALTIME, GYRE_TIMEOUT_REALTIME },
};

static uint64_t read_ns(clockid_t id)
{
    struct timespec now;

    CHECK_OK(clock_gettime(id, &now));
    return (uint64_t)now.tv_sec * GYRE_SECOND + (uint64_t)now.tv_nsec;
}

KERNEL_TEST(F4_lengths_and_points_on_every_clock)
{
    gyre_loop *loop = stage_open(8);
    gyre_timeout_op op;

    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        uint64_t start = read_ns(clocks[i].id), until;

        gyre_timeout_op_fill(&op, 3 * GYRE_MS, 0, clocks[i].flag);
        CHECK_ERR(op_run(loop, &op.op), -ETIME);
        CHECK_GE(read_ns(clocks[i].id), start + 3 * GYRE_MS);

        until = read_ns(clocks[i].id) + 3 * GYRE_MS;
        gyre_timeout_op_fill(&op, until, 0, clocks[i].flag | GYRE_TIMEOUT_ABS);
        CHECK_ERR(op_run(loop, &op.op), -ETIME);
        CHECK_GE(read_ns(clocks[i].id), until);

        gyre_timeout_op_fill(&op, start, 0, clocks[i].flag | GYRE_TIMEOUT_ABS);
        CHECK_ERR(op_run(loop, &op.op), -ETIME); /* it has passed */
    }
    gyre_loop_destroy(loop);
}

/* Only forward: other tests read the clock meanwhile, and none expects it to
 * stand still. */
static void step_clock(uint64_t step_ns)
{
    struct timespec time;
    const char *ours = getenv("GYRE_TEST_MACHINE_IS_OURS");

    if (ours == NULL || strcmp(ours, "1") != 0)
        TEST_SKIP("the clock of this machine is not ours to set");
    CHECK_OK(clock_gettime(CLOCK_REALTIME, &time));
    time.tv_sec += (time_t)(step_ns / GYRE_SECOND);
    CHECK_OK(clock_settime(CLOCK_REALTIME, &time));
}

KERNEL_TEST(F4_points_of_realtime_follow_a_step_of_the_clock)
{
    enum { REALTIME = 2, RELATIVE = COUNT_OF(clocks), COUNT };
    static const uint64_t far_away = 3600 * GYRE_SECOND;
    gyre_loop *loop = stage_open(16);
    struct call heard[COUNT] = { { .calls = 0 } };
    gyre_timeout_op ops[COUNT];

    for (size_t i = 0; i < COUNT_OF(clocks); i++)
        gyre_timeout_op_fill(&ops[i], read_ns(clocks[i].id) + far_away, 0,
                             clocks[i].flag | GYRE_TIMEOUT_ABS);
    gyre_timeout_op_fill(&ops[RELATIVE], far_away, 0, GYRE_TIMEOUT_REALTIME);
    for (size_t i = 0; i < COUNT; i++)
        gyre_op_start(loop, &ops[i].op, call_done, &heard[i]);
    stage_turn(loop);
    step_clock(2 * far_away);
    while (heard[REALTIME].lasts == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_ERR(heard[REALTIME].result.res, -ETIME);
    for (int i = 0; i < 4; i++)
        stage_turn(loop);
    /* The others are points of other clocks, and a length. */
    for (size_t i = 0; i < COUNT; i++) {
        if (i == REALTIME)
            continue;
        CHECK_EQ(heard[i].calls, 0u);
        CHECK_OK(gyre_op_cancel(&ops[i].op));
        while (heard[i].lasts == 0)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        CHECK_ERR(heard[i].result.res, -ECANCELED);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F4_E8_flags_that_cannot_be_are_EINVAL)
{
    static const unsigned flags[] = {
        GYRE_TIMEOUT_BOOTTIME | GYRE_TIMEOUT_REALTIME,
        GYRE_TIMEOUT_MULTISHOT | GYRE_TIMEOUT_ABS,
        1U << 1,
        1U << 30,
    };
    gyre_loop *loop = stage_open(8);
    int64_t time[2] = { 0, 1 };
    gyre_timeout_op op;
    gyre_op plain;

    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        gyre_timeout_op_fill(&op, 1, 0, flags[i]);
        CHECK_ERR(op_run(loop, &op.op), -EINVAL);
        gyre_timeout_op_fill(&op, 1, 3, flags[i]); /* counted ones, too */
        CHECK_ERR(op_run(loop, &op.op), -EINVAL);
    }
    time[0] = -1;
    gyre_op_timeout(&plain, time, 0, 0);
    CHECK_ERR(op_run(loop, &plain), -EINVAL);
    time[0] = 0;
    time[1] = 1500000000; /* more than a second's worth is allowed */
    gyre_op_timeout(&plain, time, 0, GYRE_TIMEOUT_ABS);
    CHECK_ERR(op_run(loop, &plain), -ETIME);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F6_a_multishot_timeout_repeats_as_often_as_asked)
{
    enum { TIMES = 4 };
    gyre_loop *loop = stage_open(8);

    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        struct call heard = { .calls = 0 };
        gyre_timeout_op op;
        uint64_t start = clock_ns();

        gyre_timeout_op_fill(&op, GYRE_MS, TIMES,
                             clocks[i].flag | GYRE_TIMEOUT_MULTISHOT);
        gyre_op_start(loop, &op.op, call_done, &heard);
        while (heard.lasts == 0) {
            unsigned calls = heard.calls;

            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
            CHECK_ERR(heard.result.res, -ETIME);
            CHECK_GT(heard.calls, calls);
            CHECK_GE(clock_ns(), start + heard.calls * GYRE_MS);
        }
        CHECK_EQ(heard.calls, TIMES);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F6_G8_without_a_number_it_repeats_until_it_is_cancelled)
{
    gyre_loop *loop = stage_open(8);
    struct call heard = { .calls = 0 };
    gyre_timeout_op op;

    gyre_timeout_op_fill(&op, GYRE_MS, 0, GYRE_TIMEOUT_MULTISHOT);
    gyre_op_start(loop, &op.op, call_done, &heard);
    while (heard.calls < 5)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_EQ(heard.lasts, 0);
    CHECK_OK(gyre_op_cancel(&op.op));
    while (heard.lasts == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_ERR(heard.result.res, -ECANCELED);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(heard.lasts, 1);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F7_success_of_a_timeout_is_still_ETIME)
{
    gyre_loop *loop = stage_open(8);
    gyre_timeout_op op;

    gyre_timeout_op_fill(&op, GYRE_MS, 0, GYRE_TIMEOUT_ETIME_SUCCESS);
    CHECK_ERR(op_run(loop, &op.op), -ETIME);
    gyre_loop_destroy(loop);
}

/* ---- times that lie in the request --------------------------------------- */

KERNEL_TEST(F1_F4_a_time_may_lie_in_the_request)
{
    gyre_loop *loop = stage_open(8);

    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        struct call heard = { .calls = 0 };
        uint64_t start = clock_ns();

        gyre_op_timeout_ns(&heard.op, 2 * GYRE_MS, 0, clocks[i].flag);
        CHECK_ERR(call_run(loop, &heard), -ETIME);
        CHECK_GE(clock_ns(), start + 2 * GYRE_MS);
        CHECK_EQ(heard.lasts, 1u);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F2_F6_such_a_timeout_counts_and_repeats)
{
    gyre_loop *loop = stage_open(8);
    struct call counted = { .calls = 0 };
    struct call again = { .calls = 0 };
    struct call nop = { .calls = 0 };

    gyre_op_timeout_ns(&counted.op, 3600 * GYRE_SECOND, 1, 0);
    call_start(loop, &counted);
    gyre_op_nop(&nop.op);
    CHECK_OK(call_run(loop, &nop));
    CHECK_OK(call_wait(loop, &counted));

    gyre_op_timeout_ns(&again.op, GYRE_MS, 3, GYRE_TIMEOUT_MULTISHOT);
    gyre_op_start(loop, &again.op, call_done, &again);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(again.calls, 3u);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F8_such_a_timeout_is_given_another_time)
{
    gyre_loop *loop = stage_open(8);

    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        struct call timeout = { .calls = 0 };
        gyre_op update;
        uint64_t until;

        gyre_op_timeout_ns(&timeout.op, 3600 * GYRE_SECOND, 0, 0);
        call_start(loop, &timeout);
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
        gyre_op_timeout_update_ns(&update, &timeout.op, 3 * GYRE_MS,
                                  clocks[i].flag);
        until = clock_ns() + 3 * GYRE_MS;
        CHECK_OK(op_run(loop, &update));
        CHECK_ERR(call_wait(loop, &timeout), -ETIME);
        CHECK_GE(clock_ns(), until);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F10_such_a_timeout_is_cancelled)
{
    gyre_loop *loop = stage_open(8);
    struct call timeout = { .calls = 0 };

    gyre_op_timeout_ns(&timeout.op, UINT64_MAX / 8, 0, 0);
    call_start(loop, &timeout);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_OK(gyre_op_cancel(&timeout.op));
    CHECK_ERR(call_wait(loop, &timeout), -ECANCELED);
    gyre_loop_destroy(loop);
}

/* Where Linux does not know such times, one of its timeouts cannot be given
 * one; it stays as it is. */
KERNEL_TEST(F8_another_timeout_takes_such_a_time_or_none)
{
    gyre_loop *loop = stage_open(8);
    struct call heard = { .calls = 0 };
    gyre_timeout_op timeout;
    gyre_op update;
    int result;

    gyre_timeout_op_fill(&timeout, 3600 * GYRE_SECOND, 0, 0);
    gyre_op_start(loop, &timeout.op, call_done, &heard);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    gyre_op_timeout_update_ns(&update, &timeout.op, GYRE_MS, 0);
    result = op_run(loop, &update);
    if (result == -EOPNOTSUPP) {
        CHECK_STR_EQ(gyre_loop_kernel(loop), "uring");
        CHECK_EQ(heard.calls, 0u);
        CHECK_OK(gyre_op_cancel(&timeout.op));
    } else {
        CHECK_OK(result);
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ERR(heard.result.res, result == 0 ? -ETIME : -ECANCELED);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F8_a_timeout_is_given_another_time)
{
    gyre_loop *loop = stage_open(8);

    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        struct call heard = { .calls = 0 };
        gyre_timeout_op op, update;
        uint64_t until;

        /* Shorter. */
        gyre_timeout_op_fill(&op, 3600 * GYRE_SECOND, 0, clocks[i].flag);
        gyre_op_start(loop, &op.op, call_done, &heard);
        gyre_timeout_op_update(&update, &op.op, 3 * GYRE_MS, 0);
        until = clock_ns() + 3 * GYRE_MS;
        CHECK_OK(op_run(loop, &update.op));
        while (heard.lasts == 0)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        CHECK_ERR(heard.result.res, -ETIME);
        CHECK_GE(clock_ns(), until);

        /* To a point on its own clock. */
        heard.lasts = 0;
        gyre_op_start(loop, &op.op, call_done, &heard);
        until = read_ns(clocks[i].id) + 3 * GYRE_MS;
        gyre_timeout_op_update(&update, &op.op, until, GYRE_TIMEOUT_ABS);
        CHECK_OK(op_run(loop, &update.op));
        while (heard.lasts == 0)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        CHECK_ERR(heard.result.res, -ETIME);
        CHECK_GE(read_ns(clocks[i].id), until);

        /* Longer: the first time passes and nothing happens. */
        gyre_timeout_op_fill(&op, 5 * GYRE_MS, 0, clocks[i].flag);
        heard.lasts = 0;
        gyre_op_start(loop, &op.op, call_done, &heard);
        until = clock_ns() + 20 * GYRE_MS;
        gyre_timeout_op_update(&update, &op.op, 20 * GYRE_MS, 0);
        CHECK_OK(op_run(loop, &update.op));
        while (heard.lasts == 0)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        CHECK_GE(clock_ns(), until);

        /* What has ended is not found. */
        gyre_timeout_op_fill(&op, 3600 * GYRE_SECOND, 0, clocks[i].flag);
        heard.lasts = 0;
        gyre_op_start(loop, &op.op, call_done, &heard);
        stage_turn(loop);
        gyre_timeout_op_update(&update, &op.op, GYRE_MS, 0);
        CHECK_OK(gyre_op_cancel(&op.op));
        while (heard.lasts == 0)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        CHECK_ERR(op_run(loop, &update.op), -ENOENT);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F8_E8_an_update_of_what_cannot_be)
{
    static const unsigned flags[] = {
        1U << 30,
        GYRE_TIMEOUT_MULTISHOT,
        GYRE_TIMEOUT_BOOTTIME | GYRE_TIMEOUT_REALTIME,
        GYRE_TIMEOUT_REALTIME | 1U << 30,
    };
    gyre_loop *loop = stage_open(8);
    struct call heard = { .calls = 0 };
    gyre_timeout_op op, update;

    gyre_timeout_op_fill(&op, 3600 * GYRE_SECOND, 0, 0);
    gyre_op_start(loop, &op.op, call_done, &heard);
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        gyre_timeout_op_update(&update, &op.op, 1, flags[i]);
        CHECK_ERR(op_run(loop, &update.op), -EINVAL);
    }
    CHECK_EQ(heard.lasts, 0);
    gyre_op_timeout_remove(&update.op, &op.op);
    CHECK_OK(op_run(loop, &update.op));
    while (heard.lasts == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_ERR(heard.result.res, -ECANCELED);
    gyre_loop_destroy(loop);
}

/* From each clock to each, in the backlog and in flight. */
static void change_clock(gyre_loop *loop, unsigned from, size_t to, bool flies)
{
    struct call heard = { .calls = 0 };
    gyre_timeout_op op, update;
    uint64_t until = read_ns(clocks[to].id) + 3 * GYRE_MS;

    gyre_timeout_op_fill(&op, 3600 * GYRE_SECOND, 9, from);
    gyre_op_start(loop, &op.op, call_done, &heard);
    if (flies)
        stage_turn(loop);
    gyre_timeout_op_update(&update, &op.op, until,
                           clocks[to].flag | GYRE_TIMEOUT_ABS);
    CHECK_OK(op_run(loop, &update.op));
    while (heard.lasts == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_ERR(heard.result.res, -ETIME);
    CHECK_EQ(heard.calls, 1);
    CHECK_GE(read_ns(clocks[to].id), until);
    CHECK_EQ(gyre_op_sqe(&op.op)->splice_fd_in, 0);

    if (from == clocks[to].flag)
        return; /* Linux changed it, and not the request */
    gyre_op_restart(&op.op);
    heard.lasts = 0;
    while (heard.lasts == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_ERR(heard.result.res, -ETIME);
}

KERNEL_TEST(F8_an_update_to_another_clock)
{
    gyre_loop *loop = stage_open(8);

    for (size_t from = 0; from < COUNT_OF(clocks); from++)
        for (size_t to = 1; to < COUNT_OF(clocks); to++)
            for (int flies = 0; flies < 2; flies++)
                change_clock(loop, clocks[from].flag, to, flies != 0);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F8_G8_a_change_of_clock_against_expiry_and_cancel_ends_once)
{
    enum { ROUNDS = 120 };
    gyre_loop *loop = stage_open(8);

    for (int i = 0; i < ROUNDS; i++) {
        struct call heard = { .calls = 0 }, told = { .calls = 0 };
        gyre_timeout_op op, update;

        gyre_timeout_op_fill(&op, (uint64_t)(i % 20) * 20 * GYRE_US, 0, 0);
        gyre_op_start(loop, &op.op, call_done, &heard);
        gyre_timeout_op_update(&update, &op.op, GYRE_MS, GYRE_TIMEOUT_BOOTTIME);
        if (i % 2 == 0)
            stage_turn(loop);
        gyre_op_start(loop, &update.op, call_done, &told);
        if (i % 3 == 0) {
            stage_turn(loop);
            (void)gyre_op_cancel(&op.op);
        }
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
        CHECK_EQ(heard.lasts, 1);
        CHECK_EQ(told.lasts, 1);
        CHECK(told.result.res == 0 || told.result.res == -ENOENT ||
              told.result.res == -EALREADY);
        CHECK(heard.result.res == -ETIME ||
              (i % 3 == 0 && heard.result.res == -ECANCELED));
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F8_an_updated_timeout_keeps_its_count)
{
    gyre_loop *loop = stage_open(8);
    struct call heard = { .calls = 0 }, nop;
    gyre_timeout_op op, update;

    gyre_op_nop(&nop.op);
    gyre_timeout_op_fill(&op, 3600 * GYRE_SECOND, 3, 0);
    gyre_op_start(loop, &op.op, call_done, &heard);
    gyre_timeout_op_update(&update, &op.op, 7200 * GYRE_SECOND, 0);
    CHECK_OK(op_run(loop, &update.op)); /* a completion, too */
    CHECK_OK(call_run(loop, &nop));
    CHECK_EQ(heard.lasts, 0);
    CHECK_OK(call_run(loop, &nop));
    while (heard.lasts == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_OK(heard.result.res);
    gyre_loop_destroy(loop);
}

struct counted {
    struct call others[3];
    unsigned seen; /* when the counted one ended */
};

static void count_done(gyre_op *op, gyre_result result)
{
    struct counted *counted = op->user;

    CHECK_OK(result.res);
    for (size_t i = 0; i < COUNT_OF(counted->others); i++)
        counted->seen += counted->others[i].lasts;
}

KERNEL_TEST(F5_a_count_reaches_what_is_executed_beside_the_ring)
{
    gyre_loop *loop = stage_open(8);
    struct counted counted = { .seen = 0 };
    gyre_timeout_op op;

    gyre_timeout_op_fill(&op, 3600 * GYRE_SECOND, 3, 0);
    gyre_op_start(loop, &op.op, count_done, &counted);
    gyre_op_nop(&counted.others[0].op);
    gyre_op_getdents(&counted.others[1].op, -1, &counted, 8);
    gyre_op_nop(&counted.others[2].op);
    for (size_t i = 0; i < COUNT_OF(counted.others); i++)
        call_start(loop, &counted.others[i]);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ERR(counted.others[1].result.res, -EBADF);
    CHECK_EQ(counted.seen, 3);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F5_G8_counted_timeouts_against_completions_end_once)
{
    enum { ROUNDS = 300 };
    gyre_loop *loop = stage_open(8);
    struct call nop;

    gyre_op_nop(&nop.op);
    for (int i = 0; i < ROUNDS; i++) {
        struct call heard = { .calls = 0 };
        gyre_timeout_op op;

        gyre_timeout_op_fill(&op, (uint64_t)(i % 40) * GYRE_US, 2, 0);
        gyre_op_start(loop, &op.op, call_done, &heard);
        while (heard.lasts == 0)
            CHECK_OK(call_run(loop, &nop));
        CHECK_EQ(heard.calls, 1);
        CHECK(heard.result.res == 0 || heard.result.res == -ETIME);
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    gyre_loop_destroy(loop);
}
