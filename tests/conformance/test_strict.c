/* SPDX-License-Identifier: MIT */
/*
 * test_strict.c - what a request may not say, and what an answer leaves alone
 *
 * Found by the tests of liburing, when the emulator answered them.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stage.h"

KERNEL_TEST(A16_a_priority_is_refused_where_there_is_none)
{
    gyre_loop *loop = stage_open(8);
    struct call nop = { 0 }, poll = { 0 };

    gyre_op_nop(&nop.op);
    gyre_op_sqe(&nop.op)->ioprio = 1;
    CHECK_ERR(call_run(loop, &nop), -EINVAL);
    gyre_op_poll(&poll.op, 0, POLLIN);
    gyre_op_sqe(&poll.op)->ioprio = 1;
    CHECK_ERR(call_run(loop, &poll), -EINVAL);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A16_B2_a_priority_has_a_class_that_there_is)
{
    enum { NO_CLASS = 0xffff, LEVEL_ALONE = 4, BEST_EFFORT = 2 << 13 | 4 };
    gyre_loop *loop = stage_open(8);
    int fd = make_file("file", 100);
    struct call read = { 0 };
    char byte;

    gyre_op_read(&read.op, fd, &byte, 1, 7);
    gyre_op_sqe(&read.op)->ioprio = NO_CLASS;
    CHECK_ERR(call_run(loop, &read), -EINVAL);
    gyre_op_read(&read.op, fd, &byte, 1, 7);
    gyre_op_sqe(&read.op)->ioprio = LEVEL_ALONE;
    CHECK_ERR(call_run(loop, &read), -EINVAL);
    gyre_op_read(&read.op, fd, &byte, 1, 7);
    gyre_op_sqe(&read.op)->ioprio = BEST_EFFORT;
    CHECK_EQ(call_run(loop, &read), 1);
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C5_a_length_without_a_name_is_left_alone)
{
    gyre_loop *loop = stage_open(8);
    char byte = 'x';
    struct iovec part = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_namelen = sizeof(struct sockaddr_in) };
    struct call recv = { 0 };
    int pair[2];

    make_pair(pair);
    gyre_op_recvmsg(&recv.op, pair[0], &message, 0);
    call_start(loop, &recv);
    gyre_loop_run(loop, GYRE_RUN_NOWAIT);
    CHECK_EQ(write(pair[1], "y", 1), 1);
    CHECK_EQ(call_wait(loop, &recv), 1);
    CHECK_EQ(byte, 'y');
    CHECK_EQ(message.msg_namelen, sizeof(struct sockaddr_in));
    CHECK_EQ(message.msg_controllen, 0u);
    close_both(pair);
    gyre_loop_destroy(loop);
}
