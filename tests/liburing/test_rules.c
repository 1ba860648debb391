/* SPDX-License-Identifier: MIT */
/*
 * test_rules.c - what a ring of liburing refuses, and how it is set up
 */
#include <assert.h>
#include <liburing.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/test.h"

/* As compat/liburing/abi.h has it. */
static_assert(sizeof(struct io_uring) == 216, "");
static_assert(offsetof(struct io_uring, cq) == 104, "");
static_assert(offsetof(struct io_uring, flags) == 192, "");
static_assert(offsetof(struct io_uring, enter_ring_fd) == 204, "");
static_assert(offsetof(struct io_uring, int_flags) == 208, "");
static_assert(offsetof(struct io_uring_sq, sqes) == 56, "");
static_assert(offsetof(struct io_uring_sq, ring_entries) == 92, "");
static_assert(offsetof(struct io_uring_cq, cqes) == 48, "");
static_assert(offsetof(struct io_uring_cq, ring_entries) == 76, "");

static int nop_on(struct io_uring *ring)
{
    struct io_uring_cqe *cqe;
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    int result;

    CHECK(sqe != NULL);
    io_uring_prep_nop(sqe);
    result = io_uring_submit(ring);
    if (result < 0)
        return result;
    /* A thread that takes requests may complete one before it says that it has
     * taken it, and it is counted again. */
    if (ring->flags & IORING_SETUP_SQPOLL)
        CHECK_GE(result, 1);
    else
        CHECK_EQ(result, 1);
    CHECK_EQ(io_uring_wait_cqe(ring, &cqe), 0);
    result = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return result;
}

KERNEL_TEST2(liburing_numbers_and_flags_are_checked)
{
    struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE };
    struct io_uring ring;

    CHECK_EQ(io_uring_queue_init(0, &ring, 0), -EINVAL);
    CHECK_EQ(io_uring_queue_init(32769, &ring, 0), -EINVAL);
    CHECK_EQ(io_uring_queue_init(8, &ring, 1U << 31), -EINVAL);
    CHECK_EQ(io_uring_queue_init(8, &ring, IORING_SETUP_SQ_AFF), -EINVAL);
    CHECK_EQ(io_uring_queue_init_params(8, &ring, &params), -EINVAL);
    params = (struct io_uring_params){ .flags = IORING_SETUP_CQSIZE,
                                       .cq_entries = 33 };
    CHECK_EQ(io_uring_queue_init_params(5, &ring, &params), 0);
    CHECK_EQ(params.sq_entries, 8u);
    CHECK_EQ(params.cq_entries, 64u);
    CHECK_EQ(ring.cq.ring_entries, 64u);
    CHECK_EQ(nop_on(&ring), 0);
    io_uring_queue_exit(&ring);
}

KERNEL_TEST2(liburing_a_descriptor_that_is_no_ring_is_told)
{
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(io_uring_enter((unsigned)fds[0], 0, 0, 0, NULL), -EOPNOTSUPP);
    CHECK_EQ(io_uring_register((unsigned)fds[0], 0, NULL, 0), -EOPNOTSUPP);
    CHECK_EQ(io_uring_enter(1000, 0, 0, 0, NULL), -EBADF);
    CHECK_EQ(io_uring_register(1000, 0, NULL, 0), -EBADF);
    close(fds[0]);
    close(fds[1]);
}

KERNEL_TEST2(liburing_a_probe_knows_the_opcodes)
{
    struct io_uring_probe *probe = io_uring_get_probe();

    CHECK(probe != NULL);
    CHECK(io_uring_opcode_supported(probe, IORING_OP_NOP));
    CHECK(io_uring_opcode_supported(probe, IORING_OP_READV));
    CHECK(!io_uring_opcode_supported(probe, 200));
    io_uring_free_probe(probe);
}

KERNEL_TEST2(liburing_a_disabled_ring_is_restricted)
{
    struct io_uring_restriction allowed[] = {
        { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP },
        { .opcode = IORING_RESTRICTION_REGISTER_OP,
          .register_op = IORING_REGISTER_ENABLE_RINGS },
    };
    struct io_uring_cqe *cqe;
    struct io_uring ring;
    char byte;

    CHECK_EQ(io_uring_queue_init(8, &ring, IORING_SETUP_R_DISABLED), 0);
    CHECK_EQ(nop_on(&ring), -EBADFD);
    CHECK_EQ(io_uring_register_restrictions(&ring, allowed, 2), 0);
    CHECK_EQ(io_uring_register_restrictions(&ring, allowed, 2), -EBUSY);
    CHECK_EQ(io_uring_enable_rings(&ring), 0);
    CHECK_EQ(io_uring_enable_rings(&ring), -EBADFD);
    /* That which was queued before. */
    CHECK_EQ(io_uring_submit(&ring), 1);
    CHECK_EQ(io_uring_wait_cqe(&ring, &cqe), 0);
    CHECK_EQ(cqe->res, 0);
    io_uring_cqe_seen(&ring, cqe);
    io_uring_prep_read(io_uring_get_sqe(&ring), 0, &byte, 1, 0);
    CHECK_EQ(io_uring_submit(&ring), 1);
    CHECK_EQ(io_uring_wait_cqe(&ring, &cqe), 0);
    CHECK_EQ(cqe->res, -EACCES);
    io_uring_cqe_seen(&ring, cqe);
    CHECK_EQ(io_uring_register_eventfd(&ring, 0), -EACCES);
    io_uring_queue_exit(&ring);
}

static void *submit_elsewhere(void *data)
{
    struct io_uring *ring = data;

    io_uring_prep_nop(io_uring_get_sqe(ring));
    CHECK_EQ(io_uring_submit(ring), -EEXIST);
    return NULL;
}

KERNEL_TEST2(liburing_a_ring_of_one_thread_refuses_others)
{
    struct io_uring ring;
    pthread_t thread;

    if (io_uring_queue_init(8, &ring, IORING_SETUP_SINGLE_ISSUER) == -EINVAL)
        test_skip("no SINGLE_ISSUER before Linux 6.0");
    CHECK_EQ(nop_on(&ring), 0);
    CHECK_EQ(pthread_create(&thread, NULL, submit_elsewhere, &ring), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    io_uring_queue_exit(&ring);
}

KERNEL_TEST2(liburing_deferred_results_come_by_an_enter)
{
    struct io_uring ring;
    char byte;
    int fds[2];

    if (io_uring_queue_init(8, &ring,
                            IORING_SETUP_SINGLE_ISSUER |
                                IORING_SETUP_DEFER_TASKRUN) == -EINVAL)
        test_skip("no DEFER_TASKRUN before Linux 6.1");
    CHECK_EQ(pipe(fds), 0);
    io_uring_prep_read(io_uring_get_sqe(&ring), fds[0], &byte, 1, 0);
    CHECK_EQ(io_uring_submit(&ring), 1);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(io_uring_cq_ready(&ring), 0u);
    while (io_uring_cq_ready(&ring) == 0)
        CHECK_EQ(io_uring_get_events(&ring), 0);
    CHECK_EQ(io_uring_cq_ready(&ring), 1u);
    io_uring_queue_exit(&ring);
    close(fds[0]);
    close(fds[1]);
}

KERNEL_TEST2(liburing_a_polled_queue_is_taken)
{
    struct io_uring ring;
    int error = io_uring_queue_init(8, &ring, IORING_SETUP_SQPOLL);

    if (error == -EPERM)
        test_skip("SQPOLL is for the privileged before Linux 5.13");
    CHECK_EQ(error, 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(nop_on(&ring), 0);
    CHECK_EQ(io_uring_sqring_wait(&ring), 0);
    io_uring_queue_exit(&ring);
}

KERNEL_TEST2(liburing_a_registered_ring_is_entered_by_its_index)
{
    struct io_uring ring;

    CHECK_EQ(io_uring_queue_init(8, &ring, 0), 0);
    if (io_uring_register_ring_fd(&ring) == -EINVAL)
        test_skip("no registered rings before Linux 5.18");
    CHECK(ring.enter_ring_fd != ring.ring_fd);
    CHECK_EQ(nop_on(&ring), 0);
    CHECK_EQ(io_uring_unregister_ring_fd(&ring), 1);
    CHECK_EQ(nop_on(&ring), 0);
    io_uring_queue_exit(&ring);
}

/* A child has no keeper, and says so; and it may give the ring up without a
 * trace in the parent's. */
KERNEL_TEST_ON(liburing_a_child_cannot_use_an_emulated_ring, TEST_EMU)
{
    struct io_uring ring;
    int status;
    pid_t child;

    CHECK_EQ(io_uring_queue_init(8, &ring, 0), 0);
    child = fork();
    if (child == 0) {
        bool good = nop_on(&ring) == -EOPNOTSUPP;

        io_uring_queue_exit(&ring);
        _exit(good ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(nop_on(&ring), 0);
    io_uring_queue_exit(&ring);
}

/* The program's own descriptors are numbered as they would be without us, and
 * a ring that is only closed is replaced by the next with its number. */
KERNEL_TEST_ON(liburing_an_emulated_ring_may_be_closed_by_its_number, TEST_EMU)
{
    struct io_uring first, second;
    int fd = dup(0);

    close(fd);
    CHECK_EQ(io_uring_queue_init(8, &first, 0), 0);
    CHECK_EQ(first.ring_fd, fd);
    close(first.ring_fd);
    CHECK_EQ(io_uring_queue_init(8, &second, 0), 0);
    CHECK_EQ(second.ring_fd, fd);
    CHECK_EQ(nop_on(&second), 0);
    io_uring_queue_exit(&second);
}
