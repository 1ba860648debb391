/* SPDX-License-Identifier: MIT */
/*
 * test_multishot.c - ops with many results, and buffers that are chosen
 *
 * Each on every kernel; and, where it matters who does it, on rings that lack
 * what they need for it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring/feature.h"
#include "runner/patient.h"
#include "stage.h"

enum { GROUP = 3, SIZE = 64, SHOTS_MAX = 64 };

/* An op, and each of its results. */
struct shots {
    gyre_op op;
    unsigned calls;
    unsigned lasts;
    gyre_result results[SHOTS_MAX];
};

static void shots_done(gyre_op *op, gyre_result result)
{
    struct shots *shots = op->user;

    CHECK_LT(shots->calls, (unsigned)SHOTS_MAX);
    CHECK_EQ(shots->lasts, 0u);
    shots->results[shots->calls++] = result;
    if (!gyre_result_is_last(result))
        return;
    shots->lasts++;
    CHECK_EQ(gyre_op_state(op), GYRE_OP_IDLE);
}

static void shots_start(gyre_loop *loop, struct shots *shots)
{
    shots->calls = shots->lasts = 0;
    gyre_op_start(loop, &shots->op, shots_done, shots);
}

static void until(gyre_loop *loop, const unsigned *count, unsigned want)
{
    while (*count < want)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
}

/* Its `n`-th result, from 0; waits for it. */
static gyre_result shot(gyre_loop *loop, const struct shots *shots, unsigned n)
{
    until(loop, &shots->calls, n + 1);
    return shots->results[n];
}

static void fly(gyre_loop *loop, const gyre_op *op)
{
    while (gyre_op_state(op) == GYRE_OP_QUEUED)
        stage_turn(loop);
}

static void end(gyre_loop *loop, struct shots *shots)
{
    CHECK_OK(gyre_op_cancel(&shots->op));
    until(loop, &shots->lasts, 1);
    CHECK_ERR(shots->results[shots->calls - 1].res, -ECANCELED);
}

static int provide(gyre_loop *loop, char *memory, unsigned count,
                   unsigned first)
{
    gyre_op op;

    gyre_op_provide_buffers(&op, memory, SIZE, count, GROUP, (uint16_t)first);
    return op_run(loop, &op);
}

static int take_back(gyre_loop *loop, unsigned count)
{
    gyre_op op;

    gyre_op_remove_buffers(&op, count, GROUP);
    return op_run(loop, &op);
}

static void say(int fd, const char *text)
{
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void check_shot(gyre_result result, int res, unsigned id, bool last)
{
    CHECK_ERR(result.res, res);
    CHECK_EQ(gyre_result_is_last(result), last);
    CHECK(gyre_result_has_buffer(result));
    CHECK_EQ(gyre_result_buffer_id(result), id);
    CHECK(!gyre_result_buffer_more(result));
    CHECK(!gyre_result_is_notification(result));
}

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_GE(fd, 0);
    CHECK_OK(
        patient_connect(fd, (const struct sockaddr *)address, sizeof *address));
    return fd;
}

/* ---- one result, of a chosen buffer -------------------------------------- */

KERNEL_TEST(I5_E7_buffers_are_provided_chosen_and_taken_back)
{
    gyre_loop *loop = stage_open(8);
    char memory[4][SIZE] = { 0 };
    struct shots recv;
    struct iovec part = { NULL, 3 };
    int fds[2];

    make_pair(fds);
    CHECK_EQ(provide(loop, memory[0], 4, 100), 0);
    gyre_op_recv(&recv.op, fds[0], NULL, 0, 0);
    gyre_op_use_group(&recv.op, GROUP);
    CHECK_ERR(gyre_op_try(loop, &recv.op), -EAGAIN);
    shots_start(loop, &recv);
    fly(loop, &recv.op);
    say(fds[1], "hello");
    check_shot(shot(loop, &recv, 0), 5, 100, true);
    CHECK_EQ(memcmp(memory[0], "hello", 5), 0);

    say(fds[1], "goodbye");
    gyre_op_read(&recv.op, fds[0], NULL, 4, GYRE_CURRENT_POSITION);
    gyre_op_use_group(&recv.op, GROUP);
    shots_start(loop, &recv);
    check_shot(shot(loop, &recv, 0), 4, 101, true);
    gyre_op_readv(&recv.op, fds[0], &part, 1, GYRE_CURRENT_POSITION);
    gyre_op_use_group(&recv.op, GROUP);
    shots_start(loop, &recv);
    check_shot(shot(loop, &recv, 0), 3, 102, true);
    CHECK_EQ(memcmp(memory[2], "bye", 3), 0);

    CHECK_EQ(take_back(loop, 9), 1);
    gyre_op_recv(&recv.op, fds[0], NULL, 0, 0);
    gyre_op_use_group(&recv.op, GROUP);
    CHECK_ERR(op_run(loop, &recv.op), -ENOBUFS);
    CHECK_EQ(take_back(loop, 1), 0);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(I5_what_cannot_be_provided_is_refused)
{
    gyre_loop *loop = stage_open(8);
    char memory[SIZE] = { 0 };
    gyre_op op;

    gyre_op_provide_buffers(&op, memory, SIZE, 0, GROUP, 0);
    CHECK_ERR(op_run(loop, &op), -E2BIG);
    gyre_op_provide_buffers(&op, memory, SIZE, 100000, GROUP, 0);
    CHECK_ERR(op_run(loop, &op), -E2BIG);
    gyre_op_provide_buffers(&op, memory, SIZE, 2, GROUP, 65535);
    CHECK_ERR(op_run(loop, &op), -EINVAL);
    gyre_op_provide_buffers(&op, memory, 0, 1, GROUP, 0);
    CHECK_ERR(op_run(loop, &op), -EINVAL);
    gyre_op_remove_buffers(&op, 1, GROUP);
    CHECK_ERR(op_run(loop, &op), -ENOENT);
    gyre_loop_destroy(loop);
}

/* ---- many results -------------------------------------------------------- */

static void receives(void)
{
    gyre_loop *loop = stage_open(8);
    char memory[4][SIZE] = { 0 };
    struct shots recv;
    int fds[2];

    make_pair(fds);
    CHECK_EQ(provide(loop, memory[0], 3, 0), 0);
    gyre_op_recv_multishot(&recv.op, fds[0], GROUP, 0);
    CHECK_ERR(gyre_op_try(loop, &recv.op), -EAGAIN);
    shots_start(loop, &recv);
    fly(loop, &recv.op);
    say(fds[1], "one");
    check_shot(shot(loop, &recv, 0), 3, 0, false);
    CHECK_EQ(memcmp(memory[0], "one", 3), 0);
    CHECK_EQ(gyre_op_state(&recv.op), GYRE_OP_IN_FLIGHT);
    say(fds[1], "three");
    check_shot(shot(loop, &recv, 1), 5, 1, false);
    CHECK_EQ(memcmp(memory[1], "three", 5), 0);
    close(fds[1]);
    CHECK_EQ(shot(loop, &recv, 2).res, 0);
    CHECK_EQ(recv.lasts, 1);
    CHECK(!gyre_result_has_buffer(recv.results[2]));
    CHECK(gyre_op_is_eof(&recv.op, recv.results[2]));
    CHECK_EQ(take_back(loop, 9), 1); /* the end took none */
    close(fds[0]);
    gyre_loop_destroy(loop);
}

static void reads(void)
{
    gyre_loop *loop = stage_open(8);
    char memory[4][SIZE] = { 0 };
    struct shots read;
    int fds[2];

    make_pipe(fds);
    CHECK_EQ(provide(loop, memory[0], 4, 0), 0);
    gyre_op_read_multishot(&read.op, fds[0], GROUP);
    CHECK_ERR(gyre_op_try(loop, &read.op), -EAGAIN);
    shots_start(loop, &read);
    fly(loop, &read.op);
    say(fds[1], "one");
    check_shot(shot(loop, &read, 0), 3, 0, false);
    say(fds[1], "three");
    check_shot(shot(loop, &read, 1), 5, 1, false);
    CHECK_EQ(memcmp(memory[1], "three", 5), 0);
    end(loop, &read);
    CHECK_EQ(read.calls, 3);
    shots_start(loop, &read);
    fly(loop, &read.op);
    close(fds[1]);
    CHECK_EQ(shot(loop, &read, 0).res, 0);
    CHECK_EQ(read.lasts, 1);
    CHECK(gyre_op_is_eof(&read.op, read.results[0]));
    gyre_op_read_multishot(&read.op, -1, GROUP);
    CHECK_ERR(op_run(loop, &read.op), -EBADF);
    close(fds[0]);
    gyre_loop_destroy(loop);
}

static void accepts(void)
{
    static const int64_t far[2] = { 3600, 0 };
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in address;
    int listener = make_listener(&address), clients[5];
    struct shots accept;
    struct call counted;

    gyre_op_accept_multishot(&accept.op, listener, SOCK_NONBLOCK);
    shots_start(loop, &accept);
    fly(loop, &accept.op);
    gyre_op_timeout(&counted.op, far, 5, 0);
    call_start(loop, &counted);
    for (unsigned i = 0; i < 5; i++)
        clients[i] = connect_to(&address);
    for (unsigned i = 0; i < 5; i++) {
        CHECK_GE(shot(loop, &accept, i).res, 0);
        CHECK_EQ(accept.lasts, 0);
        say(clients[i], "x");
        close(accept.results[i].res);
        close(clients[i]);
    }
    CHECK_EQ(call_wait(loop, &counted), 0); /* F5: each of them counts */
    end(loop, &accept);
    CHECK_EQ(accept.calls, 6);
    close(listener);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C6_E6_E7_each_receive_is_a_result_with_its_buffer)
{
    receives();
}

KERNEL_TEST(B6_E6_each_read_is_a_result_with_its_buffer)
{
    reads();
}

KERNEL_TEST(C2_E6_each_connection_is_a_result)
{
    accepts();
}

/* The same on rings that lack something: then the emulator has the groups, or
 * one of several requests is made in place of one. */
KERNEL_TEST(B6_C2_C6_I5_S4_rings_that_lack_it_do_the_same)
{
    static const char *const lacks[] = { "buf_ring",
                                         "recv_multishot",
                                         "accept_multishot",
                                         "op_read_multishot",
                                         "recv_bundle,poll_first",
                                         "buf_ring,op_read_multishot" };

    for (size_t i = 0; i < COUNT_OF(lacks); i++) {
        CHECK_EQ(ring_features_restrict(lacks[i]), 0u);
        receives();
        reads();
        accepts();
    }
}

KERNEL_TEST(C6_I5_an_empty_group_ends_it_and_it_goes_on)
{
    gyre_loop *loop = stage_open(8);
    char memory[8][SIZE] = { 0 }, text[3 * SIZE];
    size_t got = 0;
    struct shots recv;
    int fds[2];

    make_connection(fds);
    memset(text, 'x', sizeof text);
    CHECK_EQ(write(fds[1], text, sizeof text), (ssize_t)sizeof text);
    gyre_op_recv_multishot(&recv.op, fds[0], GROUP, 0);
    for (unsigned round = 0; got < sizeof text; round++) {
        CHECK_EQ(provide(loop, memory[round], 1, round), 0);
        shots_start(loop, &recv);
        check_shot(shot(loop, &recv, 0), SIZE, round, false);
        got += SIZE;
        if (got < sizeof text) {
            CHECK_ERR(shot(loop, &recv, 1).res, -ENOBUFS);
            CHECK_EQ(recv.lasts, 1);
        }
    }
    if (recv.lasts == 0) /* it depends on whether Linux knows that it is all */
        gyre_op_cancel(&recv.op);
    until(loop, &recv.lasts, 1);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C6_each_message_is_a_result_with_its_sender)
{
    gyre_loop *loop = stage_open(8);
    struct msghdr header = { .msg_namelen = sizeof(struct sockaddr_in) };
    struct sockaddr_in to, from, address;
    int a = make_datagram(&to), b = make_datagram(&from);
    char memory[4][SIZE] = { 0 }, big[SIZE];
    gyre_message message;
    struct shots recv;

    CHECK_EQ(provide(loop, memory[0], 4, 0), 0);
    gyre_op_recvmsg_multishot(&recv.op, a, &header, GROUP, MSG_TRUNC);
    CHECK_ERR(gyre_op_try(loop, &recv.op), -EAGAIN);
    shots_start(loop, &recv);
    fly(loop, &recv.op);
    CHECK_EQ(sendto(b, "hello", 5, 0, (struct sockaddr *)&to, sizeof to), 5);
    CHECK_GT(shot(loop, &recv, 0).res, 5);
    CHECK_EQ(gyre_result_buffer_id(recv.results[0]), 0);
    CHECK_OK(gyre_message_parse(&message, memory[0],
                                (size_t)recv.results[0].res, &header));
    CHECK_EQ(message.size, 5u);
    CHECK_EQ(message.full, 5u);
    CHECK_EQ(memcmp(message.data, "hello", 5), 0);
    CHECK_EQ(message.control_size, 0u);
    CHECK_EQ(message.name_size, sizeof address);
    memcpy(&address, message.name, sizeof address);
    CHECK_EQ(address.sin_port, from.sin_port);

    memset(big, 'y', sizeof big);
    CHECK_EQ(sendto(b, big, SIZE, 0, (struct sockaddr *)&to, sizeof to), SIZE);
    CHECK_EQ(shot(loop, &recv, 1).res, SIZE);
    CHECK_OK(gyre_message_parse(&message, memory[1], SIZE, &header));
    CHECK_EQ(message.size, SIZE - 16 - sizeof address);
    CHECK_EQ(message.full, (size_t)SIZE);
    CHECK_EQ(message.flags & MSG_TRUNC, MSG_TRUNC);
    CHECK_ERR(gyre_message_parse(&message, memory[1], 20, &header), -EINVAL);
    end(loop, &recv);
    close(a);
    close(b);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C7_a_bundle_takes_several_buffers_in_order)
{
    gyre_loop *loop = stage_open(8);
    char memory[8][SIZE] = { 0 }, text[3 * SIZE + 10];
    struct shots recv;
    size_t got = 0;
    unsigned n = 0;
    int fds[2];

    make_pair(fds);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)pattern_byte(i);
    CHECK_EQ(provide(loop, memory[0], 8, 0), 0);
    gyre_op_recv_multishot(&recv.op, fds[0], GROUP, 0);
    gyre_op_use_bundle(&recv.op);
    shots_start(loop, &recv);
    fly(loop, &recv.op);
    CHECK_EQ(write(fds[1], text, sizeof text), (ssize_t)sizeof text);
    while (got < sizeof text) {
        gyre_result result = shot(loop, &recv, n++);

        CHECK_GT(result.res, 0);
        CHECK_EQ(gyre_result_buffer_id(result), got / SIZE);
        got += (size_t)result.res;
        /* Full, but for the last of all. */
        CHECK(got % SIZE == 0 || got == sizeof text);
    }
    CHECK_EQ(memcmp(memory, text, sizeof text), 0);
    end(loop, &recv);
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* ---- how it ends --------------------------------------------------------- */

static void cancel_at_once(gyre_op *op, gyre_result result)
{
    struct shots *shots = op->user;

    shots_done(op, result);
    if (shots->calls == 1)
        CHECK_OK(gyre_op_cancel(op));
}

KERNEL_TEST(C6_E6_one_that_is_cancelled_by_its_callback_ends_once)
{
    static const char *const lacks[] = { "", "op_read_multishot", "buf_ring" };
    char memory[4][SIZE] = { 0 };

    for (size_t i = 0; i < COUNT_OF(lacks); i++) {
        struct shots read = { .calls = 0 };
        gyre_loop *loop;
        int fds[2];

        CHECK_EQ(ring_features_restrict(lacks[i]), 0u);
        loop = stage_open(8);
        make_pipe(fds);
        CHECK_EQ(provide(loop, memory[0], 4, 0), 0);
        gyre_op_read_multishot(&read.op, fds[0], GROUP);
        gyre_op_start(loop, &read.op, cancel_at_once, &read);
        fly(loop, &read.op);
        say(fds[1], "x");
        until(loop, &read.lasts, 1);
        CHECK_EQ(read.calls, 2);
        CHECK_ERR(read.results[1].res, -ECANCELED);
        CHECK_EQ(take_back(loop, 9), 3);
        close_both(fds);
        gyre_loop_destroy(loop);
    }
}

KERNEL_TEST(C2_E6_connections_before_a_cancel_are_delivered)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in address;
    int listener = make_listener(&address), clients[3];
    struct shots accept;

    gyre_op_accept_multishot(&accept.op, listener, 0);
    shots_start(loop, &accept);
    fly(loop, &accept.op);
    for (unsigned i = 0; i < 3; i++)
        clients[i] = connect_to(&address);
    CHECK_OK(gyre_op_cancel(&accept.op));
    until(loop, &accept.lasts, 1);
    for (unsigned i = 0; i + 1 < accept.calls; i++) {
        CHECK_GE(accept.results[i].res, 0);
        close(accept.results[i].res);
    }
    CHECK_ERR(accept.results[accept.calls - 1].res, -ECANCELED);
    /* The others are still there for the next. */
    for (unsigned left = 3 - (accept.calls - 1); left > 0; left--) {
        int fd;

        gyre_op_accept(&accept.op, listener, NULL, NULL, 0);
        fd = op_run(loop, &accept.op);
        CHECK_GE(fd, 0);
        close(fd);
    }
    for (unsigned i = 0; i < 3; i++)
        close(clients[i]);
    close(listener);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C6_E6_a_deadline_and_a_close_end_it)
{
    gyre_loop *loop = stage_open(8);
    char memory[4][SIZE] = { 0 };
    gyre_deadline deadline;
    struct shots recv;
    gyre_op closing;
    int fds[2];

    make_pair(fds);
    CHECK_EQ(provide(loop, memory[0], 4, 0), 0);
    gyre_op_recv_multishot(&recv.op, fds[0], GROUP, 0);
    shots_start(loop, &recv);
    gyre_op_set_deadline(&recv.op, &deadline,
                         gyre_deadline_in(50 * GYRE_MS * test_scale()));
    say(fds[1], "x");
    CHECK_EQ(shot(loop, &recv, 0).res, 1);
    until(loop, &recv.lasts, 1);
    CHECK_ERR(recv.results[1].res, -ETIME);

    shots_start(loop, &recv);
    fly(loop, &recv.op);
    gyre_op_close(&closing, fds[0]);
    CHECK_EQ(op_run(loop, &closing), 0);
    CHECK_EQ(recv.lasts, 1);
    CHECK_ERR(recv.results[0].res, -ECANCELED);
    close(fds[1]);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C6_E6_J1_a_small_queue_loses_nothing)
{
    enum { COUNT = 200 };
    gyre_loop_options options = { .size = sizeof options,
                                  .entries = 1,
                                  .cq_entries = 2 };
    char(*memory)[SIZE] = calloc(COUNT + 1, SIZE);
    unsigned got = 0, rounds = 0;
    struct shots recv;
    gyre_loop *loop;
    int fds[2];

    CHECK(memory != NULL);
    CHECK_OK(gyre_loop_create(&loop, &options));
    CHECK_OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
    CHECK_EQ(provide(loop, memory[0], COUNT + 1, 0), 0);
    gyre_op_recv_multishot(&recv.op, fds[0], GROUP, 0);
    recv.lasts = 1;
    for (unsigned sent = 0; got < COUNT; rounds++) {
        while (sent < COUNT &&
               send(fds[1], &sent, sizeof sent, MSG_DONTWAIT) > 0)
            sent++;
        if (recv.lasts == 1)
            shots_start(loop, &recv);
        recv.calls = 0;
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        for (unsigned i = 0; i < recv.calls; i++, got++) {
            unsigned number;

            CHECK_EQ(recv.results[i].res, (int)sizeof number);
            CHECK_EQ(gyre_result_buffer_id(recv.results[i]), got);
            memcpy(&number, memory[got], sizeof number);
            CHECK_EQ(number, got);
        }
    }
    CHECK_GT(rounds, 1u);
    if (recv.lasts == 0) {
        recv.calls = 0;
        end(loop, &recv);
    }
    close_both(fds);
    gyre_loop_destroy(loop);
    free(memory);
}

struct flood {
    gyre_op op;
    unsigned calls;
    unsigned lasts;
};

static void flood_done(gyre_op *op, gyre_result result)
{
    struct flood *flood = op->user;

    flood->calls += result.res > 0;
    flood->lasts += gyre_result_is_last(result);
}

KERNEL_TEST(C6_a_fast_peer_does_not_starve_the_others)
{
    enum { COUNT = 8000, BYTES = 128 * 1024 };
    gyre_loop *loop = stage_open(64);
    char *memory = calloc(COUNT, SIZE), *text = calloc(1, BYTES);
    struct flood flood = { .lasts = 0 };
    struct shots other;
    int fast[2], slow[2];
    size_t queued = 0;

    CHECK(memory != NULL && text != NULL);
    make_pair(fast);
    make_pair(slow);
    for (ssize_t n; (n = send(fast[1], text, BYTES, MSG_DONTWAIT)) > 0;)
        queued += (size_t)n;
    CHECK_GT(queued, 1000 * SIZE);
    CHECK_EQ(provide(loop, memory, COUNT, 0), 0);
    gyre_op_recv_multishot(&flood.op, fast[0], GROUP, 0);
    gyre_op_recv_multishot(&other.op, slow[0], GROUP, 0);
    shots_start(loop, &other);
    fly(loop, &other.op);
    gyre_op_start(loop, &flood.op, flood_done, &flood);
    say(slow[1], "x");
    while (other.calls == 0) {
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        if (flood.lasts == 1) { /* the queue was full */
            flood.lasts = 0;
            gyre_op_restart(&flood.op);
        }
    }
    CHECK_EQ(other.results[0].res, 1);
    /* Some turns' share, and no more. Linux < 6.8 has no bound but its queue
     * for what it does at a time. */
    CHECK_LT(flood.calls, queued / SIZE);
    if (other.lasts == 0)
        end(loop, &other);
    if (flood.lasts == 0)
        CHECK_OK(gyre_op_cancel(&flood.op));
    until(loop, &flood.lasts, 1);
    close_both(fast);
    close_both(slow);
    gyre_loop_destroy(loop);
    free(memory);
    free(text);
}

static void count_last(gyre_op *op, gyre_result result)
{
    unsigned *lasts = op->user;

    CHECK_ERR(result.res, -ECANCELED);
    *lasts += gyre_result_is_last(result);
}

KERNEL_TEST(C2_C6_B6_E6_a_thousand_end_with_their_loop)
{
    enum { COUNT = 1000 };
    gyre_loop *loop = stage_open(16);
    gyre_op *ops = aligned_alloc(_Alignof(gyre_op), COUNT * sizeof *ops);
    struct sockaddr_in address;
    int listener = make_listener(&address), pair[2], pipes[2];
    char(*memory)[SIZE] = calloc(COUNT, SIZE);
    unsigned lasts = 0;

    CHECK(ops != NULL && memory != NULL);
    make_pair(pair);
    make_pipe(pipes);
    CHECK_EQ(provide(loop, memory[0], COUNT, 0), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        if (i % 3 == 0)
            gyre_op_recv_multishot(&ops[i], pair[0], GROUP, 0);
        else if (i % 3 == 1)
            gyre_op_read_multishot(&ops[i], pipes[0], GROUP);
        else
            gyre_op_accept_multishot(&ops[i], listener, 0);
        gyre_op_start(loop, &ops[i], count_last, &lasts);
    }
    fly(loop, &ops[COUNT - 1]);
    gyre_loop_destroy(loop);
    CHECK_EQ(lasts, (unsigned)COUNT); /* I1 */
    free(ops);
    free(memory);
    close_both(pair);
    close_both(pipes);
    close(listener);
}
