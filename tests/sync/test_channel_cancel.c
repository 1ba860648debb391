/* SPDX-License-Identifier: MIT */
/*
 * Channels whose senders and receivers are cancelled, or run out of time: no
 * element is lost, and none is there twice.
 */
#include "sync/crowd.h"

/* ---- cancel and deadlines ------------------------------------------------ */

static int cancel_waits(void *arg)
{
    static struct crowd crowd;
    gyre_scope other;
    int n = 7;

    (void)arg;
    for (size_t c = 0; c < 3; c++) {
        crowd_begin(&crowd, capacities[c]);
        for (int i = 0; i < (int)capacities[c]; i++)
            CHECK_OK(gyre_channel_send(crowd.channel, &i));
        for (int i = 0; i < 5; i++)
            crowd_add(&crowd, call_send, 100 + i, 0);
        let_others_run();
        gyre_scope_cancel(&crowd.scope);
        CHECK_ERR(gyre_channel_send(crowd.channel, &n), -ECANCELED);
        CHECK_ERR(gyre_channel_recv(crowd.channel, &n), -ECANCELED);
        CHECK_EQ(n, 7);
        /* Not lost, not doubled: what was in it still is, and no more. */
        for (int i = 0; i < (int)capacities[c]; i++) {
            CHECK_OK(gyre_channel_try_recv(crowd.channel, &n));
            CHECK_EQ(n, i);
        }
        CHECK_ERR(gyre_channel_try_recv(crowd.channel, &n), -EAGAIN);
        n = 7;
        for (int i = 0; i < 5; i++)
            crowd_add(&crowd, call_recv, 0, 0);
        gyre_scope_open(&other, NULL); /* cancelled too */
        CHECK_ERR(gyre_channel_recv(crowd.channel, &n), -ECANCELED);
        CHECK_OK(gyre_scope_close(&other));
        CHECK_OK(gyre_scope_close(&crowd.scope));
        for (int i = 0; i < 10; i++)
            CHECK_ERR(crowd.calls[i].result, -ECANCELED);
        gyre_channel_destroy(crowd.channel);
    }
    return 0;
}

TEST(M12_R8_a_cancel_ends_senders_and_receivers_without_a_trace)
{
    must_run(cancel_waits, NULL);
}

/* Granted first, cancelled before it could run: it has got it. */
static int granted_then_cancelled(void *arg)
{
    static struct crowd crowd;
    struct call *recv, *send;
    int n = 42;

    (void)arg;
    crowd_begin(&crowd, 0);
    recv = crowd_add(&crowd, call_recv, 0, 0);
    let_others_run();
    CHECK_OK(gyre_channel_try_send(crowd.channel, &n));
    gyre_scope_cancel(&crowd.scope);
    CHECK_OK(gyre_scope_close(&crowd.scope));
    CHECK_OK(recv->result);
    CHECK_EQ(recv->value, 42);
    gyre_channel_destroy(crowd.channel);

    crowd_begin(&crowd, 0);
    send = crowd_add(&crowd, call_send, 43, 0);
    let_others_run();
    CHECK_OK(gyre_channel_try_recv(crowd.channel, &n));
    gyre_scope_cancel(&crowd.scope);
    CHECK_OK(gyre_scope_close(&crowd.scope));
    CHECK_OK(send->result);
    CHECK_EQ(n, 43);
    gyre_channel_destroy(crowd.channel);
    return 0;
}

TEST(M12_what_was_given_when_the_cancel_came_is_kept)
{
    must_run(granted_then_cancelled, NULL);
}

/* The first in the queue is cancelled but has not run yet: it is passed. */
static int passed_over(void *arg)
{
    static struct crowd crowd;
    gyre_scope first;
    struct call early = { .ended = &crowd.ended, .result = 1 };
    struct call *late;
    int n = 9;

    (void)arg;
    crowd_begin(&crowd, 0);
    early.channel = crowd.channel;
    gyre_scope_open(&first, NULL);
    must_spawn(&first, call_recv, &early);
    let_others_run();
    late = crowd_add(&crowd, call_recv, 0, 0);
    let_others_run();
    gyre_scope_cancel(&first);
    CHECK_OK(gyre_channel_try_send(crowd.channel, &n));
    CHECK_OK(gyre_scope_close(&first));
    CHECK_ERR(early.result, -ECANCELED);
    let_others_run();
    CHECK_OK(late->result);
    CHECK_EQ(late->value, 9);
    crowd.count++; /* the early one has been counted as ended */
    crowd_end(&crowd);
    return 0;
}

TEST(M12_an_element_goes_past_a_receiver_that_was_cancelled)
{
    must_run(passed_over, NULL);
}

static int deadlines(void *arg)
{
    static struct crowd crowd;
    uint64_t now = gyre_loop_update_now(gyre_loop_current());
    uint64_t soon = now + 2 * GYRE_MS;
    int n = 5;

    (void)arg;
    crowd_begin(&crowd, 1);
    /* One that has passed takes what is there, and does not wait. */
    CHECK_OK(gyre_channel_send_until(crowd.channel, &n, now));
    CHECK_ERR(gyre_channel_send_until(crowd.channel, &n, now), -ETIMEDOUT);
    CHECK_OK(gyre_channel_recv_until(crowd.channel, &n, now));
    CHECK_ERR(gyre_channel_recv_until(crowd.channel, &n, now), -ETIMEDOUT);
    for (int i = 0; i < 10; i++)
        crowd_add(&crowd, call_recv, 0, soon + (uint64_t)i * GYRE_US);
    CHECK_ERR(gyre_channel_recv_until(crowd.channel, &n, soon + GYRE_MS),
              -ETIMEDOUT);
    CHECK_GE(gyre_loop_update_now(gyre_loop_current()), soon + GYRE_MS);
    while (crowd.ended < 10) /* so late that nobody waited for them? */
        CHECK_OK(gyre_yield());
    CHECK_OK(gyre_channel_send(crowd.channel, &n)); /* nobody is there */
    crowd_add(&crowd, call_send, 6, soon);
    let_others_run();
    for (int i = 0; i < 11; i++)
        CHECK_ERR(crowd.calls[i].result, -ETIMEDOUT);
    CHECK_EQ(gyre_channel_length(crowd.channel), 1u);
    crowd_end(&crowd);
    return 0;
}

KERNEL_TEST2(M12_a_deadline_ends_the_wait_and_never_early)
{
    must_run(deadlines, NULL);
}

/* Many short deadlines among real traffic: the sums tell. */
struct traffic {
    gyre_channel *channel;
    uint64_t sent, received;
    unsigned given_up, cancelled;
    unsigned senders;
};

static int traffic_sender(void *arg)
{
    struct traffic *t = arg;

    for (unsigned i = 1; i <= 200; i++) {
        uint64_t value = i;
        uint64_t until = gyre_loop_now(gyre_loop_current()) +
                         (uint64_t)(i % 3) * 20 * GYRE_US;
        int err = gyre_channel_send_until(t->channel, &value, until);

        if (err == 0)
            t->sent += value;
        else
            t->given_up++;
        CHECK(err == 0 || err == -ETIMEDOUT);
        if (i % 16 == 0)
            CHECK_OK(gyre_yield());
    }
    if (--t->senders == 0)
        CHECK_OK(gyre_channel_close(t->channel));
    return 0;
}

/* In a scope that some timer or other cancels. */
static int traffic_receiver(void *arg)
{
    struct traffic *t = arg;

    for (unsigned i = 0;; i++) {
        gyre_scope scope;
        gyre_scope_options options = {
            .deadline_ns = gyre_loop_now(gyre_loop_current()) + 30 * GYRE_US,
        };
        uint64_t value = 0;
        int err;

        gyre_scope_open(&scope, &options);
        err = gyre_channel_recv(t->channel, &value);
        if (err == 0)
            t->received += value;
        (void)!gyre_scope_close(&scope);
        t->cancelled += err == -ETIME;
        if (err == GYRE_EOF)
            return 0;
        CHECK(err == 0 || err == -ETIME);
        if (err == -ETIME)
            CHECK_OK(gyre_yield());
    }
}

static int traffic(void *arg)
{
    size_t capacity = *(size_t *)arg;
    struct traffic t = { .senders = 20 };
    gyre_scope scope;

    t.channel = make_channel(sizeof(uint64_t), capacity, 0);
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 20; i++) {
        must_spawn(&scope, traffic_sender, &t);
        must_spawn(&scope, traffic_receiver, &t);
    }
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_GT(t.sent, 0u);
    CHECK_EQ(t.sent, t.received);
    gyre_channel_destroy(t.channel);
    return 0;
}

KERNEL_TEST2(M12_deadlines_among_traffic_lose_and_double_nothing)
{
    for (size_t c = 0; c < 4; c++)
        must_run(traffic, (void *)(uintptr_t)&capacities[c]);
}
