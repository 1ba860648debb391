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
#include <stdlib.h>

#include "flight.h"

#define CHUNK 16384
#define BATCH_MAX 64

struct run {
    struct flight flight;
    gyre_timer timer; /* far away, where waits are to have a deadline */
    gyre_op ops[BATCH_MAX];
};

static void nop_done(gyre_op *op, gyre_result result)
{
    struct run *run = op->user;

    if (result.res < 0)
        abort();
    if (--run->flight.left > 0)
        gyre_op_restart(op);
}

static void begin_op(struct flight *flight, unsigned i)
{
    struct run *run = (struct run *)flight;

    gyre_op_nop(&run->ops[i]);
    gyre_op_start(flight->loop, &run->ops[i], nop_done, run);
}

static void nop_done_timed(gyre_op *op, gyre_result result)
{
    struct run *run = op->user;

    nop_done(op, result);
    if (run->flight.left == 0) {
        gyre_timer_stop(&run->timer);
        gyre_loop_stop(run->flight.loop);
    }
}

static void too_late(gyre_timer *timer, int status)
{
    (void)timer;
    (void)status;
    abort();
}

/* A timer that each wait has to end by. */
static void begin_timed_op(struct flight *flight, unsigned i)
{
    struct run *run = (struct run *)flight;

    gyre_timer_init(&run->timer, flight->loop, too_late, NULL);
    gyre_timer_start_after(&run->timer, 3600 * GYRE_SECOND);
    gyre_op_nop(&run->ops[i]);
    gyre_op_start(flight->loop, &run->ops[i], nop_done_timed, run);
}

static int nop_task(void *arg)
{
    struct flight *flight = arg;
    gyre_op op;

    do {
        gyre_op_nop(&op); /* as a call in direct style does each time */
        if (gyre_await(&op).res < 0)
            abort();
    } while (--flight->left > 0);
    return 0;
}

static void begin_task(struct flight *flight, unsigned i)
{
    (void)i;
    flight_spawn(flight, nop_task);
}

static int take(const struct bench_case *of, const struct budget *budget,
                struct sample *sample)
{
    struct run run = { .flight.until = GYRE_RUN_UNTIL_DONE };

    return flight_take(&run.flight, of, budget, sample);
}

static int take_timed(const struct bench_case *of, const struct budget *budget,
                      struct sample *sample)
{
    struct run run = { .flight.until = GYRE_RUN_FOREVER };

    return flight_take(&run.flight, of, budget, sample);
}

static const struct contender contenders[] = {
    { .name = "by hand", .take = nop_by_hand, .is_limit = true },
    { .name = "gyre callbacks", .take = take, .begin = begin_op },
    { .name = "gyre tasks", .take = take, .begin = begin_task },
    { .name = "gyre callbacks on emu",
      .take = take,
      .begin = begin_op,
      .kernel = "emu" },
};
#define COUNT (sizeof contenders / sizeof contenders[0])

static const struct contender timed_contenders[] = {
    { .name = "by hand, without one", .take = nop_by_hand, .is_limit = true },
    { .name = "gyre callbacks", .take = take_timed, .begin = begin_timed_op },
    { .name = "gyre callbacks on emu",
      .take = take_timed,
      .begin = begin_timed_op,
      .kernel = "emu" },
};
#define TIMED (sizeof timed_contenders / sizeof timed_contenders[0])

static const struct bench_case cases[] = {
    { "batch 1", contenders, COUNT, .n = 1, .chunk = CHUNK },
    { "batch 32", contenders, COUNT, .n = 32, .chunk = CHUNK },
    { "timed waits", timed_contenders, TIMED, .n = 1, .chunk = CHUNK },
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
