/* SPDX-License-Identifier: MIT */
/*
 * test_socket.c - what a socket is made of: SOCKET, BIND, LISTEN, options and
 * addresses, the flags of its requests; on every kernel
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "runner/patient.h"
#include "stage.h"

/* ---- making one ---------------------------------------------------------- */

static int open_socket(gyre_loop *loop, int domain, int type, int protocol)
{
    gyre_op op;

    gyre_op_socket(&op, domain, type, protocol);
    return op_run(loop, &op);
}

static int bind_to(gyre_loop *loop, int fd, const void *address, socklen_t size)
{
    gyre_op op;

    gyre_op_bind(&op, fd, address, size);
    return op_run(loop, &op);
}

static int listen_on(gyre_loop *loop, int fd, int backlog)
{
    gyre_op op;

    gyre_op_listen(&op, fd, backlog);
    return op_run(loop, &op);
}

static struct sockaddr_in loopback(void)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

KERNEL_TEST(C11_a_listener_is_made_without_a_system_call_of_ones_own)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in address = loopback(), got;
    socklen_t size = sizeof got;
    int listener = open_socket(loop, AF_INET, SOCK_STREAM, 0);
    int client = open_socket(loop, AF_INET, SOCK_STREAM, IPPROTO_TCP);
    struct call accepting;
    gyre_op op;

    CHECK_GE(listener, 0);
    CHECK_GE(client, 0);
    CHECK_OK(bind_to(loop, listener, &address, sizeof address));
    CHECK_OK(listen_on(loop, listener, 5));
    gyre_op_getsockname(&op, listener, (struct sockaddr *)&got, &size);
    CHECK_OK(op_run(loop, &op));
    CHECK_EQ(size, sizeof got);
    CHECK_NE(got.sin_port, 0);

    gyre_op_accept(&accepting.op, listener, NULL, NULL, 0);
    call_start(loop, &accepting);
    gyre_op_connect(&op, client, (struct sockaddr *)&got, size);
    CHECK_OK(op_run(loop, &op));
    CHECK_GE(call_wait(loop, &accepting), 0);
    CHECK_EQ(write(client, "x", 1), 1);
    close(accepting.result.res);
    close(client);
    close(listener);
    gyre_loop_destroy(loop);
}

/* The same flags on each kernel. */
KERNEL_TEST(C11_a_socket_is_closed_on_exec_and_does_not_block)
{
    static const int domains[] = { AF_INET, AF_INET6, AF_UNIX };
    static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
    gyre_loop *loop = stage_open(8);

    for (size_t i = 0; i < COUNT_OF(domains) * COUNT_OF(types); i++) {
        int fd = open_socket(loop, domains[i / 2], types[i % 2], 0);

        if (domains[i / 2] == AF_INET6 && fd == -EAFNOSUPPORT)
            continue;
        CHECK_GE(fd, 0);
        CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
        CHECK_EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
        close(fd);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C11_E8_what_is_no_socket_address_or_listener_is_told)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in address = loopback();
    int stream = open_socket(loop, AF_INET, SOCK_STREAM, 0);
    int datagram = open_socket(loop, AF_INET, SOCK_DGRAM, 0);
    char huge[sizeof(struct sockaddr_storage) + 1] = "";
    int fds[2];

    make_pipe(fds);
    CHECK_ERR(open_socket(loop, 9999, SOCK_STREAM, 0), -EAFNOSUPPORT);
    CHECK_ERR(open_socket(loop, AF_INET, 13, 0), -EINVAL);
    CHECK_ERR(open_socket(loop, AF_INET, SOCK_STREAM | 1 << 20, 0), -EINVAL);
    CHECK_ERR(open_socket(loop, AF_INET, SOCK_STREAM, IPPROTO_UDP),
              -EPROTONOSUPPORT);
    CHECK_OK(bind_to(loop, stream, &address, sizeof address));
    CHECK_ERR(bind_to(loop, stream, &address, sizeof address), -EINVAL);
    CHECK_ERR(bind_to(loop, datagram, &address, 3), -EINVAL);
    CHECK_ERR(bind_to(loop, datagram, huge, sizeof huge), -EINVAL);
    if (!test_on_valgrind())
        CHECK_ERR(bind_to(loop, datagram, (void *)8, 16), -EFAULT);
    address.sin_addr.s_addr = htonl(0xCB007101); /* 203.0.113.1: not ours */
    CHECK_ERR(bind_to(loop, datagram, &address, sizeof address),
              -EADDRNOTAVAIL);
    CHECK_ERR(bind_to(loop, fds[0], &address, sizeof address), -ENOTSOCK);
    CHECK_ERR(bind_to(loop, 777, &address, sizeof address), -EBADF);
    CHECK_ERR(listen_on(loop, datagram, 1), -EOPNOTSUPP);
    CHECK_ERR(listen_on(loop, fds[0], 1), -ENOTSOCK);
    CHECK_ERR(listen_on(loop, 777, 1), -EBADF);
    CHECK_OK(listen_on(loop, stream, -1)); /* as much as there may be */
    close_both(fds);
    close(stream);
    close(datagram);
    gyre_loop_destroy(loop);
}

/* ---- options ------------------------------------------------------------- */

static int get_option(gyre_loop *loop, int fd, int level, int name, int *value)
{
    gyre_op op;

    gyre_op_getsockopt(&op, fd, level, name, value, sizeof *value);
    return op_run(loop, &op);
}

static int set_option(gyre_loop *loop, int fd, int level, int name, int value)
{
    gyre_op op;

    gyre_op_setsockopt(&op, fd, level, name, &value, sizeof value);
    return op_run(loop, &op);
}

KERNEL_TEST(C12_options_of_every_level_are_set_and_read)
{
    static const int options[][2] = { { SOL_SOCKET, SO_KEEPALIVE },
                                      { IPPROTO_TCP, TCP_NODELAY },
                                      { IPPROTO_IP, IP_FREEBIND } };
    gyre_loop *loop = stage_open(8);
    int fds[2], value;

    make_connection(fds);
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        int level = options[i][0], name = options[i][1];

        value = -1;
        CHECK_EQ(get_option(loop, fds[0], level, name, &value), sizeof value);
        CHECK_EQ(value, 0);
        CHECK_OK(set_option(loop, fds[0], level, name, 1));
        CHECK_EQ(get_option(loop, fds[0], level, name, &value), sizeof value);
        CHECK_EQ(value, 1);
    }
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C12_a_value_is_as_large_as_there_is_room)
{
    gyre_loop *loop = stage_open(8);
    unsigned char room[8];
    struct linger linger = { 1, 7 }, got = { 0, 0 };
    int fds[2];
    gyre_op op;

    make_connection(fds);
    gyre_op_setsockopt(&op, fds[0], SOL_SOCKET, SO_LINGER, &linger,
                       sizeof linger);
    CHECK_OK(op_run(loop, &op));
    gyre_op_getsockopt(&op, fds[0], SOL_SOCKET, SO_LINGER, &got, sizeof got);
    CHECK_EQ(op_run(loop, &op), sizeof got);
    CHECK_EQ(got.l_onoff, 1);
    CHECK_EQ(got.l_linger, 7);
    memset(room, 0xEE, sizeof room);
    gyre_op_getsockopt(&op, fds[0], SOL_SOCKET, SO_TYPE, room, 2);
    CHECK_EQ(op_run(loop, &op), 2);
    CHECK_EQ(room[2], 0xEE);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C12_E8_an_option_that_is_not_there_is_told)
{
    gyre_loop *loop = stage_open(8);
    int fds[2], pipe_fds[2], value = 1;
    gyre_op op;

    make_connection(fds);
    make_pipe(pipe_fds);
    CHECK_ERR(get_option(loop, fds[0], SOL_SOCKET, 9999, &value), -ENOPROTOOPT);
    CHECK_ERR(set_option(loop, fds[0], SOL_SOCKET, 9999, 1), -ENOPROTOOPT);
    CHECK_ERR(set_option(loop, fds[0], 9999, 1, 1), -ENOPROTOOPT);
    CHECK_ERR(get_option(loop, 777, SOL_SOCKET, SO_TYPE, &value), -EBADF);
    CHECK_ERR(get_option(loop, pipe_fds[0], SOL_SOCKET, SO_TYPE, &value),
              -EOPNOTSUPP);
    CHECK_ERR(get_option(loop, pipe_fds[0], IPPROTO_TCP, TCP_NODELAY, &value),
              -EOPNOTSUPP);
    gyre_op_setsockopt(&op, fds[0], SOL_SOCKET, SO_KEEPALIVE, &value, 2);
    CHECK_ERR(op_run(loop, &op), -EINVAL);
    if (!test_on_valgrind()) {
        CHECK_ERR(get_option(loop, fds[0], SOL_SOCKET, SO_TYPE, (int *)8),
                  -EFAULT);
    }
    close_both(pipe_fds);
    close_both(fds);
    gyre_loop_destroy(loop);
}

static int count(gyre_loop *loop, int fd, void (*fill)(gyre_op *op, int fd))
{
    gyre_op op;

    fill(&op, fd);
    return op_run(loop, &op);
}

KERNEL_TEST(C12_what_is_queued_in_a_socket_is_counted)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in here;
    int fds[2], datagram = make_datagram(&here), from = make_datagram(&here);
    socklen_t size = sizeof here;
    char bytes[8];

    make_connection(fds);
    CHECK_EQ(count(loop, fds[1], gyre_op_inq), 0);
    CHECK_EQ(send(fds[0], "hello", 5, 0), 5);
    CHECK_EQ(recv(fds[1], bytes, 5, MSG_PEEK | MSG_WAITALL), 5);
    CHECK_EQ(count(loop, fds[1], gyre_op_inq), 5);
    CHECK_GE(count(loop, fds[0], gyre_op_outq), 0);
    CHECK_EQ(recv(fds[1], bytes, 8, 0), 5);
    CHECK_EQ(count(loop, fds[1], gyre_op_inq), 0);

    CHECK_OK(getsockname(datagram, (struct sockaddr *)&here, &size));
    CHECK_EQ(sendto(from, "abc", 3, 0, (struct sockaddr *)&here, size), 3);
    CHECK_EQ(sendto(from, "defg", 4, 0, (struct sockaddr *)&here, size), 4);
    CHECK_EQ(count(loop, datagram, gyre_op_inq), 3); /* the next one */
    close_both(fds);
    make_pair(fds);
    CHECK_ERR(count(loop, fds[0], gyre_op_inq), -EOPNOTSUPP);
    CHECK_ERR(count(loop, fds[0], gyre_op_outq), -EOPNOTSUPP);
    CHECK_ERR(count(loop, 777, gyre_op_inq), -EBADF);
    close_both(fds);
    close(datagram);
    close(from);
    gyre_loop_destroy(loop);
}

/* ---- addresses ----------------------------------------------------------- */

KERNEL_TEST(C12_C15_both_ends_of_a_connection_have_names)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in own = { 0 }, peer = { 0 };
    socklen_t size = sizeof own;
    int fds[2], pipe_fds[2], alone = open_socket(loop, AF_INET, SOCK_STREAM, 0);
    gyre_op op;

    make_connection(fds);
    make_pipe(pipe_fds);
    gyre_op_getsockname(&op, fds[0], (struct sockaddr *)&own, &size);
    CHECK_OK(op_run(loop, &op));
    CHECK_EQ(size, sizeof own);
    gyre_op_getpeername(&op, fds[1], (struct sockaddr *)&peer, &size);
    CHECK_OK(op_run(loop, &op));
    CHECK_MEM_EQ(&own, &peer, sizeof own);
    CHECK_NE(own.sin_port, 0);

    gyre_op_getpeername(&op, alone, (struct sockaddr *)&peer, &size);
    CHECK_ERR(op_run(loop, &op), -ENOTCONN);
    gyre_op_getsockname(&op, 777, (struct sockaddr *)&peer, &size);
    CHECK_ERR(op_run(loop, &op), -EBADF);
    gyre_op_getsockname(&op, pipe_fds[0], (struct sockaddr *)&peer, &size);
    CHECK_ERR(op_run(loop, &op), -EOPNOTSUPP);
    close(alone);
    close_both(pipe_fds);
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* Too little room: the length is told, and no more is written than fits. */
KERNEL_TEST(C15_an_address_that_does_not_fit_is_cut_and_its_length_is_told)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in address, there;
    unsigned char room[sizeof address];
    socklen_t size = 4;
    int listener = make_listener(&address), fd, datagram;
    struct iovec iov;
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct call call;
    char byte;

    test_not_on_qemu_user("it writes beyond a short address");
    memset(room, 0xEE, sizeof room);
    fd = open_socket(loop, AF_INET, SOCK_STREAM, 0);
    (void)connect(fd, (struct sockaddr *)&address, sizeof address);
    gyre_op_accept(&call.op, listener, (struct sockaddr *)room, &size, 0);
    CHECK_GE(call_run(loop, &call), 0);
    close(call.result.res);
    CHECK_EQ(size, sizeof address);
    CHECK_MEM_EQ(room, &address, 2); /* the family */
    CHECK_EQ(room[4], 0xEE);

    memset(room, 0xEE, sizeof room);
    size = 4;
    gyre_op_getsockname(&call.op, fd, (struct sockaddr *)room, &size);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(size, sizeof address);
    CHECK_EQ(room[4], 0xEE);
    close(fd);

    memset(room, 0xEE, sizeof room);
    datagram = make_datagram(&address);
    fd = make_datagram(&there);
    CHECK_EQ(sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof address),
             1);
    iov = (struct iovec){ &byte, 1 };
    message.msg_name = room;
    message.msg_namelen = 4;
    gyre_op_recvmsg(&call.op, datagram, &message, 0);
    CHECK_EQ(call_run(loop, &call), 1);
    CHECK_EQ(message.msg_namelen, sizeof address);
    CHECK_MEM_EQ(room, &there, 4); /* the family and the port */
    CHECK_EQ(room[4], 0xEE);
    close(fd);
    close(datagram);
    close(listener);
    gyre_loop_destroy(loop);
}

/* ---- datagrams to an address --------------------------------------------- */

static int send_to(gyre_loop *loop, int fd, const char *text, const void *to,
                   socklen_t size)
{
    gyre_op op;

    gyre_op_sendto(&op, fd, text, strlen(text), 0, to, size);
    return op_run(loop, &op);
}

KERNEL_TEST(C17_a_datagram_goes_to_an_address_without_a_msghdr)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in first, second, own;
    int a = make_datagram(&first), b = make_datagram(&second);
    int from = make_datagram(&own);
    char bytes[16];

    CHECK_EQ(send_to(loop, from, "one", &first, sizeof first), 3);
    CHECK_EQ(send_to(loop, from, "three", &second, sizeof second), 5);
    CHECK_EQ(send_to(loop, from, "", &second, sizeof second), 0);
    CHECK_EQ(recv(a, bytes, sizeof bytes, 0), 3);
    CHECK_EQ(recv(b, bytes, sizeof bytes, 0), 5);
    CHECK_MEM_EQ(bytes, "three", 5);
    CHECK_EQ(recv(b, bytes, sizeof bytes, 0), 0);

    CHECK_ERR(send_to(loop, from, "x", NULL, 0), -EDESTADDRREQ);
    CHECK_ERR(send_to(loop, from, "x", &first, 3), -EINVAL);
    CHECK_ERR(send_to(loop, from, "x", &first, 100000), -EINVAL);
    if (!test_on_valgrind())
        CHECK_ERR(send_to(loop, from, "x", (void *)8, 16), -EFAULT);
    CHECK_OK(patient_connect(from, (struct sockaddr *)&first, sizeof first));
    CHECK_EQ(send_to(loop, from, "x", NULL, 0), 1);
    close(a);
    close(b);
    close(from);
    gyre_loop_destroy(loop);
}

/* It is read at submission. (On Linux's ring such a send is not to be trusted:
 * docs/DIFFERENCES.md.) */
KERNEL_TEST_ON(C17_E17_the_address_of_a_send_that_waits_may_go, TEST_EMU)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int to = open_socket(loop, AF_UNIX, SOCK_DGRAM, 0);
    int from = open_socket(loop, AF_UNIX, SOCK_DGRAM, 0);
    char bytes[16];
    unsigned sent = 0, got = 0;
    ssize_t n = 0;
    struct call call;

    snprintf(address.sun_path, sizeof address.sun_path, "%s/s",
             test_directory());
    CHECK_OK(bind_to(loop, to, &address, sizeof address));
    while ((n = sendto(from, "full", 4, 0, (struct sockaddr *)&address,
                       sizeof address)) == 4)
        sent++;
    CHECK_EQ(errno, EAGAIN);
    gyre_op_sendto(&call.op, from, "last", 4, 0, (struct sockaddr *)&address,
                   sizeof address);
    call_start(loop, &call);
    stage_turn(loop);
    CHECK_EQ(gyre_op_state(&call.op), GYRE_OP_IN_FLIGHT);
    memset(&address, 0xDD, sizeof address);
    while (got < sent + 1) {
        stage_turn(loop);
        while ((n = recv(to, bytes, sizeof bytes, MSG_DONTWAIT)) == 4)
            got++;
    }
    CHECK_MEM_EQ(bytes, "last", 4);
    CHECK_EQ(call_wait(loop, &call), 4);
    close(to);
    close(from);
    gyre_loop_destroy(loop);
}

/* ---- flags --------------------------------------------------------------- */

KERNEL_TEST(C13_poll_first_waits_even_if_there_is_something)
{
    gyre_loop *loop = stage_open(8);
    struct iovec iov;
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    char bytes[8];
    int fds[2];
    struct call call;

    make_pair(fds);
    iov = (struct iovec){ bytes, sizeof bytes };
    gyre_op_recv(&call.op, fds[0], bytes, sizeof bytes, GYRE_POLL_FIRST);
    call_start(loop, &call);
    stage_turn(loop);
    CHECK_EQ(gyre_op_state(&call.op), GYRE_OP_IN_FLIGHT);
    CHECK_EQ(write(fds[1], "abc", 3), 3);
    CHECK_EQ(call_wait(loop, &call), 3);
    CHECK_EQ(write(fds[1], "de", 2), 2);
    CHECK_EQ(call_run(loop, &call), 2);
    CHECK_EQ(write(fds[1], "f", 1), 1);
    gyre_op_recvmsg(&call.op, fds[0], &message, GYRE_POLL_FIRST);
    CHECK_EQ(call_run(loop, &call), 1);
    gyre_op_send(&call.op, fds[0], "xy", 2, GYRE_POLL_FIRST);
    CHECK_EQ(call_run(loop, &call), 2);
    iov = (struct iovec){ bytes, 1 };
    gyre_op_sendmsg(&call.op, fds[0], &message, GYRE_POLL_FIRST);
    CHECK_EQ(call_run(loop, &call), 1);
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* Whoever wants no wait gets none: there was no try before it. (A Linux that
 * does not know the flag tries.) */
KERNEL_TEST_ON(C13_poll_first_without_a_wait_finds_nothing,
               TEST_URING | TEST_EMU)
{
    gyre_loop *loop = stage_open(8);
    char byte;
    int fds[2];
    struct call call;

    make_pair(fds);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    gyre_op_recv(&call.op, fds[0], &byte, 1, GYRE_POLL_FIRST | MSG_DONTWAIT);
    if (test_has("poll_first", 5, 19))
        CHECK_ERR(call_run(loop, &call), -EAGAIN);
    else
        CHECK_EQ(call_run(loop, &call), 1);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C13_C1_an_accept_may_want_no_wait_or_no_try)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in address;
    int listener = make_listener(&address);
    int fd = open_socket(loop, AF_INET, SOCK_STREAM, 0);
    struct pollfd come = { .fd = listener, .events = POLLIN };
    struct call call;

    /* On a listener that blocks, and on one that does not. */
    for (int i = 0; i < 2; i++) {
        gyre_op_accept(&call.op, listener, NULL, NULL, MSG_DONTWAIT);
        CHECK_ERR(call_run(loop, &call), -EAGAIN);
        (void)connect(fd, (struct sockaddr *)&address, sizeof address);
        CHECK_EQ(poll(&come, 1, -1), 1); /* it may take Linux a moment */
        CHECK_GE(call_run(loop, &call), 0);
        close(call.result.res);
        close(fd);
        fd = open_socket(loop, AF_INET, SOCK_STREAM, 0);

        gyre_op_accept(&call.op, listener, NULL, NULL,
                       GYRE_POLL_FIRST | SOCK_NONBLOCK);
        call_start(loop, &call);
        stage_turn(loop);
        (void)connect(fd, (struct sockaddr *)&address, sizeof address);
        CHECK_GE(call_wait(loop, &call), 0);
        CHECK_EQ(fcntl(call.result.res, F_GETFL), O_RDWR | O_NONBLOCK);
        close(call.result.res);
        close(fd);
        fd = open_socket(loop, AF_INET, SOCK_STREAM, 0);
        CHECK_OK(fcntl(listener, F_SETFL, O_NONBLOCK));
    }
    gyre_op_accept(&call.op, listener, NULL, NULL, 1 << 20);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    close(fd);
    close(listener);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C13_waitall_receives_the_whole)
{
    gyre_loop *loop = stage_open(8);
    char bytes[10];
    struct iovec iov[2] = { { bytes, 3 }, { bytes + 3, 7 } };
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };
    int fds[2];
    struct call call;

    make_connection(fds);
    for (int way = 0; way < 2; way++) {
        if (way == 0)
            gyre_op_recv(&call.op, fds[0], bytes, 10, MSG_WAITALL);
        else
            gyre_op_recvmsg(&call.op, fds[0], &message, MSG_WAITALL);
        call_start(loop, &call);
        for (int i = 0; i < 5; i++) {
            stage_turn(loop);
            CHECK_EQ(gyre_op_state(&call.op), GYRE_OP_IN_FLIGHT);
            CHECK_EQ(write(fds[1], "ab", 2), 2);
        }
        CHECK_EQ(call_wait(loop, &call), 10);
        CHECK_MEM_EQ(bytes, "ababababab", 10);
    }
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* What there was: before the end, before a reset, before a cancel. */
KERNEL_TEST(C13_waitall_ends_with_what_there_was)
{
    gyre_loop *loop = stage_open(8);
    struct linger at_once = { 1, 0 };
    char bytes[10];
    int fds[2];
    struct call call;

    for (int way = 0; way < 3; way++) {
        make_connection(fds);
        gyre_op_recv(&call.op, fds[0], bytes, 10, MSG_WAITALL);
        call_start(loop, &call);
        CHECK_EQ(write(fds[1], "abc", 3), 3);
        for (int i = 0; i < 3; i++)
            stage_turn(loop);
        CHECK_EQ(gyre_op_state(&call.op), GYRE_OP_IN_FLIGHT);
        if (way == 1)
            CHECK_OK(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &at_once,
                                sizeof at_once));
        if (way == 2)
            CHECK_OK(gyre_op_cancel(&call.op));
        else
            close(fds[1]);
        CHECK_EQ(call_wait(loop, &call), 3);
        if (way == 1) {
            gyre_op_recv(&call.op, fds[0], bytes, 10, MSG_WAITALL);
            CHECK_EQ(call_run(loop, &call), 0); /* the error is told once */
        }
        if (way == 2)
            close(fds[1]);
        close(fds[0]);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C13_waitall_sends_the_whole)
{
    enum { SIZE = 1 << 20 };
    gyre_loop *loop = stage_open(8);
    char *out = malloc(SIZE), *in = malloc(SIZE);
    int fds[2], little = 4096;
    size_t got = 0;
    struct call call;

    CHECK(out != NULL && in != NULL);
    for (size_t i = 0; i < SIZE; i++)
        out[i] = (char)pattern_byte(i);
    make_connection(fds);
    CHECK_OK(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof little));
    gyre_op_send(&call.op, fds[0], out, SIZE, MSG_WAITALL);
    call_start(loop, &call);
    while (got < SIZE) {
        ssize_t n = recv(fds[1], in + got, SIZE - got, MSG_DONTWAIT);

        got += n > 0 ? (size_t)n : 0;
        stage_turn(loop);
    }
    CHECK_EQ(call_wait(loop, &call), SIZE);
    CHECK_MEM_EQ(in, out, SIZE);
    close_both(fds);
    free(out);
    free(in);
    gyre_loop_destroy(loop);
}

/* No send raises SIGPIPE; the test would die of it. */
KERNEL_TEST(C13_no_send_raises_a_signal)
{
    gyre_loop *loop = stage_open(8);
    char byte = 'x';
    struct iovec iov = { &byte, 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    int fds[2];
    struct call call;

    make_connection(fds);
    CHECK_OK(shutdown(fds[0], SHUT_WR));
    gyre_op_send(&call.op, fds[0], &byte, 1, 0);
    CHECK_ERR(call_run(loop, &call), -EPIPE);
    gyre_op_sendmsg(&call.op, fds[0], &message, 0);
    CHECK_ERR(call_run(loop, &call), -EPIPE);
    gyre_op_sendto(&call.op, fds[0], &byte, 1, 0, NULL, 0);
    CHECK_ERR(call_run(loop, &call), -EPIPE);
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* ---- families and control data ------------------------------------------- */

KERNEL_TEST(C4_C14_every_kind_of_socket_keeps_its_boundaries)
{
    static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
    gyre_loop *loop = stage_open(8);

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        bool stream = types[i] == SOCK_STREAM;
        char bytes[8];
        int fds[2];
        struct call call;

        CHECK_OK(socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, fds));
        gyre_op_send(&call.op, fds[0], "abc", 3, 0);
        CHECK_EQ(call_run(loop, &call), 3);
        gyre_op_send(&call.op, fds[0], "de", 2, 0);
        CHECK_EQ(call_run(loop, &call), 2);
        gyre_op_recv(&call.op, fds[1], bytes, sizeof bytes, 0);
        CHECK_EQ(call_run(loop, &call), stream ? 5 : 3);
        if (!stream) {
            gyre_op_recv(&call.op, fds[1], bytes, 1, MSG_TRUNC);
            CHECK_EQ(call_run(loop, &call), 2); /* its whole length */
            gyre_op_send(&call.op, fds[0], "", 0, 0);
            CHECK_EQ(call_run(loop, &call), 0);
            gyre_op_recv(&call.op, fds[1], bytes, sizeof bytes, 0);
            CHECK_EQ(call_run(loop, &call), 0);
            gyre_op_recv(&call.op, fds[1], bytes, 1, MSG_DONTWAIT);
            CHECK_ERR(call_run(loop, &call), -EAGAIN); /* and it goes on */
        }
        close_both(fds);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C1_C3_C4_C17_the_sixth_version_of_the_protocol)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in6 address = { .sin6_family = AF_INET6,
                                    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct sockaddr_in6 peer;
    socklen_t size = sizeof address, peer_size = sizeof peer;
    int listener = open_socket(loop, AF_INET6, SOCK_STREAM, 0), fd, to;
    char bytes[8];
    struct call accepting, call;

    if (listener < 0 || bind_to(loop, listener, &address, size) < 0)
        TEST_SKIP("this machine has no IPv6 loopback");
    CHECK_OK(listen_on(loop, listener, 5));
    CHECK_OK(getsockname(listener, (struct sockaddr *)&address, &size));
    fd = open_socket(loop, AF_INET6, SOCK_STREAM, 0);
    gyre_op_accept(&accepting.op, listener, (struct sockaddr *)&peer,
                   &peer_size, 0);
    call_start(loop, &accepting);
    gyre_op_connect(&call.op, fd, (struct sockaddr *)&address, size);
    CHECK_OK(call_run(loop, &call));
    CHECK_GE(call_wait(loop, &accepting), 0);
    CHECK_EQ(peer_size, sizeof peer);
    CHECK_MEM_EQ(&peer.sin6_addr, &in6addr_loopback, 16);
    gyre_op_send(&call.op, fd, "six", 3, 0);
    CHECK_EQ(call_run(loop, &call), 3);
    gyre_op_recv(&call.op, accepting.result.res, bytes, 8, 0);
    CHECK_EQ(call_run(loop, &call), 3);
    close(accepting.result.res);
    close(fd);

    to = open_socket(loop, AF_INET6, SOCK_DGRAM, 0);
    fd = open_socket(loop, AF_INET6, SOCK_DGRAM, 0);
    address.sin6_port = 0;
    CHECK_OK(bind_to(loop, to, &address, size));
    CHECK_OK(getsockname(to, (struct sockaddr *)&address, &size));
    CHECK_EQ(send_to(loop, fd, "to you", &address, size), 6);
    gyre_op_recv(&call.op, to, bytes, 8, 0);
    CHECK_EQ(call_run(loop, &call), 6);
    close(to);
    close(fd);
    close(listener);
    gyre_loop_destroy(loop);
}

/* Room for one descriptor of the two that come: the other is closed. */
KERNEL_TEST(C5_control_data_that_does_not_fit_says_so)
{
    gyre_loop *loop = stage_open(8);
    int fds[2], pipe_fds[2], got;
    char byte = 'x';
    struct iovec iov = { &byte, 1 };
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } out = { .space = "" }, in = { .space = "" };
    struct msghdr sending = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = &out,
                              .msg_controllen = sizeof out };
    struct msghdr receiving = { .msg_iov = &iov,
                                .msg_iovlen = 1,
                                .msg_control = &in,
                                .msg_controllen = CMSG_LEN(sizeof(int)) };
    struct call call;

    test_not_on_qemu_user("it forgets MSG_CTRUNC");
    make_pair(fds);
    make_pipe(pipe_fds);
    out.head.cmsg_level = SOL_SOCKET;
    out.head.cmsg_type = SCM_RIGHTS;
    out.head.cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(&out.head), pipe_fds, 2 * sizeof(int));

    /* One that waits, so that the header is a copy in user space. */
    gyre_op_recvmsg(&call.op, fds[1], &receiving, MSG_CMSG_CLOEXEC);
    call_start(loop, &call);
    stage_turn(loop);
    CHECK_EQ(sendmsg(fds[0], &sending, 0), 1);
    CHECK_EQ(call_wait(loop, &call), 1);
    CHECK_EQ(receiving.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
    CHECK_EQ(in.head.cmsg_len, CMSG_LEN(sizeof(int)));
    memcpy(&got, CMSG_DATA(&in.head), sizeof got);
    CHECK_EQ(fcntl(got, F_GETFD), FD_CLOEXEC);
    close(got);
    close_both(pipe_fds);
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* A hint that Linux's ring gives and the emulator does not
 * (docs/DIFFERENCES.md). */
KERNEL_TEST_ON(E7_a_receive_tells_that_there_is_more, TEST_URING)
{
    gyre_loop *loop = stage_open(8);
    char bytes[8];
    int fds[2];
    struct call call;

    make_connection(fds);
    CHECK_EQ(write(fds[1], "hello", 5), 5);
    gyre_op_recv(&call.op, fds[0], bytes, 2, 0);
    CHECK_EQ(call_run(loop, &call), 2);
    CHECK_EQ(call.result.flags & GYRE_CQE_SOCK_NONEMPTY,
             GYRE_CQE_SOCK_NONEMPTY);
    gyre_op_recv(&call.op, fds[0], bytes, 8, 0);
    CHECK_EQ(call_run(loop, &call), 3);
    CHECK_EQ(call.result.flags & GYRE_CQE_SOCK_NONEMPTY, 0);
    close_both(fds);
    gyre_loop_destroy(loop);
}
