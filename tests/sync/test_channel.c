/* SPDX-License-Identifier: MIT */
/*
 * Channels: order, capacity, close, drain, cancel, deadlines. One loop, where
 * each step is known; threads are in test_channel_threads.c.
 */
#include "base/alloc.h"
#include "sync/crowd.h"
#include "task/fiber_tools.h"

/* ---- order and copies ---------------------------------------------------- */

enum { SIZE_MOST = 1000 };

struct stream {
    gyre_channel *channel;
    size_t size;
    unsigned count;
};

static void element_fill(unsigned char *element, size_t size, unsigned n)
{
    for (size_t i = 0; i < size; i++)
        element[i] = (unsigned char)(n * 7 + i);
}

static int stream_send(void *arg)
{
    struct stream *s = arg;
    unsigned char element[SIZE_MOST];

    for (unsigned n = 0; n < s->count; n++) {
        element_fill(element, s->size, n);
        CHECK_OK(gyre_channel_send(s->channel, element));
        memset(element, 0xEE, sizeof element); /* it was copied */
    }
    CHECK_OK(gyre_channel_close(s->channel));
    return 0;
}

static int stream_recv(void *arg)
{
    struct stream *s = arg;
    unsigned char element[SIZE_MOST + 1], wanted[SIZE_MOST];
    int err;

    for (unsigned n = 0;; n++) {
        memset(element, 0xDD, sizeof element);
        err = gyre_channel_recv(s->channel, element);
        if (err != 0) {
            CHECK_ERR(err, GYRE_EOF);
            CHECK_EQ(n, s->count);
            return 0;
        }
        element_fill(wanted, s->size, n);
        CHECK_MEM_EQ(element, wanted, s->size);
        CHECK_EQ(element[s->size], 0xDD); /* and not a byte more */
    }
}

static void stream_run(struct stream *s, bool receiver_first)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    if (receiver_first)
        must_spawn(&scope, stream_recv, s);
    must_spawn(&scope, stream_send, s);
    if (!receiver_first)
        must_spawn(&scope, stream_recv, s);
    CHECK_OK(gyre_scope_close(&scope));
}

static int streams(void *arg)
{
    static const size_t sizes[] = { 1, 2, 3, 7, 8, 63, 64, 999, 1000 };
    unsigned flags = *(unsigned *)arg;

    for (size_t c = 0; c < COUNT_OF(capacities); c++) {
        for (size_t i = 0; i < COUNT_OF(sizes) * 2; i++) {
            struct stream s = { .size = sizes[i / 2], .count = 100 };

            s.channel = make_channel(s.size, capacities[c], flags);
            stream_run(&s, i % 2 == 0);
            CHECK_EQ(gyre_channel_length(s.channel), 0u);
            gyre_channel_destroy(s.channel);
        }
    }
    return 0;
}

TEST(M9_M10_elements_of_any_size_come_in_order_and_whole)
{
    unsigned flags = 0;

    must_run(streams, &flags);
}

TEST(M11_M9_M10_a_local_channel_gives_them_as_well)
{
    unsigned flags = GYRE_LOCAL;

    must_run(streams, &flags);
}

/* Long queues of chunks, emptied and filled again and again. */
TEST(M10_an_unbounded_channel_grows_and_shrinks)
{
    gyre_channel *channel = make_channel(sizeof(unsigned), GYRE_UNBOUNDED, 0);
    struct chance chance = { 7 };
    unsigned sent = 0, received = 0, n;

    for (unsigned round = 0; round < 400; round++) {
        for (unsigned i = below(&chance, 3000); i > 0; i--, sent++)
            CHECK_OK(gyre_channel_try_send(channel, &sent));
        CHECK_EQ(gyre_channel_length(channel), sent - received);
        for (unsigned i = below(&chance, 3100); i > 0; i--) {
            if (sent == received) {
                CHECK_ERR(gyre_channel_try_recv(channel, &n), -EAGAIN);
                break;
            }
            CHECK_OK(gyre_channel_try_recv(channel, &n));
            CHECK_EQ(n, received++);
        }
    }
    CHECK_EQ(gyre_channel_drain(channel), sent - received);
    gyre_channel_destroy(channel);
}

TEST(M10_J6_a_full_channel_refuses_to_try)
{
    gyre_channel *channel = make_channel(1, 3, 0);
    char c;

    for (char i = 'a'; i < 'd'; i++)
        CHECK_OK(gyre_channel_try_send(channel, &i));
    CHECK_ERR(gyre_channel_try_send(channel, "d"), -EAGAIN);
    CHECK_EQ(gyre_channel_length(channel), 3u);
    CHECK_OK(gyre_channel_try_recv(channel, &c));
    CHECK_EQ(c, 'a');
    CHECK_OK(gyre_channel_try_send(channel, "d"));
    for (char i = 'b'; i < 'e'; i++) {
        CHECK_OK(gyre_channel_try_recv(channel, &c));
        CHECK_EQ(c, i);
    }
    CHECK_ERR(gyre_channel_try_recv(channel, &c), -EAGAIN);
    gyre_channel_destroy(channel);
}

/* ---- who waits ----------------------------------------------------------- */

static int first_come(void *arg)
{
    enum { WAITERS = 20 };
    static struct crowd crowd;
    int n;

    (void)arg;
    crowd_begin(&crowd, 0);
    for (int i = 0; i < WAITERS; i++)
        crowd_add(&crowd, call_recv, 0, 0);
    let_others_run();
    for (int i = 0; i < WAITERS; i++)
        CHECK_OK(gyre_channel_try_send(crowd.channel, &i));
    CHECK_ERR(gyre_channel_try_send(crowd.channel, &crowd.count), -EAGAIN);
    let_others_run();
    for (int i = 0; i < WAITERS; i++) {
        CHECK_OK(crowd.calls[i].result);
        CHECK_EQ(crowd.calls[i].value, i);
        CHECK_EQ(crowd.calls[i].order, (unsigned)i + 1);
    }
    crowd_end(&crowd);

    crowd_begin(&crowd, 3);
    for (int i = 0; i < WAITERS; i++)
        crowd_add(&crowd, call_send, i, 0);
    let_others_run();
    CHECK_EQ(crowd.ended, 3u);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_OK(gyre_channel_recv(crowd.channel, &n));
        CHECK_EQ(n, i);
    }
    let_others_run();
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(crowd.calls[i].order, (unsigned)i + 1);
    crowd_end(&crowd);
    return 0;
}

TEST(M10_who_waits_first_is_served_first)
{
    must_run(first_come, NULL);
}

static int rendezvous(void *arg)
{
    static struct crowd crowd;
    struct call *call;
    int n;

    (void)arg;
    crowd_begin(&crowd, 0);
    call = crowd_add(&crowd, call_send, 42, 0);
    let_others_run();
    CHECK_EQ(call->order, 0u); /* it waits for its receiver */
    CHECK_EQ(gyre_channel_length(crowd.channel), 0u);
    CHECK_EQ(gyre_channel_drain(crowd.channel), 0u);
    CHECK_OK(gyre_channel_try_recv(crowd.channel, &n));
    CHECK_EQ(n, 42);
    let_others_run();
    CHECK_OK(call->result);
    CHECK_ERR(gyre_channel_try_recv(crowd.channel, &n), -EAGAIN);
    crowd_end(&crowd);
    return 0;
}

TEST(M10_J6_without_capacity_a_send_waits_for_its_receiver)
{
    must_run(rendezvous, NULL);
}

/* ---- close --------------------------------------------------------------- */

static int close_ends_waits(void *arg)
{
    static struct crowd crowd;
    int n;

    (void)arg;
    for (size_t c = 0; c < 3; c++) {
        crowd_begin(&crowd, capacities[c]);
        for (int i = 0; i < 10; i++)
            crowd_add(&crowd, call_send, i, 0);
        let_others_run();
        CHECK(!gyre_channel_is_closed(crowd.channel));
        CHECK_OK(gyre_channel_close(crowd.channel));
        CHECK(gyre_channel_is_closed(crowd.channel));
        CHECK_ERR(gyre_channel_close(crowd.channel), -EALREADY);
        CHECK_ERR(gyre_channel_send(crowd.channel, &n), -EPIPE);
        CHECK_ERR(gyre_channel_try_send(crowd.channel, &n), -EPIPE);
        let_others_run();
        for (int i = 0; i < 10; i++)
            CHECK_ERR(crowd.calls[i].result,
                      (size_t)i < capacities[c] ? 0 : -EPIPE);
        for (int i = 0; (size_t)i < capacities[c]; i++) {
            CHECK_OK(gyre_channel_recv(crowd.channel, &n));
            CHECK_EQ(n, i);
        }
        CHECK_ERR(gyre_channel_recv(crowd.channel, &n), GYRE_EOF);
        CHECK_ERR(gyre_channel_try_recv(crowd.channel, &n), GYRE_EOF);
        crowd_end(&crowd);
    }
    for (size_t c = 0; c < COUNT_OF(capacities); c++) {
        crowd_begin(&crowd, capacities[c]);
        for (int i = 0; i < 10; i++)
            crowd_add(&crowd, call_recv, 0, 0);
        let_others_run();
        CHECK_OK(gyre_channel_close(crowd.channel));
        let_others_run();
        for (int i = 0; i < 10; i++)
            CHECK_ERR(crowd.calls[i].result, GYRE_EOF);
        crowd_end(&crowd);
    }
    return 0;
}

TEST(M10_a_close_ends_all_waits_and_leaves_what_was_sent)
{
    must_run(close_ends_waits, NULL);
}

/* A sender, a receiver and a closer, each so many steps late. */
struct race {
    gyre_channel *channel;
    unsigned late[4]; /* first send, second send, receiver, closer */
    unsigned sent;
    unsigned received;
    int last;
};

static void be_late(unsigned steps)
{
    while (steps-- > 0)
        CHECK_OK(gyre_yield());
}

static int race_sender(void *arg)
{
    struct race *race = arg;

    for (unsigned i = 0; i < 2; i++) {
        int value = (int)i;
        int err;

        be_late(race->late[i]);
        err = gyre_channel_send(race->channel, &value);
        CHECK(err == 0 || err == -EPIPE);
        CHECK(race->last == 0 || err != 0); /* never again after EPIPE */
        race->last = err;
        race->sent += err == 0;
    }
    return 0;
}

static int race_receiver(void *arg)
{
    struct race *race = arg;
    int value;

    be_late(race->late[2]);
    for (;;) {
        int err = gyre_channel_recv(race->channel, &value);

        if (err == GYRE_EOF)
            return 0;
        CHECK_OK(err);
        CHECK_EQ(value, (int)race->received);
        race->received++;
    }
}

static int race_closer(void *arg)
{
    struct race *race = arg;

    be_late(race->late[3]);
    CHECK_OK(gyre_channel_close(race->channel));
    return 0;
}

static void race_steps(gyre_loop *loop, struct race *race)
{
    gyre_scope *scope = gyre_loop_scope(loop);

    must_spawn(scope, race_sender, race);
    must_spawn(scope, race_receiver, race);
    must_spawn(scope, race_closer, race);
    while (gyre_loop_run_one_ready(loop))
        CHECK_LE(race->received, 2u);
    CHECK_EQ(race->sent, race->received);
    CHECK_EQ(gyre_channel_length(race->channel), 0u);
}

TEST(M10_a_close_between_any_two_steps_loses_nothing)
{
    enum { STEPS = 5 };
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    for (size_t c = 0; c < COUNT_OF(capacities); c++) {
        for (unsigned n = 0; n < STEPS * STEPS * STEPS * STEPS; n++) {
            struct race race = { 0 };

            for (unsigned i = 0, rest = n; i < 4; i++, rest /= STEPS)
                race.late[i] = rest % STEPS;
            race.channel = make_channel(sizeof(int), capacities[c], 0);
            race_steps(loop, &race);
            gyre_channel_destroy(race.channel);
        }
    }
    gyre_loop_destroy(loop);
}

/* ---- drain and dispose --------------------------------------------------- */

struct bin {
    unsigned disposed;
    int sum;
    gyre_channel *drain_again;
    bool yields;
};

static void into_bin(void *element, void *user)
{
    struct bin *bin = user;
    int value;

    memcpy(&value, element, sizeof value);
    bin->disposed++;
    bin->sum += value;
    if (bin->yields)
        CHECK_OK(gyre_yield());
    if (bin->drain_again != NULL)
        gyre_channel_drain(bin->drain_again);
}

static gyre_channel *make_disposing(size_t capacity, struct bin *bin)
{
    gyre_channel_options options = { .size = sizeof options,
                                     .capacity = capacity,
                                     .dispose = into_bin,
                                     .user = bin };
    gyre_channel *channel;

    CHECK_OK(gyre_channel_create(&channel, sizeof(int), &options));
    return channel;
}

static int drain_admits(void *arg)
{
    static struct crowd crowd;
    struct bin bin = { .yields = true };

    (void)arg;
    crowd_begin(&crowd, 0);
    gyre_channel_destroy(crowd.channel);
    crowd.channel = make_disposing(3, &bin);
    for (int i = 0; i < 5; i++)
        crowd_add(&crowd, call_send, i, 0);
    let_others_run();
    CHECK_EQ(gyre_channel_drain(crowd.channel), 3u);
    CHECK_EQ(bin.disposed, 3u);
    CHECK_EQ(bin.sum, 0 + 1 + 2);
    let_others_run();
    CHECK_EQ(crowd.ended, 5u); /* those who waited had the room */
    CHECK_EQ(gyre_channel_length(crowd.channel), 2u);
    bin.yields = false;
    crowd_end(&crowd); /* destroys it with 3 and 4 */
    CHECK_EQ(bin.disposed, 5u);
    CHECK_EQ(bin.sum, 10);
    return 0;
}

TEST(M10_a_drain_disposes_of_what_is_there_and_makes_room)
{
    must_run(drain_admits, NULL);
}

static void dispose_aligned(void *element, void *user)
{
    unsigned *disposed = user;

    CHECK_EQ((uintptr_t)element % _Alignof(max_align_t), 0u);
    ++*disposed;
}

TEST(M10_an_element_that_is_disposed_of_is_aligned)
{
    for (size_t c = 1; c < COUNT_OF(capacities); c++) {
        max_align_t element = { 0 };
        unsigned disposed = 0;
        gyre_channel_options options = { .capacity = capacities[c],
                                         .dispose = dispose_aligned,
                                         .user = &disposed };
        gyre_channel *channel;

        CHECK_OK(gyre_channel_create(&channel, sizeof element, &options));
        CHECK_OK(gyre_channel_try_send(channel, &element));
        CHECK_EQ(gyre_channel_drain(channel), 1u);
        CHECK_OK(gyre_channel_try_send(channel, &element));
        gyre_channel_destroy(channel);
        CHECK_EQ(disposed, 2u);
    }
}

TEST(M10_each_element_is_received_or_disposed_of_once)
{
    for (size_t c = 1; c < COUNT_OF(capacities); c++) {
        struct bin bin = { 0 };
        gyre_channel *channel = make_disposing(capacities[c], &bin);
        unsigned sent = 0, received = 0;
        int n, sum = 0;

        for (int i = 0; i < 9000; i++) {
            if (gyre_channel_try_send(channel, &i) == 0) {
                sent++;
                sum += i;
            }
            if (i % 3 == 0 && gyre_channel_try_recv(channel, &n) == 0) {
                received++;
                sum -= n;
            }
            if (i % 4000 == 0) {
                unsigned had = bin.disposed;
                size_t length = gyre_channel_length(channel);

                CHECK_EQ(gyre_channel_drain(channel), length);
                CHECK_EQ(bin.disposed - had, length);
            }
        }
        CHECK_OK(gyre_channel_close(channel)); /* what is left stays */
        gyre_channel_destroy(channel);
        CHECK_EQ(sent, received + bin.disposed);
        CHECK_EQ(sum, bin.sum);
    }
}

/* ---- refusals ------------------------------------------------------------ */

static void create_and_grow(void)
{
    gyre_channel_options options = { .capacity = GYRE_UNBOUNDED };
    gyre_channel *channel;
    int sent = 0, n;
    int err = gyre_channel_create(&channel, sizeof(int), &options);

    if (err < 0) {
        CHECK_ERR(err, -ENOMEM);
        return;
    }
    for (int i = 0; i < 5000; i++) {
        err = gyre_channel_try_send(channel, &sent);
        CHECK(err == 0 || err == -ENOMEM);
        sent += err == 0; /* what could not be sent is sent again */
    }
    for (int i = 0; i < sent; i++) {
        CHECK_OK(gyre_channel_try_recv(channel, &n));
        CHECK_EQ(n, i);
    }
    CHECK_ERR(gyre_channel_try_recv(channel, &n), -EAGAIN);
    gyre_channel_destroy(channel);
    options.capacity = 10;
    options.dispose = into_bin;
    err = gyre_channel_create(&channel, sizeof(int), &options);
    if (err == 0)
        gyre_channel_destroy(channel);
    else
        CHECK_ERR(err, -ENOMEM);
}

TEST(M10_without_memory_a_channel_refuses_and_loses_nothing)
{
    CHECK_GE(for_each_failure(create_and_grow), 6);
}

TEST(M10_sizes_out_of_bounds_are_refused)
{
    gyre_channel_options options = { .capacity = SIZE_MAX - 1 };
    gyre_channel *channel;

    CHECK_ERR(gyre_channel_create(&channel, 0, NULL), -EINVAL);
    CHECK_ERR(gyre_channel_create(&channel, 65537, NULL), -EINVAL);
    CHECK_ERR(gyre_channel_create(&channel, 1, &options), -EINVAL);
    CHECK_OK(gyre_channel_create(&channel, 65536, NULL));
    gyre_channel_destroy(channel);
    gyre_channel_destroy(NULL);
}

static int recv_forever(void *arg)
{
    int n;

    return gyre_channel_recv(arg, &n);
}

static int destroy_under_a_waiter(void *arg)
{
    gyre_channel *channel = make_channel(sizeof(int), 1, 0);

    (void)arg;
    must_spawn(gyre_scope_current(), recv_forever, channel);
    let_others_run();
    gyre_channel_destroy(channel);
    return 0;
}

TEST_PANICS(M10_destroying_under_a_waiter_panics,
            "a channel is destroyed while somebody waits for it")
{
    must_run(destroy_under_a_waiter, NULL);
}

static void recv_in_callback(gyre_timer *timer, int status)
{
    int n;

    (void)status;
    (void)!gyre_channel_recv(timer->user, &n);
}

TEST_PANICS(M10_a_callback_must_not_wait, "which a callback of a loop must not")
{
    gyre_timer timer;
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_timer_init(&timer, loop, recv_in_callback,
                    make_channel(sizeof(int), 1, 0));
    gyre_timer_start_after(&timer, 0);
    gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE);
}

TEST_PANICS(M11_a_plain_thread_must_not_wait_for_a_local_one,
            "is for the tasks of one loop")
{
    gyre_channel *channel = make_channel(sizeof(int), 1, GYRE_LOCAL);
    int n;

    (void)!gyre_channel_recv(channel, &n);
}

TEST_PANICS(M10_two_drains_at_a_time_panic, "is being drained already")
{
    struct bin bin = { 0 };
    gyre_channel *channel = make_disposing(3, &bin);

    bin.drain_again = channel;
    CHECK_OK(gyre_channel_try_send(channel, &bin.sum));
    gyre_channel_drain(channel);
}

/* Nobody could ever wake it. */
TEST_PANICS(M10_a_receiver_alone_in_the_world_is_a_deadlock, "deadlock")
{
    if (GYRE_TSAN)
        TEST_SKIP("ThreadSanitizer has a thread of its own");
    test_not_on_qemu_user("it has a thread of its own");
    gyre_run(NULL, recv_forever, make_channel(sizeof(int), 1, 0));
}
