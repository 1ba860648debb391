/* SPDX-License-Identifier: MIT */
/*
 * test_storm.c - far more than the queues hold, and all of it cancelled at once
 *
 * Whatever happens, each start is answered by exactly one last completion, and
 * nothing is left behind: the runner counts descriptors, mappings and threads
 * before and after each test.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/patient.h"
#include "stage.h"

enum { ENTRIES = 64, MANY = 10 * ENTRIES };

static struct call *many_calls(unsigned count)
{
    struct call *call = calloc(count, sizeof *call);

    CHECK(call != NULL);
    return call;
}

/* Everything that was started is in the kernel. */
static void fly(gyre_loop *loop)
{
    while (stage_stats(loop).queued > 0)
        stage_turn(loop);
}

static void check_each_ended_once(const struct call *call, unsigned count,
                                  int expected)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(call[i].lasts, 1u);
        CHECK_EQ(call[i].calls, 1u);
        CHECK_ERR(call[i].result.res, expected);
    }
}

/* Ops of several kinds that wait: for data, room, time, readiness. */
static void fill_waiting(struct call *call, unsigned i, const int empty[2],
                         const int full[2], void *buffer)
{
    static const int64_t an_hour[2] = { 3600, 0 };

    switch (i % 5) {
    case 0:
        gyre_op_recv(&call->op, empty[0], buffer, 1, 0);
        break;
    case 1:
        gyre_op_poll(&call->op, empty[0], POLLIN);
        break;
    case 2:
        gyre_op_timeout(&call->op, an_hour, 0, 0);
        break;
    case 3:
        gyre_op_read(&call->op, empty[1], buffer, 1, GYRE_CURRENT_POSITION);
        break;
    default:
        gyre_op_poll(&call->op, full[0], POLLOUT);
        break;
    }
}

static void fill_up(const int pair[2])
{
    char bytes[4096] = { 0 };

    while (send(pair[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    CHECK_EQ(errno, EAGAIN);
}

KERNEL_TEST(J1_G8_ten_times_the_queue_in_flight_is_cancelled_at_once)
{
    gyre_loop *loop = stage_open(ENTRIES);
    struct call *call = many_calls(MANY);
    int empty[2], full[2];
    char buffer[MANY];

    make_pair(empty);
    make_pair(full);
    fill_up(full);
    for (unsigned i = 0; i < MANY; i++) {
        fill_waiting(&call[i], i, empty, full, &buffer[i]);
        call_start(loop, &call[i]);
    }
    fly(loop);
    CHECK_EQ(stage_stats(loop).in_flight, MANY);
    CHECK_EQ(gyre_loop_cancel_all(loop), MANY);
    CHECK_EQ(gyre_loop_cancel_all(loop), 0u); /* asked before */
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    check_each_ended_once(call, MANY, -ECANCELED);
    free(call);
    close_both(empty);
    close_both(full);
    gyre_loop_destroy(loop);
}

/* Half of them has not reached the kernel when the cancel comes, and some end
 * by themselves meanwhile. */
KERNEL_TEST(G8_cancels_cross_with_ends)
{
    gyre_loop *loop = stage_open(ENTRIES);
    struct call *call = many_calls(MANY);
    char buffer[MANY];
    int pair[2];
    unsigned done = 0;

    make_pair(pair);
    for (unsigned i = 0; i < MANY; i++) {
        gyre_op_recv(&call[i].op, pair[0], &buffer[i], 1, 0);
        call_start(loop, &call[i]);
        if (i == MANY / 2)
            fly(loop);
    }
    CHECK_EQ(write(pair[1], buffer, MANY / 4), MANY / 4);
    gyre_loop_cancel_fd(loop, pair[0]);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    for (unsigned i = 0; i < MANY; i++) {
        CHECK_EQ(call[i].lasts, 1u);
        CHECK(call[i].result.res == 1 || call[i].result.res == -ECANCELED);
        done += call[i].result.res == 1;
    }
    CHECK_LE(done, MANY / 4u);
    free(call);
    close_both(pair);
    gyre_loop_destroy(loop);
}

/* Again and again more completions at once than a small CQ holds. */
KERNEL_TEST(J3_bursts_pass_a_tiny_completion_queue)
{
    gyre_loop_options options = { .entries = 4, .cq_entries = 8 };
    struct call *call = many_calls(MANY);
    unsigned rounds = 1 + 20 / test_scale();
    gyre_loop *loop;
    int pair[2];

    CHECK_OK(gyre_loop_create(&loop, &options));
    make_pair(pair);
    for (unsigned round = 0; round < rounds; round++) {
        char byte;

        memset(call, 0, MANY * sizeof *call);
        for (unsigned i = 0; i < MANY; i++) {
            gyre_op_poll(&call[i].op, pair[0], POLLIN);
            call_start(loop, &call[i]);
        }
        fly(loop);
        CHECK_EQ(write(pair[1], "x", 1), 1);
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
        check_each_ended_once(call, MANY, POLLIN);
        CHECK_EQ(read(pair[0], &byte, 1), 1);
    }
    CHECK_GT(stage_stats(loop).overflows, 0u);
    free(call);
    close_both(pair);
    gyre_loop_destroy(loop);
}

/* ---- many results each --------------------------------------------------- */

struct shots {
    gyre_op op;
    unsigned calls, starts, lasts;
    unsigned calls_before;
    bool again;
};

/* A full queue may end what has many results: it is started again. */
static void shot_done(gyre_op *op, gyre_result result)
{
    struct shots *shots = op->user;

    shots->calls++;
    if (shots->again)
        CHECK_GT(result.res, 0);
    if (!gyre_result_is_last(result))
        return;
    shots->lasts++;
    if (shots->again) {
        shots->starts++;
        gyre_op_restart(op);
    }
}

static void await_each_shot(gyre_loop *loop, const struct shots *shots,
                            unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        while (shots[i].calls == shots[i].calls_before)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
}

KERNEL_TEST(J3_D1_bursts_of_many_results_pass_a_tiny_completion_queue)
{
    enum { POLLS = 200 };
    gyre_loop_options options = { .entries = 4, .cq_entries = 8 };
    static struct shots shots[POLLS];
    unsigned rounds = 1 + 20 / test_scale();
    gyre_loop *loop;
    int pair[2];

    CHECK_OK(gyre_loop_create(&loop, &options));
    make_pair(pair);
    for (unsigned i = 0; i < POLLS; i++) {
        shots[i].again = true;
        shots[i].starts = 1;
        gyre_op_poll_multishot(&shots[i].op, pair[0], POLLIN);
        gyre_op_start(loop, &shots[i].op, shot_done, &shots[i]);
    }
    fly(loop);
    for (unsigned round = 0; round < rounds; round++) {
        char byte;

        for (unsigned i = 0; i < POLLS; i++)
            shots[i].calls_before = shots[i].calls;
        CHECK_EQ(write(pair[1], "x", 1), 1);
        await_each_shot(loop, shots, POLLS);
        CHECK_EQ(read(pair[0], &byte, 1), 1);
        fly(loop);
    }
    for (unsigned i = 0; i < POLLS; i++) {
        shots[i].again = false;
        (void)gyre_op_cancel(&shots[i].op);
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    for (unsigned i = 0; i < POLLS; i++)
        CHECK_EQ(shots[i].lasts, shots[i].starts);
    CHECK_GT(stage_stats(loop).overflows, 0u);
    close_both(pair);
    gyre_loop_destroy(loop);
}

/* Nothing of the loop's memory may be touched after its end; the sanitizer
 * looks at the buffers, and the peers' bytes must stay where they are. */
KERNEL_TEST(R2_L10_a_loop_ends_with_a_thousand_receives_in_flight)
{
    enum { OPS = 1000 };
    gyre_loop *loop = stage_open(ENTRIES);
    struct call *call = many_calls(OPS);
    unsigned char *buffers = malloc(OPS);
    int pair[2];

    CHECK(buffers != NULL);
    memset(buffers, 0xA5, OPS);
    make_pair(pair);
    for (unsigned i = 0; i < OPS; i++) {
        gyre_op_recv(&call[i].op, pair[0], &buffers[i], 1, 0);
        call_start(loop, &call[i]);
    }
    fly(loop);
    gyre_loop_destroy(loop);
    check_each_ended_once(call, OPS, -ECANCELED);
    CHECK_EQ(write(pair[1], "after", 5), 5);
    for (unsigned i = 0; i < OPS; i++)
        CHECK_EQ(buffers[i], 0xA5);
    free(buffers);
    free(call);
    close_both(pair);
}

static void child_of_a_storm(void)
{
    /* Only plain calls: the loop is the parent's. */
    _exit(write(STDOUT_FILENO, "", 0) == 0 ? 0 : 1);
}

KERNEL_TEST(A19_a_fork_in_the_middle_loses_nothing)
{
    enum { OPS = 256, FORKS = 4 };
    gyre_loop *loop = stage_open(ENTRIES);
    struct call *call = many_calls(OPS);
    char buffer[OPS];
    int pair[2];

    test_quiet();
    make_pair(pair);
    for (unsigned i = 0; i < OPS; i++) {
        gyre_op_recv(&call[i].op, pair[0], &buffer[i], 1, 0);
        call_start(loop, &call[i]);
        if (i % (OPS / FORKS) == 0) {
            int status;
            pid_t child = fork();

            CHECK_GE(child, 0);
            if (child == 0)
                child_of_a_storm();
            stage_turn(loop);
            CHECK_EQ(patient_waitpid(child, &status), child);
            CHECK_EQ(status, 0);
        }
    }
    memset(buffer, 'x', sizeof buffer);
    CHECK_EQ(write(pair[1], buffer, OPS), OPS);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    check_each_ended_once(call, OPS, 1);
    free(call);
    close_both(pair);
    gyre_loop_destroy(loop);
}
