/* SPDX-License-Identifier: MIT */
/*
 * pingpong.c - a token that goes round threads which sleep until it comes
 *
 * Two loops, or as many as --engines says, each on a thread of its own; an
 * operation is once round all of them, by the clock on the wall. Where the
 * threads run is most of it: on one CPU a switch follows, on two an interrupt
 * to a CPU that sleeps. Left to itself Linux does now this, now that, so there
 * is a case for each.
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
static int take_by(const struct box_class *by, const struct bench_case *of,
                   const struct budget *budget, struct sample *sample)
{
    struct going going = {
        .token = mail_token_create(by, of->n, of->size != 0),
        .rounds = of->chunk,
    };

    if (going.token == NULL)
        return -ENOTSUP;
    measure(budget, chunk, &going, sample);
    mail_token_destroy(going.token);
    return 0;
}

static int by_posts(const struct bench_case *of, const struct budget *budget,
                    struct sample *sample)
{
    return take_by(&box_of_loop, of, budget, sample);
}

static int by_futex(const struct bench_case *of, const struct budget *budget,
                    struct sample *sample)
{
    return take_by(&box_by_futex, of, budget, sample);
}

static int by_eventfd(const struct bench_case *of, const struct budget *budget,
                      struct sample *sample)
{
    return take_by(&box_by_eventfd, of, budget, sample);
}

static int by_ring(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    return take_by(&box_by_ring, of, budget, sample);
}

#define BY(test_)                                                              \
    { .name = "gyre, posts", .take = by_posts, .is_limit = true },             \
        { .name = "gyre, posts, on emu", .take = by_posts, .kernel = "emu" },  \
        { .name = "futex by hand", .take = by_futex },                         \
        { .name = "eventfd by hand", .take = by_eventfd },                     \
        { .name = "uring by hand", .take = by_ring, .uncounted = true },       \
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
      .in_wall = true, .engines = true, .one_cpu = true },
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
