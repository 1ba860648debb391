/* SPDX-License-Identifier: MIT */
/*
 * tasks.h - for the benches of what tasks do among themselves
 *
 * A chunk spawns tasks on a loop and runs the loop until they have ended. No
 * kernel is asked for anything while they do, but once in a turn for the time.
 */
#ifndef BENCH_TASKS_H
#define BENCH_TASKS_H

#include <gyre/gyre.h>

#include "bench.h"

#define CASE_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What a chunk is given. */
struct on_loop {
    gyre_loop *loop;
    const struct bench_case *of;
    unsigned flags; /* the chunk's affair: GYRE_LOCAL */
};

/* measure() a chunk on a new loop. */
int on_loop(const struct bench_case *of, const struct budget *budget,
            struct sample *sample, unsigned flags,
            uint64_t (*chunk)(struct on_loop *on));

/* Spawn as many tasks; what they need stays the caller's. */
void spawn_many(struct on_loop *on, unsigned count, gyre_task_fn *fn,
                void *arg);

/* Run the loop until all tasks have ended. */
void run_all(struct on_loop *on);

/* Bytes of memory in use by this process, and by the kernel for its page
 * tables. */
uint64_t memory_in_use(void);

#endif
