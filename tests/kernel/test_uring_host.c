/* SPDX-License-Identifier: MIT */
/*
 * A ring inside somebody else's loop: the pollable descriptor tells of all that
 * there is to do, on every rung of the setup ladder.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kernel/uring_test.h"

static bool is_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

static void wait_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    while (poll(&p, 1, -1) != 1)
        CHECK_EQ(errno, EINTR);
}

static int pollable(struct kernel *kernel)
{
    int fd = kernel->class->pollable_fd(kernel);

    CHECK_GE(fd, 0);
    CHECK_EQ(kernel->class->pollable_fd(kernel), fd);
    CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_GE(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
    CHECK(!is_readable(fd));
    return fd;
}

RING_TEST(A18_the_pollable_fd_tells_of_results_and_of_wakes)
{
    struct kernel *kernel = open_attached(8, 0);
    struct io_uring_cqe cqe;
    int fd = pollable(kernel);
    int fds[2];
    char byte;

    CHECK_OK(pipe2(fds, O_CLOEXEC));
    for (unsigned i = 0; i < 20; i++) {
        put_read(kernel, i, fds[0], &byte, 1);
        CHECK_EQ(enter(kernel, 1, 0, KERNEL_NO_WAIT), 1);
        CHECK(!is_readable(fd));
        CHECK_EQ(write(fds[1], "x", 1), 1);
        do { /* Linux 6.1 sometimes has two signals for one result */
            wait_readable(fd);
            CHECK_EQ(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
        } while (!take(kernel, &cqe));
        CHECK_EQ(cqe.user_data, (uint64_t)i << 4);
        CHECK(!take(kernel, &cqe));
        CHECK(!is_readable(fd));
    }
    for (unsigned i = 0; i < 20; i++) {
        kernel->class->wake(kernel);
        wait_readable(fd);
        CHECK_EQ(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
        CHECK(!take(kernel, &cqe));
    }
    close(fds[0]);
    close(fds[1]);
    kernel->class->destroy(kernel);
}

/* A completion that is caused by a write to an eventfd: see host.c. */
RING_TEST(A18_the_host_is_told_of_eventfds_more_than_once)
{
    struct kernel *kernel = open_attached(8, 0);
    struct io_uring_cqe cqe;
    int fd = pollable(kernel);
    int event = eventfd(0, EFD_CLOEXEC);
    uint64_t count = 0; /* valgrind does not see the ring write */

    for (uint64_t i = 1; i <= 10; i++) {
        bool found = false;

        put_read(kernel, i, event, &count, sizeof count);
        CHECK_EQ(enter(kernel, 1, 0, KERNEL_NO_WAIT), 1);
        CHECK_EQ(write(event, &i, sizeof i), (ssize_t)sizeof i);
        while (!found) { /* the signal of the round before may be late */
            wait_readable(fd);
            CHECK_GE(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
            found = take(kernel, &cqe);
        }
        CHECK_EQ(count, i);
    }
    close(event);
    kernel->class->destroy(kernel);
}

RING_TEST(A18_a_burst_is_found_by_a_host_that_only_polls)
{
    enum { BURST = 200 };
    struct kernel *kernel = open_attached(BURST, 0);
    struct io_uring_cqe cqe;
    int fds[BURST][2];
    char bytes[BURST];
    unsigned found = 0;
    int fd = pollable(kernel);

    for (unsigned i = 0; i < BURST; i++) {
        CHECK_OK(pipe2(fds[i], O_CLOEXEC));
        put_read(kernel, i, fds[i][0], &bytes[i], 1);
    }
    CHECK_EQ(enter(kernel, BURST, 0, KERNEL_NO_WAIT), BURST);
    for (unsigned i = 0; i < BURST; i++)
        CHECK_EQ(write(fds[i][1], "x", 1), 1);
    while (found < BURST) {
        wait_readable(fd);
        CHECK_GE(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
        /* Take a few at a time, so that there is an overflow to be told of. */
        for (unsigned i = 0; i < 16 && take(kernel, &cqe); i++)
            found++;
        while (cq_ready(&kernel->cq) != 0 && take(kernel, &cqe))
            found++;
    }
    CHECK_EQ(found, (unsigned)BURST);
    for (unsigned i = 0; i < BURST; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    kernel->class->destroy(kernel);
}

RING_TEST(A18_an_overflow_is_told_to_the_host)
{
    struct kernel *kernel = open_attached(8, 8);
    struct io_uring_cqe cqe;
    unsigned found = 0;
    int fd = pollable(kernel);

    for (unsigned i = 0; i < 5; i++) {
        for (unsigned k = 0; k < 8; k++)
            put_nop(kernel, k);
        CHECK_EQ(enter(kernel, 8, 0, KERNEL_NO_WAIT), 8);
    }
    while (found < 40) {
        wait_readable(fd);
        CHECK_GE(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
        while (take(kernel, &cqe))
            found++;
    }
    CHECK_GE(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
    CHECK(!is_readable(fd));
    kernel->class->destroy(kernel);
}

RING_TEST(the_co_processor_makes_the_pollable_fd_readable)
{
    struct kernel *kernel = open_attached(8, 0);
    struct io_uring_cqe cqe;
    int fd = pollable(kernel);
    int value = 4;

    for (unsigned i = 0; i < 20; i++) {
        CHECK_OK(side_call(kernel, 6, &value));
        bool found = false;

        while (!found) {
            CHECK_GE(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
            found = take(kernel, &cqe);
            if (!found)
                wait_readable(fd);
        }
        CHECK_EQ(cqe.res, 4);
    }
    kernel->class->destroy(kernel);
}
