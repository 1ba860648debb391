/* SPDX-License-Identifier: MIT */
/*
 * test_eventfd.c - an eventfd of the program's that tells of completions
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runner/patient.h"
#include "stage.h"

static int make_eventfd(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    CHECK_GE(fd, 0);
    return fd;
}

/* How often it was rung since the last look. */
static uint64_t rings(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof count) < 0) {
        CHECK_EQ(errno, EAGAIN);
        return 0;
    }
    return count;
}

static bool is_emulated(void)
{
    return strcmp(test_kernel(), "emu") == 0;
}

static void turn_idly(gyre_loop *loop)
{
    for (int i = 0; i < 3; i++)
        stage_turn(loop);
}

KERNEL_TEST(H4_E8_one_eventfd_at_most_and_only_an_eventfd)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_eventfd(), pipes[2];

    make_pipe(pipes);
    CHECK_ERR(gyre_loop_unregister_eventfd(loop), -ENXIO);
    CHECK_ERR(gyre_loop_register_eventfd(loop, -1, false), -EBADF);
    CHECK_ERR(gyre_loop_register_eventfd(loop, pipes[0], false), -EINVAL);
    CHECK_ERR(gyre_loop_unregister_eventfd(loop), -ENXIO);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(gyre_loop_register_eventfd(loop, fd, i == 1));
        CHECK_ERR(gyre_loop_register_eventfd(loop, fd, false), -EBUSY);
        CHECK_ERR(gyre_loop_register_eventfd(loop, fd, true), -EBUSY);
        CHECK_OK(gyre_loop_unregister_eventfd(loop));
        CHECK_ERR(gyre_loop_unregister_eventfd(loop), -ENXIO);
    }
    CHECK_OK(gyre_loop_register_eventfd(loop, fd, false)); /* left to the end */
    close_both(pipes);
    gyre_loop_destroy(loop);
    close(fd);
}

KERNEL_TEST(H4_it_rings_for_completions_and_for_nothing_else)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_eventfd(), mine = dup(fd);
    struct call nop;

    CHECK_GE(mine, 0);
    CHECK_OK(gyre_loop_register_eventfd(loop, fd, false));
    close(fd); /* the kernel holds it */
    turn_idly(loop);
    CHECK_EQ(rings(mine), 0);
    gyre_op_nop(&nop.op);
    for (int i = 0; i < 5; i++) {
        CHECK_OK(call_run(loop, &nop));
        CHECK_GE(rings(mine), 1);
        turn_idly(loop);
        CHECK_EQ(rings(mine), 0);
    }
    CHECK_OK(gyre_loop_unregister_eventfd(loop));
    CHECK_OK(call_run(loop, &nop));
    CHECK_EQ(rings(mine), 0);
    close(mine);
    gyre_loop_destroy(loop);
}

/* What comes while the loop is not turned is told all the same where Linux
 * does it, each time; the emulator tells when it looks. */
KERNEL_TEST(H4_it_rings_for_what_other_descriptors_cause)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_eventfd(), cause = make_eventfd();
    uint64_t value;
    struct call call;

    CHECK_OK(gyre_loop_register_eventfd(loop, fd, false));
    for (int i = 0; i < 5; i++) {
        struct pollfd entry = { .fd = fd, .events = POLLIN };

        gyre_op_read(&call.op, cause, &value, sizeof value,
                     GYRE_CURRENT_POSITION);
        call_start(loop, &call);
        stage_turn(loop);
        CHECK_EQ(rings(fd), 0);
        CHECK_OK(eventfd_write(cause, 1));
        /* A difference: docs/DIFFERENCES.md. */
        CHECK_EQ(patient_poll(&entry, 1, is_emulated() ? 0 : 5000),
                 !is_emulated());
        CHECK_EQ(call_wait(loop, &call), sizeof value);
        CHECK_GE(rings(fd), 1);
    }
    close(cause);
    gyre_loop_destroy(loop);
    close(fd);
}

KERNEL_TEST(H5_a_muted_eventfd_does_not_ring)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_eventfd();
    struct call nop;

    CHECK_OK(gyre_loop_register_eventfd(loop, fd, false));
    gyre_op_nop(&nop.op);
    gyre_loop_mute_eventfd(loop, true);
    CHECK_OK(call_run(loop, &nop));
    turn_idly(loop);
    CHECK_EQ(rings(fd), 0);
    gyre_loop_mute_eventfd(loop, false);
    CHECK_OK(call_run(loop, &nop));
    CHECK_GE(rings(fd), 1);
    gyre_loop_destroy(loop);
    close(fd);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

KERNEL_TEST(H5_async_only_rings_for_what_a_thread_has_done)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_eventfd();
    struct call call;

    CHECK_OK(gyre_loop_register_eventfd(loop, fd, true));
    gyre_op_nop(&call.op);
    CHECK_OK(call_run(loop, &call));
    turn_idly(loop);
    CHECK_EQ(rings(fd), 0);
    for (int i = 0; i < 3; i++) {
        if (is_emulated())
            gyre_op_call(&call.op, do_nothing, NULL);
        else
            gyre_op_sqe(&call.op)->flags = IOSQE_ASYNC;
        CHECK_OK(call_run(loop, &call));
        CHECK_GE(rings(fd), 1);
    }
    if (!is_emulated())
        CHECK_ERR(gyre_loop_fd(loop), -EBUSY);
    gyre_loop_destroy(loop);
    close(fd);
}

static bool is_readable(int fd)
{
    struct pollfd entry = { .fd = fd, .events = POLLIN };

    return poll(&entry, 1, 0) == 1;
}

/* A host that polls the loop's descriptor, and somebody else who watches. */
static void host_and_watch(gyre_loop *loop, int fd)
{
    int hosted = gyre_loop_fd(loop), pair[2];
    char byte;

    CHECK_GE(hosted, 0);
    make_pair(pair);
    turn_idly(loop);
    (void)rings(fd);
    for (int i = 0; i < 10; i++) {
        struct pollfd entry = { .fd = hosted, .events = POLLIN };
        struct call call;
        uint64_t deadline;

        gyre_op_recv(&call.op, pair[0], &byte, 1, 0);
        call_start(loop, &call);
        CHECK_OK(gyre_loop_prepare(loop, &deadline));
        stage_turn(loop);
        CHECK_EQ(rings(fd), 0);
        CHECK(!is_readable(hosted));
        CHECK_EQ(send(pair[1], "x", 1, 0), 1);
        CHECK_EQ(patient_poll(&entry, 1, 5000), 1);
        while (call.lasts == 0)
            stage_turn(loop);
        CHECK_EQ(call.result.res, 1);
        CHECK_GE(rings(fd), 1);
        turn_idly(loop);
        CHECK_EQ(rings(fd), 0);
        CHECK(!is_readable(hosted));
    }
    close_both(pair);
}

KERNEL_TEST(H4_H11_it_lives_beside_a_host)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_eventfd();

    CHECK_OK(gyre_loop_register_eventfd(loop, fd, false));
    host_and_watch(loop, fd);
    CHECK_OK(gyre_loop_unregister_eventfd(loop));
    CHECK_ERR(gyre_loop_unregister_eventfd(loop), -ENXIO);
    CHECK_ERR(gyre_loop_register_eventfd(loop, 0, false), -EINVAL);
    CHECK_OK(gyre_loop_register_eventfd(loop, fd, false)); /* afterwards */
    host_and_watch(loop, fd);
    CHECK_OK(gyre_loop_unregister_eventfd(loop));
    if (!is_emulated())
        CHECK_ERR(gyre_loop_register_eventfd(loop, fd, true), -EBUSY);
    gyre_loop_destroy(loop);
    close(fd);
}
