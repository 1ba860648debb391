/* SPDX-License-Identifier: MIT */
/*
 * post.c - what it costs to give another thread's loop something to do
 *
 * To a busy loop: its thread is in a callback meanwhile, so nobody has to be
 * woken, and the poster's CPU time alone counts. To a sleeping one: a plain
 * thread posts and waits until it was done, there and back, and each time two
 * threads are woken: on one CPU, and by the clock on the wall on two, where an
 * interrupt has to wake a CPU that sleeps. At once: so many threads as
 * --engines says post as fast as they can; a loop that is never done sooner
 * than they are need not be woken.
 */
#include <errno.h>

#include "boxes.h"
#include "tasks.h"

#define LETTERS_BUSY 4096
#define LETTERS_ASLEEP 256
#define LETTERS_AT_ONCE 65536

/* of->size says which. */
enum { BUSY, ASLEEP, ASLEEP_BOUND, AT_ONCE };

struct posting {
    struct mail_post *post;
    const struct bench_case *of;
    uint64_t cpu; /* the poster's */
    bool warm;
};

static uint64_t chunk(void *arg)
{
    struct posting *posting = arg;
    uint64_t cpu = 0, done;

    if (posting->of->size == BUSY)
        done = mail_post_busy(posting->post, &cpu);
    else if (posting->of->size == AT_ONCE)
        done = mail_post_many(posting->post);
    else
        done = mail_post_asleep(posting->post);
    if (posting->warm)
        posting->cpu += cpu;
    posting->warm = true;
    return done;
}

static int by_box(const struct bench_case *of, const struct budget *budget,
                  struct sample *sample)
{
    unsigned posters = of->size == AT_ONCE ? of->n : 1;
    struct posting posting = {
        .post = mail_post_create(sample->by->box, posters, of->chunk / posters,
                                 of->size == ASLEEP_BOUND),
        .of = of,
    };

    if (posting.post == NULL)
        return -ENOTSUP;
    measure(budget, chunk, &posting, sample);
    if (of->size == BUSY)
        sample->cpu_ns = posting.cpu;
    mail_post_destroy(posting.post);
    return 0;
}

#define BY(test_)                                                              \
    { .name = "gyre", .take = by_box, .box = &box_of_loop, .is_limit = true }, \
        { .name = "gyre on emu",                                               \
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
    {                                                                          \
        .name = "Go", .peer = "go", .test = (test_)                            \
    }

static const struct contender busy[] = { BY("post-busy") };
static const struct contender asleep[] = { BY("post-asleep") };
static const struct contender apart[] = { BY("post-asleep-bound") };
static const struct contender at_once[] = { BY("post-many") };

static const struct bench_case cases[] = {
    { "to a busy loop", busy, CASE_COUNT(busy), 1, BUSY, LETTERS_BUSY },
    { "to a sleeping loop, on one CPU", asleep, CASE_COUNT(asleep), 1, ASLEEP,
      LETTERS_ASLEEP, .one_cpu = true },
    { "to a sleeping loop, on another", apart, CASE_COUNT(apart), 1,
      ASLEEP_BOUND, LETTERS_ASLEEP, .in_wall = true },
    { "at once", at_once, CASE_COUNT(at_once), 0, AT_ONCE, LETTERS_AT_ONCE,
      .in_wall = true, .engines = true },
};

const struct bench bench_post = {
    .name = "post",
    .unit = "a post, until it was run",
    .cases = cases,
    .count = CASE_COUNT(cases),
    .seconds = 0.2,
    .rounds = 9,
    .instruction_ops = LETTERS_AT_ONCE,
    .engines = true,
};
