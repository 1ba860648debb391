/* SPDX-License-Identifier: MIT */
/*
 * test_emu_core.c - the emulator as a kernel: its queues, its sleep, its slots,
 * and many requests on one descriptor
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/emu/emu.h"
#include "runner/patient.h"
#include "runner/test.h"
#include "test_emu_world.h"

TEST(emu_nop_and_what_is_refused)
{
    struct kernel *k = world_open(8, 0, 0);
    struct io_uring_sqe *sqe;

    put(k, IORING_OP_NOP, -1, NULL, 0, 1);
    expect(k, 1, 0);
    sqe = put(k, IORING_OP_NOP, -1, NULL, (uint32_t)-5, 2);
    sqe->nop_flags = IORING_NOP_INJECT_RESULT;
    expect(k, 2, -5);
    put(k, IORING_OP_NOP, -1, NULL, 0, 3)->nop_flags = 0x80;
    expect(k, 3, -EINVAL);
    put(k, IORING_OP_RECV_ZC, -1, NULL, 0, 4);
    expect(k, 4, -EINVAL);
    put(k, 255, -1, NULL, 0, 5);
    expect(k, 5, -EINVAL);
    put(k, IORING_OP_NOP, -1, NULL, 0, 6)->personality = 1;
    expect(k, 6, -EINVAL);
    put(k, IORING_OP_NOP, -1, NULL, 0, 7)->flags = IOSQE_ASYNC;
    expect(k, 7, 0);
    CHECK(emu_has_opcode(IORING_OP_RECV));
    CHECK(!emu_has_opcode(IORING_OP_RECV_ZC));
    CHECK_EQ(k->route[IORING_OP_RECV], KERNEL_ROUTE_SQ);
    CHECK_EQ(k->route[IORING_OP_RECV_ZC], KERNEL_ROUTE_REFUSED);
    CHECK_ERR(k->class->reg(k, 255, NULL, 0), -EOPNOTSUPP);
    world_close(k);
}

TEST(emu_cqe_skip_hides_success_alone)
{
    struct kernel *k = world_open(8, 0, 0);
    char got[8];
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_SEND, fds[0], "x", 1, 1)->flags = IOSQE_CQE_SKIP_SUCCESS;
    expect_nothing(k);
    put(k, IORING_OP_READ, fds[1], got, 8, 2)->flags = IOSQE_CQE_SKIP_SUCCESS;
    expect(k, 2, 1); /* short */
    put(k, IORING_OP_SEND, 9999, "x", 1, 3)->flags = IOSQE_CQE_SKIP_SUCCESS;
    expect(k, 3, -EBADF);
    close_pair(fds);
    world_close(k);
}

TEST(emu_enter_takes_no_more_than_asked)
{
    struct kernel *k = world_open(8, 0, 0);

    for (uint64_t id = 0; id < 3; id++)
        put(k, IORING_OP_NOP, -1, NULL, 0, id);
    sq_publish(&k->sq);
    CHECK_EQ(k->class->enter(k, 2, 0, KERNEL_NO_WAIT), 2);
    CHECK_EQ(sq_used(&k->sq), 1u);
    CHECK_EQ(cq_ready(&k->cq), 2u);
    CHECK_EQ(k->class->enter(k, 8, 3, KERNEL_FOREVER), 1);
    for (uint64_t id = 0; id < 3; id++)
        expect(k, id, 0);
    CHECK_EQ(k->class->enter(k, 0, 0, KERNEL_NO_WAIT), 0);
    world_close(k);
}

TEST(emu_overflow_keeps_all_results_in_order)
{
    enum { COUNT = 100 };
    struct kernel *k = world_open(4, 4, 0);
    uint64_t id = 0;

    for (uint64_t n = 0; n < COUNT; n++) {
        put(k, IORING_OP_NOP, -1, NULL, 0, n);
        enter(k, 0);
    }
    CHECK((sq_flags(&k->sq) & IORING_SQ_CQ_OVERFLOW) != 0);
    CHECK_EQ(cq_ready(&k->cq), 4u);
    while (id < COUNT) {
        struct io_uring_cqe cqe;

        while (cq_take(&k->cq, &cqe))
            CHECK_EQ(cqe.user_data, id++);
        if (id < COUNT)
            CHECK((sq_flags(&k->sq) & IORING_SQ_CQ_OVERFLOW) != 0);
        enter(k, 0);
    }
    CHECK_EQ(sq_flags(&k->sq), 0u);
    world_close(k);
}

/* A signal does not end it. */
static int sleep_in(struct kernel *k, uint64_t deadline_ns)
{
    int result;

    do {
        result = k->class->enter(k, 0, 1, deadline_ns);
    } while (result == -EINTR);
    return result;
}

TEST(emu_enter_returns_at_its_deadline_and_not_before)
{
    struct kernel *k = world_open(4, 0, 0);

    for (uint64_t wait_ns = 1000; wait_ns <= 20000000; wait_ns *= 10) {
        uint64_t deadline_ns = now_ns() + wait_ns;

        CHECK_ERR(sleep_in(k, deadline_ns), -ETIME);
        CHECK_GE(now_ns(), deadline_ns);
    }
    CHECK_ERR(sleep_in(k, 1), -ETIME); /* long past */
    world_close(k);
}

struct waker {
    struct kernel *kernel;
    atomic_uint rounds;
    unsigned count;
};

static void *wake_often(void *arg)
{
    struct waker *waker = arg;

    for (unsigned n = 1; n <= waker->count; n++) {
        waker->kernel->class->wake(waker->kernel);
        /* The next only when this one has ended a sleep. */
        while (atomic_load(&waker->rounds) < n)
            sched_yield();
    }
    return NULL;
}

/* Each of these waits would be for ever. */
TEST(emu_wake_is_never_lost)
{
    struct kernel *k = world_open(4, 0, 0);
    struct waker waker = { .kernel = k, .count = 20000 / test_scale() };
    pthread_t thread;

    k->class->wake(k);
    k->class->wake(k);
    CHECK_EQ(sleep_in(k, KERNEL_FOREVER), 0);

    /* A return too many is allowed, one too few hangs. */
    CHECK_EQ(pthread_create(&thread, NULL, wake_often, &waker), 0);
    for (unsigned n = 0; n < waker.count; n++) {
        CHECK_EQ(sleep_in(k, KERNEL_FOREVER), 0);
        atomic_fetch_add(&waker.rounds, 1);
    }
    pthread_join(thread, NULL);
    world_close(k);
}

static void nothing(int signal)
{
    (void)signal;
}

TEST(emu_signal_ends_the_sleep_with_EINTR)
{
    struct kernel *k = world_open(4, 0, 0);
    struct sigaction action = { .sa_handler = nothing };
    struct itimerval soon = { { 0, 10000 }, { 0, 10000 } }, never = { 0 };

    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &soon, NULL), 0);
    CHECK_ERR(k->class->enter(k, 0, 1, KERNEL_FOREVER), -EINTR);
    /* Submitted requests are told rather than the signal. */
    put(k, IORING_OP_NOP, -1, NULL, 0, 1);
    sq_publish(&k->sq);
    CHECK_EQ(k->class->enter(k, 1, 2, KERNEL_FOREVER), 1);
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    expect(k, 1, 0);
    world_close(k);
}

static bool is_readable(int fd)
{
    struct pollfd entry = { .fd = fd, .events = POLLIN };

    return poll(&entry, 1, 0) == 1;
}

static void wait_readable(int fd)
{
    struct pollfd entry = { .fd = fd, .events = POLLIN };

    CHECK_EQ(patient_poll(&entry, 1, -1), 1);
}

static int return_seven(void *arg)
{
    return arg == NULL ? 7 : 8;
}

TEST(emu_pollable_fd_tells_of_sockets_threads_timeouts_and_wakes)
{
    struct kernel *k = world_open(8, 0, 0);
    struct ring_timespec time = { 0, 3000000 };
    int fd = k->class->pollable_fd(k), fds[2];
    char byte;

    CHECK_GE(fd, 0);
    CHECK_EQ(k->class->pollable_fd(k), fd);
    CHECK(!is_readable(fd));

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECV, fds[0], &byte, 1, 1);
    expect_nothing(k);
    CHECK(!is_readable(fd));
    CHECK_EQ(write(fds[1], "x", 1), 1);
    wait_readable(fd);
    enter(k, 0);
    CHECK_EQ(cq_ready(&k->cq), 1u);
    CHECK(!is_readable(fd));
    expect(k, 1, 1);

    put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)return_seven, 0, 2);
    sq_publish(&k->sq);
    CHECK_EQ(k->class->enter(k, 1, 0, KERNEL_NO_WAIT), 1);
    if (cq_ready(&k->cq) == 0) {
        wait_readable(fd);
        enter(k, 0);
    }
    CHECK_EQ(take(k).res, 7);

    put(k, IORING_OP_TIMEOUT, -1, &time, 1, 3);
    expect_nothing(k);
    while (cq_ready(&k->cq) == 0) {
        wait_readable(fd);
        enter(k, 0);
    }
    expect(k, 3, -ETIME);
    enter(k, 0);
    CHECK(!is_readable(fd));

    k->class->wake(k);
    wait_readable(fd);
    enter(k, 0);
    CHECK(!is_readable(fd));
    close_pair(fds);
    world_close(k);
}

TEST(emu_side_use_submits_and_progresses)
{
    struct kernel *k = world_open(2, 2, 0);
    struct io_uring_sqe sqe = { .opcode = IORING_OP_RECV, .len = 1 };
    int fd = k->class->pollable_fd(k), fds[2];
    char byte;

    make_pair(SOCK_STREAM, fds);
    sqe.fd = fds[0];
    sqe.addr = (uintptr_t)&byte;
    sqe.user_data = 1;
    CHECK_OK(emu_submit(k, &sqe, 1));
    CHECK_EQ(cq_ready(&k->cq), 0u);
    CHECK_EQ(write(fds[1], "xx", 2), 2);
    wait_readable(fd);
    emu_progress(k);
    CHECK_EQ(take(k).res, 1);
    sqe.user_data = 2;
    CHECK_OK(emu_submit(k, &sqe, 1)); /* at once */
    CHECK_EQ(take(k).res, 1);

    /* More results than the CQ holds: the descriptor goes on telling. */
    sqe = (struct io_uring_sqe){ .opcode = IORING_OP_NOP };
    for (int i = 0; i < 5; i++)
        CHECK_OK(emu_submit(k, &sqe, 1));
    for (int got = 0; got < 5; got++) {
        if (cq_ready(&k->cq) == 0) {
            wait_readable(fd);
            emu_progress(k);
        }
        (void)take(k);
    }
    close_pair(fds);
    world_close(k);
}

/* Can this file system tell what is in the page cache? tmpfs cannot. */
static bool has_nowait(int file)
{
    char byte;
    struct iovec iov = { &byte, 1 };

    return preadv2(file, &iov, 1, 0, RWF_NOWAIT) == 1;
}

TEST(emu_try_never_blocks_and_leaves_nothing)
{
    struct io_uring_sqe sqe = { .opcode = IORING_OP_RECV, .len = 8 };
    char got[8];
    int fds[2], file = make_file("f", 10000), pipes[2];

    make_pair(SOCK_STREAM, fds);
    sqe.fd = fds[0];
    sqe.addr = (uintptr_t)got;
    CHECK_ERR(emu_try(&sqe), -EAGAIN);
    CHECK_EQ(write(fds[1], "abc", 3), 3);
    sqe.msg_flags = MSG_WAITALL;
    CHECK_EQ(emu_try(&sqe), 3);
    sqe = (struct io_uring_sqe){ .opcode = KERNEL_OP_SENDFILE,
                                 .fd = fds[0],
                                 .splice_fd_in = file,
                                 .len = 10000 };
    if (has_nowait(file)) {
        CHECK_EQ(emu_try(&sqe), 10000);
        while (emu_try(&sqe) > 0)
            ;
    }
    CHECK_ERR(emu_try(&sqe), -EAGAIN);
    sqe = (struct io_uring_sqe){ .opcode = KERNEL_OP_CALL };
    CHECK_ERR(emu_try(&sqe), -EAGAIN);
    sqe = (struct io_uring_sqe){ .opcode = IORING_OP_TIMEOUT, .len = 1 };
    CHECK_ERR(emu_try(&sqe), -EAGAIN);
    sqe.opcode = 255;
    CHECK_ERR(emu_try(&sqe), -EAGAIN);
    make_pipe(pipes, 0);
    sqe = (struct io_uring_sqe){ .opcode = IORING_OP_READ,
                                 .fd = pipes[0],
                                 .addr = (uintptr_t)got,
                                 .len = 8 };
    CHECK_ERR(emu_try(&sqe), -EAGAIN);
    close_pair(pipes);
    close_pair(fds);
    close(file);
}

TEST(emu_try_does_not_overtake)
{
    struct kernel *k = world_open(8, 0, 0);
    struct io_uring_sqe sqe = { .opcode = IORING_OP_RECV, .len = 1 };
    char first = 0, second = 0;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECV, fds[0], &first, 1, 1);
    expect_nothing(k);
    CHECK_EQ(write(fds[1], "ab", 2), 2);
    sqe.fd = fds[0];
    sqe.addr = (uintptr_t)&second;
    CHECK_ERR(k->class->try_now(k, &sqe), -EAGAIN);
    expect(k, 1, 1);
    CHECK_EQ(k->class->try_now(k, &sqe), 1);
    CHECK(first == 'a' && second == 'b');
    sqe = (struct io_uring_sqe){ .opcode = IORING_OP_CLOSE, .fd = fds[0] };
    CHECK_OK(k->class->try_now(k, &sqe));
    CHECK_ERR(k->class->try_now(k, &sqe), -EBADF);
    close(fds[1]);
    world_close(k);
}

/* Many waiters on one descriptor are served in order, one byte each. */
TEST(emu_thousand_requests_on_one_pair_keep_their_order)
{
    enum { COUNT = 1000 };
    struct kernel *k = world_open(1024, 0, 0);
    static char got[COUNT];
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    for (int i = 0; i < COUNT; i++)
        put(k, IORING_OP_RECV, fds[1], &got[i], 1, (uint64_t)i);
    expect_nothing(k);
    for (int i = 0; i < COUNT; i += 10) {
        char sent[10];

        for (int j = 0; j < 10; j++)
            sent[j] = (char)(i + j);
        CHECK_EQ(write(fds[0], sent, sizeof sent), (ssize_t)sizeof sent);
        enter(k, 10);
        for (int j = 0; j < 10; j++)
            expect(k, (uint64_t)(i + j), 1);
    }
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(got[i], (char)i);
    close_pair(fds);
    world_close(k);
}

TEST(emu_readers_writers_and_polls_share_a_descriptor)
{
    struct kernel *k = world_open(8, 0, 0);
    static char big[1 << 22];
    char got[4];
    int fds[2], results[64] = { 0 };

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_SEND, fds[0], big, sizeof big, 1)->msg_flags = MSG_WAITALL;
    put(k, IORING_OP_RECV, fds[0], got, sizeof got, 2);
    put(k, IORING_OP_POLL_ADD, fds[0], NULL, 0, 3)->poll32_events = POLLIN;
    put(k, IORING_OP_POLL_ADD, fds[0], NULL, 0, 4)->poll32_events = POLLRDHUP;
    expect_nothing(k);
    CHECK_EQ(write(fds[1], "abcd", 4), 4);
    collect(k, 2, results);
    CHECK_EQ(results[2], 4);
    CHECK_EQ(results[3], POLLIN);
    close(fds[1]);
    collect(k, 2, results);
    CHECK(results[1] > 0 || results[1] == -EPIPE || results[1] == -ECONNRESET);
    CHECK((results[4] & POLLRDHUP) != 0);
    close(fds[0]);
    world_close(k);
}

/* A number that means another file now: who waited for the old one waits until
 * it is cancelled, and never touches the new one. */
TEST(emu_a_reused_descriptor_is_not_mistaken)
{
    struct kernel *k = world_open(8, 0, 0);
    char old[8] = "", new[8] = "";
    int fds[2], others[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECV, fds[0], old, sizeof old, 1);
    expect_nothing(k);
    make_pair(SOCK_STREAM, others);
    CHECK_EQ(dup2(others[0], fds[0]), fds[0]); /* closes it, unseen */
    put(k, IORING_OP_RECV, fds[0], new, sizeof new, 2);
    expect_nothing(k);
    CHECK_EQ(write(others[1], "new", 3), 3);
    expect(k, 2, 3);
    CHECK_STR_EQ(new, "new");
    CHECK_STR_EQ(old, "");
    cancel(k, 1);

    /* Closed by a request: the emulator knows. */
    put(k, IORING_OP_RECV, fds[0], old, sizeof old, 3);
    put(k, IORING_OP_CLOSE, fds[0], NULL, 0, 4);
    expect(k, 4, 0);
    CHECK_EQ(dup2(others[0], fds[0]), fds[0]);
    CHECK_EQ(write(others[1], "again", 5), 5);
    expect_nothing(k);
    put(k, IORING_OP_RECV, fds[0], new, sizeof new, 5);
    expect(k, 5, 5);
    cancel(k, 3);

    /* A short receive lets the next one skip its first try. */
    CHECK_EQ(write(others[1], "a", 1), 1);
    put(k, IORING_OP_RECV, fds[0], new, sizeof new, 6);
    expect(k, 6, 1);
    close(fds[0]);
    CHECK_EQ(dup(fds[1]), fds[0]);
    put(k, IORING_OP_RECV, fds[0], new, sizeof new, 7);
    expect(k, 7, 0); /* the far end of the first pair is closed */
    close(fds[0]);
    put(k, IORING_OP_RECV, fds[0], new, sizeof new, 8);
    expect(k, 8, -EBADF);
    close(fds[1]);
    close_pair(others);
    world_close(k);
}

/* The whole life of a kernel with one of each; n-th allocation fails. */
static void live_once(void)
{
    struct kernel_options options = { .entries = 8, .threads_max = 1 };
    struct ring_timespec time = { 100, 0 };
    struct kernel *k = NULL;
    int fds[2], results[64], error = emu_open(&k, &options);
    char byte;

    if (error != 0) {
        CHECK_ERR(error, -ENOMEM);
        return;
    }
    make_pair(SOCK_STREAM, fds);
    for (int i = 0; i < 64; i++)
        results[i] = 1000;
    put(k, IORING_OP_RECV, fds[0], &byte, 1, 1);
    put(k, IORING_OP_TIMEOUT, -1, &time, 1, 2);
    put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)return_seven, 0, 3);
    put(k, IORING_OP_NOP, -1, NULL, 0, 4);
    put(k, IORING_OP_SEND, fds[1], "x", 1, 5);
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)2, 0, 6);
    collect(k, 6, results);
    for (int i = 1; i <= 6; i++)
        CHECK_NE(results[i], 1000);
    CHECK(results[1] == 1 || results[1] == -ENOMEM);
    CHECK(results[2] == -ECANCELED || results[2] == -ENOMEM);
    CHECK(results[3] == 7 || results[3] == -ENOMEM);
    CHECK(results[4] == 0 || results[4] == -ENOMEM);
    CHECK(results[5] == 1 || results[5] == -ENOMEM);
    close_pair(fds);
    world_close(k);
}

TEST(emu_failing_allocations_lose_nothing)
{
    CHECK_GE(for_each_failure(live_once), 6);
}

/* Hundreds of requests at once make the tables grow; the growth fails. */
static void grow_once(void)
{
    enum { COUNT = 256 };
    struct kernel_options options = { .entries = COUNT };
    struct ring_timespec time = { 100, 0 };
    struct kernel *k = NULL;
    unsigned left = COUNT;
    int cancelled;

    if (emu_open(&k, &options) != 0)
        return;
    for (uint64_t id = 1; id <= COUNT; id++)
        put(k, IORING_OP_TIMEOUT, -1, &time, 1, id);
    enter(k, 0);
    for (; cq_ready(&k->cq) > 0; left--)
        CHECK_ERR(take(k).res, -ENOMEM);
    do {
        put(k, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, 0)->cancel_flags =
            IORING_ASYNC_CANCEL_ANY;
        enter(k, 1);
        cancelled = take(k).res;
    } while (cancelled == -ENOMEM);
    CHECK_EQ(cancelled, (int)left);
    enter(k, left);
    for (; left > 0; left--)
        CHECK_ERR(take(k).res, -ECANCELED);
    world_close(k);
}

TEST(emu_failing_growth_loses_nothing)
{
    CHECK_GE(for_each_failure(grow_once), 8);
}

TEST(emu_steady_state_allocates_nothing)
{
    struct kernel *k = world_open(8, 0, 0);
    char byte;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    for (int i = 0; i < 100; i++) {
        if (i == 10)
            alloc_fail_nth(1);
        put(k, IORING_OP_RECV, fds[0], &byte, 1, 1);
        expect_nothing(k);
        put(k, IORING_OP_SEND, fds[1], "x", 1, 2);
        enter(k, 2);
        expect(k, 2, 1);
        expect(k, 1, 1);
        put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)return_seven, 0, 3);
        expect(k, 3, 7);
    }
    CHECK(!alloc_did_fail());
    alloc_fail_nth(0);
    close_pair(fds);
    world_close(k);
}

/* An old Linux, as far as a filter can make one. */
static void deny_young_calls(void)
{
    static const long calls[] = { SYS_openat2, SYS_epoll_pwait2, SYS_preadv2,
                                  SYS_pwritev2 };
    struct sock_filter filter[2 + 2 * 4] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    unsigned short n = 1;
    struct sock_fprog program = { .filter = filter };

    for (size_t i = 0; i < 4; i++) {
        /* preadv2 is older than any Linux we know; its flag is not. */
        uint32_t error = i < 2 ? ENOSYS : EOPNOTSUPP;

        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                   (uint32_t)calls[i], 0, 1);
        filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
                                                   SECCOMP_RET_ERRNO | error);
    }
    filter[n++] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program.len = n;
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

TEST(emu_works_without_openat2_epoll_pwait2_and_RWF_NOWAIT)
{
    struct kernel *k = world_open(8, 0, 0);
    struct ring_timespec time = { 0, 1000000 };
    struct open_how how = { .flags = O_RDONLY };
    uint64_t start_ns = now_ns();
    char got[8];
    int fds[2], fd;

    test_not_on_qemu_user("it has no seccomp");
    close(make_file("f", 10));
    deny_young_calls();
    put(k, IORING_OP_TIMEOUT, -1, &time, 1, 1);
    expect(k, 1, -ETIME);
    CHECK_GE(now_ns() - start_ns, 1000000u);
    put(k, IORING_OP_OPENAT, AT_FDCWD, "/", 0, 2)->open_flags =
        O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    fd = result_of(k, 2);
    CHECK_GE(fd, 0);
    close(fd);
    put(k, IORING_OP_OPENAT2, AT_FDCWD, "/", sizeof how, 3)->off =
        (uintptr_t)&how;
    fd = result_of(k, 3);
    CHECK_GE(fd, 0);
    close(fd);
    how.resolve = RESOLVE_BENEATH; /* there is no safe way to do without */
    put(k, IORING_OP_OPENAT2, AT_FDCWD, "x", sizeof how, 4)->off =
        (uintptr_t)&how;
    expect(k, 4, -ENOSYS);
    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_READ, fds[0], got, sizeof got, 5)->off = UINT64_MAX;
    expect_nothing(k);
    put(k, IORING_OP_WRITE, fds[1], "abc", 3, 6)->off = UINT64_MAX;
    enter(k, 2);
    expect(k, 6, 3);
    expect(k, 5, 3);
    close_pair(fds);
    world_close(k);
}

TEST(emu_errno_stays_the_caller_s)
{
    struct kernel *k = world_open(8, 0, 0);
    struct io_uring_sqe sqe = { .opcode = IORING_OP_RECV, .fd = 9999 };

    errno = 4321;
    put(k, IORING_OP_RECV, 9999, NULL, 0, 1);
    sq_publish(&k->sq);
    CHECK_EQ(k->class->enter(k, 1, 1, KERNEL_FOREVER), 1);
    CHECK_ERR(emu_try(&sqe), -EBADF);
    CHECK_OK(emu_submit(k, &sqe, 1));
    emu_progress(k);
    k->class->wake(k);
    (void)k->class->pollable_fd(k);
    CHECK_EQ(errno, 4321);
    (void)take(k);
    (void)take(k);
    world_close(k);
}

TEST(emu_open_refuses_wrong_sizes)
{
    struct kernel_options none = { .entries = 0 };
    struct kernel_options many = { .entries = 1u << 20 };
    struct kernel_options odd = { .entries = 5, .cq_entries = 9 };
    struct kernel *k;

    CHECK_ERR(emu_open(&k, &none), -EINVAL);
    CHECK_ERR(emu_open(&k, &many), -EINVAL);
    CHECK_OK(emu_open(&k, &odd));
    CHECK_EQ(k->sq.entries, 8u);
    CHECK_EQ(k->cq.entries, 16u);
    CHECK_STR_EQ(k->class->name, "emu");
    k->class->destroy(k);
}

TEST(emu_map_gives_zeroed_pages)
{
    struct kernel *k = world_open(8, 0, 0);
    char *memory = k->class->map(k, 5000);

    CHECK(memory != NULL);
    for (int i = 0; i < 5000; i++)
        CHECK_EQ(memory[i], 0);
    k->class->unmap(k, memory, 5000);
    CHECK_NE(k->class->random(k), k->class->random(k));
    world_close(k);
}

TEST_PANICS(emu_destroy_with_requests_under_way_panics, "last CQE")
{
    struct kernel *k = world_open(8, 0, 0);
    struct ring_timespec time = { 100, 0 };

    put(k, IORING_OP_TIMEOUT, -1, &time, 1, 1);
    enter(k, 0);
    k->class->destroy(k);
}
