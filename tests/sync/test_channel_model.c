/* SPDX-License-Identifier: MIT */
/*
 * Random programs of channels and selects, from a seed, against a model that
 * says what each call must do.
 *
 * The workers are tasks of a loop that is stepped by hand. A step gives one
 * idle worker a call to make, or cancels one that waits, or closes, drains or
 * tries from outside; then everything that is ready runs, and each worker's
 * state must be the model's. As each step ends in quiescence, there is one
 * right answer.
 */
#include <stdlib.h>

#include "sync/lab.h"

enum { WORKERS = 8, CHANNELS = 3, CASES = 4, ROOM = 64 };

enum side { SEND, RECV };

/* One side of one channel, as a call wants it. */
struct want {
    enum side side;
    unsigned channel;
    int value; /* to send; or what was received */
};

struct model_channel {
    int items[ROOM];
    unsigned length;
    size_t capacity;
    bool closed;
};

struct worker {
    struct world *world;
    gyre_event go;
    gyre_scope *scope; /* of the call under way */
    bool plain;        /* not a select */
    bool over;
    unsigned count;
    struct want wants[CASES];
    gyre_case cases[CASES];
    /* What came of it. */
    bool done;
    int winner;
    int result;
    /* What the model says. */
    bool waits;
    uint64_t turn; /* when it began to wait */
    int must_win;
    int must_result;
    int must_value;
};

struct world {
    gyre_loop *loop;
    gyre_channel *channels[CHANNELS];
    struct model_channel models[CHANNELS];
    struct worker workers[WORKERS];
    struct chance chance;
    uint64_t turn;
    int next_value;
    unsigned disposed, must_dispose;
    unsigned waited, met; /* calls that waited, and those that met somebody */
};

/* ---- the workers --------------------------------------------------------- */

static int perform_plain(struct worker *w)
{
    struct want *want = &w->wants[0];
    gyre_channel *channel = w->world->channels[want->channel];

    w->result = want->side == SEND ? gyre_channel_send(channel, &want->value)
                                   : gyre_channel_recv(channel, &want->value);
    return w->result == -ECANCELED ? -ECANCELED : 0;
}

static int perform_select(struct worker *w)
{
    int winner;

    for (unsigned i = 0; i < w->count; i++) {
        struct want *want = &w->wants[i];
        gyre_channel *channel = w->world->channels[want->channel];

        w->cases[i] = want->side == SEND ? gyre_on_send(channel, &want->value)
                                         : gyre_on_recv(channel, &want->value);
    }
    winner = gyre_select(w->cases, w->count);
    for (unsigned i = 0; i < w->count; i++)
        if ((int)i != winner)
            CHECK_ERR(w->cases[i].result, -EAGAIN);
    w->result = winner < 0 ? winner : w->cases[winner].result;
    return winner;
}

static int work(void *arg)
{
    struct worker *w = arg;

    for (;;) {
        gyre_scope scope;

        CHECK_OK(gyre_event_wait(&w->go, NULL));
        gyre_event_reset(&w->go);
        if (w->over)
            return 0;
        gyre_scope_open(&scope, NULL);
        w->scope = &scope;
        w->winner = w->plain ? perform_plain(w) : perform_select(w);
        w->scope = NULL;
        CHECK_OK(gyre_scope_close(&scope));
        w->done = true;
    }
}

/* ---- the model ----------------------------------------------------------- */

static void model_end(struct worker *w, int winner, int result, int value)
{
    w->waits = false;
    w->must_win = winner;
    w->must_result = result;
    w->must_value = value;
}

/* Who has waited longest for that side; of one worker, the first case. */
static struct worker *model_first(struct world *world, unsigned channel,
                                  enum side side, unsigned *index)
{
    struct worker *first = NULL;

    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker *w = &world->workers[i];

        if (!w->waits || (first != NULL && first->turn < w->turn))
            continue;
        for (unsigned c = 0; c < w->count; c++) {
            if (w->wants[c].channel == channel && w->wants[c].side == side) {
                first = w;
                *index = c;
                break;
            }
        }
    }
    return first;
}

static void model_take(struct model_channel *m, int *value)
{
    *value = m->items[0];
    m->length--;
    memmove(m->items, m->items + 1, m->length * sizeof *m->items);
}

static void model_admit(struct world *world, unsigned channel)
{
    struct model_channel *m = &world->models[channel];
    struct worker *sender;
    unsigned at;

    sender = model_first(world, channel, SEND, &at);
    if (sender == NULL)
        return;
    m->items[m->length++] = sender->wants[at].value;
    model_end(sender, (int)at, 0, sender->wants[at].value);
}

/* One side of one channel at once: 0, an error, or -EAGAIN. */
static int model_transfer(struct world *world, enum side side, unsigned channel,
                          int *value)
{
    struct model_channel *m = &world->models[channel];
    struct worker *partner;
    unsigned at = 0;

    if (side == SEND && m->closed)
        return -EPIPE;
    if (side == RECV && m->length > 0) {
        model_take(m, value);
        model_admit(world, channel);
        return 0;
    }
    partner = model_first(world, channel, side == SEND ? RECV : SEND, &at);
    if (partner != NULL) {
        int moved = side == SEND ? *value : partner->wants[at].value;

        if (side == RECV)
            *value = moved;
        model_end(partner, (int)at, 0, moved);
        world->met++;
        return 0;
    }
    if (side == SEND && m->length < m->capacity) {
        m->items[m->length++] = *value;
        return 0;
    }
    return side == RECV && m->closed ? GYRE_EOF : -EAGAIN;
}

static void model_call(struct world *world, struct worker *w)
{
    for (unsigned i = 0; i < w->count; i++) {
        int value = w->wants[i].value;
        int result = model_transfer(world, w->wants[i].side,
                                    w->wants[i].channel, &value);

        if (result != -EAGAIN) {
            model_end(w, (int)i, result, value);
            return;
        }
    }
    w->waits = true;
    w->turn = world->turn;
    world->waited++;
}

static void model_close(struct world *world, unsigned channel)
{
    struct worker *w;
    unsigned at;

    world->models[channel].closed = true;
    for (enum side side = SEND; side <= RECV; side++)
        while ((w = model_first(world, channel, side, &at)) != NULL) {
            unsigned c = 0; /* the first of either side that it has there */

            while (w->wants[c].channel != channel)
                c++;
            model_end(w, (int)c, w->wants[c].side == SEND ? -EPIPE : GYRE_EOF,
                      w->wants[c].value);
        }
}

/* ---- a step -------------------------------------------------------------- */

static void settle(struct world *world)
{
    while (gyre_loop_run_one_ready(world->loop))
        ;
    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker *w = &world->workers[i];

        CHECK_EQ(w->done, !w->waits);
        if (!w->done)
            continue;
        CHECK_EQ(w->winner, w->must_win);
        CHECK_ERR(w->result, w->must_result);
        if (w->must_win >= 0)
            CHECK_EQ(w->wants[w->must_win].value, w->must_value);
    }
    for (unsigned c = 0; c < CHANNELS; c++)
        CHECK_EQ(gyre_channel_length(world->channels[c]),
                 world->models[c].length);
    CHECK_EQ(world->disposed, world->must_dispose);
}

static struct want any_want(struct world *world)
{
    return (struct want){ .side = below(&world->chance, 2) ? SEND : RECV,
                          .channel = below(&world->chance, CHANNELS),
                          .value = world->next_value++ };
}

static void step_call(struct world *world, struct worker *w)
{
    w->plain = below(&world->chance, 2) != 0;
    w->count = w->plain ? 1 : 1 + below(&world->chance, CASES);
    for (unsigned i = 0; i < w->count; i++)
        w->wants[i] = any_want(world);
    w->done = false;
    model_call(world, w);
    CHECK_OK(gyre_event_set(&w->go, NULL));
}

static void step_cancel(struct world *world, struct worker *w)
{
    (void)world;
    gyre_scope_cancel(w->scope);
    model_end(w, -ECANCELED, -ECANCELED, 0);
}

static void step_try(struct world *world)
{
    struct want want = any_want(world);
    gyre_channel *channel = world->channels[want.channel];
    int value = want.value;
    int wanted = model_transfer(world, want.side, want.channel, &want.value);

    CHECK_ERR(want.side == SEND ? gyre_channel_try_send(channel, &value)
                                : gyre_channel_try_recv(channel, &value),
              wanted);
    CHECK_EQ(value, want.value);
}

static void dispose(void *element, void *user)
{
    struct world *world = user;

    (void)element;
    world->disposed++;
}

static void renew(struct world *world, unsigned channel)
{
    static const size_t capacities[] = { 0, 0, 1, 3, GYRE_UNBOUNDED };
    gyre_channel_options options = {
        .capacity = capacities[below(&world->chance, 5)],
        .flags = below(&world->chance, 2) ? GYRE_LOCAL : 0,
        .dispose = dispose,
        .user = world,
    };

    world->must_dispose += world->models[channel].length;
    gyre_channel_destroy(world->channels[channel]);
    world->models[channel] =
        (struct model_channel){ .capacity = options.capacity };
    CHECK_OK(
        gyre_channel_create(&world->channels[channel], sizeof(int), &options));
}

static void step_drain(struct world *world, unsigned channel)
{
    unsigned length = world->models[channel].length;
    int value;

    for (unsigned i = 0; i < length; i++) {
        model_take(&world->models[channel], &value);
        model_admit(world, channel);
    }
    world->must_dispose += length;
    CHECK_EQ(gyre_channel_drain(world->channels[channel]), length);
}

/* Closed, and a new one in its place. */
static void step_close(struct world *world, unsigned channel)
{
    model_close(world, channel);
    CHECK_OK(gyre_channel_close(world->channels[channel]));
    CHECK_ERR(gyre_channel_close(world->channels[channel]), -EALREADY);
    settle(world);
    if (below(&world->chance, 2))
        renew(world, channel);
}

static void step(struct world *world)
{
    struct worker *w = &world->workers[below(&world->chance, WORKERS)];
    unsigned channel = below(&world->chance, CHANNELS);
    unsigned what = below(&world->chance, 100);

    world->turn++;
    if (world->models[channel].length > ROOM - WORKERS - 2)
        step_drain(world, channel);
    else if (what < 3 && !world->models[channel].closed)
        step_close(world, channel);
    else if (what < 8 && world->models[channel].closed)
        renew(world, channel);
    else if (what < 10)
        step_drain(world, channel);
    else if (what < 25)
        step_try(world);
    else if (!w->waits)
        step_call(world, w);
    else if (what < 40)
        step_cancel(world, w);
    settle(world);
}

static void world_run(uint64_t seed, unsigned steps)
{
    struct world *world = calloc(1, sizeof *world);

    world->chance.state = seed;
    CHECK_OK(gyre_loop_create(&world->loop, NULL));
    for (unsigned c = 0; c < CHANNELS; c++)
        renew(world, c);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker *w = &world->workers[i];

        w->world = world;
        w->done = true;
        must_spawn(gyre_loop_scope(world->loop), work, w);
    }
    settle(world);
    for (unsigned i = 0; i < steps; i++)
        step(world);
    for (unsigned c = 0; c < CHANNELS; c++)
        if (!world->models[c].closed)
            step_close(world, c);
    settle(world);
    for (unsigned i = 0; i < WORKERS; i++) {
        world->workers[i].over = true;
        CHECK_OK(gyre_event_set(&world->workers[i].go, NULL));
    }
    CHECK_OK(gyre_loop_run(world->loop, GYRE_RUN_UNTIL_DONE));
    CHECK_GT(world->waited, steps / 20);
    CHECK_GT(world->met, steps / 50);
    for (unsigned c = 0; c < CHANNELS; c++)
        gyre_channel_destroy(world->channels[c]);
    gyre_loop_destroy(world->loop);
    free(world);
}

TEST(M10_M12_K9_J6_random_programs_do_what_the_model_says)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        world_run(seed, 8000 / test_scale());
}
