/* SPDX-License-Identifier: MIT */
/*
 * timers_by_libuv.c - the same timers with libuv, if it was there at build time
 */
#include <errno.h>
#include <stdlib.h>

#include "timers.h"

#ifdef BENCH_HAVE_LIBUV

#include <uv.h>

struct uv_timers {
    uv_loop_t loop;
    uv_timer_t *all;
    uint64_t count;
    uint64_t fired;
    uint64_t next;
};

static void uv_fired(uv_timer_t *timer)
{
    struct uv_timers *timers = timer->data;

    timers->fired++;
}

static int open_timers(struct uv_timers *timers, uint64_t count)
{
    timers->count = count;
    timers->fired = 0;
    timers->next = 0;
    timers->all = malloc(count * sizeof *timers->all);
    if (timers->all == NULL || uv_loop_init(&timers->loop) != 0)
        return -ENOMEM;
    for (uint64_t i = 0; i < count; i++) {
        uv_timer_init(&timers->loop, &timers->all[i]);
        timers->all[i].data = timers;
    }
    return 0;
}

int timers_by_libuv(const struct bench_case *of, const struct budget *budget,
                    struct sample *sample)
{
    uint64_t spread = timers_spread(budget);
    struct uv_timers timers;
    uint64_t began;
    int err = open_timers(&timers, timers_count(of, budget, 1));

    if (err < 0)
        return err;
    sample->cpu_ns = cpu_ns();
    began = wall_ns();
    uv_update_time(&timers.loop);
    for (uint64_t i = 0; i < timers.count; i++)
        uv_timer_start(&timers.all[i], uv_fired,
                       timers_delay(of, i, timers.count, spread) / 1000000, 0);
    if ((of->size & TIMERS_LIVE) == 0)
        timers_sleep_until(began + spread);
    uv_run(&timers.loop, UV_RUN_DEFAULT);
    sample->cpu_ns = cpu_ns() - sample->cpu_ns;
    sample->ops = timers.fired;
    return 0;
}

static uint64_t rearm_chunk(void *arg)
{
    struct uv_timers *timers = arg;

    uv_update_time(&timers->loop);
    for (unsigned i = 0; i < REARM_CHUNK; i++) {
        timers->next = (timers->next + TIMERS_STRIDE) % timers->count;
        uv_timer_start(&timers->all[timers->next], uv_fired,
                       REARM_AFTER_NS / 1000000, 0);
    }
    return REARM_CHUNK;
}

int rearm_by_libuv(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    struct uv_timers timers;
    int err = open_timers(&timers, of->n);

    if (err < 0)
        return err;
    for (uint64_t i = 0; i < timers.count; i++)
        uv_timer_start(&timers.all[i], uv_fired, REARM_AFTER_NS / 1000000, 0);
    measure(budget, rearm_chunk, &timers, sample);
    return 0;
}

#else

int timers_by_libuv(const struct bench_case *of, const struct budget *budget,
                    struct sample *sample)
{
    (void)of, (void)budget, (void)sample;
    return -ENOTSUP;
}

int rearm_by_libuv(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    (void)of, (void)budget, (void)sample;
    return -ENOTSUP;
}

#endif
