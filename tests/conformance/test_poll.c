/* SPDX-License-Identifier: MIT */
/*
 * test_poll.c - polls that go on, and are changed under way, on every kernel
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring/abi.h"
#include "stage.h"

/* Turn without sleeping, so often that what is ready has been told. */
static void settle(gyre_loop *loop)
{
    for (int i = 0; i < 4; i++)
        stage_turn(loop);
}

/* Until the call has heard more than `calls`. */
static void await_news(gyre_loop *loop, const struct call *call, unsigned calls)
{
    while (call->calls <= calls)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
}

static void end_poll(gyre_loop *loop, struct call *call)
{
    CHECK_OK(gyre_op_cancel(&call->op));
    CHECK_ERR(call_wait(loop, call), -ECANCELED);
    CHECK_EQ(call->result.flags & GYRE_CQE_MORE, 0u);
}

KERNEL_TEST(D2_a_multishot_poll_tells_of_each_news)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct call call;
    unsigned calls;

    make_pipe(fds);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    gyre_op_poll_multishot(&call.op, fds[0], POLLIN);
    call_start(loop, &call);
    /* What is ready when it comes. */
    await_news(loop, &call, 0);
    CHECK_EQ(call.result.res, POLLIN);
    CHECK_EQ(call.result.flags & GYRE_CQE_MORE, (unsigned)GYRE_CQE_MORE);
    /* Not told again while nothing happens, read or not. */
    settle(loop);
    CHECK_EQ(call.calls, 1u);
    for (int i = 0; i < 5; i++) {
        calls = call.calls;
        CHECK_EQ(write(fds[1], "x", 1), 1);
        await_news(loop, &call, calls);
        CHECK_EQ(call.result.res, POLLIN);
        settle(loop);
        CHECK_EQ(call.calls, calls + 1);
    }
    CHECK_EQ(call.lasts, 0u);
    CHECK_EQ(gyre_op_state(&call.op), GYRE_OP_IN_FLIGHT);
    end_poll(loop, &call);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D2_a_multishot_poll_outlives_a_hang_up)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct call call;

    make_pipe(fds);
    gyre_op_poll_multishot(&call.op, fds[0], POLLIN);
    call_start(loop, &call);
    settle(loop);
    CHECK_EQ(call.calls, 0u);
    CHECK_OK(close(fds[1]));
    await_news(loop, &call, 0);
    CHECK_EQ(call.result.res & POLLHUP, POLLHUP);
    CHECK_EQ(call.lasts, 0u);
    end_poll(loop, &call);
    CHECK_OK(close(fds[0]));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D2_two_multishot_polls_and_a_single_one_on_one_descriptor)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct call first, second, single;
    char byte;

    make_pair(fds);
    gyre_op_poll_multishot(&first.op, fds[0], POLLIN);
    call_start(loop, &first);
    gyre_op_poll_multishot(&second.op, fds[0], POLLIN | POLLPRI);
    call_start(loop, &second);
    gyre_op_poll(&single.op, fds[0], POLLIN);
    call_start(loop, &single);
    settle(loop);
    CHECK_EQ(first.calls + second.calls + single.calls, 0u);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    await_news(loop, &first, 0);
    await_news(loop, &second, 0);
    CHECK_EQ(call_wait(loop, &single), POLLIN);
    settle(loop);
    CHECK_EQ(first.calls, 1u);
    CHECK_EQ(second.calls, 1u);
    CHECK_EQ(read(fds[0], &byte, 1), 1);
    end_poll(loop, &first);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    await_news(loop, &second, 1);
    CHECK_EQ(second.result.res & POLLIN, POLLIN);
    end_poll(loop, &second);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D2_an_update_changes_what_is_waited_for)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct call call, update;

    make_pipe(fds);
    gyre_op_poll_multishot(&call.op, fds[0], POLLPRI);
    call_start(loop, &call);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    settle(loop);
    CHECK_EQ(call.calls, 0u);
    gyre_op_poll_update(&update.op, &call.op, POLLIN);
    CHECK_EQ(call_run(loop, &update), 0);
    await_news(loop, &call, 0);
    CHECK_EQ(call.result.res, POLLIN);
    CHECK_EQ(call.lasts, 0u);
    /* It goes on with the new events. */
    CHECK_EQ(write(fds[1], "x", 1), 1);
    await_news(loop, &call, 1);
    /* And back. */
    gyre_op_poll_update(&update.op, &call.op, POLLPRI);
    CHECK_EQ(call_run(loop, &update), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    settle(loop);
    CHECK_EQ(call.calls, 2u);
    end_poll(loop, &call);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D2_an_update_of_a_single_poll_may_end_it)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct call call, update;

    make_pipe(fds);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    gyre_op_poll(&call.op, fds[0], POLLPRI);
    call_start(loop, &call);
    settle(loop);
    CHECK_EQ(call.calls, 0u);
    gyre_op_poll_update(&update.op, &call.op, POLLIN);
    CHECK_EQ(call_run(loop, &update), 0);
    CHECK_EQ(call_wait(loop, &call), POLLIN);
    CHECK_EQ(call.calls, 1u);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D2_an_update_does_not_meet_a_later_start)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct call call, update;

    make_pipe(fds);
    gyre_op_poll_multishot(&call.op, fds[0], POLLPRI);
    call_start(loop, &call);
    settle(loop);
    gyre_op_poll_update(&update.op, &call.op, POLLIN);
    end_poll(loop, &call);
    /* The same op, started again: the update is not about it. */
    call_start(loop, &call);
    CHECK_ERR(call_run(loop, &update), -ENOENT);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    settle(loop);
    CHECK_EQ(call.calls, 0u);
    end_poll(loop, &call);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D2_a_poll_is_removed)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct call call, removal;

    make_pipe(fds);
    for (int multishot = 0; multishot < 2; multishot++) {
        if (multishot)
            gyre_op_poll_multishot(&call.op, fds[0], POLLIN);
        else
            gyre_op_poll(&call.op, fds[0], POLLIN);
        call_start(loop, &call);
        gyre_op_poll_remove(&removal.op, &call.op);
        CHECK_EQ(call_run(loop, &removal), 0);
        CHECK_ERR(call_wait(loop, &call), -ECANCELED);
        CHECK_ERR(call_run(loop, &removal), -ENOENT);
    }
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D2_bad_polls_say_why)
{
    gyre_loop *loop = stage_open(8);
    struct call call, other;
    struct io_uring_sqe *sqe;
    int fds[2], file;

    gyre_op_poll_multishot(&call.op, -1, POLLIN);
    CHECK_ERR(call_run(loop, &call), -EBADF);
    gyre_op_poll_multishot(&call.op, 9999, POLLIN);
    CHECK_ERR(call_run(loop, &call), -EBADF);
    gyre_op_poll_multishot(&call.op, 0, POLLIN);
    gyre_op_sqe(&call.op)->len |= 16;
    CHECK_ERR(call_run(loop, &call), -EINVAL);

    /* What is always ready tells so once. */
    file = make_file("file", 10);
    gyre_op_poll_multishot(&call.op, file, POLLIN | POLLOUT);
    CHECK_EQ(call_run(loop, &call), POLLIN | POLLOUT);
    CHECK_EQ(call.calls, 1u);
    CHECK_OK(close(file));

    make_pipe(fds);
    gyre_op_poll(&other.op, fds[0], POLLIN);
    call_start(loop, &other);
    gyre_op_poll_update(&call.op, &other.op, POLLIN);
    sqe = gyre_op_sqe(&call.op);
    sqe->len = IORING_POLL_ADD_MULTI; /* alone */
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_poll_remove(&call.op, &other.op);
    sqe->poll32_events = POLLIN; /* without the flag */
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_poll_remove(&call.op, &other.op);
    sqe->off = 5;
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    CHECK_EQ(other.calls, 0u);
    end_poll(loop, &other);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D2_a_close_ends_the_polls_on_its_descriptor)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct call multishot, single, closing;

    make_pipe(fds);
    gyre_op_poll_multishot(&multishot.op, fds[0], POLLIN);
    call_start(loop, &multishot);
    gyre_op_poll(&single.op, fds[0], POLLIN);
    call_start(loop, &single);
    settle(loop);
    gyre_op_close(&closing.op, fds[0]);
    CHECK_EQ(call_run(loop, &closing), 0);
    CHECK_ERR(call_wait(loop, &multishot), -ECANCELED);
    CHECK_ERR(call_wait(loop, &single), -ECANCELED);
    CHECK_OK(close(fds[1]));
    gyre_loop_destroy(loop);
}

/* Many polls, a small CQ, more news than it holds: each poll either goes on or
 * has said that it has ended. */
KERNEL_TEST(D2_no_news_is_lost_when_the_queue_is_small)
{
    enum { POLLS = 40 };
    gyre_loop *loop = stage_open(4);
    static struct call calls[POLLS];
    static int fds[POLLS];
    uint64_t one = 1;

    for (int i = 0; i < POLLS; i++) {
        fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        CHECK_GE(fds[i], 0);
        gyre_op_poll_multishot(&calls[i].op, fds[i], POLLIN);
        call_start(loop, &calls[i]);
    }
    settle(loop);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < POLLS; i++) {
            calls[i].calls = 0;
            CHECK_EQ(write(fds[i], &one, sizeof one), (ssize_t)sizeof one);
        }
        for (int i = 0; i < POLLS; i++) {
            await_news(loop, &calls[i], 0);
            CHECK_EQ(calls[i].result.res, POLLIN);
            CHECK_EQ(read(fds[i], &one, sizeof one), (ssize_t)sizeof one);
            if (calls[i].lasts != 0)
                call_start(loop, &calls[i]);
        }
        settle(loop);
    }
    for (int i = 0; i < POLLS; i++) {
        end_poll(loop, &calls[i]);
        CHECK_OK(close(fds[i]));
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D2_a_loop_ends_with_polls_under_way)
{
    enum { POLLS = 200 };
    gyre_loop *loop = stage_open(8);
    static struct call calls[POLLS];
    int fds[2];

    make_pipe(fds);
    for (int i = 0; i < POLLS; i++) {
        gyre_op_poll_multishot(&calls[i].op, fds[0], POLLIN);
        call_start(loop, &calls[i]);
    }
    settle(loop);
    gyre_loop_destroy(loop);
    for (int i = 0; i < POLLS; i++) {
        CHECK_EQ(calls[i].lasts, 1u);
        CHECK_ERR(calls[i].result.res, -ECANCELED);
    }
    close_both(fds);
}

TEST_WITH(D2_an_update_of_user_data_is_refused, .panic = "user_data is gyre's",
          .kernels = TEST_EVERY_KERNEL)
{
    gyre_loop *loop = stage_open(8);
    struct call call;

    gyre_op_raw(&call.op, IORING_OP_POLL_REMOVE);
    gyre_op_sqe(&call.op)->fd = -1;
    gyre_op_sqe(&call.op)->len = IORING_POLL_UPDATE_USER_DATA;
    call_start(loop, &call);
}
