/* SPDX-License-Identifier: MIT */
/*
 * Commands of drivers from tasks, and what completions bring beside results.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "io/world.h"
#include "ring/abi.h"

static void fill_wordy(gyre_op *op, uint64_t first, uint64_t second)
{
    gyre_op_nop(op);
    gyre_op_sqe(op)->nop_flags = IORING_NOP_CQE32;
    gyre_op_sqe(op)->off = first;
    gyre_op_sqe(op)->addr = second;
}

static int await_words(void *arg)
{
    gyre_op op;
    uint64_t extra[2] = { 7, 7 };

    (void)arg;
    fill_wordy(&op, 5, 6);
    CHECK_OK(gyre_await_extra(&op, extra).res);
    CHECK_EQ(extra[0], 5u);
    CHECK_EQ(extra[1], 6u);
    gyre_op_nop(&op);
    CHECK_OK(gyre_await_extra(&op, extra).res);
    CHECK_EQ(extra[0] | extra[1], 0u);
    return 0;
}

KERNEL_TEST(E6_tasks_get_the_words_of_a_completion)
{
    gyre_loop_options loop = { .ring.mixed_cqes = true };
    gyre_run_options options = { .loop = &loop };
    int result = gyre_run(&options, await_words, NULL);

    if (result == -EOPNOTSUPP)
        TEST_SKIP("there are no completions of two sizes here");
    CHECK_OK(result);
}

/* An op that is cancelled brings nothing, and what was there is overwritten. */
static int await_cancelled(void *arg)
{
    uint64_t extra[2] = { 7, 7 };
    gyre_op op;

    (void)arg;
    gyre_scope_cancel(gyre_scope_current());
    gyre_op_nop(&op);
    CHECK_ERR(gyre_await_extra(&op, extra).res, -ECANCELED);
    CHECK_EQ(extra[0] | extra[1], 0u);
    return 0;
}

KERNEL_TEST(E6_a_cancelled_task_gets_no_words)
{
    must_run(await_cancelled, NULL);
}

static int command(void *arg)
{
    const int *fds = arg;
    uint64_t extra[2] = { 9, 9 };
    unsigned char bytes[81] = { 0 };

    CHECK_EQ(gyre_command(fds[0], SOCKET_URING_OP_SIOCINQ, NULL, 0, extra), 2);
    CHECK_EQ(extra[0] | extra[1], 0u);
    CHECK_EQ(gyre_command(fds[0], SOCKET_URING_OP_SIOCINQ, NULL, 0, NULL), 2);
    CHECK_ERR(gyre_command(fds[0], 0, bytes, 81, extra), -EMSGSIZE);
    CHECK_ERR(gyre_command(fds[0], 0, bytes, 17, extra), -EOPNOTSUPP);
    CHECK_ERR(gyre_discard(fds[0], 0, 4096), -EOPNOTSUPP);
    return 0;
}

KERNEL_TEST(B18_tasks_give_commands)
{
    int fds[2];

    tcp_pair_open(fds);
    CHECK_EQ(write(fds[1], "ab", 2), 2);
    must_run(command, fds);
    pair_close(fds);
}
