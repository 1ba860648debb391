/* SPDX-License-Identifier: MIT */
/*
 * pingpong.c - a token that goes round threads which sleep until it comes
 *
 * Two loops, or as many as --engines says, each on a thread of its own; an
 * operation is once round all of them. gyre passes it by posts, by channels
 * between tasks on engines, and by a task that is spawned on each of the others
 * and joined. Where the threads run is most of it: on one CPU a switch follows,
 * on two an interrupt to a CPU that sleeps. Left to itself Linux does now this,
 * now that, so there is a case for each, and the second is by the clock on the
 * wall.
 */
#include <errno.h>

#include "boxes.h"
#include "tasks.h"

#define ROUNDS 512 /* of a chunk */

struct going {
    struct mail_token *token;
    uint64_t rounds;
};

static uint64_t chunk(void *arg)
{
    struct going *going = arg;

    return mail_token_rounds(going->token, going->rounds);
}

/* of->size: bound to CPUs. */
static int by_box(const struct bench_case *of, const struct budget *budget,
                  struct sample *sample)
{
    struct going going = {
        .token = mail_token_create(sample->by->box, of->n, of->size != 0),
        .rounds = of->chunk,
    };

    if (going.token == NULL)
        return -ENOTSUP;
    measure(budget, chunk, &going, sample);
    mail_token_destroy(going.token);
    return 0;
}

/* ---- tasks on engines ---------------------------------------------------- */

struct play {
    gyre_channel *channels[ENGINES_MAX]; /* to the task on that engine */
    unsigned count;
    uint64_t rounds;
    uint64_t (*chunk)(void *arg);
    const struct budget *budget;
    struct sample *sample;
};

/* Round by channels: the first starts it, and takes it last. */
static int station(void *arg)
{
    struct play *play = arg;
    unsigned n = (unsigned)gyre_engine_current();
    gyre_channel *from = play->channels[n];
    gyre_channel *to = play->channels[(n + 1) % play->count];

    for (uint64_t i = 0; i < play->rounds; i++) {
        uint64_t value = i * play->count;

        if (n == 0 && gyre_channel_send(to, &value) != 0)
            abort();
        if (gyre_channel_recv(from, &value) != 0 ||
            value++ != i * play->count + (n == 0 ? play->count : n) - 1)
            abort();
        if (n != 0 && gyre_channel_send(to, &value) != 0)
            abort();
    }
    return 0;
}

static int say_where(void *arg)
{
    (void)arg;
    return gyre_engine_current();
}

/* Round by spawns: a task on each of the others, one after the other. */
static void visit(unsigned n)
{
    const gyre_task_options there = { .where = GYRE_ENGINE(n) };
    gyre_task *task;
    int where;

    if (gyre_spawn_with(gyre_scope_current(), &there, say_where, NULL, &task) !=
            0 ||
        gyre_join(task, &where) != 0 || where != (int)n)
        abort();
}

static uint64_t spawn_chunk(void *arg)
{
    struct play *play = arg;

    for (uint64_t i = 0; i < play->rounds; i++)
        for (unsigned n = 1; n < play->count; n++)
            visit(n);
    return play->rounds;
}

static uint64_t channel_chunk(void *arg)
{
    struct play *play = arg;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    if (gyre_spawn_all(&scope, NULL, station, play, NULL) != 0 ||
        gyre_scope_close(&scope) != 0)
        abort();
    return play->rounds;
}

/* The first task, on engine 0. */
static int measure_play(void *arg)
{
    struct play *play = arg;

    measure(play->budget, play->chunk, play, play->sample);
    return 0;
}

static int on_engines(const struct bench_case *of, const struct budget *budget,
                      struct sample *sample)
{
    struct play play = { .count = of->n,
                         .rounds = of->chunk,
                         .chunk = sample->by->chunk,
                         .budget = budget,
                         .sample = sample };
    unsigned cpus[ENGINES_MAX];
    const gyre_run_options options = {
        .loop = &bench_loop,
        .engines = of->n,
        .cpu_count = of->size != 0 ? mail_cpus(cpus, ENGINES_MAX) : 0,
        .cpus = cpus,
    };
    const gyre_channel_options place = { .capacity = 1 };
    int err = 0;

    for (unsigned i = 0; i < of->n && err == 0; i++)
        err = gyre_channel_create(&play.channels[i], sizeof(uint64_t), &place);
    if (err == 0)
        err = gyre_run(&options, measure_play, &play);
    for (unsigned i = 0; i < of->n; i++)
        gyre_channel_destroy(play.channels[i]);
    return err;
}

/* ---- the bench ----------------------------------------------------------- */

#define BY(test_)                                                              \
    { .name = "gyre, posts",                                                   \
      .take = by_box,                                                          \
      .box = &box_of_loop,                                                     \
      .is_limit = true },                                                      \
        { .name = "gyre, channels",                                            \
          .take = on_engines,                                                  \
          .chunk = channel_chunk },                                            \
        { .name = "gyre, spawn and join",                                      \
          .take = on_engines,                                                  \
          .chunk = spawn_chunk },                                              \
        { .name = "gyre, posts, on emu",                                       \
          .take = by_box,                                                      \
          .box = &box_of_loop,                                                 \
          .kernel = "emu" },                                                   \
        { .name = "futex by hand", .take = by_box, .box = &box_by_futex },     \
        { .name = "eventfd by hand", .take = by_box, .box = &box_by_eventfd }, \
        { .name = "uring by hand",                                             \
          .take = by_box,                                                      \
          .box = &box_by_ring,                                                 \
          .uncounted = true },                                                 \
        { .name = "libuv", .peer = "libuv", .test = (test_) },                 \
        { .name = "Asio", .peer = "asio", .test = (test_) },                   \
        { .name = "Go, threads", .peer = "go", .test = test_ "-locked" },      \
    {                                                                          \
        .name = "Go", .peer = "go", .test = (test_)                            \
    }

static const struct contender together[] = { BY("token") };
static const struct contender bound[] = { BY("token-bound") };

static const struct bench_case cases[] = {
    { "on one CPU", together, CASE_COUNT(together), 0, 0, ROUNDS,
      .engines = true, .one_cpu = true },
    /* Goroutines that are not locked to threads cannot be bound. */
    { "a CPU for each", bound, CASE_COUNT(bound) - 1, 0, 1, ROUNDS,
      .in_wall = true, .engines = true },
};

const struct bench bench_pingpong = {
    .name = "pingpong",
    .unit = "once round",
    .cases = cases,
    .count = CASE_COUNT(cases),
    .seconds = 0.2,
    .rounds = 9,
    .instruction_ops = 4 * ROUNDS,
    .engines = true,
};
