/* SPDX-License-Identifier: MIT */
/*
 * test_small.c - small ops move their bytes on every kernel
 */
#include <gyre/op_small.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "stage.h"

static int small_end(gyre_loop *loop, gyre_small_op *op)
{
    struct call call;

    memset(&call, 0, sizeof call);
    gyre_op_start(loop, &op->op, call_done, &call);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(call.lasts, 1);
    return call.result.res;
}

KERNEL_TEST(E13_a_small_op_sends_and_receives_its_own_bytes)
{
    gyre_loop *loop = stage_open(8);
    char text[] = "pong";
    gyre_small_op op;
    int pair[2];

    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    CHECK_OK(gyre_small_op_send(&op, pair[0], text, sizeof text, 0));
    memset(text, 'x', sizeof text);
    CHECK_EQ(small_end(loop, &op), (int)sizeof text);
    gyre_small_op_recv(&op, pair[1], 0);
    CHECK_EQ(small_end(loop, &op), (int)sizeof text);
    CHECK(memcmp(gyre_small_op_data(&op), "pong", sizeof text) == 0);
    close(pair[0]);
    close(pair[1]);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E13_a_small_op_counts_an_eventfd)
{
    gyre_loop *loop = stage_open(8);
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t value = 42;
    gyre_small_op op;

    CHECK_OK(gyre_small_op_write(&op, fd, &value, sizeof value,
                                 GYRE_CURRENT_POSITION));
    value = 0;
    CHECK_EQ(small_end(loop, &op), (int)sizeof value);
    gyre_small_op_read(&op, fd, GYRE_CURRENT_POSITION);
    CHECK_EQ(small_end(loop, &op), (int)sizeof value);
    memcpy(&value, gyre_small_op_data(&op), sizeof value);
    CHECK_EQ(value, 42u);
    close(fd);
    gyre_loop_destroy(loop);
}
