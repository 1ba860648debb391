/* SPDX-License-Identifier: MIT */
/*
 * test_emu_time.c - the emulator's timeouts and cancels
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ring/abi_register.h"
#include "runner/patient.h"
#include "runner/test.h"
#include "test_emu_world.h"

#define MS 1000000

TEST(emu_timeouts_are_never_early_and_come_in_order)
{
    enum { COUNT = 50 };
    struct kernel *k = world_open(64, 0, 0);
    uint64_t start_ns = now_ns(), last = 0;

    /* A tick apart at least, written in another order. */
    for (uint64_t i = 0; i < COUNT; i++) {
        uint64_t place = (i * 17 + 5) % COUNT + 1;
        struct ring_timespec time = { 0, (int64_t)place * 100000 };

        put(k, IORING_OP_TIMEOUT, -1, &time, 1, place);
        enter(k, 0); /* reads the time, which goes out of scope */
    }
    for (int i = 0; i < COUNT; i++) {
        struct io_uring_cqe cqe;

        enter(k, 1);
        cqe = take(k);
        CHECK_ERR(cqe.res, -ETIME);
        CHECK_GE(now_ns(), start_ns + cqe.user_data * 100000);
        last = cqe.user_data;
    }
    CHECK_GT(last, 0u);
    world_close(k);
}

TEST(emu_absolute_timeouts)
{
    struct kernel *k = world_open(8, 0, 0);
    uint64_t at_ns = now_ns() + 5 * MS;
    struct ring_timespec time = { (int64_t)(at_ns / 1000000000),
                                  (int64_t)(at_ns % 1000000000) };
    struct ring_timespec past = { 0, 1 }, first = time, second = time;

    second.tv_nsec += 2 * MS;
    put(k, IORING_OP_TIMEOUT, -1, &second, 1, 2)->timeout_flags =
        IORING_TIMEOUT_ABS;
    put(k, IORING_OP_TIMEOUT, -1, &first, 1, 1)->timeout_flags =
        IORING_TIMEOUT_ABS;
    put(k, IORING_OP_TIMEOUT, -1, &past, 1, 3)->timeout_flags =
        IORING_TIMEOUT_ABS;
    expect(k, 3, -ETIME);
    expect(k, 1, -ETIME);
    CHECK_GE(now_ns(), at_ns);
    expect(k, 2, -ETIME);
    world_close(k);
}

static struct ring_timespec on_clock(clockid_t id, int64_t plus_ns)
{
    struct timespec now;
    int64_t ns;

    CHECK_OK(clock_gettime(id, &now));
    ns = now.tv_nsec + plus_ns;
    return (struct ring_timespec){ now.tv_sec + ns / 1000000000,
                                   ns % 1000000000 };
}

static bool has_passed(clockid_t id, const struct ring_timespec *time)
{
    struct ring_timespec now = on_clock(id, 0);

    return now.tv_sec > time->tv_sec ||
           (now.tv_sec == time->tv_sec && now.tv_nsec >= time->tv_nsec);
}

TEST(emu_F4_absolute_timeouts_on_every_clock)
{
    static const struct {
        clockid_t id;
        uint32_t flag;
    } clocks[] = { { CLOCK_MONOTONIC, 0 },
                   { CLOCK_BOOTTIME, IORING_TIMEOUT_BOOTTIME },
                   { CLOCK_REALTIME, IORING_TIMEOUT_REALTIME } };
    struct kernel *k = world_open(8, 0, 0);

    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        uint32_t flags = IORING_TIMEOUT_ABS | clocks[i].flag;
        struct ring_timespec late = on_clock(clocks[i].id, 12 * MS);
        struct ring_timespec soon = on_clock(clocks[i].id, 6 * MS);
        struct ring_timespec past = on_clock(clocks[i].id, 0);
        struct ring_timespec far = on_clock(clocks[i].id, 1000000000000);

        put(k, IORING_OP_TIMEOUT, -1, &late, 1, 1)->timeout_flags = flags;
        put(k, IORING_OP_TIMEOUT, -1, &far, 1, 4)->timeout_flags = flags;
        put(k, IORING_OP_TIMEOUT, -1, &soon, 1, 2)->timeout_flags = flags;
        put(k, IORING_OP_TIMEOUT, -1, &past, 1, 3)->timeout_flags = flags;
        expect(k, 3, -ETIME);
        expect(k, 2, -ETIME);
        CHECK(has_passed(clocks[i].id, &soon));
        expect(k, 1, -ETIME);
        CHECK(has_passed(clocks[i].id, &late));
        cancel(k, 4);
    }
    world_close(k);
}

TEST(emu_F6_timeouts_repeat_on_every_clock)
{
    static const uint32_t clocks[] = { 0, IORING_TIMEOUT_BOOTTIME,
                                       IORING_TIMEOUT_REALTIME };
    struct kernel *k = world_open(8, 0, 0);
    struct ring_timespec time = { 0, MS };

    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        struct io_uring_sqe *sqe = put(k, IORING_OP_TIMEOUT, -1, &time, 1, 1);
        uint64_t start_ns = now_ns();

        sqe->timeout_flags = IORING_TIMEOUT_MULTISHOT | clocks[i];
        sqe->off = 3;
        for (uint64_t n = 1; n <= 3; n++) {
            struct io_uring_cqe cqe;

            enter(k, 1);
            cqe = take(k);
            CHECK_ERR(cqe.res, -ETIME);
            CHECK_EQ(cqe.flags, n < 3 ? IORING_CQE_F_MORE : 0u);
            CHECK_GE(now_ns(), start_ns + n * MS);
        }
        expect_nothing(k);
    }
    world_close(k);
}

TEST(emu_F8_an_update_stays_on_the_clock_of_its_timeout)
{
    struct kernel *k = world_open(8, 0, 0);
    struct ring_timespec far = { 100, 0 };
    struct ring_timespec soon = on_clock(CLOCK_REALTIME, 4 * MS);
    struct io_uring_sqe *sqe;

    put(k, IORING_OP_TIMEOUT, -1, &far, 1, 1)->timeout_flags =
        IORING_TIMEOUT_REALTIME;
    sqe = put(k, IORING_OP_TIMEOUT_REMOVE, -1, (void *)1, 0, 2);
    sqe->timeout_flags = IORING_TIMEOUT_UPDATE | IORING_TIMEOUT_ABS;
    sqe->addr2 = (uintptr_t)&soon;
    expect(k, 2, 0);
    expect(k, 1, -ETIME);
    CHECK(has_passed(CLOCK_REALTIME, &soon));

    /* As on Linux, the clock is not the update's to choose. */
    put(k, IORING_OP_TIMEOUT, -1, &far, 1, 3);
    sqe = put(k, IORING_OP_TIMEOUT_REMOVE, -1, (void *)3, 0, 4);
    sqe->timeout_flags = IORING_TIMEOUT_UPDATE | IORING_TIMEOUT_BOOTTIME;
    sqe->addr2 = (uintptr_t)&soon;
    expect(k, 4, -EINVAL);
    cancel(k, 3);
    world_close(k);
}

TEST(emu_counted_timeouts_count_what_is_no_timeout)
{
    struct kernel *k = world_open(16, 0, 0);
    struct ring_timespec far = { 100, 0 }, near = { 0, 1 };

    put(k, IORING_OP_TIMEOUT, -1, &far, 1, 1)->off = 2;
    put(k, IORING_OP_TIMEOUT, -1, &far, 1, 2)->off = 1;
    put(k, IORING_OP_TIMEOUT, -1, &near, 1, 3);
    expect(k, 3, -ETIME);
    expect_nothing(k);
    put(k, IORING_OP_NOP, -1, NULL, 0, 4);
    enter(k, 2);
    expect(k, 4, 0);
    expect(k, 2, 0);
    expect_nothing(k);
    put(k, IORING_OP_NOP, -1, NULL, 0, 5);
    enter(k, 2);
    expect(k, 5, 0);
    expect(k, 1, 0);

    /* The time may come first. */
    put(k, IORING_OP_TIMEOUT, -1, &near, 1, 6)->off = 5;
    expect(k, 6, -ETIME);
    world_close(k);
}

TEST(emu_multishot_timeouts_repeat)
{
    struct kernel *k = world_open(8, 0, 0);
    struct ring_timespec time = { 0, MS };
    struct io_uring_sqe *sqe;
    uint64_t start_ns = now_ns();

    sqe = put(k, IORING_OP_TIMEOUT, -1, &time, 1, 1);
    sqe->timeout_flags = IORING_TIMEOUT_MULTISHOT;
    sqe->off = 3;
    for (uint64_t i = 1; i <= 3; i++) {
        struct io_uring_cqe cqe;

        enter(k, 1);
        cqe = take(k);
        CHECK_ERR(cqe.res, -ETIME);
        CHECK_EQ(cqe.flags, i < 3 ? IORING_CQE_F_MORE : 0u);
        CHECK_GE(now_ns(), start_ns + i * MS);
    }

    /* Without an end, until it is cancelled; the CQ may be full meanwhile. */
    put(k, IORING_OP_TIMEOUT, -1, &time, 1, 2)->timeout_flags =
        IORING_TIMEOUT_MULTISHOT;
    while (cq_ready(&k->cq) < k->cq.entries)
        enter(k, cq_ready(&k->cq) + 1);
    while ((sq_flags(&k->sq) & IORING_SQ_CQ_OVERFLOW) == 0)
        (void)k->class->enter(k, 0, 0, KERNEL_NO_WAIT);
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)2, 0, 3);
    enter(k, 0);
    for (bool last = false, cancelled = false; !last || !cancelled;) {
        struct io_uring_cqe cqe;

        enter(k, 1);
        cqe = take(k);
        if (cqe.user_data == 3) {
            CHECK_EQ(cqe.res, 0);
            cancelled = true;
        } else if (cqe.flags == 0) {
            CHECK_ERR(cqe.res, -ECANCELED);
            CHECK(cancelled);
            last = true;
        } else {
            CHECK_ERR(cqe.res, -ETIME);
            CHECK(!last);
        }
    }
    world_close(k);
}

TEST(emu_timeouts_are_removed_and_updated)
{
    struct kernel *k = world_open(8, 0, 0);
    struct ring_timespec far = { 100, 0 }, near = { 0, MS };
    struct io_uring_sqe *sqe;

    put(k, IORING_OP_TIMEOUT, -1, &far, 1, 1);
    put(k, IORING_OP_TIMEOUT_REMOVE, -1, (void *)1, 0, 2);
    enter(k, 2);
    expect(k, 2, 0);
    expect(k, 1, -ECANCELED);
    put(k, IORING_OP_TIMEOUT_REMOVE, -1, (void *)1, 0, 3);
    expect(k, 3, -ENOENT);

    put(k, IORING_OP_TIMEOUT, -1, &far, 1, 4);
    sqe = put(k, IORING_OP_TIMEOUT_REMOVE, -1, (void *)4, 0, 5);
    sqe->timeout_flags = IORING_TIMEOUT_UPDATE;
    sqe->addr2 = (uintptr_t)&near;
    enter(k, 2);
    expect(k, 5, 0);
    expect(k, 4, -ETIME);
    sqe = put(k, IORING_OP_TIMEOUT_REMOVE, -1, (void *)4, 0, 6);
    sqe->timeout_flags = IORING_TIMEOUT_UPDATE;
    sqe->addr2 = (uintptr_t)&near;
    expect(k, 6, -ENOENT);
    sqe = put(k, IORING_OP_TIMEOUT_REMOVE, -1, (void *)4, 0, 7);
    sqe->timeout_flags = IORING_TIMEOUT_UPDATE;
    expect(k, 7, -EFAULT);
    world_close(k);
}

TEST(emu_timeouts_with_wrong_fields_are_refused)
{
    struct kernel *k = world_open(8, 0, 0);
    struct ring_timespec time = { 0, 1 }, negative = { -1, 0 };
    struct ring_timespec wide = { 0, 2000000000 };
    static const uint32_t flags[] = {
        IORING_TIMEOUT_ABS | IORING_TIMEOUT_MULTISHOT,
        IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME,
        0x8000,
    };

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        put(k, IORING_OP_TIMEOUT, -1, &time, 1, 1)->timeout_flags = flags[i];
        expect(k, 1, -EINVAL);
    }
    put(k, IORING_OP_TIMEOUT, -1, &time, 2, 2);
    expect(k, 2, -EINVAL);
    put(k, IORING_OP_TIMEOUT, -1, &negative, 1, 3);
    expect(k, 3, -EINVAL);
    put(k, IORING_OP_TIMEOUT, -1, NULL, 1, 4);
    expect(k, 4, -EFAULT);
    put(k, IORING_OP_TIMEOUT, -1, &wide, 1, 5); /* accepted, as on Linux */
    expect_nothing(k);
    cancel(k, 5);
    put(k, IORING_OP_TIMEOUT, -1, &time, 1, 6)->timeout_flags =
        IORING_TIMEOUT_REALTIME;
    expect(k, 6, -ETIME);
    world_close(k);
}

TEST(emu_cancel_finds_what_waits)
{
    struct kernel *k = world_open(8, 0, 0);
    struct ring_timespec far = { 100, 0 };
    char byte;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECV, fds[0], &byte, 1, 1);
    put(k, IORING_OP_POLL_ADD, fds[0], NULL, 0, 2)->poll32_events = POLLIN;
    put(k, IORING_OP_TIMEOUT, -1, &far, 1, 3);
    expect_nothing(k);
    cancel(k, 1);
    cancel(k, 2);
    cancel(k, 3);
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)1, 0, 4);
    expect(k, 4, -ENOENT);
    put(k, IORING_OP_NOP, -1, NULL, 0, 5);
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)5, 0, 6);
    enter(k, 2);
    expect(k, 5, 0);
    expect(k, 6, -ENOENT); /* it is done */

    /* The bytes that were not received are still there. */
    CHECK_EQ(write(fds[1], "x", 1), 1);
    put(k, IORING_OP_RECV, fds[0], &byte, 1, 7);
    expect(k, 7, 1);
    close_pair(fds);
    world_close(k);
}

static int pass_when_open(void *arg)
{
    atomic_int *gate = arg;

    atomic_fetch_add(gate, 1);
    while (atomic_load(gate) < 100)
        sched_yield();
    return 42;
}

TEST(emu_cancel_of_calls_depends_on_whether_they_run)
{
    struct kernel *k = world_open(8, 0, 1);
    atomic_int gate = 0;

    put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)pass_when_open, 0, 1)->off =
        (uintptr_t)&gate;
    put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)pass_when_open, 0, 2)->off =
        (uintptr_t)&gate;
    expect_nothing(k);
    while (atomic_load(&gate) == 0)
        sched_yield();
    cancel(k, 2); /* still in the queue */
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)1, 0, 3);
    expect(k, 3, -EALREADY);
    atomic_store(&gate, 100);
    expect(k, 1, 42);
    CHECK_EQ(atomic_load(&gate), 100); /* the second never ran */
    world_close(k);
}

/*
 * A thread reads the file (of which Linux cannot tell that it is in memory),
 * finds the socket full, and gives the request back to wait: whether the cancel
 * comes before, meanwhile or after, the request ends.
 */
TEST(G4_emu_cancel_is_not_lost_on_what_returns_from_a_thread)
{
    struct kernel *k = world_open(8, 0, 1);
    int fds[2], file = memfd_create("file", MFD_CLOEXEC);
    char bytes[4096] = { 0 };
    int results[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_EQ(write(file, bytes, sizeof bytes), (ssize_t)sizeof bytes);
    while (send(fds[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    for (unsigned i = 0; i < 200; i++) {
        put(k, KERNEL_OP_SENDFILE, fds[0], NULL, sizeof bytes, 0)
            ->splice_fd_in = file;
        enter(k, 0);
        for (unsigned spin = 0; spin < i % 20; spin++)
            sched_yield();
        put(k, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, 1);
        collect(k, 2, results);
        CHECK_ERR(results[0], -ECANCELED);
        CHECK(results[1] == 0 || results[1] == -EALREADY);
    }
    close(file);
    close_pair(fds);
    world_close(k);
}

/* Who waits: two receives on one end, a poll on the other, a timeout. */
static void start_four(struct kernel *k, const int fds[2], char *byte)
{
    struct ring_timespec far = { 100, 0 };

    put(k, IORING_OP_RECV, fds[0], byte, 1, 1);
    put(k, IORING_OP_RECV, fds[0], byte, 1, 2);
    put(k, IORING_OP_POLL_ADD, fds[1], NULL, 0, 3)->poll32_events = POLLIN;
    put(k, IORING_OP_TIMEOUT, -1, &far, 1, 4);
    expect_nothing(k);
}

static void cancel_rest(struct kernel *k, int expected)
{
    put(k, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, 10)->cancel_flags =
        IORING_ASYNC_CANCEL_ANY;
    expect(k, 10, expected);
    for (; expected > 0; expected--) {
        enter(k, 1);
        CHECK_ERR(take(k).res, -ECANCELED);
    }
}

TEST(emu_cancel_by_fd_op_all_and_any)
{
    static const struct {
        uint32_t flags, opcode, id;
        int result;    /* of the cancel */
        unsigned ends; /* the requests that end, by bit */
    } cases[] = {
        { IORING_ASYNC_CANCEL_FD, 0, 0, 0, 1 << 1 },
        { IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL, 0, 0, 2,
          1 << 1 | 1 << 2 },
        { IORING_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_ALL, IORING_OP_POLL_ADD,
          0, 1, 1 << 3 },
        { IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_USERDATA |
              IORING_ASYNC_CANCEL_ALL,
          0, 2, 1, 1 << 2 },
        { IORING_ASYNC_CANCEL_ANY, 0, 0, 4, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 },
    };
    struct kernel *k = world_open(16, 0, 0);
    char byte;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned ends = cases[i].ends;

        start_four(k, fds, &byte);
        put(k, IORING_OP_ASYNC_CANCEL, fds[0], (void *)(uintptr_t)cases[i].id,
            cases[i].opcode, 9)
            ->cancel_flags = cases[i].flags;
        expect(k, 9, cases[i].result);
        while (ends != 0) {
            struct io_uring_cqe cqe = take(k);

            CHECK_ERR(cqe.res, -ECANCELED);
            CHECK((ends & 1u << cqe.user_data) != 0);
            ends &= ~(1u << cqe.user_data);
        }
        cancel_rest(k, 4 - __builtin_popcount(cases[i].ends));
    }
    close_pair(fds);
    world_close(k);
}

TEST(emu_cancel_with_wrong_keys)
{
    struct kernel *k = world_open(16, 0, 0);

    cancel_rest(k, 0); /* to find none is no error here */
    put(k, IORING_OP_ASYNC_CANCEL, 9999, NULL, 0, 2)->cancel_flags =
        IORING_ASYNC_CANCEL_FD;
    expect(k, 2, -EBADF);
    put(k, IORING_OP_ASYNC_CANCEL, 0, NULL, 0, 3)->cancel_flags =
        IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ANY;
    expect(k, 3, -EINVAL);
    world_close(k);
}

/* The one in front leaves the line. */
TEST(emu_cancel_of_a_reader_lets_the_next_one_read)
{
    struct kernel *k = world_open(8, 0, 0);
    char got[2] = "";
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECV, fds[0], &got[0], 1, 1);
    put(k, IORING_OP_RECV, fds[0], &got[1], 1, 2);
    expect_nothing(k);
    cancel(k, 1);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    expect(k, 2, 1);
    CHECK_EQ(got[1], 'x');
    close_pair(fds);
    world_close(k);
}

static int sync_cancel(struct kernel *k, uint64_t id, uint32_t flags, int fd,
                       int64_t limit_ns)
{
    struct io_uring_sync_cancel_reg reg = {
        .addr = id, .fd = fd, .flags = flags, .timeout = { -1, -1 }
    };
    int result;

    if (limit_ns >= 0)
        reg.timeout = (struct ring_timespec){ 0, limit_ns };
    do {
        result = k->class->reg(k, IORING_REGISTER_SYNC_CANCEL, &reg, 1);
    } while (result == -EINTR);
    return result;
}

struct gate {
    int in, out;
};

static int pass_gate(void *arg)
{
    struct gate *gate = arg;
    char byte = 'x';

    if (write(gate->out, &byte, 1) != 1)
        return -EIO;
    return (int)read(gate->in, &byte, 1);
}

static void *open_gate(void *arg)
{
    struct timespec moment = { .tv_nsec = 5 * MS };
    int *fd = arg;

    nanosleep(&moment, NULL);
    CHECK_EQ(write(*fd, "y", 1), 1);
    return NULL;
}

TEST(G6_S1_emu_synchronous_cancel)
{
    struct kernel *k = world_open(8, 0, 0);
    struct ring_timespec far = { 100, 0 };
    int gate_in[2], gate_out[2];
    struct gate gate;
    uint64_t start_ns;
    pthread_t helper;
    char byte;

    CHECK_ERR(sync_cancel(k, 1, 0, -1, -1), -ENOENT);
    CHECK_EQ(sync_cancel(k, 1, IORING_ASYNC_CANCEL_ALL, -1, -1), 0);
    CHECK_ERR(sync_cancel(k, 1, 1U << 9, -1, -1), -EINVAL);
    CHECK_ERR(sync_cancel(k, 1, IORING_ASYNC_CANCEL_FD, -1, -1), -EBADF);
    put(k, IORING_OP_TIMEOUT, -1, &far, 1, 1);
    expect_nothing(k);
    CHECK_EQ(sync_cancel(k, 1, 0, -1, -1), 0);
    expect(k, 1, -ECANCELED);
    put(k, IORING_OP_TIMEOUT, -1, &far, 1, 1);
    put(k, IORING_OP_TIMEOUT, -1, &far, 1, 2);
    expect_nothing(k);
    CHECK_EQ(sync_cancel(k, 0, IORING_ASYNC_CANCEL_ANY, -1, -1), 2);
    expect(k, 1, -ECANCELED);
    expect(k, 2, -ECANCELED);

    /* What runs on a thread: until the limit, and until its end. */
    make_pipe(gate_in, 0);
    make_pipe(gate_out, 0);
    gate = (struct gate){ .in = gate_in[0], .out = gate_out[1] };
    put(k, KERNEL_OP_CALL, -1, (void *)pass_gate, 0, 3)->off = (uintptr_t)&gate;
    enter(k, 0);
    CHECK_EQ(patient_read(gate_out[0], &byte, 1), 1);
    start_ns = now_ns();
    CHECK_ERR(sync_cancel(k, 3, 0, -1, 3 * MS), -ETIME);
    CHECK_GE(now_ns(), start_ns + 3 * MS);
    CHECK_OK(pthread_create(&helper, NULL, open_gate, &gate_in[1]));
    CHECK_OK(sync_cancel(k, 3, 0, -1, -1));
    expect(k, 3, 1);
    CHECK_OK(pthread_join(helper, NULL));
    close_pair(gate_in);
    close_pair(gate_out);
    world_close(k);
}
