/* SPDX-License-Identifier: MIT */
/*
 * flight.h - so many requests under way at a time, by callbacks or by tasks
 *
 * Each, when it is done, is started again as long as `left` has not come down
 * to 0. A bench embeds a flight at the front of what its requests need.
 */
#ifndef BENCH_FLIGHT_H
#define BENCH_FLIGHT_H

#include <gyre/gyre.h>

#include "bench.h"

struct flight {
    gyre_loop *loop;
    unsigned depth;      /* requests under way */
    unsigned chunk;      /* requests of a chunk */
    int64_t left;        /* starts to come in this chunk */
    gyre_run_mode until; /* a chunk's end: nothing is left, or it is stopped */
    /* Begin the i-th of those that are under way: the contender's. */
    void (*begin)(struct flight *flight, unsigned i);
};

/* A sample: of->n under way, in chunks of of->chunk, on a new loop. */
int flight_take(struct flight *flight, const struct bench_case *of,
                const struct budget *budget, struct sample *sample);

/* For `begin`: a task, which does them one after the other. */
void flight_spawn(struct flight *flight, gyre_task_fn *fn);

#endif
