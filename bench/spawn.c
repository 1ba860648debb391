/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - the life of a task that does nothing, and the memory of one that
 * waits
 *
 * One after the other: each is spawned and waited for before the next. Many at
 * a time: all are spawned before the first of them runs, so that as many stacks
 * are in use. Stacks come from a pool and have been used before, with all that
 * have such a pool. libdill runs a task at once when it is made, so there, of
 * many at a time, each yields once.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <ucontext.h>

#include "task/stack.h"
#include "task/switch.h"
#include "tasks.h"

#define STACK_BYTES ((size_t)64 * 1024)

/* ---- without tasks ------------------------------------------------------ */

struct bare {
    struct context host;
    struct context context;
    struct stack_pool pool;
    unsigned chunk;
};

static void bare_end(void *arg)
{
    struct bare *bare = arg;

    context_exit(&bare->context, &bare->host);
}

static uint64_t bare_lives(void *arg)
{
    struct bare *bare = arg;

    for (unsigned i = 0; i < bare->chunk; i++) {
        struct stack *stack = stack_get(&bare->pool);

        if (stack == NULL)
            abort();
        context_make(&bare->context, stack, bare_end, bare);
        context_switch(&bare->host, &bare->context);
        stack_put(&bare->pool, stack);
    }
    return bare->chunk;
}

static int bare_life(const struct bench_case *of, const struct budget *budget,
                     struct sample *sample)
{
    struct bare bare = { .chunk = of->chunk };

    stack_pool_init(&bare.pool, STACK_BYTES, 0);
    context_init_thread(&bare.host);
    measure(budget, bare_lives, &bare, sample);
    stack_pool_deinit(&bare.pool);
    return 0;
}

static ucontext_t uc_host, uc_other;

static void uc_end(void)
{
}

static uint64_t uc_lives(void *stack)
{
    for (unsigned i = 0; i < 4096; i++) {
        getcontext(&uc_other);
        uc_other.uc_stack.ss_sp = stack;
        uc_other.uc_stack.ss_size = STACK_BYTES;
        uc_other.uc_link = &uc_host;
        makecontext(&uc_other, uc_end, 0);
        swapcontext(&uc_host, &uc_other);
    }
    return 4096;
}

static int uc_life(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    void *stack = malloc(STACK_BYTES);

    (void)of;
    if (stack == NULL)
        return -ENOMEM;
    measure(budget, uc_lives, stack, sample);
    free(stack);
    return 0;
}

static void *thread_main(void *arg)
{
    return arg;
}

#define THREADS_MAX 1000

static uint64_t thread_lives(void *arg)
{
    const struct bench_case *of = arg;
    unsigned at_a_time = of->n < THREADS_MAX ? of->n : THREADS_MAX;
    unsigned rounds = at_a_time == 1 ? 64 : 1;
    pthread_t threads[THREADS_MAX];

    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < at_a_time; i++)
            if (pthread_create(&threads[i], NULL, thread_main, NULL) != 0)
                abort();
        for (unsigned i = 0; i < at_a_time; i++)
            pthread_join(threads[i], NULL);
    }
    return rounds * at_a_time;
}

static int thread_life(const struct bench_case *of, const struct budget *budget,
                       struct sample *sample)
{
    measure(budget, thread_lives, (void *)(uintptr_t)of, sample);
    return 0;
}

/* ---- tasks -------------------------------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* From the loop's own flow of control. */
static uint64_t host_lives(struct on_loop *on)
{
    gyre_scope *scope = gyre_loop_scope(on->loop);

    for (unsigned i = 0; i < on->of->chunk; i++)
        if (gyre_spawn(scope, nothing, NULL) != 0 ||
            !gyre_loop_run_one_ready(on->loop))
            abort();
    return on->of->chunk;
}

static int host_life(const struct bench_case *of, const struct budget *budget,
                     struct sample *sample)
{
    return on_loop(of, budget, sample, 0, host_lives);
}

/* By a task, which joins each. */
static int join_one_by_one(void *arg)
{
    const struct bench_case *of = arg;
    gyre_scope *scope = gyre_scope_current();

    for (unsigned i = 0; i < of->chunk; i++) {
        gyre_task *task;

        if (gyre_spawn_with(scope, NULL, nothing, NULL, &task) != 0 ||
            gyre_join(task, NULL) != 0)
            abort();
    }
    return 0;
}

static uint64_t joined_lives(struct on_loop *on)
{
    spawn_many(on, 1, join_one_by_one, (void *)(uintptr_t)on->of);
    run_all(on);
    return on->of->chunk;
}

static int joined_life(const struct bench_case *of, const struct budget *budget,
                       struct sample *sample)
{
    return on_loop(of, budget, sample, 0, joined_lives);
}

/* By a task, in a scope that waits for all of them. */
static int spawn_in_batches(void *arg)
{
    const struct bench_case *of = arg;

    for (unsigned done = 0; done < of->chunk; done += of->n) {
        gyre_scope scope;

        gyre_scope_open(&scope, NULL);
        for (unsigned i = 0; i < of->n; i++)
            if (gyre_spawn(&scope, nothing, NULL) != 0)
                abort();
        if (gyre_scope_close(&scope) != 0)
            abort();
    }
    return 0;
}

static uint64_t batched_lives(struct on_loop *on)
{
    const struct bench_case *of = on->of;

    spawn_many(on, 1, spawn_in_batches, (void *)(uintptr_t)of);
    run_all(on);
    return (of->chunk + of->n - 1) / of->n * of->n;
}

static int batched_life(const struct bench_case *of,
                        const struct budget *budget, struct sample *sample)
{
    return on_loop(of, budget, sample, 0, batched_lives);
}

/* ---- memory ------------------------------------------------------------- */

static int sleeper(void *arg)
{
    (void)arg;
    return gyre_sleep(3600 * GYRE_SECOND);
}

/* What is in use with them, less what was without. Nothing is given back: it is
 * the end of the process. */
static int idle_memory(const struct bench_case *of, const struct budget *budget,
                       struct sample *sample)
{
    struct on_loop on = { .of = of };
    int err = gyre_loop_create(&on.loop, &bench_loop);
    uint64_t before;

    (void)budget;
    if (err < 0)
        return err;
    spawn_many(&on, 1, nothing, NULL);
    run_all(&on);
    before = memory_in_use();
    spawn_many(&on, of->n, sleeper, NULL);
    while (gyre_loop_run_one_ready(on.loop))
        ;
    sample->ops = of->n;
    sample->cpu_ns = memory_in_use() - before;
    return 0;
}

/* ---- the bench ---------------------------------------------------------- */

static const struct contender single[] = {
    { .name = "gyre spawn, join", .take = joined_life, .is_limit = true },
    { .name = "gyre spawn, by the loop", .take = host_life },
    { .name = "gyre, bare", .take = bare_life },
    { .name = "Boost fiber_context", .peer = "boost-context", .test = "spawn" },
    { .name = "Boost.Fiber", .peer = "boost-fiber", .test = "spawn" },
    { .name = "Go", .peer = "go", .test = "spawn" },
    { .name = "libdill", .peer = "dill", .test = "spawn" },
    { .name = "ucontext", .take = uc_life },
    { .name = "thread", .take = thread_life },
};

static const struct contender batched[] = {
    { .name = "gyre spawn", .take = batched_life, .is_limit = true },
    { .name = "Boost.Fiber", .peer = "boost-fiber", .test = "spawn" },
    { .name = "Go", .peer = "go", .test = "spawn" },
    { .name = "libdill", .peer = "dill", .test = "spawn" },
    { .name = "thread", .take = thread_life },
};

static const struct contender idle[] = {
    { .name = "gyre", .take = idle_memory, .is_limit = true },
    { .name = "Boost.Fiber", .peer = "boost-fiber", .test = "idle" },
    { .name = "Go", .peer = "go", .test = "idle" },
    { .name = "libdill", .peer = "dill", .test = "idle" },
};

static const struct bench_case cases[] = {
    { "one after the other", single, CASE_COUNT(single), .n = 1,
      .chunk = 65536 },
    { "1000 at a time", batched, CASE_COUNT(batched), .n = 1000,
      .chunk = 65000 },
    { "bytes, 100000 idle", idle, CASE_COUNT(idle), .n = 100000,
      .chunk = 100000, .in_bytes = true },
};

const struct bench bench_spawn = {
    .name = "spawn",
    .unit = "a task's life",
    .cases = cases,
    .count = CASE_COUNT(cases),
    .seconds = 0.04,
    .rounds = 11,
    .instruction_ops = 65000,
};
