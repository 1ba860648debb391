/* SPDX-License-Identifier: MIT */
/*
 * test_linux_time.c - facts about Linux's timeouts, cancels and eventfds
 *
 * What the loop and the emulator take for granted, asked of Linux itself, so
 * that a version that behaves otherwise is noticed. The numbers are those of
 * the kernel requests' man pages; nothing of gyre but the ring is between.
 */
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/uring/uring.h"
#include "ring/abi_register.h"
#include "ring/feature.h"
#include "ring/syscalls.h"
#include "uring_test.h"

static const struct ring_timespec far_away = { 3600, 0 };
static const struct ring_timespec soon = { 0, 2000000 };

/* Flags of 5.15 to 6.6: on an older Linux there is nothing to find out. */
static void need(struct kernel *kernel, unsigned opcode)
{
    if (!uring_of(kernel)->opcodes.has[opcode])
        TEST_SKIP("a Linux that does not have these flags");
}

static struct io_uring_sqe timeout(uint64_t id,
                                   const struct ring_timespec *time,
                                   uint64_t count, uint32_t flags)
{
    return (struct io_uring_sqe){ .opcode = IORING_OP_TIMEOUT,
                                  .fd = -1,
                                  .addr = (uintptr_t)time,
                                  .len = 1,
                                  .off = count,
                                  .timeout_flags = flags,
                                  .user_data = id << 4 };
}

static struct io_uring_sqe timeout_change(uint64_t id, uint64_t target,
                                          const struct ring_timespec *time,
                                          uint32_t flags)
{
    return (struct io_uring_sqe){ .opcode = IORING_OP_TIMEOUT_REMOVE,
                                  .fd = -1,
                                  .addr = target << 4,
                                  .addr2 = (uintptr_t)time,
                                  .timeout_flags = flags,
                                  .user_data = id << 4 };
}

static struct io_uring_sqe cancel(uint64_t id, uint32_t flags)
{
    return (struct io_uring_sqe){ .opcode = IORING_OP_ASYNC_CANCEL,
                                  .fd = -1,
                                  .cancel_flags = flags,
                                  .user_data = id << 4 };
}

static struct io_uring_sqe receive(uint64_t id, int fd, char *byte)
{
    return (struct io_uring_sqe){ .opcode = IORING_OP_RECV,
                                  .fd = fd,
                                  .addr = (uintptr_t)byte,
                                  .len = 1,
                                  .user_data = id << 4 };
}

static void submit(struct kernel *kernel)
{
    unsigned count = sq_used(&kernel->sq);

    CHECK_EQ(enter(kernel, count, 0, KERNEL_NO_WAIT), (int)count);
}

/* The next CQE is this one's, with this result. */
static uint32_t expect(struct kernel *kernel, uint64_t id, int32_t res)
{
    struct io_uring_cqe cqe;

    submit(kernel);
    cqe = next(kernel);
    CHECK_EQ(cqe.user_data, id << 4);
    CHECK_ERR(cqe.res, res);
    return cqe.flags;
}

static void expect_nothing(struct kernel *kernel)
{
    struct io_uring_cqe cqe;

    submit(kernel);
    CHECK(!take(kernel, &cqe));
}

static void make_pair(int fds[2])
{
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
}

static void close_pair(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

/* ---- timeouts ------------------------------------------------------------ */

RING_TEST(fact_a_count_is_of_what_is_no_timeout)
{
    struct kernel *kernel = open_attached(16, 0);

    put(kernel, timeout(1, &far_away, 2, 0));
    put(kernel, timeout(2, &soon, 0, 0));
    expect(kernel, 2, -ETIME);
    expect_nothing(kernel);
    put_nop(kernel, 3);
    expect(kernel, 3, 0);
    expect_nothing(kernel);
    put_nop(kernel, 4);
    expect(kernel, 4, 0);
    expect(kernel, 1, 0);
    kernel->class->destroy(kernel);
}

RING_TEST(fact_timeouts_with_flags_that_cannot_be_are_EINVAL)
{
    static const struct ring_timespec negative = { -1, 0 };
    static const struct ring_timespec wide = { 0, 1500000000 };
    struct kernel *kernel = open_attached(8, 0);

    need(kernel, IORING_OP_READ_MULTISHOT);
    put(kernel, timeout(1, &soon, 0, IORING_TIMEOUT_CLOCK_MASK));
    expect(kernel, 1, -EINVAL);
    put(kernel,
        timeout(1, &soon, 0, IORING_TIMEOUT_ABS | IORING_TIMEOUT_MULTISHOT));
    expect(kernel, 1, -EINVAL);
    put(kernel, timeout(1, &soon, 0, IORING_TIMEOUT_UPDATE));
    expect(kernel, 1, -EINVAL);
    put(kernel, timeout(1, &negative, 0, 0));
    expect(kernel, 1, -EINVAL);
    put(kernel, timeout(1, &wide, 0, IORING_TIMEOUT_ABS)); /* long ago */
    expect(kernel, 1, -ETIME);
    kernel->class->destroy(kernel);
}

RING_TEST(fact_a_multishot_timeout_repeats_on_every_clock)
{
    static const uint32_t clocks[] = { 0, IORING_TIMEOUT_BOOTTIME,
                                       IORING_TIMEOUT_REALTIME };
    struct kernel *kernel = open_attached(8, 0);

    need(kernel, IORING_OP_READ_MULTISHOT);
    for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
        put(kernel, timeout(1, &soon, 2, clocks[i] | IORING_TIMEOUT_MULTISHOT));
        CHECK_EQ(expect(kernel, 1, -ETIME), IORING_CQE_F_MORE);
        CHECK_EQ(expect(kernel, 1, -ETIME), 0);
    }
    kernel->class->destroy(kernel);
}

RING_TEST(fact_a_firing_timeout_ends_a_wait_for_more)
{
    /* One that fires before the wait begins does not end it. */
    struct ring_timespec later = { 0, 100000000 };
    struct kernel *kernel = open_attached(8, 0);
    struct io_uring_cqe cqe;

    test_quiet(); /* a signal ends it, too */
    later.tv_sec = test_scale() > 1 ? 1 : 0;
    put(kernel, timeout(1, &later, 0, 0));
    submit(kernel);
    CHECK_GE(
        ring_sys_enter(kernel->ring_fd, 0, 5, IORING_ENTER_GETEVENTS, NULL, 0),
        0);
    CHECK(take(kernel, &cqe));
    CHECK_ERR(cqe.res, -ETIME);
    kernel->class->destroy(kernel);
}

RING_TEST(fact_timeouts_are_removed_and_changed_but_for_their_clock)
{
    struct kernel *kernel = open_attached(8, 0);

    put(kernel, timeout(1, &far_away, 0, 0));
    put(kernel, timeout_change(2, 1, NULL, 0));
    expect(kernel, 2, 0);
    expect(kernel, 1, -ECANCELED);
    put(kernel, timeout_change(2, 1, NULL, 0));
    expect(kernel, 2, -ENOENT);
    put(kernel, timeout_change(2, 1, &soon, IORING_TIMEOUT_UPDATE));
    expect(kernel, 2, -ENOENT);

    put(kernel, timeout(1, &far_away, 5, 0));
    submit(kernel);
    put(kernel,
        timeout_change(2, 1, &soon,
                       IORING_TIMEOUT_UPDATE | IORING_TIMEOUT_REALTIME));
    expect(kernel, 2, -EINVAL);
    put(kernel, timeout_change(2, 1, &soon, IORING_TIMEOUT_UPDATE));
    expect(kernel, 2, 0);
    expect(kernel, 1, -ETIME);
    kernel->class->destroy(kernel);
}

/* ---- cancels ------------------------------------------------------------- */

RING_TEST(fact_what_a_cancel_may_be_asked_by)
{
    static const uint32_t wrong[] = {
        IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_FD,
        IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_OP,
        RING_BIT(6),
    };
    struct kernel *kernel = open_attached(8, 0);

    need(kernel, IORING_OP_READ_MULTISHOT);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        put(kernel, cancel(1, wrong[i]));
        expect(kernel, 1, -EINVAL);
    }
    put(kernel, cancel(1, 0));
    expect(kernel, 1, -ENOENT);
    put(kernel, cancel(1, IORING_ASYNC_CANCEL_ALL));
    expect(kernel, 1, 0);
    put(kernel, cancel(1, IORING_ASYNC_CANCEL_FD));
    expect(kernel, 1, -EBADF);
    kernel->class->destroy(kernel);
}

RING_TEST(fact_a_cancel_of_all_counts_and_comes_before_its_targets)
{
    struct kernel *kernel = open_attached(16, 0);
    struct io_uring_sqe sqe;
    char bytes[3];
    int fds[2];

    need(kernel, IORING_OP_READ_MULTISHOT);
    make_pair(fds);
    for (unsigned i = 0; i < 3; i++)
        put(kernel, receive(10 + i, fds[0], &bytes[i]));
    submit(kernel);
    sqe = cancel(1, IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD |
                        IORING_ASYNC_CANCEL_OP);
    sqe.fd = fds[0];
    sqe.len = IORING_OP_RECV;
    put(kernel, sqe);
    expect(kernel, 1, 3);
    for (unsigned i = 0; i < 3; i++)
        CHECK_ERR(next(kernel).res, -ECANCELED);
    close_pair(fds);
    kernel->class->destroy(kernel);
}

/* And so would the loop's: it never asks so. */
RING_TEST(fact_any_finds_the_watches_of_the_ring_itself)
{
    struct kernel *kernel = open_attached(8, 0);

    need(kernel, IORING_OP_READ_MULTISHOT);
    put(kernel, cancel(1, IORING_ASYNC_CANCEL_ANY));
    expect(kernel, 1, 1); /* the watch for wakes */
    check_nop_works(kernel);
    kernel->class->destroy(kernel);
}

RING_TEST(fact_a_synchronous_cancel)
{
    struct kernel *kernel = open_attached(8, 0);
    struct io_uring_sync_cancel_reg reg = { .fd = -1,
                                            .addr = 7 << 4,
                                            .timeout = { -1, -1 } };

    need(kernel, IORING_OP_READ_MULTISHOT);
    CHECK_ERR(kernel->class->reg(kernel, IORING_REGISTER_SYNC_CANCEL, &reg, 1),
              -ENOENT);
    put(kernel, timeout(7, &far_away, 0, 0));
    submit(kernel);
    CHECK_GE(kernel->class->reg(kernel, IORING_REGISTER_SYNC_CANCEL, &reg, 1),
             0);
    expect(kernel, 7, -ECANCELED);
    kernel->class->destroy(kernel);
}

/* ---- eventfds ------------------------------------------------------------ */

static uint64_t rings(int fd)
{
    uint64_t count;

    return read(fd, &count, sizeof count) == sizeof count ? count : 0;
}

static int reg(struct kernel *kernel, unsigned opcode, int *fd)
{
    return ring_sys_register(kernel->ring_fd, opcode, fd, fd != NULL);
}

RING_TEST(fact_a_ring_has_one_eventfd)
{
    struct kernel *kernel = open_attached(8, 0);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    CHECK_GE(fd, 0);
    CHECK_ERR(reg(kernel, IORING_UNREGISTER_EVENTFD, NULL), -ENXIO);
    CHECK_OK(reg(kernel, IORING_REGISTER_EVENTFD, &fd));
    CHECK_ERR(reg(kernel, IORING_REGISTER_EVENTFD, &fd), -EBUSY);
    CHECK_ERR(reg(kernel, IORING_REGISTER_EVENTFD_ASYNC, &fd), -EBUSY);
    submit(kernel);
    CHECK_EQ(rings(fd), 0);
    put_nop(kernel, 1);
    put_nop(kernel, 2);
    submit(kernel);
    CHECK_GE(rings(fd), 1);
    CHECK_EQ(rings(fd), 0);
    expect(kernel, 1, 0);
    expect(kernel, 2, 0);
    CHECK_OK(reg(kernel, IORING_UNREGISTER_EVENTFD, NULL));

    CHECK_OK(reg(kernel, IORING_REGISTER_EVENTFD_ASYNC, &fd));
    put_nop(kernel, 1);
    expect(kernel, 1, 0);
    CHECK_EQ(rings(fd), 0);
    put(kernel, (struct io_uring_sqe){ .opcode = IORING_OP_NOP,
                                       .flags = IOSQE_ASYNC,
                                       .user_data = 2 << 4 });
    expect(kernel, 2, 0);
    CHECK_GE(rings(fd), 1);
    kernel->class->destroy(kernel);
    close(fd);
}

RING_TEST(fact_an_eventfd_is_silenced_by_a_flag_in_the_cq)
{
    struct kernel *kernel = open_attached(8, 0);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    CHECK_GE(fd, 0);
    CHECK_OK(reg(kernel, IORING_REGISTER_EVENTFD, &fd));
    atomic_store(kernel->cq.flags, IORING_CQ_EVENTFD_DISABLED);
    put_nop(kernel, 1);
    expect(kernel, 1, 0);
    CHECK_EQ(rings(fd), 0);
    atomic_store(kernel->cq.flags, 0);
    put_nop(kernel, 1);
    expect(kernel, 1, 0);
    CHECK_GE(rings(fd), 1);
    kernel->class->destroy(kernel);
    close(fd);
}

/* ---- waiting ------------------------------------------------------------- */

RING_TEST(fact_a_close_leaves_what_waits_where_it_is)
{
    struct kernel *kernel = open_attached(8, 0);
    struct io_uring_sqe sqe = cancel(2, 0);
    char byte;
    int fds[2];

    make_pair(fds);
    put(kernel, receive(1, fds[0], &byte));
    submit(kernel);
    close(fds[0]);
    expect_nothing(kernel);
    sqe.addr = 1 << 4;
    put(kernel, sqe);
    expect(kernel, 2, 0);
    expect(kernel, 1, -ECANCELED);
    close(fds[1]);
    kernel->class->destroy(kernel);
}

RING_TEST(fact_what_is_not_to_block_waits_all_the_same)
{
    struct kernel *kernel = open_attached(8, 0);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int fds[2];
    uint64_t value;
    char byte;

    CHECK_GE(fd, 0);
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                        fds));
    put(kernel, receive(1, fds[0], &byte));
    put_read(kernel, 2, fd, &value, sizeof value);
    expect_nothing(kernel);
    CHECK_OK(eventfd_write(fd, 5));
    expect(kernel, 2, sizeof value);
    CHECK_EQ(value, 5);
    CHECK_EQ(send(fds[1], "x", 1, 0), 1);
    expect(kernel, 1, 1);
    close_pair(fds);
    close(fd);
    kernel->class->destroy(kernel);
}

RING_TEST(fact_more_completions_than_the_cq_holds_are_kept)
{
    struct kernel *kernel = open_attached(4, 8);

    for (unsigned i = 0; i < 20; i += 4) {
        for (unsigned n = 0; n < 4; n++)
            put_nop(kernel, i + n);
        CHECK_EQ(ring_sys_enter(kernel->ring_fd, 4, 0, 0, NULL, 0), 4);
    }
    CHECK_EQ(cq_ready(&kernel->cq), 8);
    CHECK(sq_flags(&kernel->sq) & IORING_SQ_CQ_OVERFLOW);
    for (unsigned i = 0; i < 20; i++)
        expect(kernel, i, 0);
    kernel->class->destroy(kernel);
}
