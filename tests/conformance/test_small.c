/* SPDX-License-Identifier: MIT */
/*
 * test_small.c - small ops move their bytes on every kernel
 */
#include <gyre/op_small.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "stage.h"

KERNEL_TEST(E13_a_small_op_sends_and_receives_its_own_bytes)
{
    gyre_loop *loop = stage_open(8);
    char text[] = "pong";
    gyre_small_op op;
    int pair[2];

    make_pair(pair);
    CHECK_OK(gyre_small_op_send(&op, pair[0], text, sizeof text, 0));
    memset(text, 'x', sizeof text);
    CHECK_EQ(op_run(loop, &op.op), (int)sizeof text);
    gyre_small_op_recv(&op, pair[1], 0);
    CHECK_EQ(op_run(loop, &op.op), (int)sizeof text);
    CHECK(memcmp(gyre_small_op_data(&op), "pong", sizeof text) == 0);
    close_both(pair);
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
    CHECK_EQ(op_run(loop, &op.op), (int)sizeof value);
    gyre_small_op_read(&op, fd, GYRE_CURRENT_POSITION);
    CHECK_EQ(op_run(loop, &op.op), (int)sizeof value);
    memcpy(&value, gyre_small_op_data(&op), sizeof value);
    CHECK_EQ(value, 42u);
    close(fd);
    gyre_loop_destroy(loop);
}
