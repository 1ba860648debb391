/* SPDX-License-Identifier: MIT */
/*
 * flight.c - so many requests under way at a time
 */
#include "flight.h"

#include <stdlib.h>

static uint64_t one_chunk(void *arg)
{
    struct flight *flight = arg;

    flight->left = flight->chunk - flight->depth + 1;
    for (unsigned i = 0; i < flight->depth; i++)
        flight->begin(flight, i);
    if (gyre_loop_run(flight->loop, flight->until) < 0)
        abort();
    return flight->chunk;
}

int flight_take(struct flight *flight, const struct bench_case *of,
                const struct budget *budget, struct sample *sample)
{
    gyre_loop_stats stats = { .size = sizeof stats };
    int err = gyre_loop_create(&flight->loop, &bench_loop);

    if (err < 0)
        return err;
    flight->depth = of->n;
    flight->chunk = of->chunk;
    flight->begin = sample->by->begin;
    measure(budget, one_chunk, flight, sample);
    gyre_loop_get_stats(flight->loop, &stats);
    /* Less those of the chunk that warms up. */
    sample->calls = stats.enters * sample->ops / (sample->ops + of->chunk);
    gyre_loop_destroy(flight->loop);
    return 0;
}

void flight_spawn(struct flight *flight, gyre_task_fn *fn)
{
    if (gyre_spawn(gyre_loop_scope(flight->loop), fn, flight) != 0)
        abort();
}
