/* SPDX-License-Identifier: MIT */
/*
 * Channels and selects between loops and plain threads. What is sent is counted
 * on both sides; the thread sanitizer looks at the rest.
 */
#include <sched.h>
#include <time.h>

#include "sync/lab.h"

enum { LOOPS = 3, THREADS = 2, CHANNELS = 3, TASKS = 8 };

struct stress {
    gyre_channel *channels[CHANNELS];
    gyre_event stop;
    uint64_t seed;
    _Atomic uint64_t next;
    /* Sums and counts; what was sent must be received, once. */
    _Atomic uint64_t sent, sent_sum, received, received_sum;
    _Atomic uint64_t cancelled, closed;
    unsigned rounds;
};

static void count_sent(struct stress *s, uint64_t value)
{
    s->sent++;
    s->sent_sum += value * value % 1000003;
}

static void count_received(struct stress *s, uint64_t value)
{
    s->received++;
    s->received_sum += value * value % 1000003;
}

static void count(struct stress *s, bool sends, int result, uint64_t value)
{
    if (result == 0 && sends)
        count_sent(s, value);
    else if (result == 0)
        count_received(s, value);
    else if (result == -EPIPE || result == GYRE_EOF)
        s->closed++;
    else
        s->cancelled++;
}

/* ---- plain threads: send and receive, some with deadlines ---------------- */

static uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * GYRE_SECOND + (uint64_t)t.tv_nsec;
}

static void *plain_main(void *arg)
{
    struct stress *s = arg;
    struct chance chance = { s->seed + s->next++ };

    for (unsigned i = 0; i < s->rounds; i++) {
        gyre_channel *channel = s->channels[below(&chance, CHANNELS)];
        bool sends = below(&chance, 2) != 0;
        uint64_t value = s->next++;
        uint64_t until = clock_ns() + below(&chance, 200) * GYRE_US;
        int result = sends ? gyre_channel_send_until(channel, &value, until)
                           : gyre_channel_recv_until(channel, &value, until);

        CHECK(result == 0 || result == -ETIMEDOUT || result == -EPIPE ||
              result == GYRE_EOF);
        count(s, sends, result, value);
    }
    return NULL;
}

/* ---- tasks: selects that are cut by deadlines ---------------------------- */

static void one_select(struct stress *s, struct chance *chance)
{
    gyre_case cases[4];
    uint64_t values[4];
    bool sends[4];
    gyre_scope scope;
    gyre_scope_options options = { .deadline_ns =
                                       gyre_loop_now(gyre_loop_current()) +
                                       below(chance, 200) * GYRE_US };
    unsigned n = 1 + below(chance, 4);
    int winner;

    for (unsigned i = 0; i < n; i++) {
        gyre_channel *channel = s->channels[below(chance, CHANNELS)];

        sends[i] = below(chance, 2) != 0;
        values[i] = s->next++;
        cases[i] = sends[i] ? gyre_on_send(channel, &values[i])
                            : gyre_on_recv(channel, &values[i]);
    }
    gyre_scope_open(&scope, &options);
    winner = gyre_select(cases, n);
    (void)!gyre_scope_close(&scope);
    if (winner < 0)
        CHECK_ERR(winner, -ETIME);
    for (unsigned i = 0; i < n; i++) {
        if ((int)i == winner)
            count(s, sends[i], cases[i].result, values[i]);
        else
            CHECK_ERR(cases[i].result, -EAGAIN);
    }
    s->cancelled += winner < 0;
}

static int select_task(void *arg)
{
    struct stress *s = arg;
    struct chance chance = { s->seed * 31 + s->next++ };

    for (unsigned i = 0; i < s->rounds; i++) {
        one_select(s, &chance);
        if (i % 8 == 0)
            CHECK_OK(gyre_yield());
    }
    return 0;
}

static int select_tasks(void *arg)
{
    gyre_branch branches[TASKS];

    for (unsigned i = 0; i < TASKS; i++)
        branches[i] = (gyre_branch){ .fn = select_task, .arg = arg };
    return gyre_all(branches, TASKS);
}

static void *loop_main(void *arg)
{
    CHECK_OK(gyre_run(NULL, select_tasks, arg));
    return NULL;
}

static void take_rest(struct stress *s)
{
    uint64_t value;

    for (unsigned c = 0; c < CHANNELS; c++) {
        while (gyre_channel_try_recv(s->channels[c], &value) == 0)
            count_received(s, value);
        gyre_channel_destroy(s->channels[c]);
    }
    CHECK_EQ(s->sent, s->received);
    CHECK_EQ(s->sent_sum, s->received_sum);
}

static void stress_run(uint64_t seed, bool closes)
{
    static const size_t capacities[CHANNELS] = { 0, 1, 4 };
    struct stress s = { .seed = seed, .rounds = 2000 / test_scale() };
    pthread_t threads[LOOPS + THREADS];

    for (unsigned c = 0; c < CHANNELS; c++)
        s.channels[c] = make_channel(sizeof(uint64_t), capacities[c], 0);
    for (unsigned i = 0; i < LOOPS + THREADS; i++)
        thread_start(&threads[i], i < LOOPS ? loop_main : plain_main, &s);
    if (closes) {
        struct chance chance = { seed };

        while (s.received < 1 + below(&chance, s.rounds))
            sched_yield();
        for (unsigned c = 0; c < CHANNELS; c++)
            CHECK_OK(gyre_channel_close(s.channels[c]));
    }
    for (unsigned i = 0; i < LOOPS + THREADS; i++)
        thread_join(threads[i]);
    CHECK_GT(s.received, 0u);
    CHECK(closes || s.closed == 0);
    take_rest(&s);
}

KERNEL_TEST2(M10_M12_K9_selects_of_three_loops_and_threads_lose_nothing)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        stress_run(seed, false);
}

KERNEL_TEST2(M10_M12_K9_a_close_among_them_loses_nothing)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        stress_run(seed, true);
}

/* ---- a close against one sender and one receiver, again and again -------- */

struct duel {
    gyre_channel *channel;
    unsigned sent, received;
    pthread_barrier_t start;
};

static void *duel_sender(void *arg)
{
    struct duel *duel = arg;
    unsigned value = 0;

    pthread_barrier_wait(&duel->start);
    while (gyre_channel_send(duel->channel, &value) == 0) {
        duel->sent++;
        value++;
    }
    return NULL;
}

static void *duel_receiver(void *arg)
{
    struct duel *duel = arg;
    unsigned value;
    int err;

    pthread_barrier_wait(&duel->start);
    while ((err = gyre_channel_recv(duel->channel, &value)) == 0)
        CHECK_EQ(value, duel->received++);
    CHECK_ERR(err, GYRE_EOF);
    return NULL;
}

TEST(M10_a_close_between_two_threads_loses_nothing)
{
    static const size_t capacities[] = { 0, 1, 4, GYRE_UNBOUNDED };

    for (unsigned i = 0; i < 200 / test_scale(); i++) {
        struct duel duel = { 0 };
        pthread_t sender, receiver;

        duel.channel = make_channel(sizeof(unsigned), capacities[i % 4], 0);
        CHECK_EQ(pthread_barrier_init(&duel.start, NULL, 3), 0);
        thread_start(&sender, duel_sender, &duel);
        thread_start(&receiver, duel_receiver, &duel);
        pthread_barrier_wait(&duel.start);
        for (unsigned n = i % 7; n > 0; n--)
            sched_yield();
        CHECK_OK(gyre_channel_close(duel.channel));
        thread_join(sender);
        thread_join(receiver);
        CHECK_EQ(duel.sent, duel.received);
        pthread_barrier_destroy(&duel.start);
        gyre_channel_destroy(duel.channel);
    }
}

/* ---- callbacks feed a thread --------------------------------------------- */

struct feed {
    gyre_channel *channel;
    gyre_timer timer;
    unsigned sent, count;
};

static void feed_one(gyre_timer *timer, int status)
{
    struct feed *feed = timer->user;

    if (status < 0)
        return;
    while (feed->sent < feed->count &&
           gyre_channel_try_send(feed->channel, &feed->sent) == 0)
        feed->sent++;
    if (feed->sent < feed->count)
        gyre_timer_start_after(timer, 20 * GYRE_US);
    else
        CHECK_OK(gyre_channel_close(feed->channel));
}

static void *feed_eater(void *arg)
{
    struct feed *feed = arg;
    unsigned value, next = 0;

    while (gyre_channel_recv(feed->channel, &value) == 0)
        CHECK_EQ(value, next++);
    CHECK_EQ(next, feed->count);
    return NULL;
}

KERNEL_TEST2(M9_J6_callbacks_feed_a_thread_as_fast_as_it_eats)
{
    struct feed feed = { .count = 2000 / test_scale() };
    gyre_loop *loop;
    pthread_t eater;

    feed.channel = make_channel(sizeof(unsigned), 8, 0);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_timer_init(&feed.timer, loop, feed_one, &feed);
    gyre_timer_start_after(&feed.timer, 0);
    thread_start(&eater, feed_eater, &feed);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    thread_join(eater);
    gyre_loop_destroy(loop);
    gyre_channel_destroy(feed.channel);
}
