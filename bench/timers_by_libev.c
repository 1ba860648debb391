/* SPDX-License-Identifier: MIT */
/*
 * timers_by_libev.c - the same timers with libev, if it was there at build time
 */
#include <errno.h>
#include <stdlib.h>

#include "timers.h"

#ifdef BENCH_HAVE_LIBEV

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-aliasing"
#include <ev.h>
#pragma GCC diagnostic pop

struct ev_timers {
    struct ev_loop *loop;
    ev_timer *all;
    uint64_t count;
    uint64_t fired;
    uint64_t next;
};

static void ev_fired(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct ev_timers *timers = timer->data;

    (void)loop, (void)events;
    timers->fired++;
}

static int open_timers(struct ev_timers *timers, uint64_t count)
{
    *timers = (struct ev_timers){ .count = count };
    timers->all = malloc(count * sizeof *timers->all);
    timers->loop = ev_loop_new(EVFLAG_AUTO);
    if (timers->all == NULL || timers->loop == NULL)
        return -ENOMEM;
    return 0;
}

static void set(struct ev_timers *timers, uint64_t index, double after,
                double repeat)
{
    ev_timer *timer = &timers->all[index];

    ev_timer_init(timer, ev_fired, after, repeat);
    timer->data = timers;
}

int timers_by_libev(const struct bench_case *of, const struct budget *budget,
                    struct sample *sample)
{
    uint64_t spread = timers_spread(budget);
    struct ev_timers timers;
    uint64_t began;
    int err = open_timers(&timers, timers_count(of, budget, 1));

    if (err < 0)
        return err;
    for (uint64_t i = 0; i < timers.count; i++)
        set(&timers, i,
            (double)timers_delay(of, i, timers.count, spread) /
                (double)NS_PER_S,
            0);
    sample->cpu_ns = cpu_ns();
    began = wall_ns();
    ev_now_update(timers.loop);
    for (uint64_t i = 0; i < timers.count; i++)
        ev_timer_start(timers.loop, &timers.all[i]);
    if ((of->size & TIMERS_LIVE) == 0)
        timers_sleep_until(began + spread);
    ev_run(timers.loop, 0);
    sample->cpu_ns = cpu_ns() - sample->cpu_ns;
    sample->ops = timers.fired;
    return 0;
}

static uint64_t rearm_chunk(void *arg)
{
    struct ev_timers *timers = arg;

    ev_now_update(timers->loop);
    for (unsigned i = 0; i < REARM_CHUNK; i++) {
        timers->next = (timers->next + TIMERS_STRIDE) % timers->count;
        ev_timer_again(timers->loop, &timers->all[timers->next]);
    }
    return REARM_CHUNK;
}

int rearm_by_libev(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    struct ev_timers timers;
    int err = open_timers(&timers, of->n);

    if (err < 0)
        return err;
    for (uint64_t i = 0; i < timers.count; i++) {
        set(&timers, i, 0, (double)REARM_AFTER_NS / (double)NS_PER_S);
        ev_timer_again(timers.loop, &timers.all[i]);
    }
    measure(budget, rearm_chunk, &timers, sample);
    return 0;
}

#else

int timers_by_libev(const struct bench_case *of, const struct budget *budget,
                    struct sample *sample)
{
    (void)of, (void)budget, (void)sample;
    return -ENOTSUP;
}

int rearm_by_libev(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    (void)of, (void)budget, (void)sample;
    return -ENOTSUP;
}

#endif
