/* SPDX-License-Identifier: MIT */
/*
 * test_net.c - sockets on every kernel
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runner/patient.h"
#include "stage.h"

static int open_stream(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_GE(fd, 0);
    return fd;
}

KERNEL_TEST(C1_C3_a_connection_is_made)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in address, peer, own;
    socklen_t peer_size = sizeof peer, own_size = sizeof own;
    int listener = make_listener(&address);
    int fd = open_stream();
    struct call accepting, connecting;

    gyre_op_accept(&accepting.op, listener, (struct sockaddr *)&peer,
                   &peer_size, SOCK_NONBLOCK);
    call_start(loop, &accepting);
    stage_turn(loop);
    CHECK_EQ(gyre_op_state(&accepting.op), GYRE_OP_IN_FLIGHT);
    gyre_op_connect(&connecting.op, fd, (struct sockaddr *)&address,
                    sizeof address);
    CHECK_EQ(call_run(loop, &connecting), 0);
    CHECK_GE(call_wait(loop, &accepting), 0);
    CHECK_OK(getsockname(fd, (struct sockaddr *)&own, &own_size));
    CHECK_EQ(peer_size, sizeof peer);
    CHECK_EQ(peer.sin_port, own.sin_port);
    CHECK_EQ(fcntl(accepting.result.res, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_EQ(fcntl(accepting.result.res, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    close(accepting.result.res);
    close(fd);

    /* One that waits already, and nobody asks for its address. */
    fd = open_stream();
    CHECK_OK(patient_connect(fd, (struct sockaddr *)&address, sizeof address));
    gyre_op_accept(&accepting.op, listener, NULL, NULL, 0);
    CHECK_GE(call_run(loop, &accepting), 0);
    CHECK_EQ(fcntl(accepting.result.res, F_GETFL) & O_NONBLOCK, 0);
    close(accepting.result.res);
    close(fd);
    close(listener);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C3_a_refused_connection_says_so)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in address;
    int fd = open_stream();
    struct call call;

    close(make_listener(&address));
    gyre_op_connect(&call.op, fd, (struct sockaddr *)&address, sizeof address);
    CHECK_ERR(call_run(loop, &call), -ECONNREFUSED);
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E17_C3_a_connect_op_carries_its_address)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in address;
    int listener = make_listener(&address);
    int fd = open_stream();
    gyre_connect_op op;

    CHECK_OK(gyre_connect_op_fill(&op, fd, (struct sockaddr *)&address,
                                  sizeof address));
    memset(&address, 0xDD, sizeof address);
    CHECK_EQ(op_run(loop, &op.op), 0);
    close(fd);
    close(listener);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C4_bytes_come_as_they_were_sent)
{
    enum { SIZE = 2000000 };
    gyre_loop *loop = stage_open(8);
    unsigned char *out = malloc(SIZE), *in = malloc(SIZE);
    size_t sent = 0, got = 0;
    int fds[2];
    struct call sender, receiver;

    CHECK(out != NULL && in != NULL);
    for (size_t i = 0; i < SIZE; i++)
        out[i] = pattern_byte(i);
    make_connection(fds);
    sender.lasts = receiver.lasts = 1; /* idle */
    sender.result.res = receiver.result.res = 0;
    while (got < SIZE) {
        if (sender.lasts == 1 && sent < SIZE) {
            sent += (size_t)sender.result.res;
            sender.result.res = 0;
            if (sent < SIZE) {
                gyre_op_send(&sender.op, fds[0], out + sent, SIZE - sent, 0);
                call_start(loop, &sender);
            }
        }
        if (receiver.lasts == 1) {
            got += (size_t)receiver.result.res;
            receiver.result.res = 0;
            if (got < SIZE) {
                gyre_op_recv(&receiver.op, fds[1], in + got, SIZE - got, 0);
                call_start(loop, &receiver);
            }
        }
        if (got == SIZE)
            break;
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        CHECK(receiver.lasts == 0 || receiver.result.res > 0);
        CHECK(sender.lasts == 0 || sender.result.res >= 0);
    }
    if (sender.lasts == 0)
        CHECK_GT(call_wait(loop, &sender), 0);
    CHECK_MEM_EQ(in, out, SIZE);
    free(in);
    free(out);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C4_an_op_waits_on_a_nonblocking_socket_too)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    char bytes[8];
    struct call call;

    make_pair(fds);
    CHECK_OK(fcntl(fds[0], F_SETFL, O_NONBLOCK));
    gyre_op_recv(&call.op, fds[0], bytes, sizeof bytes, 0);
    call_start(loop, &call);
    stage_turn(loop);
    CHECK_EQ(gyre_op_state(&call.op), GYRE_OP_IN_FLIGHT);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(call_wait(loop, &call), 1);
    gyre_op_recv(&call.op, fds[0], bytes, sizeof bytes, MSG_DONTWAIT);
    CHECK_ERR(call_run(loop, &call), -EAGAIN);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C4_sending_to_the_gone_is_EPIPE_without_a_signal)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct call call;

    make_pair(fds);
    close(fds[1]);
    gyre_op_send(&call.op, fds[0], "x", 1, 0);
    CHECK_ERR(call_run(loop, &call), -EPIPE);
    close(fds[0]);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C5_messages_are_gathered_and_scattered)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    char a[] = "head", b[] = "body", x[2], y[10];
    struct iovec out[2] = { { a, 4 }, { b, 4 } };
    struct iovec in[2] = { { x, 2 }, { y, 10 } };
    struct msghdr sending = { .msg_iov = out, .msg_iovlen = 2 };
    struct msghdr receiving = { .msg_iov = in, .msg_iovlen = 2 };
    struct call call;

    CHECK_OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
    gyre_op_sendmsg(&call.op, fds[0], &sending, 0);
    CHECK_EQ(call_run(loop, &call), 8);
    gyre_op_recvmsg(&call.op, fds[1], &receiving, 0);
    CHECK_EQ(call_run(loop, &call), 8);
    CHECK_MEM_EQ(x, "he", 2);
    CHECK_MEM_EQ(y, "adbody", 6);
    CHECK_EQ(receiving.msg_flags & MSG_TRUNC, 0);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C5_a_descriptor_travels_in_a_message)
{
    gyre_loop *loop = stage_open(8);
    int fds[2], pipe_fds[2], got = -1;
    char byte = 'x';
    struct iovec iov = { &byte, 1 };
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } out, in;
    struct msghdr sending = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = &out,
                              .msg_controllen = sizeof out };
    struct msghdr receiving = { .msg_iov = &iov,
                                .msg_iovlen = 1,
                                .msg_control = &in,
                                .msg_controllen = sizeof in };
    struct call call;

    memset(&out, 0, sizeof out);
    memset(&in, 0, sizeof in);
    make_pair(fds);
    make_pipe(pipe_fds);
    out.head.cmsg_level = SOL_SOCKET;
    out.head.cmsg_type = SCM_RIGHTS;
    out.head.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&out.head), &pipe_fds[1], sizeof(int));
    gyre_op_sendmsg(&call.op, fds[0], &sending, 0);
    CHECK_EQ(call_run(loop, &call), 1);
    gyre_op_recvmsg(&call.op, fds[1], &receiving, MSG_CMSG_CLOEXEC);
    CHECK_EQ(call_run(loop, &call), 1);
    CHECK_EQ(in.head.cmsg_type, SCM_RIGHTS);
    memcpy(&got, CMSG_DATA(&in.head), sizeof got);
    CHECK_EQ(write(got, "y", 1), 1);
    CHECK_EQ(read(pipe_fds[0], &byte, 1), 1);
    CHECK_EQ(byte, 'y');
    close(got);
    close_both(pipe_fds);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C10_a_stream_is_shut_down_by_halves)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    char bytes[8];
    struct call call;

    make_connection(fds);
    gyre_op_shutdown(&call.op, fds[0], SHUT_WR);
    CHECK_EQ(call_run(loop, &call), 0);
    gyre_op_recv(&call.op, fds[1], bytes, sizeof bytes, 0);
    CHECK_EQ(call_run(loop, &call), 0);
    CHECK(gyre_op_is_eof(&call.op, call.result));
    gyre_op_send(&call.op, fds[1], "still", 5, 0); /* the other half lives */
    CHECK_EQ(call_run(loop, &call), 5);
    gyre_op_recv(&call.op, fds[0], bytes, sizeof bytes, 0);
    CHECK_EQ(call_run(loop, &call), 5);
    gyre_op_send(&call.op, fds[0], "x", 1, 0);
    CHECK_ERR(call_run(loop, &call), -EPIPE);
    close_both(fds);
    fds[0] = open_stream();
    gyre_op_shutdown(&call.op, fds[0], SHUT_RDWR);
    CHECK_ERR(call_run(loop, &call), -ENOTCONN);
    close(fds[0]);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C14_C15_an_empty_datagram_has_a_sender_and_is_no_end)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in here, there;
    int to = make_datagram(&here), from = make_datagram(&there);
    char bytes[8];
    struct iovec iov = { bytes, sizeof bytes };
    gyre_msg_op in, out;
    const struct sockaddr_in *sender;
    socklen_t size;
    char long_one[] = "0123456789";
    struct iovec piece = { bytes, 0 };

    CHECK_OK(gyre_msg_op_send(&out, from, &piece, 1, (struct sockaddr *)&here,
                              sizeof here, 0));
    CHECK_EQ(op_run(loop, &out.op), 0);
    CHECK_OK(gyre_msg_op_recv(&in, to, &iov, 1, 0));
    CHECK_EQ(op_run(loop, &in.op), 0);
    CHECK(!gyre_op_is_eof(&in.op, (gyre_result){ 0, 0 }));
    sender =
        (const struct sockaddr_in *)(const void *)gyre_msg_op_from(&in, &size);
    CHECK_EQ(size, sizeof *sender);
    CHECK_EQ(sender->sin_port, there.sin_port);
    CHECK_EQ(sender->sin_addr.s_addr, there.sin_addr.s_addr);

    /* A datagram that does not fit says so. */
    piece.iov_base = long_one;
    piece.iov_len = 10;
    CHECK_OK(gyre_msg_op_send(&out, from, &piece, 1, (struct sockaddr *)&here,
                              sizeof here, 0));
    CHECK_EQ(op_run(loop, &out.op), 10);
    CHECK_OK(gyre_msg_op_recv(&in, to, &iov, 1, 0));
    CHECK_EQ(op_run(loop, &in.op), 8);
    CHECK_EQ(gyre_msg_op_flags(&in) & MSG_TRUNC, MSG_TRUNC);
    close(to);
    close(from);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D1_poll_tells_which_events_are_there)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    char byte;
    struct call call;

    make_pair(fds);
    gyre_op_poll(&call.op, fds[0], POLLIN | POLLOUT);
    CHECK_EQ(call_run(loop, &call), POLLOUT);
    gyre_op_poll(&call.op, fds[0], POLLIN);
    call_start(loop, &call);
    stage_turn(loop);
    CHECK_EQ(gyre_op_state(&call.op), GYRE_OP_IN_FLIGHT);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(call_wait(loop, &call), POLLIN);
    CHECK_EQ(call_run(loop, &call), POLLIN); /* as long as it is there */
    CHECK_EQ(read(fds[0], &byte, 1), 1);
    call_start(loop, &call);
    stage_turn(loop);
    close(fds[1]);
    CHECK_EQ(call_wait(loop, &call) & (POLLIN | POLLHUP), POLLIN | POLLHUP);
    close(fds[0]);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E8_a_number_that_is_no_descriptor_is_EBADF)
{
    static const int numbers[] = { 777, 1000000, INT32_MAX };
    gyre_loop *loop = stage_open(8);
    char byte;
    struct call call;

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        gyre_op_recv(&call.op, numbers[i], &byte, 1, 0);
        CHECK_ERR(call_run(loop, &call), -EBADF);
        gyre_op_read(&call.op, numbers[i], &byte, 1, 0);
        CHECK_ERR(call_run(loop, &call), -EBADF);
        gyre_op_close(&call.op, numbers[i]);
        CHECK_ERR(call_run(loop, &call), -EBADF);
        gyre_op_poll(&call.op, numbers[i], POLLIN);
        CHECK_ERR(call_run(loop, &call), -EBADF);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E8_the_wrong_kind_of_descriptor_is_told)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    char byte;
    struct call call;

    test_not_on_qemu_user("it has no preadv2");
    make_pipe(fds);
    gyre_op_recv(&call.op, fds[0], &byte, 1, 0);
    CHECK_ERR(call_run(loop, &call), -ENOTSOCK);
    gyre_op_accept(&call.op, fds[0], NULL, NULL, 0);
    CHECK_ERR(call_run(loop, &call), -ENOTSOCK);
    gyre_op_read(&call.op, fds[1], &byte, 1, GYRE_CURRENT_POSITION);
    CHECK_ERR(call_run(loop, &call), -EBADF); /* not open for reading */
    close_both(fds);
    gyre_loop_destroy(loop);
}
