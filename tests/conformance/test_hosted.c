/* SPDX-License-Identifier: MIT */
/*
 * test_hosted.c - ops that go on, and wakes by a futex, in a loop that sleeps
 * somewhere else
 *
 * The hosts are those that programs have: poll, epoll (level- and
 * edge-triggered), and one in the manner of GLib's main loop, which asks for a
 * number of milliseconds, polls, and dispatches only what is ready. Each sleeps
 * without a limit of its own: an event that is lost hangs the test.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner/patient.h"
#include "stage.h"

enum kind { BY_POLL, BY_EPOLL, BY_EDGES, BY_SOURCES, KINDS };

struct host {
    gyre_loop *loop;
    enum kind kind;
    int fd;
    int epoll;
};

static void host_open(struct host *host, enum kind kind)
{
    struct epoll_event event = { .events = EPOLLIN };

    *host = (struct host){ .loop = stage_open(8), .kind = kind, .epoll = -1 };
    host->fd = gyre_loop_fd(host->loop);
    CHECK_GE(host->fd, 0);
    if (kind != BY_EPOLL && kind != BY_EDGES)
        return;
    if (kind == BY_EDGES)
        event.events |= (uint32_t)EPOLLET;
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

/* How long the host may sleep: milliseconds, -1 for ever. */
static int host_prepare(struct host *host)
{
    uint64_t deadline, now;

    CHECK_OK(gyre_loop_prepare(host->loop, &deadline));
    now = clock_ns();
    if (deadline <= now)
        return 0;
    return deadline == GYRE_NEVER
               ? -1
               : (int)((deadline - now + GYRE_MS - 1) / GYRE_MS);
}

static void host_turn(struct host *host)
{
    struct pollfd entry = { .fd = host->fd, .events = POLLIN };
    struct epoll_event event;
    int ms = host_prepare(host);

    if (host->epoll >= 0)
        (void)epoll_wait(host->epoll, &event, 1, ms);
    else
        (void)poll(&entry, 1, ms);
    /* A source that is not ready is not dispatched. */
    if (host->kind == BY_SOURCES && entry.revents == 0 &&
        host_prepare(host) != 0)
        return;
    CHECK_GE(gyre_loop_run(host->loop, GYRE_RUN_NOWAIT), 0);
}

static void host_await(struct host *host, const unsigned *count,
                       unsigned wanted)
{
    while (*count < wanted)
        host_turn(host);
}

struct taken {
    unsigned count;
    unsigned lasts;
};

static void take(gyre_op *op, gyre_result result)
{
    struct taken *taken = op->user;

    taken->lasts += gyre_result_is_last(result);
    if (result.res >= 0)
        taken->count++;
    gyre_op_dispose(op, result);
}

/* A timeout that repeats, an accept and a poll that go on, one after the other
 * and all in flight. */
static void host_multishot(enum kind kind)
{
    enum { TICKS = 4, CLIENTS = 4, BYTES = 8 };
    struct host host;
    struct call ticks = { .calls = 0 }, events = { .calls = 0 };
    struct taken accepted = { .count = 0 };
    struct sockaddr_in address;
    int listener = make_listener(&address), pipes[2];
    gyre_timeout_op timeout;
    gyre_op accept_op, poll_op;
    char byte;

    host_open(&host, kind);
    make_pipe(pipes);
    gyre_op_accept_multishot(&accept_op, listener, 0);
    gyre_op_start(host.loop, &accept_op, take, &accepted);
    gyre_op_poll_multishot(&poll_op, pipes[0], POLLIN);
    gyre_op_start(host.loop, &poll_op, call_done, &events);
    gyre_timeout_op_fill(&timeout, 2 * GYRE_MS, TICKS, GYRE_TIMEOUT_MULTISHOT);
    gyre_op_start(host.loop, &timeout.op, call_done, &ticks);
    host_await(&host, &ticks.lasts, 1);
    CHECK_EQ(ticks.calls, TICKS);

    for (unsigned i = 1; i <= CLIENTS; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        CHECK_OK(
            patient_connect(fd, (struct sockaddr *)&address, sizeof address));
        host_await(&host, &accepted.count, i);
        close(fd);
    }
    for (unsigned i = 1; i <= BYTES; i++) {
        unsigned calls = events.calls;

        CHECK_EQ(write(pipes[1], "x", 1), 1);
        host_await(&host, &events.calls, calls + 1);
        CHECK_EQ(events.result.res & POLLIN, POLLIN);
        CHECK_EQ(read(pipes[0], &byte, 1), 1);
    }
    CHECK_OK(gyre_op_cancel(&accept_op));
    CHECK_OK(gyre_op_cancel(&poll_op));
    host_await(&host, &accepted.lasts, 1);
    host_await(&host, &events.lasts, 1);
    CHECK_EQ(accepted.count, CLIENTS);
    close(listener);
    close_both(pipes);
    host_close(&host);
}

KERNEL_TEST(H11_E6_multishot_ops_in_a_loop_that_is_hosted)
{
    for (enum kind kind = BY_POLL; kind < KINDS; kind++)
        host_multishot(kind);
}

/* ---- posts from threads -------------------------------------------------- */

struct posted {
    struct gyre_work work;
    unsigned *ran;
};

static void run_posted(gyre_work *work)
{
    struct posted *posted = (struct posted *)(void *)work;

    ++*posted->ran;
}

enum { POSTS = 200 };

struct poster {
    gyre_loop *loop;
    struct posted posts[POSTS];
};

static void *post_all(void *arg)
{
    struct poster *poster = arg;

    for (int i = 0; i < POSTS; i++)
        gyre_loop_post(poster->loop, &poster->posts[i].work, run_posted);
    return NULL;
}

KERNEL_TEST(H9_H11_posts_of_threads_reach_every_host)
{
    enum { THREADS = 3 };
    static struct poster posters[THREADS];

    for (enum kind kind = BY_POLL; kind < KINDS; kind++) {
        pthread_t threads[THREADS];
        struct host host;
        unsigned ran = 0;

        host_open(&host, kind);
        for (int i = 0; i < THREADS; i++) {
            posters[i].loop = host.loop;
            for (int n = 0; n < POSTS; n++)
                posters[i].posts[n].ran = &ran;
            CHECK_OK(pthread_create(&threads[i], NULL, post_all, &posters[i]));
        }
        host_await(&host, &ran, THREADS * POSTS);
        for (int i = 0; i < THREADS; i++)
            CHECK_OK(pthread_join(threads[i], NULL));
        CHECK_EQ(ran, THREADS * POSTS);
        host_close(&host);
    }
}

/* ---- a wake by a futex --------------------------------------------------- */

/* What a thread has that knows the word and not the loop. */
struct bell {
    _Atomic uint32_t rung;  /* by the thread */
    _Atomic uint32_t heard; /* by the loop */
    uint32_t rounds;
};

static long futex(_Atomic uint32_t *word, int op, uint32_t value)
{
    return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static void *ring_bell(void *arg)
{
    struct bell *bell = arg;

    for (uint32_t i = 1; i <= bell->rounds; i++) {
        atomic_store(&bell->rung, i);
        CHECK_GE(futex(&bell->rung, FUTEX_WAKE, INT_MAX), 0);
        for (uint32_t heard; (heard = atomic_load(&bell->heard)) < i;)
            (void)futex(&bell->heard, FUTEX_WAIT, heard);
    }
    return NULL;
}

static bool hear(struct bell *bell, uint32_t round)
{
    if (atomic_load(&bell->rung) < round)
        return false;
    atomic_store(&bell->heard, round);
    CHECK_GE(futex(&bell->heard, FUTEX_WAKE, 1), 0);
    return true;
}

/* The word is looked at before each sleep, and the wait is only begun while it
 * has not changed: so no ring is lost, whenever it comes. */
static void hear_all(struct host *host, bool hosted)
{
    struct bell bell = { .rounds = 300 / test_scale() };
    pthread_t thread;
    struct call wait;

    CHECK_OK(pthread_create(&thread, NULL, ring_bell, &bell));
    for (uint32_t i = 1; i <= bell.rounds; i++) {
        while (!hear(&bell, i)) {
            gyre_op_futex_wait(&wait.op, &bell.rung, i - 1, GYRE_FUTEX_ANY,
                               GYRE_FUTEX_SHARED);
            call_start(host->loop, &wait);
            if (hosted)
                host_await(host, &wait.lasts, 1);
            else
                (void)call_wait(host->loop, &wait);
            CHECK(wait.result.res == 0 || wait.result.res == -EAGAIN);
        }
    }
    CHECK_OK(pthread_join(thread, NULL));
}

KERNEL_TEST(H8_a_thread_that_knows_a_word_wakes_the_loop)
{
    struct host host = { .loop = stage_open(8) };

    hear_all(&host, false);
    gyre_loop_destroy(host.loop);
}

KERNEL_TEST(H8_H11_and_one_that_is_hosted)
{
    struct host host;

    host_open(&host, BY_POLL);
    hear_all(&host, true);
    host_close(&host);
}
