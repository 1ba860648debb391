/* SPDX-License-Identifier: MIT */
/*
 * test_ring.c - a program of liburing on our library, whichever the kernel
 *
 * liburing's own tests judge the library by many programs (tests/liburing/run).
 * These are about what is peculiar to it: that results come without an enter,
 * to any thread, and to who polls the ring's descriptor.
 */
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runner/test.h"

static void open_ring(struct io_uring *ring, unsigned flags)
{
    CHECK_EQ(io_uring_queue_init(8, ring, flags), 0);
}

static void submit_read(struct io_uring *ring, int fd, void *to, unsigned size,
                        __u64 name)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    CHECK(sqe != NULL);
    io_uring_prep_read(sqe, fd, to, size, 0);
    io_uring_sqe_set_data64(sqe, name);
    CHECK_EQ(io_uring_submit(ring), 1);
}

static int take(struct io_uring *ring, __u64 name)
{
    struct io_uring_cqe *cqe;
    int result;

    CHECK_EQ(io_uring_wait_cqe(ring, &cqe), 0);
    CHECK_EQ(cqe->user_data, name);
    result = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return result;
}

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd entry = { .fd = fd, .events = POLLIN };

    CHECK(poll(&entry, 1, timeout_ms) >= 0);
    return entry.revents != 0;
}

KERNEL_TEST2(liburing_the_ring_polls_when_a_result_is_there)
{
    struct io_uring ring;
    int fds[2];
    char byte = 0;

    open_ring(&ring, 0);
    CHECK_EQ(pipe(fds), 0);
    submit_read(&ring, fds[0], &byte, 1, 7);
    CHECK(!is_readable(ring.ring_fd, 0));
    CHECK_EQ(write(fds[1], "x", 1), 1);
    /* Nobody enters. */
    CHECK(is_readable(ring.ring_fd, -1));
    CHECK_EQ(io_uring_cq_ready(&ring), 1u);
    CHECK_EQ(take(&ring, 7), 1);
    CHECK_EQ(byte, 'x');
    /* It was taken from memory: the descriptor follows. */
    while (is_readable(ring.ring_fd, 0))
        sched_yield();
    io_uring_queue_exit(&ring);
    close(fds[0]);
    close(fds[1]);
}

KERNEL_TEST2(liburing_a_result_comes_without_an_enter)
{
    struct io_uring ring;
    int fds[2];
    char byte = 0;

    open_ring(&ring, 0);
    CHECK_EQ(pipe(fds), 0);
    submit_read(&ring, fds[0], &byte, 1, 7);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    /* Linux, too, needs its thread to come by for the rest of the work. */
    while (io_uring_cq_ready(&ring) == 0)
        sched_yield();
    CHECK_EQ(take(&ring, 7), 1);
    io_uring_queue_exit(&ring);
    close(fds[0]);
    close(fds[1]);
}

/* A wait that was long enough for the ring's own thread to leave all to it, and
 * ended for its time: whoever polls then is served as before. */
KERNEL_TEST2(liburing_a_result_comes_after_a_long_wait_for_nothing)
{
    struct __kernel_timespec time = { .tv_nsec = 100000000 };
    struct io_uring_cqe *cqe;
    struct io_uring ring;
    int fds[2];
    char byte = 0;

    open_ring(&ring, 0);
    CHECK_EQ(pipe(fds), 0);
    submit_read(&ring, fds[0], &byte, 1, 7);
    CHECK_EQ(io_uring_wait_cqe_timeout(&ring, &cqe, &time), -ETIME);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK(is_readable(ring.ring_fd, 10000));
    CHECK_EQ(take(&ring, 7), 1);
    io_uring_queue_exit(&ring);
    close(fds[0]);
    close(fds[1]);
}

struct waiter {
    struct io_uring *ring;
    unsigned want;
    int result;
};

static void *wait_for_many(void *data)
{
    struct waiter *waiter = data;
    struct io_uring_cqe *cqe;

    waiter->result = io_uring_wait_cqe_nr(waiter->ring, &cqe, waiter->want);
    return NULL;
}

/* Both threads wait for two; the results come one by one, and neither of the
 * threads may sleep on when the second has come. */
KERNEL_TEST2(liburing_several_threads_wait_on_one_ring)
{
    enum { THREADS = 3 };
    struct io_uring ring;
    struct waiter waiters[THREADS];
    pthread_t threads[THREADS];
    int fds[2];
    char bytes[2];

    open_ring(&ring, 0);
    CHECK_EQ(pipe(fds), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        waiters[i] = (struct waiter){ .ring = &ring, .want = 2, .result = 1 };
        CHECK_EQ(pthread_create(&threads[i], NULL, wait_for_many, &waiters[i]),
                 0);
    }
    /* While they wait. */
    submit_read(&ring, fds[0], &bytes[0], 1, 7);
    submit_read(&ring, fds[0], &bytes[1], 1, 7);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    while (io_uring_cq_ready(&ring) == 0)
        sched_yield();
    CHECK_EQ(write(fds[1], "y", 1), 1);
    for (unsigned i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(waiters[i].result, 0);
    }
    CHECK_EQ(take(&ring, 7), 1);
    CHECK_EQ(take(&ring, 7), 1);
    io_uring_queue_exit(&ring);
    close(fds[0]);
    close(fds[1]);
}

KERNEL_TEST2(liburing_a_wait_ends_at_its_time)
{
    struct __kernel_timespec time = { .tv_nsec = 1000000 };
    struct io_uring_cqe *cqe;
    struct io_uring ring;

    open_ring(&ring, 0);
    CHECK_EQ(io_uring_wait_cqe_timeout(&ring, &cqe, &time), -ETIME);
    CHECK_EQ(io_uring_peek_cqe(&ring, &cqe), -EAGAIN);
    io_uring_prep_nop(io_uring_get_sqe(&ring));
    CHECK_EQ(io_uring_submit_and_wait_timeout(&ring, &cqe, 2, &time, NULL), 1);
    CHECK_EQ(io_uring_cq_ready(&ring), 1u);
    io_uring_queue_exit(&ring);
}

static void nothing(int number)
{
    (void)number;
}

struct poked {
    pthread_t target;
    int ended;
};

static void *poke(void *data)
{
    struct poked *poked = data;

    while (!__atomic_load_n(&poked->ended, __ATOMIC_ACQUIRE)) {
        pthread_kill(poked->target, SIGUSR1);
        sched_yield();
    }
    return NULL;
}

KERNEL_TEST2(liburing_a_signal_ends_a_wait)
{
    struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
    struct poked poked = { .target = pthread_self() };
    struct io_uring_cqe *cqe;
    struct io_uring ring;
    pthread_t thread;

    open_ring(&ring, 0);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQ(pthread_create(&thread, NULL, poke, &poked), 0);
    CHECK_EQ(io_uring_wait_cqe(&ring, &cqe), -EINTR);
    __atomic_store_n(&poked.ended, 1, __ATOMIC_RELEASE);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    io_uring_queue_exit(&ring);
}

/* A signal that was blocked, and is let in by the wait alone, ends the wait:
 * also where another thread collects the results, as the first shows. */
KERNEL_TEST2(liburing_a_signal_that_a_wait_lets_in_ends_it)
{
    struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
    struct __kernel_timespec time = { .tv_sec = 20 };
    struct io_uring_cqe *cqe;
    struct io_uring ring;
    sigset_t blocked, none;
    int fds[2];
    char byte;

    open_ring(&ring, 0);
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
    submit_read(&ring, fds[0], &byte, 1, 7);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK(is_readable(ring.ring_fd, -1));
    CHECK_EQ(take(&ring, 7), 1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(io_uring_wait_cqes(&ring, &cqe, 1, &time, &none), -EINTR);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &blocked, NULL), 0);
    io_uring_queue_exit(&ring);
    close(fds[0]);
    close(fds[1]);
}

/* Likewise while another of the program's threads leads. */
KERNEL_TEST2(liburing_a_signal_ends_a_wait_beside_another_s)
{
    struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
    struct __kernel_timespec time = { .tv_sec = 20 };
    struct io_uring_cqe *cqe;
    struct io_uring ring;
    struct waiter waiter = { .ring = &ring, .want = 1, .result = 1 };
    pthread_t thread;
    sigset_t blocked, none;

    open_ring(&ring, 0);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
    CHECK_EQ(pthread_create(&thread, NULL, wait_for_many, &waiter), 0);
    for (unsigned i = 0; i < 50; i++) {
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(io_uring_wait_cqes(&ring, &cqe, 1, &time, &none), -EINTR);
        sched_yield();
    }
    io_uring_prep_nop(io_uring_get_sqe(&ring));
    CHECK_EQ(io_uring_submit(&ring), 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(waiter.result, 0);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &blocked, NULL), 0);
    io_uring_queue_exit(&ring);
}

KERNEL_TEST2(liburing_the_eventfd_is_rung_without_an_enter)
{
    struct io_uring ring;
    uint64_t count;
    int event = eventfd(0, EFD_CLOEXEC);
    int fds[2];
    char byte;

    open_ring(&ring, 0);
    CHECK_EQ(io_uring_register_eventfd(&ring, event), 0);
    CHECK_EQ(pipe(fds), 0);
    submit_read(&ring, fds[0], &byte, 1, 7);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(read(event, &count, sizeof count), (ssize_t)sizeof count);
    CHECK_EQ(take(&ring, 7), 1);
    io_uring_queue_exit(&ring);
    close(fds[0]);
    close(fds[1]);
    close(event);
}

KERNEL_TEST2(liburing_what_is_in_flight_ends_with_the_ring)
{
    struct io_uring ring;
    int fds[2];
    char byte;

    CHECK_EQ(pipe(fds), 0);
    open_ring(&ring, 0);
    submit_read(&ring, fds[0], &byte, 1, 7);
    io_uring_queue_exit(&ring);
    /* Linux takes its time. */
    close(fds[0]);
    close(fds[1]);
}

KERNEL_TEST2(liburing_a_ring_is_no_entry_of_its_table)
{
    struct io_uring ring;
    int fd;

    open_ring(&ring, 0);
    fd = ring.ring_fd;
    CHECK_EQ(io_uring_register_files(&ring, &fd, 1), -EBADF);
    io_uring_prep_close(io_uring_get_sqe(&ring), fd);
    CHECK_EQ(io_uring_submit(&ring), 1);
    CHECK_EQ(take(&ring, 0), -EBADF);
    io_uring_queue_exit(&ring);
}

KERNEL_TEST2(liburing_rings_send_messages)
{
    struct io_uring one, other;
    struct io_uring_cqe *cqe;
    struct io_uring_sqe *sqe;

    if (!test_has("op_msg_ring", 5, 18))
        TEST_SKIP("no messages between rings before Linux 5.18");
    open_ring(&one, 0);
    open_ring(&other, 0);
    sqe = io_uring_get_sqe(&one);
    io_uring_prep_msg_ring(sqe, other.ring_fd, 42, 99, 0);
    io_uring_sqe_set_data64(sqe, 1);
    CHECK_EQ(io_uring_submit(&one), 1);
    CHECK_EQ(take(&one, 1), 0);
    CHECK_EQ(io_uring_wait_cqe(&other, &cqe), 0);
    CHECK_EQ(cqe->res, 42);
    CHECK_EQ(cqe->user_data, 99u);
    io_uring_queue_exit(&other);
    io_uring_queue_exit(&one);
}

/* The array of indices, which few programs know of. */
KERNEL_TEST2(liburing_the_array_chooses_what_is_submitted)
{
    struct io_uring ring;

    open_ring(&ring, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

        io_uring_prep_nop(sqe);
        io_uring_sqe_set_data64(sqe, i + 1);
    }
    ring.sq.array[0] = 1;
    ring.sq.array[1] = 0;
    CHECK_EQ(io_uring_submit(&ring), 2);
    CHECK_EQ(take(&ring, 2), 0);
    CHECK_EQ(take(&ring, 1), 0);
    ring.sq.array[2] = 1000;
    io_uring_prep_nop(io_uring_get_sqe(&ring));
    CHECK_EQ(io_uring_submit(&ring), 0);
    CHECK_EQ(*ring.sq.kdropped, 1u);
    io_uring_queue_exit(&ring);
}
