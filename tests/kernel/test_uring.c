/* SPDX-License-Identifier: MIT */
/*
 * Linux's io_uring as a kernel, on every rung of the setup ladder: what enter()
 * promises, the two things that end its sleep from outside, and the
 * co-processor.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/assert.h"
#include "kernel/deny.h"
#include "kernel/emu/emu.h"
#include "kernel/memory.h"
#include "kernel/uring_test.h"
#include "ring/abi_register.h"
#include "ring/feature.h"
#include "runner/test.h"

RING_TEST(A12_one_call_submits_and_waits)
{
    struct kernel *kernel = open_attached(8, 0);
    struct io_uring_cqe cqe;

    put_nop(kernel, 1);
    CHECK_EQ(enter(kernel, 1, 1, KERNEL_FOREVER), 1);
    CHECK(take(kernel, &cqe));
    CHECK_EQ(cqe.user_data, 1u << 4);
    kernel->class->destroy(kernel);
}

RING_TEST(A13_a_batch_goes_in_and_comes_back_in_one_call)
{
    struct kernel *kernel = open_attached(32, 0);
    struct io_uring_cqe cqe;

    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 32; i++)
            put_nop(kernel, i);
        CHECK_EQ(sq_room(&kernel->sq), 0u);
        CHECK_EQ(enter(kernel, 32, 32, KERNEL_FOREVER), 32);
        for (unsigned i = 0; i < 32; i++) {
            CHECK(take(kernel, &cqe));
            CHECK_EQ(cqe.user_data, (uint64_t)i << 4);
        }
    }
    kernel->class->destroy(kernel);
}

RING_TEST(A13_only_what_is_asked_for_is_taken)
{
    struct kernel *kernel = open_attached(8, 0);

    for (unsigned i = 0; i < 5; i++)
        put_nop(kernel, i);
    CHECK_EQ(enter(kernel, 2, 0, KERNEL_NO_WAIT), 2);
    CHECK_EQ(sq_used(&kernel->sq), 3u);
    CHECK_EQ(enter(kernel, 3, 0, KERNEL_NO_WAIT), 3);
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(next(kernel).user_data, (uint64_t)i << 4);
    kernel->class->destroy(kernel);
}

RING_TEST(A12_the_deadline_ends_the_wait_and_never_early)
{
    struct kernel *kernel = open_attached(8, 0);

    for (unsigned i = 0; i < 20; i++) {
        uint64_t deadline_ns = now(kernel) + i * MS / 4;
        struct io_uring_cqe cqe;
        int err;

        do {
            CHECK(!take(kernel, &cqe));
            err = enter(kernel, 0, 1, deadline_ns);
            CHECK(err == -ETIME || err == 0); /* 0: early for no reason */
        } while (err != -ETIME);
        CHECK_GE(now(kernel), deadline_ns);
        CHECK(!take(kernel, &cqe));
    }
    CHECK_ERR(enter(kernel, 0, 1, 1), -ETIME); /* long past */
    kernel->class->destroy(kernel);
}

RING_TEST(A12_a_deadline_does_not_hide_what_was_taken)
{
    struct kernel *kernel = open_attached(8, 0);
    int fds[2];
    char byte;

    CHECK_OK(pipe2(fds, O_CLOEXEC));
    put_read(kernel, 1, fds[0], &byte, 1);
    CHECK_EQ(enter(kernel, 1, 1, now(kernel) + MS), 1);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(next(kernel).res, 1);
    close(fds[0]);
    close(fds[1]);
    kernel->class->destroy(kernel);
}

static void on_alarm(int number)
{
    (void)number;
}

/* SIGALRM every `us` microseconds, without SA_RESTART; 0: no more. */
static void alarm_every(unsigned us)
{
    struct sigaction action = { .sa_handler = on_alarm };
    struct itimerval timer = { .it_interval.tv_usec = us,
                               .it_value.tv_usec = us };

    CHECK_OK(sigaction(SIGALRM, &action, NULL));
    CHECK_OK(setitimer(ITIMER_REAL, &timer, NULL));
}

RING_TEST(A14_a_signal_ends_the_wait)
{
    struct kernel *kernel = open_attached(8, 0);

    alarm_every(2000);
    for (unsigned i = 0; i < 10; i++) {
        int err;

        do {
            err = kernel->class->enter(kernel, 0, 1, KERNEL_FOREVER);
        } while (err == 0); /* early for no reason */
        CHECK_ERR(err, -EINTR);
    }
    alarm_every(0);
    check_nop_works(kernel);
    kernel->class->destroy(kernel);
}

RING_TEST(A14_under_a_rain_of_signals_nothing_is_lost_or_doubled)
{
    struct kernel *kernel = open_attached(8, 0);
    unsigned rounds = 2000 / test_scale();

    alarm_every(150);
    for (uint64_t i = 0; i < rounds; i++) {
        put_nop(kernel, i);
        while (sq_used(&kernel->sq) != 0) {
            int taken = kernel->class->enter(kernel, 1, 1, KERNEL_FOREVER);

            CHECK(taken == 1 || taken == -EINTR);
        }
        CHECK_EQ(next(kernel).user_data, i << 4);
    }
    alarm_every(0);
    CHECK_EQ(cq_ready(&kernel->cq), 0u);
    kernel->class->destroy(kernel);
}

RING_TEST(A13_a_cq_that_overflows_loses_nothing)
{
    struct kernel *kernel = open_attached(1, 2);
    struct io_uring_cqe cqe;
    uint64_t sent = 0;
    uint64_t received = 0;

    CHECK_EQ(kernel->cq.entries, 2u);
    while (sent < 40) {
        put_nop(kernel, sent);
        int taken = enter(kernel, 1, 0, KERNEL_NO_WAIT);

        if (taken == 1) {
            sent++;
            continue;
        }
        /* "reap first": this Linux holds back instead of keeping. */
        CHECK_ERR(taken, -EBUSY);
        kernel->sq.filled--;
        sq_publish(&kernel->sq);
        while (take(kernel, &cqe))
            CHECK_EQ(cqe.user_data, received++ << 4);
        CHECK_GE(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
    }
    while (received < 40) {
        while (take(kernel, &cqe))
            CHECK_EQ(cqe.user_data, received++ << 4);
        if (received < 40)
            CHECK_GE(enter(kernel, 0, 1, KERNEL_FOREVER), 0);
    }
    CHECK_GE(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
    CHECK_EQ(sq_flags(&kernel->sq) & IORING_SQ_CQ_OVERFLOW, 0u);
    CHECK(!take(kernel, &cqe));
    kernel->class->destroy(kernel);
}

static void *enter_elsewhere(void *argument)
{
    struct kernel *kernel = argument;

    CHECK_ERR(enter(kernel, 1, 0, KERNEL_NO_WAIT), -EEXIST);
    return NULL;
}

RING_TEST(A7_another_thread_than_the_owner_is_refused)
{
    struct kernel *kernel = open_attached(8, 0);
    pthread_t thread;

    put_nop(kernel, 3);
    CHECK_OK(pthread_create(&thread, NULL, enter_elsewhere, kernel));
    CHECK_OK(pthread_join(thread, NULL));
    CHECK_EQ(sq_used(&kernel->sq), 1u);
    CHECK_EQ(enter(kernel, 1, 1, KERNEL_FOREVER), 1);
    CHECK_EQ(next(kernel).user_data, 3u << 4);
    kernel->class->destroy(kernel);
}

static void *run_elsewhere(void *argument)
{
    struct kernel *kernel = argument;

    CHECK_OK(kernel->class->attach(kernel));
    check_nop_works(kernel);
    kernel->class->destroy(kernel);
    return NULL;
}

RING_TEST(A7_a_ring_belongs_to_the_thread_that_attaches)
{
    struct kernel *kernel = open_ring(8, 0);
    pthread_t thread;

    CHECK_OK(pthread_create(&thread, NULL, run_elsewhere, kernel));
    CHECK_OK(pthread_join(thread, NULL));
}

RING_TEST(A1_a_ring_that_nobody_attached_can_be_woken_and_destroyed)
{
    struct kernel *kernel = open_ring(8, 0);

    kernel->class->wake(kernel);
    kernel->class->destroy(kernel);
}

RING_TEST(A1_more_rings_than_a_thread_can_register_work_alike)
{
    struct kernel *rings[20]; /* the thread's table has 16 places */

    for (unsigned i = 0; i < ARRAY_SIZE(rings); i++)
        rings[i] = open_attached(2, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(rings); i++)
        check_nop_works(rings[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(rings); i += 2)
        rings[i]->class->destroy(rings[i]);
    for (unsigned i = 1; i < ARRAY_SIZE(rings); i += 2) {
        check_nop_works(rings[i]);
        rings[i]->class->destroy(rings[i]);
    }
}

RING_TEST(H3_a_wake_before_attach_is_not_lost)
{
    struct kernel *kernel = open_ring(8, 0);
    struct io_uring_cqe cqe;

    kernel->class->wake(kernel);
    CHECK_OK(kernel->class->attach(kernel));
    CHECK_EQ(enter(kernel, 0, 1, KERNEL_FOREVER), 0);
    CHECK(!take(kernel, &cqe));
    kernel->class->destroy(kernel);
}

RING_TEST(H3_a_wake_while_awake_lets_the_next_enter_not_sleep)
{
    struct kernel *kernel = open_attached(8, 0);
    struct io_uring_cqe cqe;

    for (unsigned want = 1; want < 8; want++) {
        kernel->class->wake(kernel);
        CHECK_EQ(enter(kernel, 0, want, KERNEL_FOREVER), 0);
        CHECK(!take(kernel, &cqe));
    }
    kernel->class->destroy(kernel);
}

struct pingpong {
    struct kernel *kernel;
    atomic_uint asked;
    atomic_uint answered;
};

static void *wake_when_asked(void *argument)
{
    struct pingpong *p = argument;

    for (unsigned i = 1;; i++) {
        while (atomic_load(&p->asked) < i)
            sched_yield();
        if (atomic_load(&p->asked) == UINT32_MAX)
            return NULL;
        atomic_store(&p->answered, i);
        p->kernel->class->wake(p->kernel);
    }
}

RING_TEST(H1_no_wake_from_another_thread_is_ever_lost)
{
    struct pingpong p = { .kernel = open_attached(8, 0) };
    unsigned rounds = 2000 / test_scale();
    struct io_uring_cqe cqe;
    pthread_t thread;

    CHECK_OK(pthread_create(&thread, NULL, wake_when_asked, &p));
    for (unsigned i = 1; i <= rounds; i++) {
        atomic_store(&p.asked, i);
        /* Wants more than will ever come: only the wake can end this. */
        while (atomic_load(&p.answered) < i) {
            CHECK_EQ(enter(p.kernel, 0, 1 + i % 7, KERNEL_FOREVER), 0);
            CHECK(!take(p.kernel, &cqe));
        }
    }
    atomic_store(&p.asked, UINT32_MAX);
    CHECK_OK(pthread_join(thread, NULL));
    p.kernel->class->destroy(p.kernel);
}

/* A full CQ makes Linux end the poll behind wake(): it must come back. */
RING_TEST(H1_wakes_survive_an_overflown_cq)
{
    struct kernel *kernel = open_attached(1, 2);
    struct io_uring_cqe cqe;

    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 9; i++) {
            kernel->class->wake(kernel);
            CHECK_GE(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
        }
        do {
            CHECK(!take(kernel, &cqe));
            CHECK_GE(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
        } while (cq_ready(&kernel->cq) != 0 ||
                 (sq_flags(&kernel->sq) & IORING_SQ_CQ_OVERFLOW) != 0);
        kernel->class->wake(kernel);
        CHECK_EQ(enter(kernel, 0, 1, KERNEL_FOREVER), 0);
        CHECK(!take(kernel, &cqe));
        check_nop_works(kernel);
    }
    kernel->class->destroy(kernel);
}

/* The watch that has to be armed again must not become part of a chain. */
RING_TEST(an_open_link_chain_is_not_continued_by_us)
{
    struct kernel *kernel = open_attached(4, 4);
    struct io_uring_cqe cqe;

    for (unsigned i = 0; i < 20; i++)
        kernel->class->wake(kernel);
    CHECK_GE(enter(kernel, 0, 0, KERNEL_NO_WAIT), 0);
    CHECK(!take(kernel, &cqe));
    /* This one fails, and would cancel what is linked to it. */
    put(kernel, (struct io_uring_sqe){ .opcode = IORING_OP_READ,
                                       .flags = IOSQE_IO_LINK,
                                       .fd = -1,
                                       .user_data = 5 << 4 });
    CHECK_EQ(enter(kernel, 1, 1, KERNEL_FOREVER), 1);
    CHECK_EQ(next(kernel).res, -EBADF);
    while (take(kernel, &cqe) || cq_ready(&kernel->cq) != 0)
        ;
    kernel->class->wake(kernel);
    CHECK_GE(enter(kernel, 0, 1, KERNEL_FOREVER), 0);
    kernel->class->destroy(kernel);
}

RING_TEST(A10_each_opcode_has_one_executor)
{
    struct kernel *kernel;

    ring_features_restrict("op_statx,op_futex_wake");
    kernel = open_attached(8, 0);
    CHECK(kernel->route[IORING_OP_READ] == KERNEL_ROUTE_SQ ||
          kernel->route[IORING_OP_READ] == KERNEL_ROUTE_LOOK);
    CHECK_EQ(kernel->route[KERNEL_OP_GETDENTS], KERNEL_ROUTE_SIDE);
    CHECK_EQ(kernel->route[KERNEL_OP_SENDFILE], KERNEL_ROUTE_SIDE);
    CHECK_EQ(kernel->route[KERNEL_OP_CALL], KERNEL_ROUTE_SIDE);
    CHECK_EQ(kernel->route[IORING_OP_STATX], KERNEL_ROUTE_SIDE);
    CHECK_EQ(kernel->route[255], KERNEL_ROUTE_REFUSED);
    for (unsigned i = 0; i < ARRAY_SIZE(kernel->route); i++) {
        if (kernel->route[i] == KERNEL_ROUTE_SIDE)
            CHECK(emu_has_opcode(i));
        if (kernel->route[i] == KERNEL_ROUTE_REFUSED)
            CHECK(!emu_has_opcode(i));
    }
    kernel->class->destroy(kernel);
}

RING_TEST(the_co_processor_ends_the_sleep_of_the_ring)
{
    struct kernel *kernel = open_attached(8, 0);
    int values[50];

    CHECK(kernel->side_cq == NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        values[i] = (int)i * 3;
        CHECK_OK(side_call(kernel, i, &values[i]));
        CHECK(kernel->side_cq != NULL);
        struct io_uring_cqe cqe = next(kernel);

        CHECK_EQ(cqe.user_data, (uint64_t)i << 4);
        CHECK_EQ(cqe.res, values[i]);
    }
    kernel->class->destroy(kernel);
}

RING_TEST(many_calls_beside_many_requests_all_end)
{
    enum { EACH = 100 };
    struct kernel *kernel = open_attached(16, 0);
    int value = 9;
    unsigned nops = 0;
    unsigned calls = 0;

    for (unsigned i = 0; i < EACH; i++) {
        CHECK_OK(side_call(kernel, 1, &value));
        put_nop(kernel, 2);
        CHECK_EQ(enter(kernel, 1, 0, KERNEL_NO_WAIT), 1);
    }
    while (nops + calls < 2 * EACH) {
        struct io_uring_cqe cqe = next(kernel);

        nops += cqe.user_data == 2 << 4;
        calls += cqe.user_data == 1 << 4 && cqe.res == 9;
    }
    CHECK_EQ(nops, (unsigned)EACH);
    kernel->class->destroy(kernel);
}

RING_TEST(a_request_that_linux_lacks_runs_beside_it)
{
    struct kernel *kernel = open_attached(8, 0);
    _Alignas(struct dirent64) char buffer[2048];
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct io_uring_sqe sqe = {
        .opcode = KERNEL_OP_GETDENTS,
        .fd = fd,
        .addr = (uintptr_t)buffer,
        .len = sizeof buffer,
        .user_data = 8 << 4,
    };

    CHECK_GE(fd, 0);
    CHECK_OK(kernel->class->side(kernel, &sqe, 1));
    struct io_uring_cqe cqe = next(kernel);

    CHECK_EQ(cqe.user_data, 8u << 4);
    CHECK_GT(cqe.res, 0);
    close(fd);
    kernel->class->destroy(kernel);
}

RING_TEST(A16_the_rings_descriptor_and_register_are_reachable)
{
    struct kernel *kernel = open_attached(8, 0);
    struct io_uring_probe probe = { 0 };

    CHECK_GE(kernel->ring_fd, 0);
    CHECK_EQ(fcntl(kernel->ring_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_GE(kernel->class->reg(kernel, IORING_REGISTER_PROBE, &probe, 0), 0);
    CHECK_GT(probe.last_op, (unsigned)IORING_OP_MKDIRAT - 1);
    CHECK_ERR(kernel->class->reg(kernel, 5000, NULL, 0), -EOPNOTSUPP);
    kernel->class->destroy(kernel);
}

RING_TEST(A16_memory_shared_with_the_kernel_is_zeroed_and_not_inherited)
{
    struct kernel *kernel = open_attached(8, 0);
    size_t size = memory_page_size() + 1;
    char *memory = kernel->class->map(kernel, size);

    CHECK(memory != NULL);
    CHECK_EQ((uintptr_t)memory % memory_page_size(), 0u);
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(memory[i], 0);
    memory[size - 1] = 1;
    kernel->class->unmap(kernel, memory, size);
    CHECK_NE(kernel->class->random(kernel), kernel->class->random(kernel));
    kernel->class->destroy(kernel);
}

static void open_and_use(void)
{
    struct kernel_options options = { .entries = 8 };
    struct kernel *kernel;
    int value = 1;
    int err = uring_open(&kernel, &options);

    if (err != 0) {
        CHECK_ERR(err, -ENOMEM);
        return;
    }
    CHECK_OK(kernel->class->attach(kernel));
    err = side_call(kernel, 1, &value);
    if (err == 0)
        (void)next(kernel);
    else
        CHECK_ERR(err, -ENOMEM);
    check_nop_works(kernel);
    kernel->class->destroy(kernel);
}

RING_TEST(A1_every_allocation_may_fail_and_nothing_is_left)
{
    CHECK_GE(for_each_failure(open_and_use), 3L);
}

/* A descriptor that a request holds is let go only when the ring has ended,
 * which Linux does later: destroy() must leave nothing to that. */
RING_TEST(A1_after_destroy_a_port_is_free_at_once)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_OK(listen(first, 1)); /* a port of Linux's choice */
    CHECK_OK(getsockname(first, (struct sockaddr *)&address, &size));
    struct kernel *kernel = open_attached(8, 0);

    put(kernel, (struct io_uring_sqe){ .opcode = IORING_OP_ACCEPT,
                                       .fd = first,
                                       .user_data = 1 << 4 });
    CHECK_EQ(enter(kernel, 1, 0, KERNEL_NO_WAIT), 1);
    put(kernel, (struct io_uring_sqe){ .opcode = IORING_OP_ASYNC_CANCEL,
                                       .fd = -1,
                                       .addr = 1 << 4,
                                       .user_data = 2 << 4 });
    CHECK_EQ(enter(kernel, 1, 0, KERNEL_NO_WAIT), 1);
    int results = next(kernel).res + next(kernel).res;

    CHECK_EQ(results, -ECANCELED);
    close(first);
    kernel->class->destroy(kernel);

    int second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_OK(bind(second, (struct sockaddr *)&address, size));
    CHECK_OK(listen(second, 1));
    close(second);
}

RING_TEST(X6_a_filter_that_comes_before_the_first_turn_is_told_each_time)
{
    struct kernel *kernel = open_ring(8, 0);
    int err;

    CHECK_OK(deny_io_uring("LATE"));
    err = kernel->class->attach(kernel);
    if ((kernel->setup_flags & IORING_SETUP_R_DISABLED) != 0) {
        CHECK_ERR(err, -EPERM);
        CHECK_ERR(kernel->class->attach(kernel), -EPERM);
    } else {
        CHECK_OK(err);
        CHECK_ERR(enter(kernel, 0, 1, KERNEL_FOREVER), -EPERM);
        CHECK_ERR(enter(kernel, 0, 1, KERNEL_FOREVER), -EPERM);
    }
    kernel->class->destroy(kernel);
}
