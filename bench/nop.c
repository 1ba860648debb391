/* SPDX-License-Identifier: MIT */
/*
 * nop.c - requests that do nothing: what the way there and back costs
 *
 * `batch` ops are in flight at a time and each is started again as soon as it
 * is done, so a turn submits, waits for and dispatches `batch` of them. With
 * tasks, as many tasks wait for one op each, and the cost has the context
 * switches and the run queue in it. In the last case a timer is armed, so each
 * wait has a deadline.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <stdlib.h>

#include "bench.h"

#define CHUNK 16384
#define BATCH_MAX 64

struct run {
    gyre_loop *loop;
    unsigned batch;
    int64_t left;     /* starts to come in this chunk */
    gyre_timer timer; /* far away, where waits are to have a deadline */
    gyre_op ops[BATCH_MAX];
};

static void nop_done(gyre_op *op, gyre_result result)
{
    struct run *run = op->user;

    if (result.res < 0)
        abort();
    if (--run->left > 0)
        gyre_op_restart(op);
}

static uint64_t callback_chunk(void *arg)
{
    struct run *run = arg;

    run->left = CHUNK - run->batch + 1;
    for (unsigned i = 0; i < run->batch; i++)
        gyre_op_start(run->loop, &run->ops[i], nop_done, run);
    if (gyre_loop_run(run->loop, GYRE_RUN_UNTIL_DONE) != 0)
        abort();
    return CHUNK;
}

static void nop_done_timed(gyre_op *op, gyre_result result)
{
    struct run *run = op->user;

    if (result.res < 0)
        abort();
    if (--run->left > 0)
        gyre_op_restart(op);
    else
        gyre_loop_stop(run->loop);
}

static void too_late(gyre_timer *timer, int status)
{
    (void)timer;
    (void)status;
    abort();
}

/* One at a time, and a timer that each wait has to end by. */
static uint64_t timed_chunk(void *arg)
{
    struct run *run = arg;

    run->left = CHUNK;
    gyre_timer_init(&run->timer, run->loop, too_late, NULL);
    gyre_timer_start_after(&run->timer, 3600 * GYRE_SECOND);
    gyre_op_start(run->loop, &run->ops[0], nop_done_timed, run);
    if (gyre_loop_run(run->loop, GYRE_RUN_FOREVER) != 1)
        abort();
    gyre_timer_stop(&run->timer);
    return CHUNK;
}

static int nop_task(void *arg)
{
    struct run *run = arg;
    gyre_op op;

    do {
        gyre_op_nop(&op); /* as a call in direct style does each time */
        if (gyre_await(&op).res < 0)
            abort();
    } while (--run->left > 0);
    return 0;
}

static uint64_t task_chunk(void *arg)
{
    struct run *run = arg;

    run->left = CHUNK - run->batch + 1;
    for (unsigned i = 0; i < run->batch; i++)
        if (gyre_spawn(gyre_loop_scope(run->loop), nop_task, run) != 0)
            abort();
    if (gyre_loop_run(run->loop, GYRE_RUN_UNTIL_DONE) != 0)
        abort();
    return CHUNK;
}

static int take(const struct bench_case *of, const struct budget *budget,
                struct sample *sample, uint64_t (*chunk)(void *arg))
{
    struct run run = { .batch = of->n };
    gyre_loop_stats stats = { .size = sizeof stats };
    int err = gyre_loop_create(&run.loop, &bench_loop);

    if (err < 0)
        return err;
    for (unsigned i = 0; i < run.batch; i++)
        gyre_op_nop(&run.ops[i]);
    measure(budget, chunk, &run, sample);
    gyre_loop_get_stats(run.loop, &stats);
    /* Less those of the chunk that warms up. */
    sample->calls = stats.enters * sample->ops / (sample->ops + CHUNK);
    gyre_loop_destroy(run.loop);
    return 0;
}

static int callbacks(const struct bench_case *of, const struct budget *budget,
                     struct sample *sample)
{
    return take(of, budget, sample, callback_chunk);
}

static int timed(const struct bench_case *of, const struct budget *budget,
                 struct sample *sample)
{
    return take(of, budget, sample, timed_chunk);
}

static int tasks(const struct bench_case *of, const struct budget *budget,
                 struct sample *sample)
{
    return take(of, budget, sample, task_chunk);
}

static const struct contender contenders[] = {
    { .name = "by hand", .take = nop_by_hand, .is_limit = true },
    { .name = "gyre callbacks", .take = callbacks },
    { .name = "gyre tasks", .take = tasks },
    { .name = "gyre callbacks on emu", .take = callbacks, .kernel = "emu" },
};
#define COUNT (sizeof contenders / sizeof contenders[0])

static const struct contender timed_contenders[] = {
    { .name = "by hand, without one", .take = nop_by_hand, .is_limit = true },
    { .name = "gyre callbacks", .take = timed },
    { .name = "gyre callbacks on emu", .take = timed, .kernel = "emu" },
};
#define TIMED (sizeof timed_contenders / sizeof timed_contenders[0])

static const struct bench_case cases[] = {
    { "batch 1", contenders, COUNT, .n = 1 },
    { "batch 32", contenders, COUNT, .n = 32 },
    { "timed waits", timed_contenders, TIMED, .n = 1 },
};

const struct bench bench_nop = {
    .name = "nop",
    .unit = "a NOP from start to completion",
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .seconds = 0.04,
    .rounds = 21,
    .instruction_ops = (uint64_t)CHUNK * 4,
};
