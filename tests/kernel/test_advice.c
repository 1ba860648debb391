/* SPDX-License-Identifier: MIT */
/*
 * What is done about a release with a fault: each choice is as on that Linux
 * when GYRE_LINUX_RELEASE names it. Each test is a process of its own.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "kernel/choose.h"
#include "kernel/facts.h"
#include "kernel/uring/uring.h"
#include "kernel/uring_test.h"
#include "ring/feature.h"

static struct kernel *open_on(const char *release)
{
    CHECK_OK(setenv("GYRE_LINUX_RELEASE", release, 1));
    return open_attached(8, 0);
}

static enum kernel_route look(struct kernel *kernel, struct io_uring_sqe *sqe)
{
    return kernel->class->look(kernel, sqe);
}

/* Where a request of this opcode alone goes. */
static enum kernel_route route(struct kernel *kernel, unsigned opcode)
{
    struct io_uring_sqe sqe = { .opcode = (uint8_t)opcode };
    enum kernel_route first = (enum kernel_route)kernel->route[opcode];

    return first == KERNEL_ROUTE_LOOK ? look(kernel, &sqe) : first;
}

/* ---- one operation beside the ring --------------------------------------- */

RING_TEST(S2_S7_Q4_a_close_with_a_fault_is_done_beside)
{
    struct kernel *kernel = open_on("5.15.89");

    CHECK_EQ(route(kernel, IORING_OP_CLOSE), KERNEL_ROUTE_SIDE);
    CHECK_EQ(route(kernel, IORING_OP_READ), KERNEL_ROUTE_SQ);
    kernel->class->destroy(kernel);
}

RING_TEST(S7_Q4_a_close_without_is_the_ring_s)
{
    struct kernel *kernel = open_on("5.15.100");

    CHECK_EQ(route(kernel, IORING_OP_CLOSE), KERNEL_ROUTE_SQ);
    kernel->class->destroy(kernel);
}

RING_TEST(S2_S7_Q4_futexes_are_waited_for_beside)
{
    if (!test_has("op_futex_wait", 6, 7))
        TEST_SKIP("Linux 6.7 has it first");

    struct kernel *kernel = open_on("6.17.3");

    CHECK_EQ(route(kernel, IORING_OP_FUTEX_WAIT), KERNEL_ROUTE_SIDE);
    CHECK_EQ(route(kernel, IORING_OP_FUTEX_WAITV), KERNEL_ROUTE_SIDE);
    CHECK_EQ(route(kernel, IORING_OP_FUTEX_WAKE), KERNEL_ROUTE_SQ);
    kernel->class->destroy(kernel);
}

RING_TEST(S7_Q4_a_multishot_read_with_a_fault_is_repeated)
{
    if (!test_has("op_read_multishot", 6, 7))
        TEST_SKIP("Linux 6.7 has it first");

    struct kernel *kernel = open_on("6.11.10");
    struct io_uring_sqe read = { .opcode = IORING_OP_READ_MULTISHOT,
                                 .flags = IOSQE_BUFFER_SELECT };

    CHECK_EQ(look(kernel, &read), KERNEL_ROUTE_REPEAT);
    CHECK_EQ(read.opcode, IORING_OP_READ);
    kernel->class->destroy(kernel);
}

RING_TEST(S7_Q4_bundles_out_of_order_are_not_asked_for)
{
    struct kernel *kernel = open_on("6.14.8");
    struct io_uring_sqe bundle = { .opcode = IORING_OP_RECV,
                                   .ioprio = IORING_RECVSEND_BUNDLE };

    CHECK_EQ(look(kernel, &bundle), KERNEL_ROUTE_SQ);
    CHECK_EQ(bundle.ioprio, 0);
    kernel->class->destroy(kernel);
}

RING_TEST(S7_Q4_a_storm_of_ENOBUFS_is_kept_away)
{
    struct kernel *kernel = open_on("6.1.7");
    struct io_uring_sqe multishot = { .opcode = IORING_OP_RECVMSG,
                                      .ioprio = IORING_RECV_MULTISHOT };

    CHECK_EQ(look(kernel, &multishot), KERNEL_ROUTE_SIDE);
    kernel->class->destroy(kernel);
}

/* ---- reads of what is no file: the fault of 6.15.4 ----------------------- */

RING_TEST(S2_S7_Q4_reads_at_no_offset_are_done_beside)
{
    struct kernel *kernel = open_on("6.15.4");
    struct io_uring_sqe read = { .opcode = IORING_OP_READ, .off = UINT64_MAX };
    struct io_uring_sqe at = { .opcode = IORING_OP_READ, .off = 4096 };
    struct io_uring_sqe select = read, fixed = read;
    struct io_uring_sqe vector = { .opcode = IORING_OP_READV,
                                   .off = UINT64_MAX };

    CHECK_EQ(look(kernel, &read), KERNEL_ROUTE_SIDE);
    CHECK_EQ(look(kernel, &vector), KERNEL_ROUTE_SIDE);
    CHECK_EQ(look(kernel, &at), KERNEL_ROUTE_SQ);
    if (!kernel->files_emulated) { /* the emulator has no such file */
        fixed.flags = IOSQE_FIXED_FILE;
        CHECK_EQ(look(kernel, &fixed), KERNEL_ROUTE_SQ);
    }
    if (uring_of(kernel)->opcodes.feature[RING_RECV_MULTISHOT]) {
        select.flags = IOSQE_BUFFER_SELECT; /* nor such a buffer */
        CHECK_EQ(look(kernel, &select), KERNEL_ROUTE_SQ);
    }
    kernel->class->destroy(kernel);
}

/* Into a buffer larger than what an eventfd gives; 6.15.4 waits for more. */
RING_TEST(S2_S7_Q4_an_eventfd_is_read_beside)
{
    struct kernel *kernel = open_on("6.15.4");
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t buffer[4] = { 0 };
    struct io_uring_sqe sqe = { .opcode = IORING_OP_READ,
                                .fd = fd,
                                .addr = (uintptr_t)buffer,
                                .len = sizeof buffer,
                                .off = UINT64_MAX,
                                .user_data = 0x50 };

    CHECK_EQ(look(kernel, &sqe), KERNEL_ROUTE_SIDE);
    CHECK_OK(kernel->class->side(kernel, &sqe, 1));
    CHECK_OK(eventfd_write(fd, 7));
    struct io_uring_cqe cqe = next(kernel);

    CHECK_EQ(cqe.user_data, 0x50u);
    CHECK_EQ(cqe.res, 8);
    CHECK_EQ(buffer[0], 7u);
    kernel->class->destroy(kernel);
    close(fd);
}

/* ---- waits with a limit of time ------------------------------------------ */

static void wait_until(struct kernel *kernel, uint64_t deadline_ns)
{
    struct io_uring_cqe cqe;
    unsigned turns = 0;

    while (now(kernel) < deadline_ns) {
        int err = enter(kernel, 0, 1, deadline_ns);

        CHECK(err == 0 || err == -ETIME);
        CHECK(!take(kernel, &cqe));
        CHECK_LT(turns++, 1000u); /* it sleeps */
    }
}

RING_TEST(S7_Q4_A12_the_limit_of_a_wait_is_a_request_where_it_must_be)
{
    struct kernel *kernel = open_on("5.15.99");
    struct uring *uring = uring_of(kernel);

    for (unsigned i = 0; i < 10; i++) {
        uint64_t deadline_ns = now(kernel) + i * MS / 4;

        wait_until(kernel, deadline_ns);
        CHECK_GE(now(kernel), deadline_ns);
    }
    CHECK_EQ((int)enter(kernel, 0, 1, now(kernel) + 100 * MS) > 0, 0);
    CHECK_EQ((int)uring->watch[URING_WATCH_LIMIT], (int)WATCH_ARMED);
    check_nop_works(kernel);
    kernel->class->destroy(kernel);
}

RING_TEST(S7_Q4_linux_s_own_limit_is_used_where_it_is_good)
{
    if (!test_has("timed_wait", 5, 15))
        TEST_SKIP("taken away by hand");

    struct kernel *kernel = open_on("5.15.100");

    CHECK_EQ(enter(kernel, 0, 1, now(kernel) + MS), -ETIME);
    CHECK_EQ((int)uring_of(kernel)->watch[URING_WATCH_LIMIT], (int)WATCH_OFF);
    kernel->class->destroy(kernel);
}

/* Later, then earlier, than the one that is armed. */
RING_TEST(S7_Q4_A12_a_limit_moves)
{
    struct kernel *kernel = open_on("5.15.50");
    struct io_uring_cqe cqe;
    uint64_t far_ns = now(kernel) + 3600 * UINT64_C(1000) * MS;
    uint64_t soon_ns;

    put_nop(kernel, 3);
    CHECK_EQ(enter(kernel, 1, 1, far_ns), 1); /* armed, and not waited for */
    CHECK(take(kernel, &cqe));
    CHECK_EQ(cqe.user_data, 3u << 4);
    soon_ns = now(kernel) + 2 * MS;
    wait_until(kernel, soon_ns); /* or the test's time-out ends it */
    put_nop(kernel, 4);
    CHECK_EQ(enter(kernel, 1, 1, far_ns), 1);
    while (!take(kernel, &cqe))
        CHECK_GE(enter(kernel, 0, 1, far_ns), -ETIME);
    CHECK_EQ(cqe.user_data, 4u << 4);
    kernel->class->destroy(kernel); /* with one in flight */
}

/* A thread of Linux's takes the requests, also this one. */
RING_TEST(S7_Q4_A12_a_limit_with_sqpoll)
{
    struct kernel_options options = { .entries = 8, .ring.sqpoll = true };
    struct kernel *kernel;
    uint64_t deadline_ns;

    if (!test_has("sqpoll", 5, 13))
        TEST_SKIP("Linux gives it to all from 5.13 on");
    CHECK_OK(setenv("GYRE_LINUX_RELEASE", "5.15.50", 1));
    CHECK_OK(uring_open(&kernel, &options));
    CHECK_OK(kernel->class->attach(kernel));
    put_nop(kernel, 5);
    deadline_ns = now(kernel) + 2 * MS;
    CHECK_EQ(enter(kernel, 1, 1, deadline_ns), 1);
    CHECK_EQ(next(kernel).user_data, 5u << 4);
    wait_until(kernel, deadline_ns);
    CHECK_GE(now(kernel), deadline_ns);
    wait_until(kernel, deadline_ns + MS);
    kernel->class->destroy(kernel);
}

/* ---- the ring as a whole ------------------------------------------------- */

/* Another reason comes first: what was not allowed need not be trusted. */
static void need_io_uring(void)
{
    if (strncmp(kernel_chosen_reason(), "io_uring_", 9) == 0)
        TEST_SKIP("io_uring is refused here");
}

TEST(S3_S7_Q4_a_ring_with_a_fault_is_not_used)
{
    struct facts facts;

    CHECK_OK(setenv("GYRE_LINUX_RELEASE", "5.15.75", 1));
    CHECK_STR_EQ(kernel_chosen_name(), "emu");
    need_io_uring();
    CHECK_STR_HAS(kernel_chosen_reason(), "5.15.75: polls lose events");
    CHECK_STR_HAS(kernel_chosen_reason(), "lxd#11228");
    facts_collect(&facts);
    CHECK_STR_EQ(facts.kernel, "emu");
    CHECK_STR_EQ(facts.release, "5.15.75");
    CHECK_OK(facts.error_code);
}

TEST(S7_Q4_machines_with_a_fault_get_no_ring)
{
    CHECK_OK(setenv("GYRE_LINUX_RELEASE", "6.1.50 armv7l", 1));
    CHECK_STR_EQ(kernel_chosen_name(), "emu");
}

TEST(S7_Q4_before_5_15_there_is_no_ring)
{
    CHECK_OK(setenv("GYRE_LINUX_RELEASE", "5.14.21", 1));
    CHECK_STR_EQ(kernel_chosen_name(), "emu");
    need_io_uring();
    CHECK_STR_HAS(kernel_chosen_reason(), "5.14.21");
}

TEST(S7_who_asks_for_the_ring_gets_it_all_the_same)
{
    CHECK_OK(setenv("GYRE_LINUX_RELEASE", "5.15.75", 1));
    CHECK_OK(setenv("GYRE_KERNEL", "uring", 1));
    CHECK_STR_EQ(kernel_chosen_name(), "uring");
}

/* ---- SQPOLL -------------------------------------------------------------- */

static int open_sqpoll(const char *release, const char **why)
{
    struct kernel_options options = { .entries = 8,
                                      .ring.sqpoll = true,
                                      .why = why };
    struct kernel *kernel;

    CHECK_OK(setenv("GYRE_LINUX_RELEASE", release, 1));
    int err = uring_open(&kernel, &options);

    if (err == 0)
        kernel->class->destroy(kernel);
    return err;
}

RING_TEST(S7_Q4_a_thread_that_outlives_its_process_is_refused)
{
    const char *why = "";

    CHECK_ERR(open_sqpoll("6.8.0-94-generic", &why), -EOPNOTSUPP);
    CHECK_STR_HAS(why, "sqpoll: ");
    CHECK_STR_HAS(why, "gyre doctor");
}

RING_TEST(S7_a_thread_without_a_fault_is_not)
{
    const char *why = "";

    if (!test_has("sqpoll", 5, 13))
        TEST_SKIP("Linux gives it to all from 5.13 on");
    if (open_sqpoll("6.8.12", &why) == -EPERM)
        TEST_SKIP("SQPOLL needs privileges here");
    CHECK_STR_EQ(why, "");
}
