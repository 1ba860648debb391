/* SPDX-License-Identifier: MIT */
/*
 * test_message.c - messages from loop to loop, and from plain threads
 *
 * Each is sent in the three ways, and on io_uring also as on a Linux that lacks
 * them.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "ring/abi.h"
#include "ring/feature.h"
#include "stage.h"

struct inbox {
    gyre_receiver receiver;
    unsigned count;
    int64_t sum;
    int32_t last;
    bool ordered; /* each is greater than the one before */
};

static void got(gyre_receiver *receiver, int32_t value)
{
    struct inbox *inbox = receiver->user;

    inbox->ordered &= inbox->count == 0 || value > inbox->last;
    inbox->count++;
    inbox->sum += value;
    inbox->last = value;
}

static void inbox_open(struct inbox *inbox, gyre_loop *loop)
{
    *inbox = (struct inbox){ .ordered = true };
    CHECK_OK(gyre_receiver_open(&inbox->receiver, loop, got, inbox));
}

static void await_count(gyre_loop *loop, const struct inbox *inbox,
                        unsigned count)
{
    while (inbox->count < count)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
}

static void settle(gyre_loop *loop)
{
    for (int i = 0; i < 4; i++)
        stage_turn(loop);
}

static int send_op(gyre_loop *loop, gyre_address to, int32_t value)
{
    struct call call;

    gyre_op_message(&call.op, to, value);
    return call_run(loop, &call);
}

/* With all that this Linux has, and with less and less of it. */
static void every_way(void (*body)(void))
{
    body();
    if (strncmp(test_kernel(), "uring", 5) != 0)
        return;
    CHECK_EQ(ring_features_restrict("send_msg_ring"), 0u);
    body();
    CHECK_EQ(ring_features_restrict("send_msg_ring,op_msg_ring"), 0u);
    body();
    CHECK_EQ(ring_features_restrict("op_msg_ring"), 0u);
    body();
}

static void by_op(void)
{
    gyre_loop *from = stage_open(8), *to = stage_open(8);
    struct inbox inbox;
    gyre_address address;

    stage_turn(to);
    inbox_open(&inbox, to);
    address = gyre_receiver_address(&inbox.receiver);
    CHECK_OK(send_op(from, address, -5));
    for (int32_t i = 0; i < 100; i++)
        CHECK_OK(send_op(from, address, i));
    await_count(to, &inbox, 101);
    settle(to);
    CHECK_EQ(inbox.count, 101u);
    CHECK_EQ(inbox.sum, 99 * 50 - 5);
    CHECK(inbox.ordered);
    /* To oneself. */
    CHECK_OK(send_op(to, address, 1000));
    await_count(to, &inbox, 102);
    CHECK_EQ(inbox.last, 1000);
    gyre_receiver_close(&inbox.receiver);
    gyre_loop_destroy(from);
    gyre_loop_destroy(to);
}

KERNEL_TEST(D7_H7_an_op_sends_to_another_loop)
{
    every_way(by_op);
}

/* The descriptor that a loop is found by is soon another loop's. */
KERNEL_TEST(D7_H7_an_address_is_of_no_later_loop)
{
    gyre_loop *loop = stage_open(8);
    gyre_address address;
    struct inbox inbox;

    inbox_open(&inbox, loop);
    address = gyre_receiver_address(&inbox.receiver);
    gyre_receiver_close(&inbox.receiver);
    gyre_loop_destroy(loop);

    loop = stage_open(8);
    inbox_open(&inbox, loop);
    address.loop = gyre_receiver_address(&inbox.receiver).loop;
    CHECK_OK(gyre_message_post(address, 1));
    CHECK_OK(send_op(loop, address, 2));
    CHECK_OK(gyre_message_post(gyre_receiver_address(&inbox.receiver), 3));
    await_count(loop, &inbox, 1);
    settle(loop);
    CHECK_EQ(inbox.count, 1u);
    CHECK_EQ(inbox.last, 3);
    gyre_receiver_close(&inbox.receiver);
    gyre_loop_destroy(loop);
}

static void by_thread(void)
{
    gyre_loop *loop = stage_open(8);
    struct inbox inbox;

    inbox_open(&inbox, loop);
    /* Also before the loop has run for the first time. */
    for (int32_t i = 0; i < 50; i++)
        CHECK_OK(gyre_message_post(gyre_receiver_address(&inbox.receiver), i));
    await_count(loop, &inbox, 50);
    for (int32_t i = 50; i < 100; i++)
        CHECK_OK(gyre_message_post(gyre_receiver_address(&inbox.receiver), i));
    await_count(loop, &inbox, 100);
    settle(loop);
    CHECK_EQ(inbox.count, 100u);
    CHECK(inbox.ordered);
    gyre_receiver_close(&inbox.receiver);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D7_whoever_has_no_loop_posts)
{
    every_way(by_thread);
}

static void too_late(void)
{
    gyre_loop *from = stage_open(8), *to = stage_open(8);
    struct inbox first, second;
    gyre_address address;

    stage_turn(to);
    inbox_open(&first, to);
    address = gyre_receiver_address(&first.receiver);
    CHECK_OK(send_op(from, address, 1));
    CHECK_OK(gyre_message_post(address, 2));
    gyre_receiver_close(&first.receiver);
    /* In the same place; what was meant for the first is not for it. */
    inbox_open(&second, to);
    settle(to);
    CHECK_OK(send_op(from, address, 3));
    CHECK_OK(send_op(from, gyre_receiver_address(&second.receiver), 4));
    await_count(to, &second, 1);
    settle(to);
    CHECK_EQ(first.count, 0u);
    CHECK_EQ(second.count, 1u);
    CHECK_EQ(second.last, 4);
    /* Made up. */
    address.id |= UINT64_C(0xFFFF) << 8;
    CHECK_OK(gyre_message_post(address, 5));
    settle(to);
    CHECK_EQ(second.count, 1u);

    /* The loop's end drops what is under way, and closes what is open. */
    address = gyre_receiver_address(&second.receiver);
    CHECK_OK(gyre_message_post(address, 6));
    gyre_loop_destroy(to);
    CHECK_EQ(second.count, 1u);
    CHECK_ERR(gyre_message_post(address, 7), -EBADF);
    CHECK_ERR(send_op(from, address, 7), -EBADF);
    memset(&address, 0, sizeof address);
    CHECK_ERR(gyre_message_post(address, 7), -EBADF);
    CHECK_ERR(send_op(from, address, 7), -EBADF);
    gyre_loop_destroy(from);
}

KERNEL_TEST(D7_a_message_meets_whom_it_was_meant_for_or_nobody)
{
    every_way(too_late);
}

static void close_yourself(gyre_receiver *receiver, int32_t value)
{
    CHECK_EQ(value, 1);
    gyre_receiver_close(receiver);
}

KERNEL_TEST(D7_many_receivers_and_one_that_closes_itself)
{
    enum { RECEIVERS = 100 };
    static struct inbox inboxes[RECEIVERS];
    gyre_loop *loop = stage_open(8);
    gyre_receiver once;

    CHECK_OK(gyre_receiver_open(&once, loop, close_yourself, NULL));
    for (int i = 0; i < RECEIVERS; i++)
        inbox_open(&inboxes[i], loop);
    for (int i = 0; i < RECEIVERS; i++)
        CHECK_OK(
            gyre_message_post(gyre_receiver_address(&inboxes[i].receiver), i));
    CHECK_OK(gyre_message_post(gyre_receiver_address(&once), 1));
    for (int i = 0; i < RECEIVERS; i++) {
        await_count(loop, &inboxes[i], 1);
        CHECK_EQ(inboxes[i].last, i);
    }
    for (int i = 0; i < RECEIVERS; i++)
        gyre_receiver_close(&inboxes[i].receiver);
    /* Nothing holds the loop any more. */
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    gyre_loop_destroy(loop);
}

/* ---- many threads -------------------------------------------------------- */

struct flood {
    gyre_address to;
    int32_t count;
};

static void *post_many(void *arg)
{
    struct flood *flood = arg;

    for (int32_t i = 0; i < flood->count; i++)
        CHECK_OK(gyre_message_post(flood->to, 1));
    return NULL;
}

static int send_many(void *arg)
{
    struct flood *flood = arg;

    for (int32_t i = 0; i < flood->count; i++)
        CHECK_OK(gyre_message_send(flood->to, 1));
    return 0;
}

static void *run_sender(void *arg)
{
    CHECK_OK(gyre_run(NULL, send_many, arg));
    return NULL;
}

static void flooded(void)
{
    gyre_loop *loop = stage_open(4);
    struct inbox inbox;
    struct flood flood = { .count = 2000 / (int)test_scale() };
    void *(*const bodies[])(void *) = { post_many, run_sender, post_many,
                                        run_sender };
    pthread_t threads[4];

    inbox_open(&inbox, loop);
    flood.to = gyre_receiver_address(&inbox.receiver);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, bodies[i], &flood), 0);
    await_count(loop, &inbox, 4 * (unsigned)flood.count);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    settle(loop);
    CHECK_EQ(inbox.count, 4 * (unsigned)flood.count);
    gyre_receiver_close(&inbox.receiver);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D7_H7_no_message_is_lost_in_a_flood)
{
    every_way(flooded);
}

TEST_WITH(D7_a_message_to_a_loop_needs_a_receiver, .panic = "the address of a",
          .kernels = TEST_EVERY_KERNEL)
{
    gyre_loop *loop = stage_open(8);
    struct inbox inbox;
    struct call call;

    inbox_open(&inbox, loop);
    gyre_op_message(&call.op, gyre_receiver_address(&inbox.receiver), 1);
    gyre_op_sqe(&call.op)->off = 0x1230;
    call_start(loop, &call);
}

static void hear_nothing(gyre_receiver *receiver, int32_t value)
{
    FAIL("%p heard %d", (void *)receiver, (int)value);
}

TEST_WITH(D7_the_loops_end_closes_its_receivers, .kernels = TEST_EVERY_KERNEL,
          .panic = "the receiver is not open")
{
    gyre_loop *loop = stage_open(8);
    gyre_receiver receiver;

    CHECK_OK(gyre_receiver_open(&receiver, loop, hear_nothing, NULL));
    gyre_loop_destroy(loop);
    gyre_receiver_close(&receiver);
}
