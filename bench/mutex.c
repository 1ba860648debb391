/* SPDX-License-Identifier: MIT */
/*
 * mutex.c - to lock and unlock
 *
 * Uncontended: one task and nobody else. Fought for: 64 tasks, each of which
 * yields while it holds the mutex, so that it is never free when somebody wants
 * it; each turn of it is a lock that waits, a hand-over and a yield.
 */
#include <pthread.h>
#include <stdlib.h>

#include "tasks.h"

struct fight {
    gyre_mutex mutex;
    unsigned each; /* times that each task locks it */
};

static int lock_alone(void *arg)
{
    struct fight *fight = arg;

    for (unsigned i = 0; i < fight->each; i++) {
        if (gyre_mutex_lock(&fight->mutex) != 0)
            abort();
        gyre_mutex_unlock(&fight->mutex);
    }
    return 0;
}

static int lock_and_yield(void *arg)
{
    struct fight *fight = arg;

    for (unsigned i = 0; i < fight->each; i++) {
        if (gyre_mutex_lock(&fight->mutex) != 0)
            abort();
        gyre_yield();
        gyre_mutex_unlock(&fight->mutex);
    }
    return 0;
}

static uint64_t locks(struct on_loop *on)
{
    unsigned count = on->of->n;
    struct fight fight = { .each = on->of->chunk / count };

    gyre_mutex_init(&fight.mutex, on->flags);
    spawn_many(on, count, count == 1 ? lock_alone : lock_and_yield, &fight);
    run_all(on);
    gyre_mutex_destroy(&fight.mutex);
    return (uint64_t)fight.each * count;
}

static int by_gyre(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    return on_loop(of, budget, sample, 0, locks);
}

static int by_local(const struct bench_case *of, const struct budget *budget,
                    struct sample *sample)
{
    return on_loop(of, budget, sample, GYRE_LOCAL, locks);
}

static uint64_t thread_locks(void *arg)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    const struct bench_case *of = arg;

    for (unsigned i = 0; i < of->chunk; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    return of->chunk;
}

static void *nothing(void *arg)
{
    return arg;
}

/* A second thread was there once: libc may save itself atomic instructions
 * before. */
static int by_threads(const struct bench_case *of, const struct budget *budget,
                      struct sample *sample)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, nothing, NULL) != 0)
        abort();
    pthread_join(thread, NULL);
    measure(budget, thread_locks, (void *)(uintptr_t)of, sample);
    return 0;
}

static const struct contender alone[] = {
    { .name = "gyre", .take = by_gyre, .is_limit = true },
    { .name = "gyre, local", .take = by_local },
    { .name = "Boost.Fiber", .peer = "boost-fiber", .test = "lock" },
    { .name = "Go", .peer = "go", .test = "lock" },
    { .name = "pthread", .take = by_threads },
};

static const struct contender fought[] = {
    { .name = "gyre", .take = by_gyre, .is_limit = true },
    { .name = "gyre, local", .take = by_local },
    { .name = "Boost.Fiber", .peer = "boost-fiber", .test = "lock" },
    { .name = "Go", .peer = "go", .test = "lock" },
};

static const struct bench_case cases[] = {
    { "uncontended", alone, CASE_COUNT(alone), .n = 1, .chunk = 65536 },
    { "64 tasks, held over a yield", fought, CASE_COUNT(fought), .n = 64,
      .chunk = 65536 },
};

const struct bench bench_mutex = {
    .name = "mutex",
    .unit = "a lock and its unlock",
    .cases = cases,
    .count = CASE_COUNT(cases),
    .seconds = 0.04,
    .rounds = 15,
    .instruction_ops = 65536,
};
