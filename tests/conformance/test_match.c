/* SPDX-License-Identifier: MIT */
/*
 * test_match.c - cancels that say what to end, on real descriptors
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "runner/patient.h"
#include "stage.h"

static void end_all(gyre_loop *loop, struct call *calls, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        while (calls[i].lasts == 0)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
}

static int match_run(gyre_loop *loop, const gyre_match *match)
{
    gyre_op op;

    gyre_op_cancel_matching(&op, match);
    return op_run(loop, &op);
}

KERNEL_TEST(G2_every_key_and_their_counts)
{
    gyre_loop *loop = stage_open(8);
    struct call calls[4];
    gyre_timeout_op timeout;
    char bytes[4];
    int pipes[2], pair[2];
    gyre_match match;

    make_pipe(pipes);
    make_pair(pair);
    gyre_op_read(&calls[0].op, pipes[0], bytes, 1, GYRE_CURRENT_POSITION);
    gyre_op_recv(&calls[1].op, pair[0], bytes + 1, 1, 0);
    gyre_op_poll(&calls[2].op, pair[0], POLLIN);
    gyre_op_poll(&calls[3].op, pair[1], POLLIN);
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        call_start(loop, &calls[i]);
    stage_turn(loop);

    match = (gyre_match){ .flags = GYRE_MATCH_ALL | GYRE_MATCH_OPCODE,
                          .opcode = IORING_OP_TIMEOUT };
    CHECK_EQ(match_run(loop, &match), 0);
    match.flags = GYRE_MATCH_OPCODE;
    CHECK_ERR(match_run(loop, &match), -ENOENT);

    match = (gyre_match){ .flags = GYRE_MATCH_FD | GYRE_MATCH_OPCODE,
                          .fd = pair[0],
                          .opcode = IORING_OP_POLL_ADD };
    CHECK_OK(match_run(loop, &match));
    end_all(loop, &calls[2], 1);
    CHECK_ERR(calls[2].result.res, -ECANCELED);
    CHECK_EQ(calls[1].lasts + calls[3].lasts, 0);

    match = (gyre_match){ .op = &calls[3].op };
    CHECK_OK(match_run(loop, &match));
    end_all(loop, &calls[3], 1);

    call_start(loop, &calls[2]);
    match =
        (gyre_match){ .flags = GYRE_MATCH_FD | GYRE_MATCH_ALL, .fd = pair[0] };
    CHECK_EQ(match_run(loop, &match), 2); /* one of them in the backlog */
    end_all(loop, &calls[1], 2);

    gyre_timeout_op_fill(&timeout, 3600 * GYRE_SECOND, 0, 0);
    gyre_op_start(loop, &timeout.op, call_done, &calls[1]);
    calls[1].lasts = 0;
    match = (gyre_match){ .flags = GYRE_MATCH_ANY };
    CHECK_EQ(match_run(loop, &match), 2); /* the read, the timeout */
    end_all(loop, calls, 2);
    CHECK_EQ(match_run(loop, &match), 0);

    match.flags |= GYRE_MATCH_FD;
    CHECK_ERR(match_run(loop, &match), -EINVAL);

    /* The loop can still be woken: none of its own was cancelled. */
    gyre_loop_wake(loop, GYRE_WAKE_TASK, 1);
    stage_turn(loop);
    close_both(pipes);
    close_both(pair);
    gyre_loop_destroy(loop);
}

struct pause {
    int in, out;
};

static int wait_for_byte(void *arg)
{
    struct pause *pause = arg;
    char byte = 'x';

    if (write(pause->out, &byte, 1) != 1)
        return -EIO;
    return (int)read(pause->in, &byte, 1);
}

static void help(gyre_timer *timer, int status)
{
    int *fd = timer->user;

    CHECK_OK(status);
    CHECK_EQ(write(*fd, "y", 1), 1);
}

KERNEL_TEST(G6_sync_cancel_waits_or_gives_up)
{
    gyre_loop *loop = stage_open(8);
    struct call call, recv;
    gyre_timer timer;
    int pipes[2], told[2], pair[2];
    struct pause pause;
    gyre_match match = { .flags = GYRE_MATCH_FD };
    uint64_t limit;
    char byte;

    make_pair(pair);
    match.fd = pair[0];
    CHECK_ERR(gyre_loop_cancel_sync(loop, &match, GYRE_NEVER), -ENOENT);
    gyre_op_recv(&recv.op, pair[0], &byte, 1, 0);
    call_start(loop, &recv);
    stage_turn(loop);
    CHECK_EQ(gyre_loop_cancel_sync(loop, &match, GYRE_NEVER), 1);
    CHECK_EQ(recv.lasts, 1);
    CHECK_ERR(recv.result.res, -ECANCELED);

    /* What runs on a thread cannot be stopped (-EALREADY). */
    make_pipe(pipes);
    make_pipe(told);
    pause = (struct pause){ .in = pipes[0], .out = told[1] };
    gyre_op_call(&call.op, wait_for_byte, &pause);
    call_start(loop, &call);
    stage_turn(loop);
    CHECK_EQ(patient_read(told[0], &byte, 1), 1);
    match = (gyre_match){ .flags = GYRE_MATCH_ANY };
    limit = clock_ns() + 5 * GYRE_MS;
    CHECK_ERR(gyre_loop_cancel_sync(loop, &match, limit), -ETIME);
    CHECK_GE(clock_ns(), limit);
    CHECK_EQ(call.lasts, 0);
    gyre_timer_init(&timer, loop, help, &pipes[1]);
    gyre_timer_start_after(&timer, 5 * GYRE_MS);
    CHECK_EQ(gyre_loop_cancel_sync(loop, &match, GYRE_NEVER), 0);
    CHECK_EQ(call.lasts, 1);
    CHECK_EQ(call.result.res, 1);
    close_both(pipes);
    close_both(told);
    close_both(pair);
    gyre_loop_destroy(loop);
}

static void fill_any(gyre_op *op, unsigned kind, const int pair[2], char *byte)
{
    if (kind < 4)
        gyre_op_recv(op, pair[0], byte, 1, 0);
    else if (kind < 6)
        gyre_op_poll(op, pair[1], POLLIN);
    else if (kind < 7)
        gyre_op_nop(op);
    else
        gyre_op_read(op, pair[1], byte, 1, GYRE_CURRENT_POSITION);
}

/* Each op that is started ends exactly once, whatever is cancelled how. */
KERNEL_TEST(G8_random_cancels_end_everything_once)
{
    enum { OPS = 24, STEPS = 1500 };
    gyre_loop *loop = stage_open(4); /* the backlog is used, too */
    struct call calls[OPS] = { 0 };
    unsigned started[OPS] = { 0 }, ended[OPS] = { 0 };
    unsigned seed = 4711;
    char bytes[OPS];
    int pair[2];

    make_pair(pair);
    for (int step = 0; step < STEPS; step++) {
        unsigned i = (unsigned)rand_r(&seed) % OPS;
        gyre_match match = { .fd = pair[rand_r(&seed) % 2],
                             .opcode = IORING_OP_RECV,
                             .op = &calls[i].op };
        unsigned kind = (unsigned)rand_r(&seed) % 16;

        if (calls[i].lasts > 0) {
            CHECK_EQ(calls[i].lasts, 1);
            ended[i]++;
            calls[i].lasts = 0;
        }
        if (kind < 8 && started[i] == ended[i]) {
            fill_any(&calls[i].op, kind, pair, &bytes[i]);
            call_start(loop, &calls[i]);
            started[i]++;
        } else if (kind < 10) {
            CHECK_EQ(send(pair[rand_r(&seed) % 2], "z", 1, MSG_DONTWAIT), 1);
        } else if (kind < 14) {
            static const unsigned flags[] = {
                GYRE_MATCH_ALL | GYRE_MATCH_FD,
                GYRE_MATCH_ALL | GYRE_MATCH_OPCODE,
                GYRE_MATCH_ANY,
                GYRE_MATCH_FD | GYRE_MATCH_OPCODE,
                GYRE_MATCH_ALL | GYRE_MATCH_OP,
            };

            match.flags = flags[(unsigned)rand_r(&seed) % COUNT_OF(flags)];
            if (kind < 12) {
                CHECK_GE(gyre_loop_cancel_matching(loop, &match), 0);
            } else {
                gyre_op ask;
                int res;

                gyre_op_cancel_matching(&ask, &match);
                res = op_run(loop, &ask);
                CHECK(res >= 0 || res == -ENOENT || res == -EALREADY);
            }
        } else {
            stage_turn(loop);
        }
    }
    CHECK_GE(gyre_loop_cancel_all(loop), 0u);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    for (unsigned i = 0; i < OPS; i++) {
        ended[i] += calls[i].lasts;
        CHECK_LE(calls[i].lasts, 1);
        CHECK_EQ(started[i], ended[i]);
    }
    close_both(pair);
    gyre_loop_destroy(loop);
}

static void give_back(gyre_op *op, gyre_result result)
{
    unsigned *given = op->user;

    *given += result.res >= 0;
    gyre_op_dispose(op, result);
}

/* The census of descriptors sees whether they are closed. */
KERNEL_TEST(G7_G8_what_a_cancelled_accept_won_is_given_back)
{
    enum { CLIENTS = 3 };
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in address;
    int listener = make_listener(&address), clients[CLIENTS];
    unsigned given = 0;
    gyre_op op;

    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_OK(patient_connect(clients[i], (struct sockaddr *)&address,
                                 sizeof address));
    }
    gyre_op_accept_multishot(&op, listener, 0);
    gyre_op_start(loop, &op, give_back, &given);
    while (given == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_OK(gyre_op_cancel(&op));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));

    /* Others made nothing: a number of bytes is no descriptor. */
    gyre_op_raw(&op, IORING_OP_NOP);
    gyre_op_dispose(&op, (gyre_result){ .res = listener });
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    CHECK_OK(close(listener));
    gyre_loop_destroy(loop);
}

/* Likewise. */
KERNEL_TEST(B17_G8_a_pipe_that_nobody_wants_is_given_back)
{
    gyre_loop *loop = stage_open(8);
    unsigned given = 0;
    int fds[2];
    gyre_op op;

    gyre_op_pipe(&op, fds, 0);
    gyre_op_start(loop, &op, give_back, &given);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(given, 1u);
    gyre_loop_destroy(loop);
}
