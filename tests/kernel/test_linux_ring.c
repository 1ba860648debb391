/* SPDX-License-Identifier: MIT */
/*
 * test_linux_ring.c - facts about Linux's rings themselves
 *
 * Which setup flags go together, who is woken by a ring, what a drain and a
 * request without a result do: why the loop is as it is. Asked of a bare ring,
 * with the flags that are named and no others.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/proc.h"
#include "ring/ring.h"
#include "ring/syscalls.h"
#include "runner/test.h"

#define ONCE(name) KERNEL_TEST_ON(name, TEST_URING)

static struct ring open_bare(void)
{
    struct ring ring = { .fd = -1 };

    CHECK_OK(ring_open_plain(&ring, 8, 0));
    CHECK_OK(ring_enable(&ring));
    return ring;
}

static void submit(struct ring *ring, struct io_uring_sqe sqe)
{
    *sq_next(&ring->sq) = sqe;
    sq_publish(&ring->sq);
    CHECK_EQ(ring_sys_enter(ring->fd, 1, 0, IORING_ENTER_GETEVENTS, NULL, 0),
             1);
}

static struct io_uring_sqe poll_for_ever(int fd)
{
    return (struct io_uring_sqe){ .opcode = IORING_OP_POLL_ADD,
                                  .fd = fd,
                                  .len = IORING_POLL_ADD_MULTI,
                                  .poll32_events = POLLIN,
                                  .user_data = 1 };
}

static void expect(struct ring *ring, uint64_t user_data, int32_t res)
{
    struct io_uring_cqe cqe;

    CHECK(cq_take(&ring->cq, &cqe));
    CHECK_EQ(cqe.user_data, user_data);
    CHECK_ERR(cqe.res, res);
}

/* A thread that sleeps in epoll_wait(2) on a ring. poll(2) is no better, but
 * looks once more when its time is over. */
struct sleeper {
    int epoll_fd;
    atomic_int tid;
    int found; /* how many descriptors were ready */
};

static void *sleep_in_epoll(void *argument)
{
    struct sleeper *sleeper = argument;
    struct epoll_event event;

    atomic_store(&sleeper->tid, (int)syscall(SYS_gettid));
    test_quiet(); /* it would look once more */
    sleeper->found = epoll_wait(sleeper->epoll_fd, &event, 1, 300);
    return NULL;
}

static void until_asleep(struct sleeper *sleeper)
{
    char path[64], text[256] = "";
    const char *state = "";

    while (atomic_load(&sleeper->tid) == 0)
        sched_yield();
    snprintf(path, sizeof path, "/proc/self/task/%d/stat",
             atomic_load(&sleeper->tid));
    while (*state != 'S') {
        sched_yield();
        CHECK_OK(proc_read(path, text, sizeof text));
        state = strrchr(text, ')');
        CHECK(state != NULL);
        state += 2;
    }
}

/* Why a foreign loop is given an eventfd, and not the ring. */
KERNEL_TEST_ON(A18_fact_a_ring_that_defers_wakes_nobody_who_polls_it,
               TEST_URING | TEST_URING_COOP | TEST_URING_PLAIN)
{
    struct ring ring = open_bare();
    struct sleeper sleeper = { .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
    struct epoll_event event = { .events = EPOLLIN };
    bool defers = (ring.setup_flags & IORING_SETUP_DEFER_TASKRUN) != 0;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_t thread;

    CHECK_OK(epoll_ctl(sleeper.epoll_fd, EPOLL_CTL_ADD, ring.fd, &event));
    submit(&ring, poll_for_ever(fd));
    CHECK_OK(pthread_create(&thread, NULL, sleep_in_epoll, &sleeper));
    until_asleep(&sleeper);
    CHECK_OK(eventfd_write(fd, 1));
    CHECK_OK(pthread_join(thread, NULL));
    /* 6.1 still does. */
    defers = defers && test_has("defer_taskrun", 6, 12);
    CHECK_EQ(sleeper.found, defers ? 0 : 1);
    CHECK_EQ(ring_sys_enter(ring.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0), 0);
    expect(&ring, 1, POLLIN);
    ring_close(&ring);
    close(sleeper.epoll_fd);
    close(fd);
}

/* On the ladder each rung has flags that go together. */
ONCE(A7_A9_fact_setup_flags_that_exclude_each_other)
{
    static const struct {
        uint32_t flags;
        int error;
    } cases[] = {
        { IORING_SETUP_DEFER_TASKRUN, -EINVAL },
        { IORING_SETUP_SQPOLL | IORING_SETUP_COOP_TASKRUN, -EINVAL },
        { IORING_SETUP_SQPOLL | IORING_SETUP_DEFER_TASKRUN |
              IORING_SETUP_SINGLE_ISSUER,
          -EINVAL },
        { IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER |
              IORING_SETUP_DEFER_TASKRUN,
          0 },
    };
    struct ring ring = open_bare();

    if ((ring.setup_flags & IORING_SETUP_DEFER_TASKRUN) == 0)
        TEST_SKIP("a Linux that does not defer");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct io_uring_params params = { .flags = cases[i].flags };
        int fd = ring_sys_setup(4, &params);

        CHECK_EQ(fd < 0 ? fd : 0, cases[i].error);
        if (fd >= 0)
            CHECK_OK(close(fd));
    }
    ring_close(&ring);
}

/* Linux may signal an eventfd some time later, when all processors have passed
 * a quiet moment. */
static bool wakes(int fd, int ms)
{
    struct pollfd entry = { .fd = fd, .events = POLLIN };

    return poll(&entry, 1, ms) == 1;
}

/* So each turn of a hosted loop enters the ring. */
ONCE(A18_fact_a_ring_that_defers_rings_once_until_it_is_entered)
{
    struct ring ring = open_bare();
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), event;
    uint64_t value;

    if ((ring.setup_flags & IORING_SETUP_DEFER_TASKRUN) == 0)
        TEST_SKIP("a Linux that does not defer");
    test_quiet();
    event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK_OK(ring_sys_register(ring.fd, IORING_REGISTER_EVENTFD, &event, 1));
    submit(&ring, poll_for_ever(fd));
    CHECK_OK(eventfd_write(fd, 1));
    CHECK(wakes(event, 10000));
    /* It was heard and nothing was done: the next is not told. */
    CHECK_EQ(read(event, &value, sizeof value), (ssize_t)sizeof value);
    CHECK_OK(eventfd_write(fd, 1));
    CHECK(!wakes(event, 50));
    CHECK_GE(ring_sys_enter(ring.fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0), 0);
    CHECK_GT(cq_ready(&ring.cq), 0u);
    ring_close(&ring);
    CHECK_OK(close(fd));
    CHECK_OK(close(event));
}

/* So the loop drains by itself: the ring always has its own polls. */
ONCE(D9_fact_a_drain_never_ends_beside_an_armed_poll)
{
    struct ring ring = open_bare();
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    submit(&ring, poll_for_ever(fd));
    submit(&ring, (struct io_uring_sqe){ .opcode = IORING_OP_NOP,
                                         .flags = IOSQE_IO_DRAIN,
                                         .user_data = 2 });
    submit(&ring,
           (struct io_uring_sqe){ .opcode = IORING_OP_NOP, .user_data = 3 });
    for (int i = 0; i < 10; i++)
        CHECK_GE(ring_sys_enter(ring.fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0),
                 0);
    CHECK_EQ(cq_ready(&ring.cq), 0u);
    ring_close(&ring);
    CHECK_OK(close(fd));
}

ONCE(D10_fact_no_drain_after_silence)
{
    struct ring ring = open_bare();

    if ((ring.features & IORING_FEAT_CQE_SKIP) == 0)
        TEST_SKIP("a Linux that is never silent");
    submit(&ring, (struct io_uring_sqe){ .opcode = IORING_OP_NOP,
                                         .flags = IOSQE_CQE_SKIP_SUCCESS,
                                         .user_data = 1 });
    CHECK_EQ(cq_ready(&ring.cq), 0u);
    submit(&ring, (struct io_uring_sqe){ .opcode = IORING_OP_NOP,
                                         .flags = IOSQE_IO_DRAIN,
                                         .user_data = 2 });
    expect(&ring, 2, -EOPNOTSUPP);
    ring_close(&ring);
}

/* So what has told nothing when it was submitted has succeeded. */
ONCE(D10_fact_a_silent_send_that_fails_tells_at_once)
{
    struct ring ring = open_bare();
    int fds[2];
    struct io_uring_sqe send = { .opcode = IORING_OP_SEND,
                                 .flags = IOSQE_CQE_SKIP_SUCCESS,
                                 .addr = (uintptr_t) "x",
                                 .len = 1,
                                 .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL |
                                              MSG_WAITALL,
                                 .user_data = 1 };

    if ((ring.features & IORING_FEAT_CQE_SKIP) == 0)
        TEST_SKIP("a Linux that is never silent");
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    send.fd = fds[0];
    submit(&ring, send);
    CHECK_EQ(cq_ready(&ring.cq), 0u);
    CHECK_OK(close(fds[1]));
    submit(&ring, send);
    expect(&ring, 1, -EPIPE);
    ring_close(&ring);
    CHECK_OK(close(fds[0]));
}
