/* SPDX-License-Identifier: MIT */
/*
 * test_turn.c - the turn on real kernels: more than fits, other threads, and a
 * host that has a loop of its own
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "stage.h"

KERNEL_TEST(J1_a_thousand_ops_pass_a_queue_of_four)
{
    enum { OPS = 1000 };
    gyre_loop *loop = stage_open(4);
    struct call *call = calloc(OPS, sizeof *call);

    CHECK(call != NULL);
    for (int i = 0; i < OPS; i++) {
        gyre_op_nop(&call[i].op);
        call_start(loop, &call[i]);
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < OPS; i++) {
        CHECK_EQ(call[i].lasts, 1);
        CHECK_EQ(call[i].result.res, 0);
    }
    CHECK_EQ(stage_stats(loop).submitted, OPS);
    free(call);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(J1_J3_a_completion_queue_that_overflows_loses_nothing)
{
    enum { OPS = 500 };
    gyre_loop *loop;
    gyre_loop_options options = { .entries = 4, .cq_entries = 8 };
    struct call *call = calloc(OPS, sizeof *call);
    int fds[2];

    CHECK(call != NULL);
    CHECK_OK(gyre_loop_create(&loop, &options));
    make_pair(fds);
    for (int i = 0; i < OPS; i++) {
        gyre_op_poll(&call[i].op, fds[0], POLLIN);
        call_start(loop, &call[i]);
    }
    while (stage_stats(loop).queued > 0)
        stage_turn(loop);
    CHECK_EQ(write(fds[1], "x", 1), 1); /* all at once */
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < OPS; i++) {
        CHECK_EQ(call[i].lasts, 1);
        CHECK_EQ(call[i].result.res, POLLIN);
    }
    close_both(fds);
    free(call);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A12_a_turn_enters_the_kernel_once)
{
    gyre_loop *loop = stage_open(64);
    struct call call[32];
    gyre_loop_stats stats;

    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 32; i++) {
            gyre_op_nop(&call[i].op);
            call_start(loop, &call[i]);
        }
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    }
    stats = stage_stats(loop);
    CHECK_LE(stats.enters, stats.turns);
    CHECK_LE(stats.enters, 150);
    CHECK_EQ(stats.submitted, 50 * 32);
    gyre_loop_destroy(loop);
}

static void read_again(gyre_op *op, gyre_result result)
{
    struct call *call = op->user;

    CHECK_GT(result.res, 0);
    call->calls++;
    gyre_op_restart(op);
}

KERNEL_TEST(J7_a_flooder_leaves_the_quiet_one_its_turn)
{
    gyre_loop *loop = stage_open(8);
    struct call flooder = { .calls = 0 }, quiet;
    static char zeros[4096];
    int fds[2];
    char byte;
    int zero = make_file("zeros", sizeof zeros);

    make_pipe(fds);
    gyre_op_read(&flooder.op, zero, zeros, sizeof zeros, 0); /* never waits */
    gyre_op_start(loop, &flooder.op, read_again, &flooder);
    gyre_op_read(&quiet.op, fds[0], &byte, 1, GYRE_CURRENT_POSITION);
    for (unsigned i = 0; i < 20; i++) {
        unsigned before = flooder.calls;

        call_start(loop, &quiet);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(call_wait(loop, &quiet), 1);
        CHECK_LE(flooder.calls - before, 10000);
    }
    gyre_op_cancel(&flooder.op);
    flooder.op.done_ = call_done; /* so that it does not go on */
    while (gyre_op_state(&flooder.op) != GYRE_OP_IDLE)
        stage_turn(loop);
    close_both(fds);
    close(zero);
    gyre_loop_destroy(loop);
}

/* ---- other threads ------------------------------------------------------- */

struct worker {
    pthread_t thread;
    gyre_loop *loop;
    unsigned rounds;
    atomic_uint answered;
    gyre_work work;
    struct call call;
};

static void answer(gyre_work *work)
{
    struct worker *w =
        (struct worker *)(void *)((char *)work - offsetof(struct worker, work));

    if (atomic_fetch_add(&w->answered, 1) + 1 == w->rounds)
        gyre_loop_stop(w->loop);
}

static void *ping(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < w->rounds; i++) {
        gyre_loop_post(w->loop, &w->work, answer);
        while (atomic_load(&w->answered) == i)
            ;
    }
    return NULL;
}

KERNEL_TEST(H1_H10_each_post_wakes_the_loop)
{
    gyre_loop *loop = stage_open(8);
    struct worker w = { .loop = loop, .rounds = 5000 / test_scale() };

    stage_turn(loop);
    CHECK_OK(pthread_create(&w.thread, NULL, ping, &w));
    CHECK_EQ(gyre_loop_run(loop, GYRE_RUN_FOREVER), 1);
    pthread_join(w.thread, NULL);
    CHECK_EQ(atomic_load(&w.answered), w.rounds);
    CHECK_EQ(gyre_loop_take_wakes(loop).tasks, w.rounds);
    gyre_loop_destroy(loop);
}

static void count_remote(gyre_op *op, gyre_result result)
{
    struct worker *w = op->user;

    CHECK_EQ(result.res, 0);
    if (atomic_fetch_add(&w->answered, 1) + 1 == w->rounds)
        gyre_loop_stop(w->loop);
}

static void *start_remotely(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < w->rounds; i++) {
        gyre_op_nop(&w->call.op);
        gyre_op_start_remote(w->loop, &w->call.op, count_remote, w);
        while (atomic_load(&w->answered) == i)
            ;
    }
    return NULL;
}

KERNEL_TEST(H12_an_op_from_another_thread_wakes_the_loop)
{
    gyre_loop *loop = stage_open(8);
    struct worker w = { .loop = loop, .rounds = 2000 / test_scale() };

    stage_turn(loop);
    CHECK_OK(pthread_create(&w.thread, NULL, start_remotely, &w));
    CHECK_EQ(gyre_loop_run(loop, GYRE_RUN_FOREVER), 1);
    pthread_join(w.thread, NULL);
    CHECK_EQ(gyre_loop_take_wakes(loop).io, w.rounds);
    gyre_loop_destroy(loop);
}

static void *run_elsewhere(void *arg)
{
    struct worker *w = arg;

    CHECK_EQ(call_wait(w->loop, &w->call), 0);
    CHECK(gyre_loop_is_mine(w->loop));
    gyre_loop_destroy(w->loop);
    return NULL;
}

KERNEL_TEST(H13_a_loop_made_here_runs_there)
{
    struct worker w = { .loop = stage_open(8) };

    gyre_op_nop(&w.call.op);
    call_start(w.loop, &w.call);
    gyre_loop_wake(w.loop, GYRE_WAKE_IO, 1); /* before it has an owner */
    CHECK_OK(pthread_create(&w.thread, NULL, run_elsewhere, &w));
    pthread_join(w.thread, NULL);
    CHECK_EQ(w.call.lasts, 1);
}

KERNEL_TEST(H3_a_wake_before_the_sleep_is_remembered)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    char byte;
    struct call call;

    make_pair(fds);
    gyre_op_recv(&call.op, fds[0], &byte, 1, 0);
    call_start(loop, &call);
    for (int i = 0; i < 5; i++) {
        gyre_loop_wake(loop, GYRE_WAKE_IO, 1);
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE)); /* returns */
        CHECK_EQ(call.lasts, 0);
    }
    gyre_loop_destroy(loop);
    close_both(fds);
}

/* ---- hosted -------------------------------------------------------------- */

struct host {
    gyre_loop *loop;
    int epoll; /* -1: poll(2) */
    int fd;
    unsigned sleeps;
};

static void host_open(struct host *host, bool by_epoll)
{
    struct epoll_event event = { .events = EPOLLIN };

    *host = (struct host){ .loop = stage_open(8), .epoll = -1 };
    host->fd = gyre_loop_fd(host->loop);
    CHECK_GE(host->fd, 0);
    CHECK_EQ(gyre_loop_fd(host->loop), host->fd);
    if (!by_epoll)
        return;
    host->epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK_GE(host->epoll, 0);
    CHECK_OK(epoll_ctl(host->epoll, EPOLL_CTL_ADD, host->fd, &event));
}

static void host_close(struct host *host)
{
    if (host->epoll >= 0)
        close(host->epoll);
    gyre_loop_destroy(host->loop);
}

/* One round of the host: prepare, sleep, turn. */
static void host_turn(struct host *host)
{
    struct pollfd entry = { .fd = host->fd, .events = POLLIN };
    struct epoll_event event;
    uint64_t deadline, now;
    int ms = -1;

    CHECK_OK(gyre_loop_prepare(host->loop, &deadline));
    now = clock_ns();
    if (deadline <= now)
        ms = 0;
    else if (deadline != GYRE_NEVER)
        ms = (int)((deadline - now + GYRE_MS - 1) / GYRE_MS);
    host->sleeps += ms != 0;
    if (host->epoll >= 0)
        epoll_wait(host->epoll, &event, 1, ms);
    else
        poll(&entry, 1, ms);
    CHECK_GE(gyre_loop_run(host->loop, GYRE_RUN_NOWAIT), 0);
}

static void *write_bytes(void *arg)
{
    int *fds = arg;
    char byte;

    for (int i = 0; i < 300; i++) {
        CHECK_EQ(write(fds[0], "x", 1), 1);
        CHECK_EQ(read(fds[1], &byte, 1), 1); /* its answer */
    }
    return NULL;
}

static void host_echo(bool by_epoll)
{
    struct host host;
    int there[2], back[2], ends[2];
    char byte;
    pthread_t thread;
    struct call reader, writer;

    host_open(&host, by_epoll);
    make_pipe(there);
    make_pipe(back);
    ends[0] = there[1];
    ends[1] = back[0];
    CHECK_OK(pthread_create(&thread, NULL, write_bytes, ends));
    gyre_op_read(&reader.op, there[0], &byte, 1, GYRE_CURRENT_POSITION);
    gyre_op_write(&writer.op, back[1], &byte, 1, GYRE_CURRENT_POSITION);
    for (int i = 0; i < 300; i++) {
        call_start(host.loop, &reader);
        while (reader.lasts == 0)
            host_turn(&host); /* hangs if an event is lost */
        CHECK_EQ(reader.result.res, 1);
        call_start(host.loop, &writer);
        while (writer.lasts == 0)
            host_turn(&host);
        CHECK_EQ(writer.result.res, 1);
    }
    pthread_join(thread, NULL);
    close_both(there);
    close_both(back);
    host_close(&host);
}

KERNEL_TEST(H11_hosted_in_poll_no_event_is_lost)
{
    host_echo(false);
}

KERNEL_TEST(H11_hosted_in_epoll_no_event_is_lost)
{
    host_echo(true);
}

static void count_ring(gyre_timer *timer, int status)
{
    CHECK_OK(status);
    CHECK_GE(clock_ns(), timer->deadline_ns_);
    ++*(unsigned *)timer->user;
}

KERNEL_TEST(H11_a_host_sleeps_until_the_timer_and_no_longer)
{
    struct host host;
    gyre_timer timer;
    unsigned rang = 0;

    host_open(&host, false);
    gyre_timer_init(&timer, host.loop, count_ring, &rang);
    for (unsigned i = 1; i <= 10; i++) {
        gyre_timer_start(&timer, clock_ns() + 2 * GYRE_MS);
        host.sleeps = 0;
        while (rang < i)
            host_turn(&host);
        CHECK_LE(host.sleeps, 20); /* it does not spin */
    }
    host_close(&host);
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

KERNEL_TEST(H11_results_of_threads_and_posts_reach_a_host)
{
    struct host host;
    struct call call;
    struct worker w = { .rounds = 500 / test_scale() };

    host_open(&host, true);
    for (int i = 0; i < 50; i++) {
        gyre_op_call(&call.op, seven, NULL);
        call_start(host.loop, &call);
        while (call.lasts == 0)
            host_turn(&host);
        CHECK_EQ(call.result.res, 7);
    }
    w.loop = host.loop;
    CHECK_OK(pthread_create(&w.thread, NULL, ping, &w));
    while (atomic_load(&w.answered) < w.rounds)
        host_turn(&host);
    pthread_join(w.thread, NULL);
    host_close(&host);
}
