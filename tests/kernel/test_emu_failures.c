/* SPDX-License-Identifier: MIT */
/*
 * test_emu_failures.c - which failures end a chain, on Linux's ring and on the
 * emulator
 *
 * A call that Linux's ring makes for a request may fail without failing the
 * request: what is linked behind it goes on, and with CQE_SKIP_SUCCESS nobody
 * is told. What is refused when it is submitted ends the whole chain. Which is
 * which was seen on Linux, and found by the programs of fuzz/.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/choose.h"
#include "runner/test.h"
#include "test_emu_world.h"

#define ID(n) ((uint64_t)(n) << 4)

static struct kernel *open_kernel(void)
{
    struct kernel_options options = { .entries = 16 };
    struct kernel *k;

    if (strcmp(test_kernel(), "emu") == 0)
        return world_open(16, 0, 0);
    CHECK_OK(uring_open(&k, &options));
    CHECK_OK(k->class->attach(k));
    return k;
}

/* The results of `count` requests, by the numbers of their user_data. */
static void results_of(struct kernel *k, unsigned count, int *results)
{
    enter(k, count);
    for (unsigned i = 0; i < count; i++) {
        struct io_uring_cqe cqe = take(k);

        results[cqe.user_data >> 4] = cqe.res;
    }
}

/* A request that was just put, and a NOP behind it. */
static void check_chain(struct kernel *k, struct io_uring_sqe *sqe,
                        uint8_t link, int result, int behind)
{
    int results[3];

    sqe->flags |= link;
    put(k, IORING_OP_NOP, -1, NULL, 0, ID(2));
    results_of(k, 2, results);
    CHECK_ERR(results[1], result);
    CHECK_ERR(results[2], behind);
}

KERNEL_TEST2(S6_D9_calls_that_fail_without_failing_the_request)
{
    struct kernel *k = open_kernel();
    struct io_uring_sqe *sqe;
    struct statx status;
    char value[8];
    int pipe[2];

    if (!test_has("", 6, 1))
        TEST_SKIP("older than Linux 6.1");
    make_pipe(pipe, 0);
    sqe = put(k, IORING_OP_UNLINKAT, AT_FDCWD, "/none/such", 0, ID(1));
    check_chain(k, sqe, IOSQE_IO_LINK, -ENOENT, 0);
    sqe = put(k, IORING_OP_MKDIRAT, AT_FDCWD, "/", 0, ID(1));
    check_chain(k, sqe, IOSQE_IO_LINK, -EEXIST, 0);
    sqe = put(k, IORING_OP_STATX, AT_FDCWD, "/none/such", 0, ID(1));
    sqe->addr2 = (uintptr_t)&status;
    check_chain(k, sqe, IOSQE_IO_LINK, -ENOENT, 0);
    sqe = put(k, IORING_OP_GETXATTR, 0, "user.none", sizeof value, ID(1));
    sqe->addr2 = (uintptr_t)value;
    sqe->addr3 = (uintptr_t) "/none/such";
    check_chain(k, sqe, IOSQE_IO_LINK, -ENOENT, 0);
    sqe = put(k, IORING_OP_FSYNC, pipe[0], NULL, 0, ID(1));
    check_chain(k, sqe, IOSQE_IO_LINK, -EINVAL, 0);
    sqe = put(k, IORING_OP_SYNC_FILE_RANGE, pipe[0], NULL, 0, ID(1));
    check_chain(k, sqe, IOSQE_IO_LINK, -ESPIPE, 0);
    /* But a descriptor that is none fails it. */
    sqe = put(k, IORING_OP_FSYNC, -1, NULL, 0, ID(1));
    check_chain(k, sqe, IOSQE_IO_LINK, -EBADF, -ECANCELED);
    close_pair(pipe);
    world_close(k);
}

KERNEL_TEST2(S6_D9_a_shutdown_may_fail_without_failing)
{
    struct kernel *k = open_kernel();
    struct io_uring_sqe *sqe;
    int fds[2];

    if (!test_has("", 6, 1))
        TEST_SKIP("older than Linux 6.1");
    make_pair(SOCK_STREAM, fds);
    sqe = put(k, IORING_OP_SHUTDOWN, fds[0], NULL, 7, ID(1));
    check_chain(k, sqe, IOSQE_IO_LINK, -EINVAL, 0);
    close_pair(fds);
    world_close(k);
}

KERNEL_TEST2(S6_D9_what_is_refused_at_submission_ends_hard_chains)
{
    struct kernel *k = open_kernel();
    struct io_uring_sqe *sqe;
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (!test_has("", 6, 1))
        TEST_SKIP("older than Linux 6.1");
    sqe = put(k, IORING_OP_UNLINKAT, AT_FDCWD, "", 0, ID(1));
    check_chain(k, sqe, IOSQE_IO_HARDLINK, -ENOENT, -ECANCELED);
    sqe = put(k, IORING_OP_EPOLL_CTL, epoll, (void *)8, EPOLL_CTL_ADD, ID(1));
    sqe->off = 0;
    check_chain(k, sqe, IOSQE_IO_HARDLINK, -EFAULT, -ECANCELED);
    sqe = put(k, IORING_OP_SETXATTR, 0, "user.a", 4, ID(1));
    sqe->addr2 = (uintptr_t) "abc";
    sqe->addr3 = (uintptr_t) "/";
    sqe->xattr_flags = 0x100;
    check_chain(k, sqe, IOSQE_IO_HARDLINK, -EINVAL, -ECANCELED);
    close(epoll);
    world_close(k);
}

KERNEL_TEST2(S6_D9_a_cancelled_futex_wait_lets_its_chain_go_on)
{
    struct kernel *k = open_kernel();
    static uint32_t word;
    struct io_uring_sqe *sqe;
    int results[4];

    if (!test_has("futex_wait", 6, 7))
        TEST_SKIP("this Linux has no FUTEX_WAIT");
    sqe = put(k, IORING_OP_FUTEX_WAIT, 2, &word, 0, ID(1));
    sqe->addr3 = UINT32_MAX;
    sqe->flags = IOSQE_IO_LINK;
    put(k, IORING_OP_NOP, -1, NULL, 0, ID(2));
    expect_nothing(k);
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)(uintptr_t)ID(1), 0, ID(3));
    results_of(k, 3, results);
    CHECK_GE(results[3], 0);
    CHECK_ERR(results[1], -ECANCELED);
    CHECK_ERR(results[2], 0);
    world_close(k);
}

KERNEL_TEST2(S6_D9_a_short_splice_is_a_failure)
{
    struct kernel *k = open_kernel();
    struct io_uring_sqe *sqe;
    int from[2], to[2];

    make_pipe(from, 0);
    make_pipe(to, 0);
    CHECK_EQ(write(from[1], "abc", 3), 3);
    sqe = put(k, IORING_OP_SPLICE, to[1], (void *)UINTPTR_MAX, 10, ID(1));
    sqe->splice_fd_in = from[0];
    sqe->off = UINT64_MAX;
    check_chain(k, sqe, IOSQE_IO_LINK, 3, -ECANCELED);
    close_pair(from);
    close_pair(to);
    world_close(k);
}

/* A message that did not fit, though all was asked for. */
KERNEL_TEST2(S6_D9_a_message_that_was_cut_is_a_failure)
{
    struct kernel *k = open_kernel();
    struct io_uring_sqe *sqe;
    char bytes[4];
    int fds[2];

    if (!test_has("", 6, 1))
        TEST_SKIP("older than Linux 6.1");
    make_pair(SOCK_DGRAM, fds);
    CHECK_EQ(write(fds[1], "0123456789", 10), 10);
    sqe = put(k, IORING_OP_RECV, fds[0], bytes, sizeof bytes, ID(1));
    sqe->msg_flags = MSG_WAITALL;
    check_chain(k, sqe, IOSQE_IO_LINK, sizeof bytes, -ECANCELED);
    close_pair(fds);
    world_close(k);
}

/* The emulator knows that a receive has emptied the socket, and spares the next
 * one its first try; but what has no buffer has nothing to wait for. */
KERNEL_TEST2(S6_C1_a_receive_without_buffers_ends_behind_a_short_one)
{
    struct kernel *k = open_kernel();
    struct io_uring_sqe *sqe;
    char bytes[16];
    int fds[2], waiting, results[3];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECV, fds[0], bytes, sizeof bytes, ID(1));
    enter(k, 0);
    waiting = (int)cq_ready(&k->cq);
    CHECK_EQ(waiting, 0);
    CHECK_EQ(write(fds[1], "abc", 3), 3);
    results_of(k, 1, results);
    CHECK_EQ(results[1], 3);
    sqe = put(k, IORING_OP_RECV, fds[0], NULL, sizeof bytes, ID(2));
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = 77;
    results_of(k, 1, results);
    CHECK_ERR(results[2], -ENOBUFS);
    close_pair(fds);
    world_close(k);
}
