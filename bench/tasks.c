/* SPDX-License-Identifier: MIT */
/*
 * tasks.c - chunks on a loop, and what a process takes of memory
 */
#include "tasks.h"

#include <errno.h>
#include <stdlib.h>

struct measured {
    struct on_loop on;
    uint64_t (*chunk)(struct on_loop *on);
};

static uint64_t one_chunk(void *arg)
{
    struct measured *measured = arg;

    return measured->chunk(&measured->on);
}

int on_loop(const struct bench_case *of, const struct budget *budget,
            struct sample *sample, unsigned flags,
            uint64_t (*chunk)(struct on_loop *on))
{
    struct measured measured = { { .of = of, .flags = flags }, chunk };
    int err = gyre_loop_create(&measured.on.loop, &bench_loop);

    if (err < 0)
        return err;
    if (gyre_loop_run(measured.on.loop, GYRE_RUN_NOWAIT) < 0)
        return -EIO;
    measure(budget, one_chunk, &measured, sample);
    gyre_loop_destroy(measured.on.loop);
    return 0;
}

void spawn_many(struct on_loop *on, unsigned count, gyre_task_fn *fn, void *arg)
{
    for (unsigned i = 0; i < count; i++)
        if (gyre_spawn(gyre_loop_scope(on->loop), fn, arg) != 0)
            abort();
}

void run_all(struct on_loop *on)
{
    if (gyre_loop_run(on->loop, GYRE_RUN_UNTIL_DONE) != 0)
        abort();
}

uint64_t memory_in_use(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    unsigned long long kib, sum = 0;
    char line[256];

    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmRSS: %llu kB", &kib) == 1 ||
            sscanf(line, "VmPTE: %llu kB", &kib) == 1)
            sum += kib * 1024;
    if (status != NULL)
        fclose(status);
    return sum;
}
