/* SPDX-License-Identifier: MIT */
/*
 * test_multishot.c - requests with many results, messages, bundles
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "groups_world.h"

/* ---- many results -------------------------------------------------------- */

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_GE(fd, 0);
    CHECK_OK(connect(fd, (const struct sockaddr *)address, sizeof *address));
    return fd;
}

static void accept_three(struct kernel *k, int flags)
{
    struct sockaddr_in address;
    int listener = make_listener(flags, &address);
    int clients[3];

    put(k, IORING_OP_ACCEPT, listener, NULL, 0, ID(1))->ioprio =
        IORING_ACCEPT_MULTISHOT;
    expect_nothing(k);
    for (int i = 0; i < 3; i++)
        clients[i] = connect_to(&address);
    for (int i = 0; i < 3; i++) {
        struct io_uring_cqe cqe;

        enter(k, 1);
        cqe = take(k);
        CHECK_EQ(cqe.user_data, ID(1));
        CHECK_GE(cqe.res, 0);
        CHECK_EQ(cqe.flags & MORE, MORE);
        close(cqe.res);
        close(clients[i]);
    }
    end(k, ID(1));
    close(listener);
}

BOTH_TEST(C2_one_accept_for_all_connections)
{
    accept_three(k, SOCK_NONBLOCK);
    accept_three(k, 0);
}

BOTH_TEST(C2_an_error_ends_the_accept)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    put(k, IORING_OP_ACCEPT, fd, NULL, 0, ID(1))->ioprio =
        IORING_ACCEPT_MULTISHOT;
    expect_cqe(k, ID(1), -EINVAL, 0);
    put(k, IORING_OP_ACCEPT, -1, NULL, 0, ID(2))->ioprio =
        IORING_ACCEPT_MULTISHOT;
    expect_cqe(k, ID(2), -EBADF, 0);
    close(fd);
}

static struct io_uring_sqe *put_recv_multishot(struct kernel *k, int fd,
                                               uint64_t id)
{
    struct io_uring_sqe *sqe = put_chosen(k, IORING_OP_RECV, fd, id);

    sqe->ioprio = IORING_RECV_MULTISHOT;
    return sqe;
}

BOTH_TEST(C6_I6_one_receive_for_all_that_comes)
{
    struct ring_of ring;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_OK(set_up(k, &ring, 4, 0));
    add(&ring, 0);
    add(&ring, 1);
    add(&ring, 2);
    put_recv_multishot(k, fds[0], ID(1));
    expect_nothing(k);
    say(fds[1], "one");
    expect_cqe(k, ID(1), 3, MORE | BUFFER(0));
    say(fds[1], "three");
    expect_cqe(k, ID(1), 5, MORE | BUFFER(1));
    CHECK_EQ(memcmp(ring.memory + SIZE, "three", 5), 0);
    check_head(k, 2);
    close(fds[1]);
    expect_cqe(k, ID(1), 0, 0); /* the end takes none */
    check_head(k, 2);
    close(fds[0]);
    tear_down(&ring);
}

/* TCP, of which Linux knows that it is empty without a look for a buffer. */
BOTH_TEST(C6_I6_an_empty_group_ends_it_and_nothing_is_lost)
{
    struct sockaddr_in address;
    int listener = make_listener(0, &address), client = connect_to(&address);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    char text[SIZE + 3];
    struct ring_of ring;

    CHECK_GE(fd, 0);
    CHECK_OK(set_up(k, &ring, 4, 0));
    add(&ring, 3);
    put_recv_multishot(k, fd, ID(1));
    memset(text, 'x', sizeof text);
    CHECK_EQ(write(client, text, sizeof text), (ssize_t)sizeof text);
    expect_cqe(k, ID(1), SIZE, MORE | BUFFER(3));
    expect_cqe(k, ID(1), -ENOBUFS, 0);
    add(&ring, 2);
    put_recv_multishot(k, fd, ID(1));
    expect_cqe(k, ID(1), 3, MORE | BUFFER(2));
    /* An older Linux does not know that it was all. */
    enter(k, 0);
    if (cq_ready(&k->cq) > 0)
        expect_cqe(k, ID(1), -ENOBUFS, 0);
    else
        end(k, ID(1));
    put_recv_multishot(k, fd, ID(2));
    expect_cqe(k, ID(2), -ENOBUFS, 0);
    tear_down(&ring);
    close(fd);
    close(client);
    close(listener);
}

BOTH_TEST(C6_a_receive_of_many_is_checked)
{
    struct ring_of ring;
    char byte;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_OK(set_up(k, &ring, 4, 0));
    put(k, IORING_OP_RECV, fds[0], &byte, 1, ID(1))->ioprio =
        IORING_RECV_MULTISHOT;
    expect_cqe(k, ID(1), -EINVAL, 0);
    put_recv_multishot(k, fds[0], ID(2))->msg_flags = MSG_WAITALL;
    expect_cqe(k, ID(2), -EINVAL, 0);
    /* Also one that Linux does not have. */
    put_chosen(k, IORING_OP_READ_MULTISHOT, fds[0], ID(3))->len = 5;
    expect_cqe(k, ID(3), -EINVAL, 0);
    put(k, IORING_OP_READ_MULTISHOT, fds[0], NULL, 0, ID(4));
    expect_cqe(k, ID(4), -EINVAL, 0);
    tear_down(&ring);
    close_pair(fds);
}

BOTH_TEST(C6_a_full_queue_ends_it_with_its_result)
{
    unsigned room = k->cq.entries;
    struct ring_of ring;
    int fds[2];

    make_pair(SOCK_DGRAM, fds);
    CHECK_OK(set_up(k, &ring, 64, 0));
    for (unsigned i = 0; i < 64; i++)
        add(&ring, i);
    CHECK_LT(room + 2, 64u);
    for (unsigned i = 0; i < room + 2; i++)
        if (write(fds[1], "x", 1) != 1)
            FAIL("the socket is full after %u", i);
    put_recv_multishot(k, fds[0], ID(1));
    enter(k, room);
    for (unsigned i = 0; i < room; i++)
        expect_cqe(k, ID(1), 1, MORE | BUFFER(i));
    expect_cqe(k, ID(1), 1, BUFFER(room)); /* it was the queue, not the end */
    CHECK_EQ(cq_ready(&k->cq), 0u);
    put_recv_multishot(k, fds[0], ID(1));
    expect_cqe(k, ID(1), 1, MORE | BUFFER(room + 1));
    end(k, ID(1));
    tear_down(&ring);
    close_pair(fds);
}

BOTH_TEST(B6_one_read_for_all_that_comes)
{
    struct io_uring_cqe cqe;
    struct ring_of ring;
    int fds[2], file;

    if (!has_opcode(k, IORING_OP_READ_MULTISHOT))
        return;
    file = make_file("f", 200);
    make_pipe(fds, 0);
    CHECK_OK(set_up(k, &ring, 4, 0));
    add(&ring, 0);
    add(&ring, 1);
    add(&ring, 2);
    put_chosen(k, IORING_OP_READ_MULTISHOT, fds[0], ID(1))->off = UINT64_MAX;
    expect_nothing(k);
    say(fds[1], "one");
    expect_cqe(k, ID(1), 3, MORE | BUFFER(0));
    say(fds[1], "three");
    expect_cqe(k, ID(1), 5, MORE | BUFFER(1));
    CHECK_EQ(memcmp(ring.memory + SIZE, "three", 5), 0);
    close(fds[1]);
    /* A pipe that Linux < 6.3 reads on a thread costs the buffer it has got. */
    enter(k, 1);
    cqe = take(k);
    CHECK_EQ(cqe.res, 0);
    CHECK(cqe.flags == 0 || cqe.flags == BUFFER(2));
    put_chosen(k, IORING_OP_READ_MULTISHOT, file, ID(2));
    expect_cqe(k, ID(2), -EBADFD, 0);
    put_chosen(k, IORING_OP_READ_MULTISHOT, -1, ID(3));
    expect_cqe(k, ID(3), -EBADF, 0);
    close(file);
    close(fds[0]);
    tear_down(&ring);
}

BOTH_TEST(B6_a_terminal_is_read_again_and_again)
{
    int controller, terminal;
    struct io_uring_cqe cqe;
    struct ring_of ring;

    if (!has_opcode(k, IORING_OP_READ_MULTISHOT))
        return;
    controller = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (controller < 0)
        TEST_SKIP("no terminals can be made here");
    CHECK_OK(grantpt(controller));
    CHECK_OK(unlockpt(controller));
    terminal = open(ptsname(controller), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK_GE(terminal, 0);
    CHECK_OK(set_up(k, &ring, 4, 0));
    add(&ring, 1);
    add(&ring, 2);
    add(&ring, 3);
    put_chosen(k, IORING_OP_READ_MULTISHOT, terminal, ID(1))->off = UINT64_MAX;
    expect_nothing(k);
    say(controller, "a\n");
    enter(k, 1);
    cqe = take(k);
    CHECK_EQ(cqe.res, 2);
    /* Some versions of Linux stop here, for want of RWF_NOWAIT. */
    if ((cqe.flags & MORE) != 0) {
        say(controller, "bc\n");
        expect_cqe(k, ID(1), 3, MORE | BUFFER(2));
        say(controller, "\x04"); /* the end, as one types it */
        enter(k, 1);
        cqe = take(k);
        CHECK_EQ(cqe.res, 0);
        CHECK_EQ(cqe.flags & MORE, 0u);
    }
    tear_down(&ring);
    close(controller);
    close(terminal);
}

/* ---- messages ------------------------------------------------------------ */

BOTH_TEST(C6_messages_lie_in_the_buffer_in_four_parts)
{
    struct msghdr header = { .msg_namelen = 16,
                             .msg_controllen = CMSG_SPACE(sizeof(int)) };
    size_t room = 16 + 16 + header.msg_controllen;
    struct io_uring_recvmsg_out out;
    struct sockaddr_in address, from;
    socklen_t size = sizeof address;
    struct ring_of ring;
    int a = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int b = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), yes = 1;
    char text[SIZE];
    struct io_uring_sqe *sqe;

    address = (struct sockaddr_in){ .sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(0x7f000001) };
    CHECK_OK(bind(a, (struct sockaddr *)&address, size));
    CHECK_OK(getsockname(a, (struct sockaddr *)&address, &size));
    CHECK_OK(connect(b, (struct sockaddr *)&address, size));
    CHECK_OK(getsockname(b, (struct sockaddr *)&from, &size));
    CHECK_OK(setsockopt(a, IPPROTO_IP, IP_RECVTTL, &yes, sizeof yes));
    CHECK_OK(set_up(k, &ring, 8, 0));
    for (unsigned i = 0; i < 4; i++)
        add(&ring, i);
    sqe = put_chosen(k, IORING_OP_RECVMSG, a, ID(1));
    sqe->addr = (uintptr_t)&header;
    sqe->len = 1;
    sqe->ioprio = IORING_RECV_MULTISHOT;
    expect_nothing(k);
    memset(&header, 0xDD, sizeof header); /* it has been read */

    say(b, "hello");
    expect_cqe(k, ID(1), (int)room + 5, MORE | BUFFER(0));
    memcpy(&out, ring.memory, sizeof out);
    CHECK_EQ(out.namelen, sizeof from);
    CHECK_EQ(out.controllen, CMSG_SPACE(sizeof(int)));
    CHECK_EQ(out.payloadlen, 5u);
    CHECK_EQ(out.flags, 0u);
    CHECK_EQ(memcmp(ring.memory + 16, &from, sizeof from), 0);
    CHECK_EQ(memcmp(ring.memory + room, "hello", 5), 0);

    /* More than the buffer holds. */
    memset(text, 'y', sizeof text);
    CHECK_EQ(send(b, text, sizeof text, 0), SIZE);
    expect_cqe(k, ID(1), SIZE, MORE | BUFFER(1));
    memcpy(&out, ring.memory + SIZE, sizeof out);
    CHECK_EQ(out.flags & MSG_TRUNC, (unsigned)MSG_TRUNC);

    /* A message of nothing ends it. */
    CHECK_EQ(send(b, text, 0, 0), 0);
    expect_cqe(k, ID(1), (int)room, BUFFER(2));
    close(a);
    close(b);
    tear_down(&ring);
}

BOTH_TEST(C6_a_buffer_too_small_for_a_message_is_EFAULT)
{
    struct msghdr header = { .msg_namelen = SIZE };
    struct io_uring_sqe *sqe;
    struct ring_of ring;
    int fds[2];

    make_pair(SOCK_DGRAM, fds);
    CHECK_OK(set_up(k, &ring, 4, 0));
    add(&ring, 0);
    sqe = put_chosen(k, IORING_OP_RECVMSG, fds[0], ID(1));
    sqe->addr = (uintptr_t)&header;
    sqe->len = 1;
    sqe->ioprio = IORING_RECV_MULTISHOT;
    expect_cqe(k, ID(1), -EFAULT, 0);
    check_head(k, 0);
    tear_down(&ring);
    close_pair(fds);
}

BOTH_TEST(I6_a_message_once_chooses_for_its_bytes)
{
    char unused[4];
    struct iovec part = { unused, sizeof unused };
    struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
    struct io_uring_sqe *sqe;
    struct ring_of ring;
    int fds[2];

    make_pair(SOCK_DGRAM, fds);
    CHECK_OK(set_up(k, &ring, 4, 0));
    add(&ring, 1);
    sqe = put_chosen(k, IORING_OP_RECVMSG, fds[0], ID(1));
    sqe->addr = (uintptr_t)&header;
    sqe->len = 1;
    expect_nothing(k);
    say(fds[1], "hello");
    expect_cqe(k, ID(1), 4, BUFFER(1));
    CHECK_EQ(memcmp(ring.memory + SIZE, "hell", 4), 0);
    CHECK_EQ(header.msg_flags & MSG_TRUNC, MSG_TRUNC);
    tear_down(&ring);
    close_pair(fds);
}

/* ---- bundles ------------------------------------------------------------- */

BOTH_TEST(C7_a_bundle_fills_one_buffer_after_the_other)
{
    struct ring_of ring;
    char text[3 * SIZE];
    int fds[2];

    if (!has(k, RING_RECV_BUNDLE))
        return;
    make_pair(SOCK_STREAM, fds);
    CHECK_OK(set_up(k, &ring, 8, 0));
    for (unsigned i = 0; i < 7; i++)
        add(&ring, 7 - i);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)i;
    put_recv_multishot(k, fds[0], ID(1))->ioprio |= IORING_RECVSEND_BUNDLE;
    expect_nothing(k);
    CHECK_EQ(write(fds[1], text, 2 * SIZE + 5), 2 * SIZE + 5);
    /* Linux may leave some to the next result. */
    for (int got = 0, id = 7; got < 2 * SIZE + 5;) {
        struct io_uring_cqe cqe;

        enter(k, 1);
        cqe = take(k);
        CHECK_GT(cqe.res, 0);
        CHECK_EQ(cqe.flags & ~IORING_CQE_F_SOCK_NONEMPTY, MORE | BUFFER(id));
        if (id == 7 && k->ring_fd < 0)
            CHECK_EQ(cqe.res, 2 * SIZE + 5);
        got += cqe.res;
        id -= (cqe.res + SIZE - 1) / SIZE;
    }
    check_head(k, 3);
    CHECK_EQ(memcmp(ring.memory + (size_t)7 * SIZE, text, SIZE), 0);
    CHECK_EQ(memcmp(ring.memory + (size_t)6 * SIZE, text + SIZE, SIZE), 0);
    CHECK_EQ(memcmp(ring.memory + (size_t)5 * SIZE, text + 2 * SIZE, 5), 0);
    say(fds[1], "x");
    expect_cqe(k, ID(1), 1, MORE | BUFFER(4));
    end(k, ID(1));
    tear_down(&ring);
    close_pair(fds);
}

BOTH_TEST(C7_a_send_takes_its_bytes_from_a_group)
{
    char text[4 * SIZE];
    struct ring_of ring;
    int fds[2];

    if (!has(k, RING_RECV_BUNDLE))
        return;
    make_pair(SOCK_STREAM, fds);
    CHECK_OK(set_up(k, &ring, 8, 0));
    memset(ring.memory, 'a', SIZE);
    memset(ring.memory + SIZE, 'b', SIZE);
    memset(ring.memory + 2 * SIZE, 'c', SIZE);
    add(&ring, 0);
    add(&ring, 1);
    add(&ring, 2);
    put_chosen(k, IORING_OP_SEND, fds[1], ID(1))->len = 5;
    expect_cqe(k, ID(1), 5, BUFFER(0));
    CHECK_EQ(read(fds[0], text, sizeof text), 5);
    CHECK_EQ(text[4], 'a');

    put_chosen(k, IORING_OP_SEND, fds[1], ID(2))->ioprio =
        IORING_RECVSEND_BUNDLE;
    expect_cqe(k, ID(2), 2 * SIZE, BUFFER(1));
    CHECK_EQ(read(fds[0], text, sizeof text), 2 * SIZE);
    CHECK_EQ(text[0], 'b');
    CHECK_EQ(text[2 * SIZE - 1], 'c');

    put_chosen(k, IORING_OP_SEND, fds[1], ID(3));
    expect_cqe(k, ID(3), -ENOBUFS, 0);
    put_chosen(k, IORING_OP_SEND, fds[1], ID(4))->buf_group = GROUP + 1;
    expect_cqe(k, ID(4), -ENOENT, 0);
    tear_down(&ring);
    close_pair(fds);
}

BOTH_TEST(C7_a_bundle_that_has_to_wait_goes_on)
{
    enum { BIG = 400000 };
    char *memory, *text;
    struct io_uring_cqe cqe;
    struct ring_of ring;
    size_t got = 0;
    int fds[2];

    if (!has(k, RING_RECV_BUNDLE))
        return;
    memory = calloc(2, BIG);
    text = malloc(BIG);
    CHECK(memory != NULL && text != NULL);
    make_pair(SOCK_STREAM, fds);
    CHECK_OK(set_up(k, &ring, 8, 0));
    memset(memory + BIG, 'b', BIG);
    add_part(&ring, 0, memory, BIG);
    add_part(&ring, 1, memory + BIG, BIG);
    put_chosen(k, IORING_OP_SEND, fds[1], ID(1))->ioprio =
        IORING_RECVSEND_BUNDLE;
    expect_nothing(k);
    while (got < 2 * (size_t)BIG) {
        ssize_t n = recv(fds[0], text, BIG, MSG_DONTWAIT);

        if (n > 0)
            got += (size_t)n;
        if (got == 2 * (size_t)BIG)
            CHECK_EQ(text[n - 1], 'b');
        enter(k, 0);
    }
    enter(k, 1);
    cqe = take(k);
    CHECK_EQ(cqe.res, 2 * BIG);
    CHECK_EQ(cqe.flags, BUFFER(0));
    tear_down(&ring);
    close_pair(fds);
    free(memory);
    free(text);
}

static int until_the_last(struct kernel *k, uint64_t id, unsigned *count)
{
    struct io_uring_cqe cqe;
    int sum = 0;

    *count = 0;
    do {
        enter(k, 1);
        cqe = take(k);
        CHECK_EQ(cqe.user_data, id);
        if (cqe.res < 0)
            return cqe.res;
        sum += cqe.res;
        ++*count;
    } while ((cqe.flags & MORE) != 0);
    return sum;
}

/* Linux < 6.17 refuses both. */
BOTH_TEST(C6_a_receive_of_many_has_limits)
{
    struct io_uring_sqe *sqe;
    struct ring_of ring;
    unsigned count;
    int fds[2], sum;

    make_pair(SOCK_STREAM, fds);
    CHECK_OK(set_up(k, &ring, 8, 0));
    for (unsigned i = 0; i < 8; i++)
        add(&ring, i);
    for (int i = 0; i < 20; i++)
        say(fds[1], "0123456789");
    sqe = put_recv_multishot(k, fds[0], ID(1));
    sqe->len = 7;
    sqe->optlen = 17;
    sum = until_the_last(k, ID(1), &count);
    if (sum != -EINVAL || k->ring_fd < 0) {
        CHECK_EQ(sum, 21);
        CHECK_EQ(count, 3u);
        put_recv_multishot(k, fds[0], ID(2))->optlen = 30;
        CHECK_EQ(until_the_last(k, ID(2), &count), SIZE);
        CHECK_EQ(count, 1u);
    }
    put_chosen(k, IORING_OP_RECV, fds[0], ID(3))->optlen = 1;
    expect_cqe(k, ID(3), -EINVAL, 0);
    tear_down(&ring);
    close_pair(fds);
}

/* ---- differences --------------------------------------------------------- */

BOTH_TEST(emu_difference_42_no_buffers_are_missed_where_there_are_no_bytes)
{
    struct io_uring_cqe cqe;
    struct ring_of ring;
    int fds[2];

    make_pair(SOCK_DGRAM, fds);
    CHECK_OK(set_up(k, &ring, 4, 0));
    add(&ring, 1);
    put_recv_multishot(k, fds[0], ID(1));
    say(fds[1], "x");
    expect_cqe(k, ID(1), 1, MORE | BUFFER(1));
    if (k->ring_fd < 0) {
        expect_nothing(k);
        say(fds[1], "y");
    }
    enter(k, 1);
    cqe = take(k);
    CHECK_EQ(cqe.user_data, ID(1));
    CHECK_ERR(cqe.res, -ENOBUFS);
    tear_down(&ring);
    close_pair(fds);
}

BOTH_TEST(emu_difference_43_a_message_takes_what_there_is)
{
    struct msghdr header = { .msg_iovlen = 0 };
    struct io_uring_sqe *sqe;
    struct ring_of ring;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_OK(set_up(k, &ring, 4, 0));
    add(&ring, 1);
    sqe = put_chosen(k, IORING_OP_RECVMSG, fds[0], ID(1));
    sqe->addr = (uintptr_t)&header;
    sqe->len = 1;
    sqe->msg_flags = MSG_WAITALL;
    say(fds[1], "x");
    if (k->ring_fd >= 0) {
        expect_nothing(k);
        close(fds[1]);
        fds[1] = dup(fds[0]);
    }
    expect_cqe(k, ID(1), 1, BUFFER(1));
    tear_down(&ring);
    close_pair(fds);
}
