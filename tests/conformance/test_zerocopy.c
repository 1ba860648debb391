/* SPDX-License-Identifier: MIT */
/*
 * test_zerocopy.c - sends that read the caller's memory: the bytes, and then
 * the word that the memory is free, on every kernel
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "stage.h"

/* A send and what it heard, in order. */
struct zc {
    gyre_op op;
    unsigned heard;
    bool over;
    gyre_result results[3];
};

static void zc_done(gyre_op *op, gyre_result result)
{
    struct zc *zc = op->user;

    CHECK(!zc->over);
    CHECK_LT(zc->heard, 2);
    zc->results[zc->heard++] = result;
    zc->over = gyre_result_is_last(result);
    if (!zc->over)
        CHECK_EQ(gyre_op_state(op), GYRE_OP_IN_FLIGHT);
}

static void zc_start(gyre_loop *loop, struct zc *zc)
{
    zc->heard = 0;
    zc->over = false;
    gyre_op_start(loop, &zc->op, zc_done, zc);
}

static void zc_wait(gyre_loop *loop, struct zc *zc, unsigned heard)
{
    while (zc->heard < heard && !zc->over)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
}

/* The result; each send that got as far as the socket has a notification. */
static int zc_end(gyre_loop *loop, struct zc *zc)
{
    zc_wait(loop, zc, 2);
    CHECK(zc->over);
    CHECK_EQ(zc->heard, 2);
    CHECK_EQ(zc->results[0].flags & (GYRE_CQE_MORE | GYRE_CQE_NOTIF),
             GYRE_CQE_MORE);
    CHECK_EQ(zc->results[1].flags & (GYRE_CQE_MORE | GYRE_CQE_NOTIF),
             GYRE_CQE_NOTIF);
    CHECK_EQ(gyre_op_state(&zc->op), GYRE_OP_IDLE);
    return zc->results[0].res;
}

static int zc_run(gyre_loop *loop, struct zc *zc)
{
    zc_start(loop, zc);
    return zc_end(loop, zc);
}

/* To a receiver on the same machine Linux copies; since when does it tell? */
static bool expect_copied(void)
{
    return test_has("send_zc_report", 6, 3);
}

enum { SIZE = 20000 };
static char bytes[SIZE], got[SIZE];

static void fill_bytes(void)
{
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)pattern_byte(i);
}

static void expect_bytes(int fd, size_t size)
{
    memset(got, 0, sizeof got);
    CHECK_EQ(recv(fd, got, size, MSG_WAITALL), (ssize_t)size);
    CHECK_MEM_EQ(got, bytes, size);
}

KERNEL_TEST(C8_the_bytes_come_first_and_then_the_notification)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct zc zc;

    fill_bytes();
    make_connection(fds);
    gyre_op_send_zc(&zc.op, fds[0], bytes, SIZE, 0);
    CHECK_EQ(zc_run(loop, &zc), SIZE);
    expect_bytes(fds[1], SIZE);
    CHECK_EQ(gyre_result_copied(zc.results[1]), expect_copied());
    CHECK(!gyre_result_copied(zc.results[0]));
    gyre_op_send_zc(&zc.op, fds[0], bytes, 0, 0);
    CHECK_EQ(zc_run(loop, &zc), 0);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C8_a_message_is_gathered_without_copying)
{
    gyre_loop *loop = stage_open(8);
    struct iovec iov[3] = { { bytes, 5000 },
                            { bytes + 5000, 0 },
                            { bytes + 5000, SIZE - 5000 } };
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = 3 };
    int fds[2];
    struct zc zc;

    fill_bytes();
    make_connection(fds);
    gyre_op_sendmsg_zc(&zc.op, fds[0], &message, 0);
    CHECK_EQ(zc_run(loop, &zc), SIZE);
    expect_bytes(fds[1], SIZE);
    CHECK_EQ(gyre_result_copied(zc.results[1]), expect_copied());
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C8_C17_a_datagram_goes_to_an_address_without_copying)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in to, own;
    int receiver = make_datagram(&to), sender = make_datagram(&own);
    struct iovec iov = { bytes, 4000 };
    struct msghdr message = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_name = &to,
                              .msg_namelen = sizeof to };
    struct zc zc;

    fill_bytes();
    gyre_op_sendto_zc(&zc.op, sender, bytes, 5000, 0, (struct sockaddr *)&to,
                      sizeof to);
    CHECK_EQ(zc_run(loop, &zc), 5000);
    gyre_op_sendmsg_zc(&zc.op, sender, &message, 0);
    CHECK_EQ(zc_run(loop, &zc), 4000);
    gyre_op_sendto_zc(&zc.op, sender, bytes, 0, 0, (struct sockaddr *)&to,
                      sizeof to);
    CHECK_EQ(zc_run(loop, &zc), 0);
    CHECK_EQ(recv(receiver, got, SIZE, 0), 5000);
    CHECK_MEM_EQ(got, bytes, 5000);
    CHECK_EQ(recv(receiver, got, SIZE, 0), 4000);
    CHECK_EQ(recv(receiver, got, SIZE, 0), 0);
    gyre_op_sendto_zc(&zc.op, sender, bytes, 5, 0, NULL, 0);
    CHECK_ERR(zc_run(loop, &zc), -EDESTADDRREQ);
    close(receiver);
    close(sender);
    gyre_loop_destroy(loop);
}

/* One notification in the kernel may stand for several sends: each has its own
 * here, after its bytes. */
KERNEL_TEST(C8_many_sends_have_a_notification_each)
{
    enum { SENDS = 40, EACH = 500 };
    gyre_loop *loop = stage_open(16);
    struct zc zc[SENDS];
    int fds[2];

    fill_bytes();
    make_connection(fds);
    for (int i = 0; i < SENDS; i++) {
        gyre_op_send_zc(&zc[i].op, fds[0], bytes + EACH * i, EACH, 0);
        zc_start(loop, &zc[i]);
    }
    for (int i = 0; i < SENDS; i++)
        CHECK_EQ(zc_end(loop, &zc[i]), EACH);
    expect_bytes(fds[1], SENDS * EACH);
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* A full queue of completions loses none of the pairs. */
KERNEL_TEST(C8_more_pairs_than_the_queue_has_places)
{
    enum { SENDS = 64 };
    gyre_loop *loop = NULL;
    gyre_loop_options options = { .size = sizeof options,
                                  .entries = 4,
                                  .cq_entries = 8 };
    struct zc zc[SENDS];
    int fds[2];

    fill_bytes();
    CHECK_OK(gyre_loop_create(&loop, &options));
    make_connection(fds);
    for (int i = 0; i < SENDS; i++) {
        gyre_op_send_zc(&zc[i].op, fds[0], bytes + 100 * i, 100, 0);
        zc_start(loop, &zc[i]);
    }
    for (int i = 0; i < SENDS; i++)
        CHECK_EQ(zc_end(loop, &zc[i]), 100);
    expect_bytes(fds[1], SENDS * 100);
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* Whether a failure has a notification depends on how far the send got: only
 * GYRE_CQE_MORE tells. */
static int zc_failure(gyre_loop *loop, struct zc *zc)
{
    zc_start(loop, zc);
    zc_wait(loop, zc, 2);
    CHECK(zc->over);
    CHECK_EQ(gyre_result_is_last(zc->results[0]), zc->heard == 1);
    if (zc->heard == 2)
        CHECK_EQ(zc->results[1].flags & GYRE_CQE_NOTIF, GYRE_CQE_NOTIF);
    return zc->results[0].res;
}

KERNEL_TEST(C8_E8_a_failure_is_told_once)
{
    gyre_loop *loop = stage_open(8);
    struct iovec iov = { bytes, 10 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    int tcp[2], pair[2], pipe_fds[2], error;
    struct zc zc;

    make_connection(tcp);
    make_pair(pair);
    make_pipe(pipe_fds);
    gyre_op_send_zc(&zc.op, 777, bytes, 10, 0);
    CHECK_ERR(zc_failure(loop, &zc), -EBADF);
    gyre_op_send_zc(&zc.op, pipe_fds[1], bytes, 10, 0);
    CHECK_ERR(zc_failure(loop, &zc), -ENOTSOCK);
    gyre_op_send_zc(&zc.op, pair[0], bytes, 10, 0);
    CHECK_ERR(zc_failure(loop, &zc), -EOPNOTSUPP);
    gyre_op_sendmsg_zc(&zc.op, pair[0], &message, 0);
    CHECK_ERR(zc_failure(loop, &zc), -EOPNOTSUPP);
    if (!test_on_valgrind()) {
        gyre_op_send_zc(&zc.op, tcp[0], (void *)16, 10, 0);
        CHECK_ERR(zc_failure(loop, &zc), -EFAULT);
        gyre_op_sendmsg_zc(&zc.op, tcp[0], (void *)16, 0);
        CHECK_ERR(zc_failure(loop, &zc), -EFAULT);
    }
    message.msg_iovlen = 2000;
    gyre_op_sendmsg_zc(&zc.op, tcp[0], &message, 0);
    error = zc_failure(loop, &zc);
    if (error != -EINVAL || test_has("", 6, 18)) /* so says Linux 6.12 */
        CHECK_ERR(error, -EMSGSIZE);
    CHECK_OK(shutdown(tcp[0], SHUT_WR));
    gyre_op_send_zc(&zc.op, tcp[0], bytes, 10, 0);
    CHECK_ERR(zc_failure(loop, &zc), -EPIPE);
    close_both(tcp);
    close_both(pair);
    close_both(pipe_fds);
    gyre_loop_destroy(loop);
}

/* ---- a peer that reads nothing ------------------------------------------- */

/* Nothing is on its way, whose arrival would make room. */
static bool is_settled(int fd)
{
    int unheard, unsent;

    test_not_on_qemu_user("it passes no SIOCOUTQNSD on");
    CHECK_OK(ioctl(fd, SIOCOUTQ, &unheard));
    CHECK_OK(ioctl(fd, SIOCOUTQNSD, &unsent));
    return unheard == unsent;
}

/* Send until there is no room, and none comes. */
static void stuff(int fd)
{
    static char much[1 << 16];
    bool settled;

    do {
        settled = is_settled(fd);
        while (send(fd, much, sizeof much, MSG_DONTWAIT) > 0)
            settled = false;
        CHECK_EQ(errno, EAGAIN);
    } while (!settled);
}

KERNEL_TEST(C8_G1_a_send_that_waits_for_room_is_cancelled)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct zc zc;

    make_connection(fds);
    stuff(fds[0]);
    gyre_op_send_zc(&zc.op, fds[0], bytes, SIZE, 0);
    zc_start(loop, &zc);
    stage_turn(loop);
    CHECK_EQ(gyre_op_state(&zc.op), GYRE_OP_IN_FLIGHT);
    CHECK_OK(gyre_op_cancel(&zc.op));
    CHECK_ERR(zc_end(loop, &zc), -ECANCELED);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C8_a_deadline_is_told_with_the_bytes)
{
    gyre_loop *loop = stage_open(8);
    gyre_deadline deadline;
    int fds[2];
    struct zc zc;

    make_connection(fds);
    stuff(fds[0]);
    gyre_op_send_zc(&zc.op, fds[0], bytes, SIZE, 0);
    zc_start(loop, &zc);
    gyre_op_set_deadline(&zc.op, &deadline, clock_ns() + GYRE_MS);
    CHECK_ERR(zc_end(loop, &zc), -ETIME);
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* Bytes that are taken wait for the peer, not for us. The emulator has copied
 * them. */
KERNEL_TEST(C8_G9_the_socket_can_be_closed_before_the_notification)
{
    enum { MUCH = 8 << 20 };
    gyre_loop *loop = stage_open(8);
    struct linger at_once = { 1, 0 };
    char *much = calloc(1, MUCH);
    bool copies;
    int fds[2];
    struct zc zc;
    struct call closing;

    CHECK(much != NULL);
    make_connection(fds);
    gyre_op_send_zc(&zc.op, fds[0], much, MUCH, 0);
    zc_start(loop, &zc);
    zc_wait(loop, &zc, 1);
    CHECK_GT(zc.results[0].res, 0);
    /* Also beside the ring, if this Linux has no such send. */
    copies = strcmp(gyre_loop_kernel(loop), "emu") == 0 ||
             stage_stats(loop).emulated > 0;
    for (int i = 0; i < 3; i++)
        stage_turn(loop);
    CHECK_EQ(zc.over, copies);
    if (!copies)
        CHECK_OK(gyre_op_cancel(&zc.op)); /* does not make it come */
    for (int i = 0; i < 3; i++)
        stage_turn(loop);
    CHECK_EQ(zc.over, copies);

    CHECK_OK(
        setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    gyre_op_close(&closing.op, fds[0]);
    CHECK_OK(call_run(loop, &closing));
    CHECK_GT(zc_end(loop, &zc), 0);
    close(fds[1]);
    free(much);
    gyre_loop_destroy(loop);
}

/* A close in company of a send that waits for room waits for its result, and
 * does not hang on the notification. */
KERNEL_TEST(C8_G9_a_close_ends_a_send_that_waits)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct zc zc;
    struct call closing;

    make_connection(fds);
    stuff(fds[0]);
    gyre_op_send_zc(&zc.op, fds[0], bytes, SIZE, 0);
    zc_start(loop, &zc);
    stage_turn(loop);
    gyre_op_close(&closing.op, fds[0]);
    CHECK_OK(call_run(loop, &closing));
    CHECK_ERR(zc_end(loop, &zc), -ECANCELED);
    close(fds[1]);
    gyre_loop_destroy(loop);
}

/* The op is not idle, nor the loop empty, before the notification. */
KERNEL_TEST(C8_the_loop_s_end_waits_for_the_notification)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    struct zc zc;

    make_connection(fds);
    gyre_op_send_zc(&zc.op, fds[0], bytes, SIZE, 0);
    zc_start(loop, &zc);
    gyre_loop_destroy(loop);
    CHECK(zc.over);
    close_both(fds);
}

/* What is overwritten after the notification, and not before, arrives whole. */
KERNEL_TEST(C8_memory_is_free_after_the_notification)
{
    enum { ROUNDS = 50 };
    gyre_loop *loop = stage_open(8);
    int fds[2];
    size_t left = 0;
    struct zc zc;

    make_connection(fds);
    for (int round = 0; round < ROUNDS; round++) {
        memset(bytes, round, SIZE);
        gyre_op_send_zc(&zc.op, fds[0], bytes, SIZE, MSG_WAITALL);
        zc_start(loop, &zc);
        left += SIZE;
        while (!zc.over || left > 0) {
            ssize_t n = recv(fds[1], got, SIZE, MSG_DONTWAIT);

            for (ssize_t i = 0; i < n; i++)
                CHECK_EQ(got[i], (char)round);
            left -= n > 0 ? (size_t)n : 0;
            stage_turn(loop);
        }
        CHECK_EQ(zc.results[0].res, SIZE);
    }
    close_both(fds);
    gyre_loop_destroy(loop);
}
