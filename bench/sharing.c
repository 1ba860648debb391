/* SPDX-License-Identifier: MIT */
/*
 * sharing.c - several threads with requests: whose ring do they take?
 *
 * Two threads start `n` NOPs each, wait until these have ended, and again. With
 * a ring each, which is the measure, they run loops of their own. Else there is
 * one loop more, on a third thread, to which they hand their ops over, or into
 * whose ring they put them themselves while it sleeps (`shared`). With and
 * without a thread of Linux's that takes the requests.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "bench.h"

#define THREADS 2
#define EACH 512 /* of a chunk, for each thread */
#define BATCH_MAX 16

struct worker {
    gyre_loop *loop; /* its own, or the one that there is */
    pthread_t thread;
    unsigned batch;
    bool remote;
    atomic_uint *working; /* how many have not finished */
    atomic_uint left;
    sem_t all;
    gyre_op ops[BATCH_MAX];
};

struct run {
    struct worker workers[THREADS];
    gyre_loop *loop; /* of all; or NULL */
    atomic_uint working;
};

static void op_ended(gyre_op *op, gyre_result result)
{
    struct worker *worker = op->user;

    if (result.res < 0)
        abort();
    if (atomic_fetch_sub(&worker->left, 1) == 1 && worker->remote)
        sem_post(&worker->all);
}

static void run_batch(struct worker *worker)
{
    atomic_store(&worker->left, worker->batch);
    for (unsigned i = 0; i < worker->batch; i++) {
        gyre_op_nop(&worker->ops[i]);
        if (worker->remote)
            gyre_op_start_remote(worker->loop, &worker->ops[i], op_ended,
                                 worker);
        else
            gyre_op_start(worker->loop, &worker->ops[i], op_ended, worker);
    }
    if (worker->remote)
        while (sem_wait(&worker->all) != 0)
            ;
    else if (gyre_loop_run(worker->loop, GYRE_RUN_UNTIL_DONE) != 0)
        abort();
}

static void *work(void *arg)
{
    struct worker *worker = arg;

    if (!worker->remote && gyre_loop_create(&worker->loop, &bench_loop) < 0)
        abort();
    for (unsigned done = 0; done < EACH; done += worker->batch)
        run_batch(worker);
    if (!worker->remote)
        gyre_loop_destroy(worker->loop);
    else if (atomic_fetch_sub(worker->working, 1) == 1)
        gyre_loop_stop(worker->loop);
    return NULL;
}

static uint64_t chunk(void *arg)
{
    struct run *run = arg;

    atomic_store(&run->working, THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        if (pthread_create(&run->workers[i].thread, NULL, work,
                           &run->workers[i]) != 0)
            abort();
    if (run->loop != NULL && gyre_loop_run(run->loop, GYRE_RUN_FOREVER) != 1)
        abort();
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(run->workers[i].thread, NULL);
    return (uint64_t)THREADS * EACH;
}

static int take(const struct bench_case *of, const struct budget *budget,
                struct sample *sample, bool remote)
{
    struct run run = { 0 };
    /* Can it be had here? */
    int err = gyre_loop_create(&run.loop, &bench_loop);

    if (err < 0)
        return err;
    if (!remote) {
        gyre_loop_destroy(run.loop);
        run.loop = NULL;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        struct worker *worker = &run.workers[i];

        worker->loop = run.loop;
        worker->batch = of->n;
        worker->remote = remote;
        worker->working = &run.working;
        sem_init(&worker->all, 0, 0);
    }
    measure(budget, chunk, &run, sample);
    sample->calls = CALLS_UNKNOWN;
    gyre_loop_destroy(run.loop);
    return 0;
}

static int alone(const struct bench_case *of, const struct budget *budget,
                 struct sample *sample)
{
    return take(of, budget, sample, false);
}

static int together(const struct bench_case *of, const struct budget *budget,
                    struct sample *sample)
{
    return take(of, budget, sample, true);
}

static const struct contender contenders[] = {
    { .name = "gyre, a ring each", .take = alone, .is_limit = true },
    { .name = "gyre, one ring, handed over", .take = together },
    { .name = "gyre, one ring, shared", .take = together, .loop = "shared" },
    { .name = "gyre, a ring each, sqpoll", .take = alone, .loop = "sqpoll" },
    { .name = "gyre, a ring each, one sqpoll",
      .take = alone,
      .loop = "sqpoll,share_workers=1" },
    { .name = "gyre, one ring, handed over, sqpoll",
      .take = together,
      .loop = "sqpoll" },
    { .name = "gyre, one ring, shared, sqpoll",
      .take = together,
      .loop = "shared,sqpoll" },
};
#define COUNT (sizeof contenders / sizeof contenders[0])

static const struct bench_case cases[] = {
    { "one at a time", contenders, COUNT, .n = 1 },
    { "16 at a time", contenders, COUNT, .n = 16 },
};

const struct bench bench_sharing = {
    .name = "sharing",
    .unit = "a NOP of one of two threads",
    .cases = cases,
    .count = 2,
    .seconds = 0.05,
    .rounds = 11,
};
