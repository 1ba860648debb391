/* SPDX-License-Identifier: MIT */
/*
 * test_uring_facts_ready.c - what gyre relies on in Linux's polls, epolls,
 * futexes, waits and messages, held against the ring itself
 *
 * A Linux that behaves otherwise is noticed here rather than in a program.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/uring_test.h"
#include "ring/abi_register.h"
#include "ring/syscalls.h"
#include "runner/patient.h"

#define U32_PRIVATE (2 | 128) /* FUTEX2_SIZE_U32, FUTEX2_PRIVATE */

static void need(const struct kernel *kernel, unsigned opcode)
{
    if (kernel->route[opcode] == KERNEL_ROUTE_SIDE)
        TEST_SKIP("this Linux has no such opcode");
}

static int result_of(struct kernel *kernel, struct io_uring_sqe sqe)
{
    struct io_uring_cqe cqe;

    sqe.user_data = 99 << 4;
    put(kernel, sqe);
    CHECK_EQ(enter(kernel, 1, 0, KERNEL_NO_WAIT), 1);
    cqe = next(kernel);
    CHECK_EQ(cqe.user_data, 99u << 4);
    return cqe.res;
}

static void start(struct kernel *kernel, struct io_uring_sqe sqe, uint64_t id)
{
    struct io_uring_cqe cqe;

    sqe.user_data = id << 4;
    put(kernel, sqe);
    CHECK_EQ(enter(kernel, 1, 0, KERNEL_NO_WAIT), 1);
    CHECK(!take(kernel, &cqe));
}

/* The cancel's own CQE comes first; its result is 0, or a count. */
static void cancel_first_then_target(struct kernel *kernel, uint64_t id)
{
    struct io_uring_cqe cqe;

    CHECK_GE(result_of(kernel,
                       (struct io_uring_sqe){ .opcode = IORING_OP_ASYNC_CANCEL,
                                              .fd = -1,
                                              .addr = id << 4 }),
             0);
    cqe = next(kernel);
    CHECK_EQ(cqe.user_data, id << 4);
    CHECK_ERR(cqe.res, -ECANCELED);
}

RING_TEST(D3_D4_fact_epoll_requests)
{
    struct kernel *kernel = open_attached(8, 0);
    struct epoll_event event = { .events = EPOLLIN }, got;
    int epoll = epoll_create1(EPOLL_CLOEXEC), fds[2];
    struct io_uring_sqe add = { .opcode = IORING_OP_EPOLL_CTL,
                                .fd = epoll,
                                .len = EPOLL_CTL_ADD,
                                .addr = (uintptr_t)&event };
    struct io_uring_sqe wait = { .opcode = IORING_OP_EPOLL_WAIT,
                                 .fd = epoll,
                                 .len = 1,
                                 .addr = (uintptr_t)&got };
    struct io_uring_cqe cqe;

    CHECK_OK(pipe2(fds, O_CLOEXEC));
    add.off = (uint64_t)fds[0];
    CHECK_OK(result_of(kernel, add));
    CHECK_ERR(result_of(kernel, add), -EEXIST);
    add.buf_index = 1;
    CHECK_ERR(result_of(kernel, add), -EINVAL);
    if (kernel->route[IORING_OP_EPOLL_WAIT] != KERNEL_ROUTE_SIDE) {
        /* It waits, and nobody sees an EAGAIN. */
        start(kernel, wait, 1);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        cqe = next(kernel);
        CHECK_EQ(cqe.res, 1);
    }
    close(fds[0]);
    close(fds[1]);
    close(epoll);
    kernel->class->destroy(kernel);
}

RING_TEST(D5_fact_futex_requests)
{
    struct kernel *kernel = open_attached(8, 0);
    uint32_t word = 0;
    struct io_uring_sqe wait = { .opcode = IORING_OP_FUTEX_WAIT,
                                 .fd = U32_PRIVATE,
                                 .addr = (uintptr_t)&word,
                                 .addr3 = UINT32_MAX };
    struct io_uring_sqe wake = wait;

    need(kernel, IORING_OP_FUTEX_WAIT);
    wake.opcode = IORING_OP_FUTEX_WAKE;
    wait.off = 1;
    CHECK_ERR(result_of(kernel, wait), -EAGAIN);
    wait.off = 0;
    wait.addr3 = 0;
    CHECK_ERR(result_of(kernel, wait), -EINVAL);
    wait.addr3 = UINT32_MAX;
    start(kernel, wait, 1);
    wake.off = 0;
    CHECK_EQ(result_of(kernel, wake), 0);
    cancel_first_then_target(kernel, 1);
    wake.off = 1;
    CHECK_EQ(result_of(kernel, wake), 0);
    kernel->class->destroy(kernel);
}

RING_TEST(D6_fact_a_cancelled_wait_for_a_child)
{
    struct kernel *kernel = open_attached(8, 0);
    siginfo_t info;
    pid_t child;

    need(kernel, IORING_OP_WAITID);
    child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        for (;;)
            pause();
    }
    start(kernel,
          (struct io_uring_sqe){ .opcode = IORING_OP_WAITID,
                                 .fd = child,
                                 .len = P_PID,
                                 .file_index = WEXITED,
                                 .addr2 = (uintptr_t)&info },
          1);
    cancel_first_then_target(kernel, 1);
    CHECK_OK(kill(child, SIGKILL));
    CHECK_EQ(patient_waitpid(child, NULL), child);
    kernel->class->destroy(kernel);
}

RING_TEST(D7_fact_messages)
{
    struct kernel *from = open_attached(8, 0), *to = open_attached(8, 0);
    struct io_uring_sqe message = {
        .opcode = IORING_OP_MSG_RING, .fd = to->ring_fd, .off = 7 << 4, .len = 5
    };
    struct io_uring_cqe cqe;

    need(from, IORING_OP_MSG_RING);
    CHECK_OK(result_of(from, message));
    cqe = next(to);
    CHECK_EQ(cqe.user_data, 7u << 4);
    CHECK_EQ(cqe.res, 5);
    CHECK_EQ(cqe.flags, 0u);
    /* Without a ring (6.13), for a thread that has none. */
    if (ring_sys_register(-1, IORING_REGISTER_SEND_MSG_RING, &message, 1) ==
        0) {
        cqe = next(to);
        CHECK_EQ(cqe.user_data, 7u << 4);
        CHECK_EQ(cqe.res, 5);
    }
    to->class->destroy(to);
    /* Its number is no descriptor now. */
    CHECK_ERR(result_of(from, message), -EBADF);
    from->class->destroy(from);
}

static void make_table(struct kernel *kernel, int fd)
{
    struct io_uring_rsrc_register sparse = {
        .nr = 2, .flags = IORING_RSRC_REGISTER_SPARSE
    };
    struct io_uring_rsrc_update update = { .data = (uintptr_t)&fd };

    CHECK_OK(ring_sys_register(kernel->ring_fd, IORING_REGISTER_FILES2, &sparse,
                               sizeof sparse));
    CHECK_EQ(ring_sys_register(kernel->ring_fd, IORING_REGISTER_FILES_UPDATE,
                               &update, 1),
             1);
}

/* The receiver is told the slot only if Linux has chosen it; its sender always
 * is told the same. */
RING_TEST(D7_fact_files_in_messages)
{
    struct kernel *from = open_attached(8, 0), *to = open_attached(8, 0);
    struct io_uring_sqe message = { .opcode = IORING_OP_MSG_RING,
                                    .fd = to->ring_fd,
                                    .addr = IORING_MSG_SEND_FD,
                                    .off = 7 << 4,
                                    .file_index = IORING_FILE_INDEX_ALLOC };
    struct io_uring_cqe cqe;

    if (from->files_emulated)
        TEST_SKIP("a Linux whose table is not used");
    CHECK_ERR(result_of(from, message), -EBADF);
    make_table(from, STDERR_FILENO);
    CHECK_ERR(result_of(from, message), -ENFILE);
    message.file_index = 1;
    CHECK_ERR(result_of(from, message), -ENXIO);
    make_table(to, STDERR_FILENO);
    message.file_index = IORING_FILE_INDEX_ALLOC;
    CHECK_EQ(result_of(from, message), 1);
    cqe = next(to);
    CHECK_EQ(cqe.user_data, 7u << 4);
    CHECK_EQ(cqe.res, 1);
    CHECK_EQ(cqe.flags, 0u);
    CHECK_ERR(result_of(from, message), -ENFILE);
    message.file_index = 2;
    CHECK_EQ(result_of(from, message), 0);
    CHECK_EQ(next(to).res, 0);
    message.file_index = 3;
    CHECK_ERR(result_of(from, message), -EINVAL);
    message.len = 1;
    CHECK_ERR(result_of(from, message), -EINVAL);
    message.len = 0;
    message.fd = from->ring_fd;
    CHECK_ERR(result_of(from, message), -EINVAL);
    CHECK(!take(to, &cqe));
    to->class->destroy(to);
    from->class->destroy(from);
}
