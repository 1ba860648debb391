/* SPDX-License-Identifier: MIT */
/*
 * test_cancel.c - asking real ops to end, and losing the race
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stage.h"

enum { WAITERS = 6 };

/* One op of each kind that waits, on descriptors on which nothing happens. */
struct waiters {
    struct call call[WAITERS];
    int listener;
    int pair[2];
    int pipe[2];
    char byte;
    struct iovec iov;
    struct msghdr message;
    gyre_timeout_op timeout; /* started apart */
};

static void waiters_start(struct waiters *w, gyre_loop *loop)
{
    struct sockaddr_in address;

    memset(w, 0, sizeof *w);
    w->listener = make_listener(&address);
    make_pair(w->pair);
    make_pipe(w->pipe);
    w->message.msg_iov = &w->iov;
    w->message.msg_iovlen = 1;
    w->iov = (struct iovec){ &w->byte, 1 };
    gyre_op_accept(&w->call[0].op, w->listener, NULL, NULL, 0);
    gyre_op_recv(&w->call[1].op, w->pair[0], &w->byte, 1, 0);
    gyre_op_read(&w->call[2].op, w->pipe[0], &w->byte, 1,
                 GYRE_CURRENT_POSITION);
    gyre_op_poll(&w->call[3].op, w->pair[1], POLLIN);
    gyre_op_recvmsg(&w->call[4].op, w->pair[1], &w->message, 0);
    gyre_op_poll(&w->call[5].op, w->listener, POLLIN);
    for (int i = 0; i < WAITERS; i++)
        call_start(loop, &w->call[i]);
}

static void waiters_close(struct waiters *w)
{
    close(w->listener);
    close_both(w->pair);
    close_both(w->pipe);
}

KERNEL_TEST(G1_whatever_waits_is_cancelled)
{
    gyre_loop *loop = stage_open(32);
    struct waiters w;

    waiters_start(&w, loop);
    stage_turn(loop);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_EQ(gyre_op_state(&w.call[i].op), GYRE_OP_IN_FLIGHT);
        CHECK_OK(gyre_op_cancel(&w.call[i].op));
        CHECK_ERR(gyre_op_cancel(&w.call[i].op), -EALREADY);
    }
    for (int i = 0; i < WAITERS; i++)
        CHECK_ERR(call_wait(loop, &w.call[i]), -ECANCELED);
    waiters_close(&w);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(G4_what_has_not_been_submitted_is_cancelled)
{
    gyre_loop *loop = stage_open(32);
    struct waiters w;

    waiters_start(&w, loop);
    for (int i = 0; i < WAITERS; i++)
        CHECK_OK(gyre_op_cancel(&w.call[i].op));
    for (int i = 0; i < WAITERS; i++)
        CHECK_ERR(call_wait(loop, &w.call[i]), -ECANCELED);
    CHECK_EQ(stage_stats(loop).submitted, 0);
    waiters_close(&w);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(G3_a_cancel_op_tells_what_became_of_it)
{
    gyre_loop *loop = stage_open(32);
    struct waiters w;
    struct call cancel;

    waiters_start(&w, loop);
    stage_turn(loop);
    for (int i = 0; i < WAITERS; i++) {
        gyre_op_cancel_op(&cancel.op, &w.call[i].op);
        CHECK_EQ(call_run(loop, &cancel), 0);
        CHECK_ERR(call_wait(loop, &w.call[i]), -ECANCELED);
        CHECK_ERR(call_run(loop, &cancel), -ENOENT); /* the same again */
    }
    waiters_close(&w);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(G1_cancel_fd_and_cancel_all_count)
{
    gyre_loop *loop = stage_open(32);
    struct waiters w;

    waiters_start(&w, loop);
    stage_turn(loop);
    CHECK_EQ(gyre_loop_cancel_fd(loop, w.pair[1]), 2);
    CHECK_ERR(call_wait(loop, &w.call[3]), -ECANCELED);
    CHECK_ERR(call_wait(loop, &w.call[4]), -ECANCELED);
    CHECK_EQ(gyre_loop_cancel_all(loop), WAITERS - 2);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < WAITERS; i++)
        CHECK_ERR(w.call[i].result.res, -ECANCELED);
    waiters_close(&w);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E5_a_stale_cancel_does_not_hit_the_next_use)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    char byte;
    struct call call, cancel;

    make_pair(fds);
    gyre_op_recv(&call.op, fds[0], &byte, 1, 0);
    call_start(loop, &call);
    gyre_op_cancel_op(&cancel.op, &call.op);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(call_wait(loop, &call), 1);
    call_start(loop, &call); /* the next use of the same address */
    CHECK_ERR(call_run(loop, &cancel), -ENOENT);
    CHECK_EQ(gyre_op_state(&call.op), GYRE_OP_IN_FLIGHT);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(call_wait(loop, &call), 1);
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* ---- calls on the pool --------------------------------------------------- */

static sem_t gate;
static atomic_int entered;

static int wait_at_gate(void *arg)
{
    (void)arg;
    atomic_fetch_add(&entered, 1);
    sem_wait(&gate);
    return 7;
}

KERNEL_TEST(G3_L9_a_call_is_cancelled_only_before_a_thread_takes_it)
{
    gyre_loop *loop;
    gyre_loop_options options = { .entries = 8, .blocking_threads_max = 1 };
    struct call running, waiting;

    sem_init(&gate, 0, 0);
    CHECK_OK(gyre_loop_create(&loop, &options));
    gyre_op_call(&running.op, wait_at_gate, NULL);
    call_start(loop, &running);
    while (atomic_load(&entered) == 0)
        stage_turn(loop);
    gyre_op_call(&waiting.op, wait_at_gate, NULL);
    call_start(loop, &waiting);
    stage_turn(loop);
    CHECK_OK(gyre_op_cancel(&waiting.op));
    CHECK_OK(gyre_op_cancel(&running.op));
    CHECK_ERR(call_wait(loop, &waiting), -ECANCELED);
    stage_turn(loop);
    CHECK_EQ(running.lasts, 0);
    sem_post(&gate);
    CHECK_EQ(call_wait(loop, &running), 7);
    CHECK_EQ(atomic_load(&entered), 1);
    gyre_loop_destroy(loop);
    sem_destroy(&gate);
}

/* ---- the race ------------------------------------------------------------ */

KERNEL_TEST(G8_recv_against_cancel_ends_once_and_loses_no_byte)
{
    gyre_loop *loop = stage_open(8);
    unsigned rounds = 20000 / test_scale();
    unsigned won = 0, lost = 0;
    int fds[2];
    unsigned char byte, sent = 0;
    struct call call, sender, nop;

    make_pair(fds);
    gyre_op_nop(&nop.op);
    gyre_op_recv(&call.op, fds[0], &byte, 1, 0);
    gyre_op_send(&sender.op, fds[1], &sent, 1, 0);
    for (unsigned i = 0; i < rounds; i++) {
        call_start(loop, &call);
        if (i / 4 % 2 == 0)
            stage_turn(loop);
        sent++;
        switch (i % 4) { /* what comes first differs */
        case 0:
            CHECK_EQ(write(fds[1], &sent, 1), 1);
            if (call.lasts == 0)
                gyre_op_cancel(&call.op);
            break;
        case 1:
            if (call.lasts == 0)
                CHECK_OK(gyre_op_cancel(&call.op));
            CHECK_EQ(write(fds[1], &sent, 1), 1);
            break;
        case 2: /* the result lies in the queue when the cancel is asked */
            CHECK_EQ(write(fds[1], &sent, 1), 1);
            call_start(loop, &nop);
            CHECK_OK(gyre_loop_submit(loop));
            gyre_op_cancel(&call.op);
            CHECK_EQ(call_wait(loop, &nop), 0);
            break;
        default: /* both in one turn */
            CHECK_OK(gyre_op_cancel(&call.op));
            CHECK_EQ(call_run(loop, &sender), 1);
            break;
        }
        if (call_wait(loop, &call) == 1) {
            won++;
        } else {
            CHECK_ERR(call.result.res, -ECANCELED);
            lost++;
            CHECK_EQ(read(fds[0], &byte, 1), 1); /* it is still there */
        }
        CHECK_EQ(byte, sent);
    }
    CHECK_EQ(won + lost, rounds);
    CHECK_GT(won, 0);
    CHECK_GT(lost, 0);
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* ---- close --------------------------------------------------------------- */

KERNEL_TEST(G9_B12_closing_ends_what_waits_and_the_peer_sees_it)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    char byte, other;
    struct call receiver, poller, closing;

    make_connection(fds);
    gyre_op_recv(&receiver.op, fds[0], &byte, 1, 0);
    call_start(loop, &receiver);
    gyre_op_poll(&poller.op, fds[0], POLLIN);
    call_start(loop, &poller);
    stage_turn(loop);
    gyre_op_close(&closing.op, fds[0]);
    CHECK_EQ(call_run(loop, &closing), 0);
    CHECK_EQ(receiver.lasts, 1);
    CHECK_EQ(poller.lasts, 1);
    CHECK_ERR(receiver.result.res, -ECANCELED);
    CHECK_ERR(poller.result.res, -ECANCELED);
    /* Nothing holds the file any more. */
    CHECK_EQ(read(fds[1], &other, 1), 0);
    close(fds[1]);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(G9_a_closed_number_is_free_at_once)
{
    gyre_loop *loop = stage_open(8);

    for (unsigned i = 0; i < 200 / test_scale(); i++) {
        int fds[2];
        char byte = 0;
        struct call receiver, closing;

        make_pair(fds);
        gyre_op_recv(&receiver.op, fds[0], &byte, 1, 0);
        call_start(loop, &receiver);
        gyre_op_close(&closing.op, fds[0]);
        CHECK_EQ(call_run(loop, &closing), 0);
        CHECK_EQ(receiver.lasts, 1);
        {
            int again[2];

            make_pair(again);
            CHECK_EQ(again[0], fds[0]); /* the lowest number free */
            gyre_op_recv(&receiver.op, again[0], &byte, 1, 0);
            call_start(loop, &receiver);
            CHECK_EQ(write(again[1], "y", 1), 1);
            CHECK_EQ(call_wait(loop, &receiver), 1);
            CHECK_EQ(byte, 'y');
            close_both(again);
        }
        close(fds[1]);
    }
    gyre_loop_destroy(loop);
}

/* ---- the end ------------------------------------------------------------- */

KERNEL_TEST(L10_destroy_with_everything_in_flight_frees_the_port)
{
    struct sockaddr_in address;

    for (int round = 0; round < 5; round++) {
        gyre_loop *loop = stage_open(32);
        struct waiters w;
        struct call accepting[4];
        int listener = make_listener(&address), again, one = 1;

        waiters_start(&w, loop);
        for (int i = 0; i < 4; i++) {
            gyre_op_accept(&accepting[i].op, listener, NULL, NULL, 0);
            call_start(loop, &accepting[i]);
        }
        stage_turn(loop);
        gyre_loop_destroy(loop);
        for (int i = 0; i < WAITERS; i++) {
            CHECK_EQ(w.call[i].lasts, 1);
            CHECK_ERR(w.call[i].result.res, -ECANCELED);
        }
        for (int i = 0; i < 4; i++)
            CHECK_ERR(accepting[i].result.res, -ECANCELED);
        close(listener);
        again = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_OK(setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
        CHECK_OK(bind(again, (struct sockaddr *)&address, sizeof address));
        CHECK_OK(listen(again, 1)); /* in use, if a request still held it */
        close(again);
        waiters_close(&w);
    }
}

KERNEL_TEST(L10_destroy_waits_for_a_call_that_runs)
{
    gyre_loop *loop = stage_open(8);
    struct call call = { .calls = 0 };

    atomic_store(&entered, 0);
    sem_init(&gate, 0, 0);
    gyre_op_call(&call.op, wait_at_gate, NULL);
    call_start(loop, &call);
    while (atomic_load(&entered) == 0)
        stage_turn(loop);
    sem_post(&gate);
    gyre_loop_destroy(loop);
    CHECK_EQ(call.lasts, 1);
    CHECK_EQ(call.result.res, 7);
    sem_destroy(&gate);
}

KERNEL_TEST(A1_loops_come_and_go)
{
    for (unsigned i = 0; i < 30; i++) {
        gyre_loop *loop = stage_open(1U << i % 10);
        struct call call;

        gyre_op_nop(&call.op);
        if (i % 3 != 0)
            CHECK_EQ(call_run(loop, &call), 0);
        gyre_loop_destroy(loop);
    }
}
