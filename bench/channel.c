/* SPDX-License-Identifier: MIT */
/*
 * channel.c - values from task to task, of 8 bytes each
 *
 * Ping-pong: two channels, one value, there and back. A stream: one task sends
 * and another receives as fast as they can; where the channel is longer, they
 * switch less often. Eight to eight: as many senders as receivers of one
 * channel. Select: two senders, a channel each, and one task that takes from
 * whichever has something.
 */
#include <stdlib.h>

#include "tasks.h"

#define PAIRS_MANY 8

struct play {
    gyre_channel *left;
    gyre_channel *right;
    uint64_t each; /* values that a task sends */
};

static gyre_channel *channel_of(const struct on_loop *on)
{
    gyre_channel_options options = { .capacity = on->of->n,
                                     .flags = on->flags };
    gyre_channel *channel;

    if (gyre_channel_create(&channel, sizeof(uint64_t), &options) != 0)
        abort();
    return channel;
}

static int send_to(gyre_channel *channel, uint64_t count)
{
    for (uint64_t value = 0; value < count; value++)
        if (gyre_channel_send(channel, &value) != 0)
            abort();
    return 0;
}

static int send_left(void *arg)
{
    struct play *play = arg;

    return send_to(play->left, play->each);
}

static int send_right(void *arg)
{
    struct play *play = arg;

    return send_to(play->right, play->each);
}

/* ---- ping-pong ---------------------------------------------------------- */

static int ping(void *arg)
{
    struct play *play = arg;

    for (uint64_t value = 0; value < play->each; value++) {
        uint64_t answer;

        if (gyre_channel_send(play->left, &value) != 0 ||
            gyre_channel_recv(play->right, &answer) != 0 || answer != value)
            abort();
    }
    gyre_channel_close(play->left);
    return 0;
}

static int pong(void *arg)
{
    struct play *play = arg;
    uint64_t value;

    while (gyre_channel_recv(play->left, &value) == 0)
        if (gyre_channel_send(play->right, &value) != 0)
            abort();
    return 0;
}

static uint64_t ping_pong(struct on_loop *on)
{
    struct play play = { channel_of(on), channel_of(on), on->of->chunk };

    spawn_many(on, 1, pong, &play);
    spawn_many(on, 1, ping, &play);
    run_all(on);
    gyre_channel_destroy(play.left);
    gyre_channel_destroy(play.right);
    return play.each;
}

/* ---- streams ------------------------------------------------------------ */

static int receive(void *arg)
{
    struct play *play = arg;
    uint64_t value;

    for (uint64_t left = play->each; left > 0; left--)
        if (gyre_channel_recv(play->left, &value) != 0)
            abort();
    return 0;
}

static uint64_t stream_of(struct on_loop *on, unsigned pairs)
{
    struct play play = { channel_of(on), NULL, on->of->chunk / pairs };

    spawn_many(on, pairs, send_left, &play);
    spawn_many(on, pairs, receive, &play);
    run_all(on);
    gyre_channel_destroy(play.left);
    return play.each * pairs;
}

static uint64_t stream(struct on_loop *on)
{
    return stream_of(on, 1);
}

static uint64_t many(struct on_loop *on)
{
    return stream_of(on, PAIRS_MANY);
}

/* ---- select ------------------------------------------------------------- */

static int choose(void *arg)
{
    struct play *play = arg;
    uint64_t value;

    for (uint64_t i = 0; i < 2 * play->each; i++) {
        gyre_case cases[] = {
            gyre_on_recv(play->left, &value),
            gyre_on_recv(play->right, &value),
        };
        int which = gyre_select(cases, 2);

        if (which < 0 || cases[which].result != 0)
            abort();
    }
    return 0;
}

static uint64_t select_two(struct on_loop *on)
{
    struct play play = { channel_of(on), channel_of(on), on->of->chunk / 2 };

    spawn_many(on, 1, send_left, &play);
    spawn_many(on, 1, send_right, &play);
    spawn_many(on, 1, choose, &play);
    run_all(on);
    gyre_channel_destroy(play.left);
    gyre_channel_destroy(play.right);
    return 2 * play.each;
}

/* ---- the bench ---------------------------------------------------------- */

/* of->size says which. */
static uint64_t (*const games[])(struct on_loop *on) = { ping_pong, stream,
                                                         many, select_two };

static int by_gyre(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    return on_loop(of, budget, sample, 0, games[of->size]);
}

static int by_local(const struct bench_case *of, const struct budget *budget,
                    struct sample *sample)
{
    return on_loop(of, budget, sample, GYRE_LOCAL, games[of->size]);
}

static const struct contender rally[] = {
    { .name = "gyre", .take = by_gyre, .is_limit = true },
    { .name = "gyre, local", .take = by_local },
    { .name = "Boost.Fiber", .peer = "boost-fiber", .test = "ping-pong" },
    { .name = "Go", .peer = "go", .test = "ping-pong" },
    { .name = "libdill", .peer = "dill", .test = "ping-pong" },
};

static const struct contender streaming[] = {
    { .name = "gyre", .take = by_gyre, .is_limit = true },
    { .name = "gyre, local", .take = by_local },
    { .name = "Boost.Fiber", .peer = "boost-fiber", .test = "stream" },
    { .name = "Go", .peer = "go", .test = "stream" },
};

static const struct contender crowd[] = {
    { .name = "gyre", .take = by_gyre, .is_limit = true },
    { .name = "gyre, local", .take = by_local },
    { .name = "Boost.Fiber", .peer = "boost-fiber", .test = "many" },
    { .name = "Go", .peer = "go", .test = "many" },
};

static const struct contender selecting[] = {
    { .name = "gyre", .take = by_gyre, .is_limit = true },
    { .name = "gyre, local", .take = by_local },
    { .name = "Go", .peer = "go", .test = "select" },
    { .name = "libdill", .peer = "dill", .test = "select" },
};

#define CHUNK 65536

static const struct bench_case cases[] = {
    { "ping-pong, capacity 0", rally, CASE_COUNT(rally), 0, 0, CHUNK },
    { "ping-pong, capacity 1", rally, CASE_COUNT(rally) - 1, 1, 0, CHUNK },
    { "stream, capacity 16", streaming, CASE_COUNT(streaming), 16, 1, CHUNK },
    { "stream, capacity 1024", streaming, CASE_COUNT(streaming), 1024, 1,
      CHUNK },
    { "8 to 8, capacity 64", crowd, CASE_COUNT(crowd), 64, 2, CHUNK },
    { "select of 2, capacity 0", selecting, CASE_COUNT(selecting), 0, 3,
      CHUNK },
    { "select of 2, capacity 16", selecting, CASE_COUNT(selecting) - 1, 16, 3,
      CHUNK },
};

const struct bench bench_channel = {
    .name = "channel",
    .unit = "a value, or there and back",
    .cases = cases,
    .count = CASE_COUNT(cases),
    .seconds = 0.04,
    .rounds = 15,
    .instruction_ops = CHUNK,
};
