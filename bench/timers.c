/* SPDX-License-Identifier: MIT */
/*
 * timers.c - gyre's timers: insert and fire a million, start one of many anew
 */
#include "timers.h"

#include <errno.h>
#include <gyre/gyre.h>
#include <stdlib.h>

struct timers {
    gyre_loop *loop;
    gyre_timer *all;
    uint64_t count;
    uint64_t fired;
    uint64_t next; /* index of the timer to be moved next */
};

static void fired(gyre_timer *timer, int status)
{
    struct timers *timers = timer->user;

    if (status != 0)
        abort();
    timers->fired++;
}

static int timers_open(struct timers *timers, uint64_t count)
{
    int err;

    *timers = (struct timers){ .count = count };
    timers->all = malloc(count * sizeof *timers->all);
    if (timers->all == NULL)
        return -ENOMEM;
    err = gyre_loop_create(&timers->loop, &bench_loop);
    if (err < 0) {
        free(timers->all);
        return err;
    }
    for (uint64_t i = 0; i < count; i++)
        gyre_timer_init(&timers->all[i], timers->loop, fired, timers);
    return 0;
}

static void timers_close(struct timers *timers)
{
    gyre_loop_destroy(timers->loop);
    free(timers->all);
}

static int insert_and_fire(const struct bench_case *of,
                           const struct budget *budget, struct sample *sample)
{
    gyre_loop_stats stats = { .size = sizeof stats };
    uint64_t spread = timers_spread(budget);
    struct timers timers;
    uint64_t began;
    int err = timers_open(&timers, timers_count(of, budget, 1));

    if (err < 0)
        return err;
    gyre_loop_run(timers.loop, GYRE_RUN_NOWAIT);
    sample->cpu_ns = cpu_ns();
    began = gyre_loop_update_now(timers.loop);
    for (uint64_t i = 0; i < timers.count; i++)
        gyre_timer_start(&timers.all[i],
                         began + timers_delay(of, i, timers.count, spread));
    if ((of->size & TIMERS_LIVE) == 0)
        timers_sleep_until(began + spread);
    err = gyre_loop_run(timers.loop, GYRE_RUN_UNTIL_DONE);
    sample->cpu_ns = cpu_ns() - sample->cpu_ns;
    sample->ops = timers.fired;
    gyre_loop_get_stats(timers.loop, &stats);
    sample->calls = stats.enters;
    timers_close(&timers);
    return err;
}

static uint64_t rearm_chunk(void *arg)
{
    struct timers *timers = arg;
    uint64_t now = gyre_loop_update_now(timers->loop);

    for (unsigned i = 0; i < REARM_CHUNK; i++) {
        timers->next = (timers->next + TIMERS_STRIDE) % timers->count;
        gyre_timer_reset(&timers->all[timers->next], now + REARM_AFTER_NS);
    }
    return REARM_CHUNK;
}

static int rearm(const struct bench_case *of, const struct budget *budget,
                 struct sample *sample)
{
    struct timers timers;
    int err = timers_open(&timers, of->n);

    if (err < 0)
        return err;
    gyre_loop_run(timers.loop, GYRE_RUN_NOWAIT);
    for (uint64_t i = 0; i < timers.count; i++)
        gyre_timer_start_after(&timers.all[i], REARM_AFTER_NS);
    measure(budget, rearm_chunk, &timers, sample);
    timers_close(&timers);
    return 0;
}

static const struct contender firing[] = {
    { .name = "gyre", .take = insert_and_fire, .is_limit = true },
    { .name = "libev", .take = timers_by_libev },
    { .name = "libuv", .take = timers_by_libuv },
    { .name = "a kernel timeout each (1/50)", .take = timers_by_hand },
};

static const struct contender overdue[] = {
    { .name = "gyre", .take = insert_and_fire, .is_limit = true },
    { .name = "libev", .take = timers_by_libev },
    { .name = "libuv", .take = timers_by_libuv },
};

static const struct contender moving[] = {
    { .name = "gyre", .take = rearm, .is_limit = true },
    { .name = "libev", .take = rearm_by_libev },
    { .name = "libuv", .take = rearm_by_libuv },
    { .name = "a kernel timeout each (1/10)", .take = rearm_by_hand },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct bench_case cases[] = {
    { "in order", overdue, COUNT(overdue), 1000000, 0 },
    { "in no order", overdue, COUNT(overdue), 1000000, TIMERS_SHUFFLED },
    { "in no order, live", firing, COUNT(firing), 1000000,
      TIMERS_SHUFFLED | TIMERS_LIVE },
    { "re-arm one of 100000", moving, COUNT(moving), 100000, 0 },
};

const struct bench bench_timers = {
    .name = "timers",
    .unit = "a timer, from its start to its call",
    .cases = cases,
    .count = COUNT(cases),
    .seconds = 0.5,
    .rounds = 5,
    .instruction_ops = 100000,
};
