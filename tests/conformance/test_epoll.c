/* SPDX-License-Identifier: MIT */
/*
 * test_epoll.c - the program's own epoll descriptors, on every kernel
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "stage.h"

static int make_epoll(void)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    CHECK_GE(fd, 0);
    return fd;
}

static int control(gyre_loop *loop, int epoll, int change, int fd,
                   const struct epoll_event *event)
{
    struct call call;

    gyre_op_epoll_ctl(&call.op, epoll, change, fd, event);
    return call_run(loop, &call);
}

KERNEL_TEST(D3_epoll_ctl_adds_modifies_and_deletes)
{
    gyre_loop *loop = stage_open(8);
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = 7 }, got;
    int epoll = make_epoll(), fds[2];

    make_pipe(fds);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_OK(control(loop, epoll, EPOLL_CTL_ADD, fds[0], &event));
    CHECK_EQ(epoll_wait(epoll, &got, 1, 0), 1);
    CHECK_EQ(got.data.u64, 7u);
    CHECK_ERR(control(loop, epoll, EPOLL_CTL_ADD, fds[0], &event), -EEXIST);

    event.data.u64 = 8;
    CHECK_OK(control(loop, epoll, EPOLL_CTL_MOD, fds[0], &event));
    CHECK_EQ(epoll_wait(epoll, &got, 1, 0), 1);
    CHECK_EQ(got.data.u64, 8u);
    event.events = EPOLLPRI;
    CHECK_OK(control(loop, epoll, EPOLL_CTL_MOD, fds[0], &event));
    CHECK_EQ(epoll_wait(epoll, &got, 1, 0), 0);

    CHECK_OK(control(loop, epoll, EPOLL_CTL_DEL, fds[0], NULL));
    CHECK_ERR(control(loop, epoll, EPOLL_CTL_DEL, fds[0], NULL), -ENOENT);
    CHECK_ERR(control(loop, epoll, EPOLL_CTL_MOD, fds[0], &event), -ENOENT);
    close_both(fds);
    CHECK_OK(close(epoll));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D3_bad_changes_say_why)
{
    gyre_loop *loop = stage_open(8);
    struct epoll_event event = { .events = EPOLLIN };
    int epoll = make_epoll(), fds[2], file = make_file("file", 1);

    make_pipe(fds);
    CHECK_ERR(control(loop, 9999, EPOLL_CTL_ADD, fds[0], &event), -EBADF);
    CHECK_ERR(control(loop, epoll, EPOLL_CTL_ADD, 9999, &event), -EBADF);
    CHECK_ERR(control(loop, fds[0], EPOLL_CTL_ADD, fds[1], &event), -EINVAL);
    CHECK_ERR(control(loop, epoll, 77, fds[0], &event), -EINVAL);
    CHECK_ERR(control(loop, epoll, EPOLL_CTL_ADD, epoll, &event), -EINVAL);
    CHECK_ERR(control(loop, epoll, EPOLL_CTL_ADD, file, &event), -EPERM);
    if (!test_on_valgrind())
        CHECK_ERR(control(loop, epoll, EPOLL_CTL_ADD, fds[0],
                          (struct epoll_event *)(uintptr_t)8),
                  -EFAULT);
    CHECK_OK(close(file));
    close_both(fds);
    CHECK_OK(close(epoll));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D4_epoll_wait_ends_with_the_count)
{
    enum { PIPES = 5 };
    gyre_loop *loop = stage_open(8);
    struct epoll_event events[PIPES + 1];
    struct call call;
    int epoll = make_epoll(), fds[PIPES][2];
    unsigned seen = 0;

    for (unsigned i = 0; i < PIPES; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };

        make_pipe(fds[i]);
        CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i][0], &event));
    }
    gyre_op_epoll_wait(&call.op, epoll, events, PIPES + 1);
    call_start(loop, &call);
    for (int i = 0; i < 4; i++)
        stage_turn(loop);
    CHECK_EQ(call.calls, 0u);
    for (int i = 0; i < PIPES; i++)
        CHECK_EQ(write(fds[i][1], "x", 1), 1);
    /* It may have ended for the first of them already. */
    CHECK_GE(call_wait(loop, &call), 1);
    CHECK_EQ(call_run(loop, &call), PIPES);
    for (int i = 0; i < PIPES; i++) {
        CHECK_EQ(events[i].events, (uint32_t)EPOLLIN);
        seen |= 1U << events[i].data.u32;
    }
    CHECK_EQ(seen, (1U << PIPES) - 1);
    /* No more than there is room for, and what is ready is had at once. */
    gyre_op_epoll_wait(&call.op, epoll, events, 2);
    CHECK_EQ(call_run(loop, &call), 2);
    for (int i = 0; i < PIPES; i++)
        close_both(fds[i]);
    CHECK_OK(close(epoll));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D4_bad_waits_say_why)
{
    gyre_loop *loop = stage_open(8);
    struct epoll_event event = { .events = EPOLLIN }, got;
    struct call call;
    int epoll = make_epoll(), fds[2];

    make_pipe(fds);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event));
    gyre_op_epoll_wait(&call.op, 9999, &got, 1);
    CHECK_ERR(call_run(loop, &call), -EBADF);
    gyre_op_epoll_wait(&call.op, fds[0], &got, 1);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_epoll_wait(&call.op, epoll, &got, 0);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_epoll_wait(&call.op, epoll, &got, -1);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    if (!test_on_valgrind()) {
        gyre_op_epoll_wait(&call.op, epoll, (struct epoll_event *)(uintptr_t)8,
                           1);
        CHECK_ERR(call_run(loop, &call), -EFAULT);
    }
    close_both(fds);
    CHECK_OK(close(epoll));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D4_epoll_waits_are_cancelled_closed_and_ended)
{
    gyre_loop *loop = stage_open(8);
    struct epoll_event got;
    struct call call, closing;
    int epoll = make_epoll();

    gyre_op_epoll_wait(&call.op, epoll, &got, 1);
    call_start(loop, &call);
    stage_turn(loop);
    CHECK_OK(gyre_op_cancel(&call.op));
    CHECK_ERR(call_wait(loop, &call), -ECANCELED);

    call_start(loop, &call);
    stage_turn(loop);
    gyre_op_close(&closing.op, epoll);
    CHECK_EQ(call_run(loop, &closing), 0);
    CHECK_ERR(call_wait(loop, &call), -ECANCELED);

    epoll = make_epoll();
    gyre_op_epoll_wait(&call.op, epoll, &got, 1);
    call_start(loop, &call);
    stage_turn(loop);
    gyre_loop_destroy(loop);
    CHECK_EQ(call.lasts, 1u);
    CHECK_ERR(call.result.res, -ECANCELED);
    CHECK_OK(close(epoll));
}
