/* SPDX-License-Identifier: MIT */
/*
 * test_emu_net.c - the emulator's sockets: what each operation gives, and that
 * none of them depends on whether a descriptor blocks
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "runner/patient.h"
#include "runner/test.h"
#include "test_emu_world.h"

static void set_nonblocking(int fd)
{
    CHECK_EQ(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

TEST(emu_recv_and_send_move_bytes)
{
    struct kernel *k = world_open(8, 0, 0);
    char got[8] = "";
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_SEND, fds[0], "hello", 5, 1);
    expect(k, 1, 5);
    put(k, IORING_OP_RECV, fds[1], got, sizeof got, 2);
    expect(k, 2, 5);
    CHECK_MEM_EQ(got, "hello", 5);
    close(fds[0]);
    put(k, IORING_OP_RECV, fds[1], got, sizeof got, 3);
    expect(k, 3, 0);
    close(fds[1]);
    world_close(k);
}

TEST(emu_recv_waits_on_a_nonblocking_socket_too)
{
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        struct kernel *k = world_open(8, 0, 0);
        char got[8] = "";
        int fds[2];

        make_pair(SOCK_STREAM, fds);
        if (nonblocking)
            set_nonblocking(fds[1]);
        put(k, IORING_OP_RECV, fds[1], got, sizeof got, 1);
        expect_nothing(k);
        CHECK_EQ(write(fds[0], "x", 1), 1);
        expect(k, 1, 1);
        CHECK_EQ(got[0], 'x');
        close_pair(fds);
        world_close(k);
    }
}

TEST(emu_dontwait_answers_at_once)
{
    struct kernel *k = world_open(8, 0, 0);
    char got[8];
    struct iovec iov = { got, sizeof got };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECV, fds[1], got, sizeof got, 1)->msg_flags =
        MSG_DONTWAIT;
    expect(k, 1, -EAGAIN);
    put(k, IORING_OP_RECVMSG, fds[1], &message, 1, 2)->msg_flags = MSG_DONTWAIT;
    expect(k, 2, -EAGAIN);
    put(k, IORING_OP_READ, fds[1], got, sizeof got, 3)->rw_flags = RWF_NOWAIT;
    expect(k, 3, -EAGAIN);

    /* Also when others stand in line. */
    put(k, IORING_OP_RECV, fds[1], got, sizeof got, 4);
    expect_nothing(k);
    put(k, IORING_OP_RECV, fds[1], got, sizeof got, 5)->msg_flags =
        MSG_DONTWAIT;
    expect(k, 5, -EAGAIN);
    cancel(k, 4);
    close_pair(fds);
    world_close(k);
}

TEST(emu_waitall_gathers_all_bytes)
{
    struct kernel *k = world_open(8, 0, 0);
    char got[9] = "";
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECV, fds[1], got, 8, 1)->msg_flags = MSG_WAITALL;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(write(fds[0], "ab", 2), 2);
        expect_nothing(k);
    }
    CHECK_EQ(write(fds[0], "cd", 2), 2);
    expect(k, 1, 8);
    CHECK_STR_EQ(got, "abababcd");

    /* The end of the stream, and a cancel, give what there is. */
    put(k, IORING_OP_RECV, fds[1], got, 8, 2)->msg_flags = MSG_WAITALL;
    CHECK_EQ(write(fds[0], "ab", 2), 2);
    expect_nothing(k);
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)2, 0, 9);
    enter(k, 2);
    expect(k, 9, 0);
    expect(k, 2, 2);
    put(k, IORING_OP_RECV, fds[1], got, 8, 3)->msg_flags = MSG_WAITALL;
    CHECK_EQ(write(fds[0], "xyz", 3), 3);
    close(fds[0]);
    expect(k, 3, 3);
    close(fds[1]);
    world_close(k);
}

TEST(emu_waitall_on_datagrams_takes_one)
{
    struct kernel *k = world_open(8, 0, 0);
    char got[8];
    int fds[2];

    make_pair(SOCK_DGRAM, fds);
    put(k, IORING_OP_RECV, fds[1], got, 8, 1)->msg_flags = MSG_WAITALL;
    CHECK_EQ(write(fds[0], "ab", 2), 2);
    expect(k, 1, 2);
    close_pair(fds);
    world_close(k);
}

TEST(emu_send_waits_for_room_and_waitall_sends_all)
{
    enum { SIZE = 4 << 20 };
    struct kernel *k = world_open(8, 0, 0);
    static char data[SIZE], got[65536];
    size_t total = 0;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    memset(data, 'd', sizeof data);
    put(k, IORING_OP_SEND, fds[0], data, SIZE, 1)->msg_flags = MSG_WAITALL;
    expect_nothing(k);
    while (cq_ready(&k->cq) == 0) {
        ssize_t n = recv(fds[1], got, sizeof got, MSG_DONTWAIT);

        if (n > 0)
            total += (size_t)n;
        enter(k, 0);
    }
    expect(k, 1, SIZE);
    while (total < SIZE) {
        ssize_t n = read(fds[1], got, sizeof got);

        CHECK(n > 0);
        total += (size_t)n;
    }
    CHECK_EQ(total, (size_t)SIZE);
    close_pair(fds);
    world_close(k);
}

TEST(emu_send_to_a_closed_peer_raises_no_signal)
{
    struct kernel *k = world_open(8, 0, 0);
    struct iovec iov = { (char *)"x", 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    int file = make_file("f", 100000);
    int fds[2];

    /* The default action would kill us. */
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    make_pair(SOCK_STREAM, fds);
    set_nonblocking(fds[0]);
    close(fds[1]);
    put(k, IORING_OP_SEND, fds[0], "x", 1, 1);
    expect(k, 1, -EPIPE);
    put(k, IORING_OP_SENDMSG, fds[0], &message, 1, 2);
    expect(k, 2, -EPIPE);
    for (uint32_t size = 1; size <= 100000; size *= 10) {
        put(k, KERNEL_OP_SENDFILE, fds[0], NULL, size, 3)->splice_fd_in = file;
        expect(k, 3, -EPIPE);
    }
    close(fds[0]);
    close(file);
    world_close(k);
}

/* What a blocking and a non-blocking listener give is the same. */
static void accept_one(int listener_flags)
{
    struct kernel *k = world_open(8, 0, 0);
    struct sockaddr_in address, peer;
    socklen_t size = sizeof peer;
    int listener = make_listener(listener_flags, &address);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct io_uring_sqe *sqe;
    int fd;

    sqe = put(k, IORING_OP_ACCEPT, listener, &peer, 0, 1);
    sqe->addr2 = (uintptr_t)&size;
    sqe->accept_flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    expect_nothing(k);
    CHECK_EQ(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    fd = result_of(k, 1);
    CHECK_GE(fd, 0);
    CHECK_EQ(size, sizeof peer);
    CHECK_EQ(peer.sin_family, AF_INET);
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(fd);
    close(client);

    /* Two in line, two clients: each gets one. */
    put(k, IORING_OP_ACCEPT, listener, NULL, 0, 2);
    put(k, IORING_OP_ACCEPT, listener, NULL, 0, 3);
    expect_nothing(k);
    for (int i = 0; i < 2; i++) {
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_EQ(patient_connect(client, (struct sockaddr *)&address,
                                 sizeof address),
                 0);
        fd = result_of(k, (uint64_t)i + 2);
        CHECK_GE(fd, 0);
        close(fd);
        close(client);
    }
    put(k, IORING_OP_ACCEPT, listener, NULL, 0, 4)->ioprio =
        IORING_ACCEPT_DONTWAIT;
    expect(k, 4, -EAGAIN);
    put(k, IORING_OP_ACCEPT, listener, NULL, 0, 5);
    expect_nothing(k);
    cancel(k, 5);
    close(listener);
    world_close(k);
}

TEST(emu_accept_waits_on_a_nonblocking_listener)
{
    accept_one(SOCK_NONBLOCK);
}

TEST(emu_accept_does_not_block_on_a_blocking_listener)
{
    accept_one(0);
}

TEST(emu_connect_reaches_a_listener)
{
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        struct kernel *k = world_open(8, 0, 0);
        struct sockaddr_in address, copy;
        int listener = make_listener(0, &address);
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

        /* The address may go once the request is submitted. */
        copy = address;
        put(k, IORING_OP_CONNECT, client, &copy, 0, 1)->addr2 = sizeof copy;
        enter(k, 0);
        memset(&copy, 0xff, sizeof copy);
        expect(k, 1, 0);
        put(k, IORING_OP_CONNECT, client, &address, 0, 2)->addr2 =
            sizeof address;
        expect(k, 2, -EISCONN);
        close(client);
        close(listener);

        /* Nobody listens there any more. */
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
        put(k, IORING_OP_CONNECT, client, &address, 0, 3)->addr2 =
            sizeof address;
        expect(k, 3, -ECONNREFUSED);
        close(client);
        world_close(k);
    }
}

TEST(emu_messages_carry_addresses_and_descriptors)
{
    struct kernel *k = world_open(8, 0, 0);
    char got[2][4] = { "", "" };
    struct iovec out[2] = { { (char *)"abc", 3 }, { (char *)"def", 3 } };
    struct iovec in[2] = { { got[0], 4 }, { got[1], 4 } };
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .bytes = { 0 } }, received = { .bytes = { 0 } };
    struct msghdr sent = { .msg_iov = out,
                           .msg_iovlen = 2,
                           .msg_control = &control,
                           .msg_controllen = sizeof control };
    struct msghdr message = { .msg_iov = in,
                              .msg_iovlen = 2,
                              .msg_control = &received,
                              .msg_controllen = sizeof received };
    struct cmsghdr *header = CMSG_FIRSTHDR(&sent);
    int fds[2], passed, event = eventfd(7, EFD_CLOEXEC);
    uint64_t count = 0;

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof event);
    memcpy(CMSG_DATA(header), &event, sizeof event);
    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECVMSG, fds[1], &message, 1, 1);
    expect_nothing(k);
    /* The iovecs were read when the request was submitted. */
    memset(in, 0xff, sizeof in);
    put(k, IORING_OP_SENDMSG, fds[0], &sent, 1, 2);
    enter(k, 2);
    expect(k, 2, 6);
    expect(k, 1, 6);
    CHECK_MEM_EQ(got[0], "abcd", 4);
    CHECK_MEM_EQ(got[1], "ef", 2);
    CHECK_EQ(message.msg_controllen, sizeof received);
    header = CMSG_FIRSTHDR(&message);
    CHECK(header != NULL && header->cmsg_type == SCM_RIGHTS);
    memcpy(&passed, CMSG_DATA(header), sizeof passed);
    CHECK_EQ(read(passed, &count, sizeof count), (ssize_t)sizeof count);
    CHECK_EQ(count, 7u);
    close(passed);
    close(event);
    close_pair(fds);
    world_close(k);
}

TEST(emu_send_can_name_its_address)
{
    struct kernel *k = world_open(8, 0, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t size = sizeof address;
    int from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int to = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct io_uring_sqe *sqe;
    char got[4];

    /* A name of the system's choice. */
    CHECK_EQ(bind(to, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    CHECK_EQ(getsockname(to, (struct sockaddr *)&address, &size), 0);
    sqe = put(k, IORING_OP_SEND, from, "hi", 2, 1);
    sqe->addr2 = (uintptr_t)&address;
    sqe->addr_len = (uint16_t)size;
    expect(k, 1, 2);
    put(k, IORING_OP_RECV, to, got, sizeof got, 2);
    expect(k, 2, 2);
    close(from);
    close(to);
    world_close(k);
}

TEST(emu_shutdown_ends_the_stream)
{
    struct kernel *k = world_open(8, 0, 0);
    char byte;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECV, fds[1], &byte, 1, 1);
    expect_nothing(k);
    put(k, IORING_OP_SHUTDOWN, fds[0], NULL, SHUT_WR, 2);
    enter(k, 2);
    expect(k, 2, 0);
    expect(k, 1, 0);
    close_pair(fds);
    put(k, IORING_OP_SHUTDOWN, STDIN_FILENO, NULL, SHUT_WR, 3);
    CHECK(result_of(k, 3) < 0);
    world_close(k);
}

TEST(emu_poll_tells_the_events)
{
    struct kernel *k = world_open(8, 0, 0);
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_POLL_ADD, fds[0], NULL, 0, 1)->poll32_events = POLLIN |
                                                                    POLLOUT;
    expect(k, 1, POLLOUT);
    put(k, IORING_OP_POLL_ADD, fds[0], NULL, 0, 2)->poll32_events = POLLIN;
    expect_nothing(k);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    expect(k, 2, POLLIN);
    close(fds[1]);
    put(k, IORING_OP_POLL_ADD, fds[0], NULL, 0, 3)->poll32_events = 0;
    expect(k, 3, POLLHUP | POLLRDHUP);
    close(fds[0]);
    put(k, IORING_OP_POLL_ADD, fds[0], NULL, 0, 4)->poll32_events = POLLIN;
    expect(k, 4, -EBADF);
    world_close(k);
}

TEST(emu_poll_remove_ends_polls_only)
{
    struct kernel *k = world_open(8, 0, 0);
    char byte;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_POLL_ADD, fds[0], NULL, 0, 1)->poll32_events = POLLIN;
    put(k, IORING_OP_RECV, fds[0], &byte, 1, 2);
    expect_nothing(k);
    put(k, IORING_OP_POLL_REMOVE, -1, (void *)2, 0, 3);
    expect(k, 3, -ENOENT);
    put(k, IORING_OP_POLL_REMOVE, -1, (void *)1, 0, 4);
    enter(k, 2);
    expect(k, 4, 0);
    expect(k, 1, -ECANCELED);
    cancel(k, 2);
    close_pair(fds);
    world_close(k);
}

TEST(emu_errors_of_sockets_are_linux_s)
{
    struct kernel *k = world_open(8, 0, 0);
    char byte = 0;
    int file = make_file("f", 10), fds[2];
    struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

    put(k, IORING_OP_RECV, 9999, &byte, 1, 1);
    expect(k, 1, -EBADF);
    put(k, IORING_OP_SEND, file, &byte, 1, 2);
    expect(k, 2, -ENOTSOCK);
    put(k, IORING_OP_ACCEPT, file, NULL, 0, 3);
    expect(k, 3, -ENOTSOCK);
    put(k, IORING_OP_CONNECT, file, &nowhere, 0, 4)->addr2 = sizeof nowhere;
    expect(k, 4, -ENOTSOCK);
    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_ACCEPT, fds[0], NULL, 0, 5);
    expect(k, 5, -EINVAL);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    if (!under_valgrind()) {
        put(k, IORING_OP_RECV, fds[0], (void *)8, 1, 6);
        expect(k, 6, -EFAULT);
        put(k, IORING_OP_RECVMSG, fds[0], (void *)8, 1, 7);
        expect(k, 7, -EFAULT);
        put(k, IORING_OP_SENDMSG, fds[0], NULL, 1, 8);
        expect(k, 8, -EFAULT);
    }
    put(k, IORING_OP_RECV, fds[0], &byte, 1, 9)->ioprio = IORING_RECV_MULTISHOT;
    expect(k, 9, -EINVAL);
    close_pair(fds);
    close(file);
    world_close(k);
}
