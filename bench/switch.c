/* SPDX-License-Identifier: MIT */
/*
 * switch.c - leaving one stack for another
 *
 * There and back: two contexts and nothing else. Between tasks: each yields to
 * the next by way of the run queue, of which two lie in the cache, and of a
 * thousand not even the tops of the stacks do. Beside gyre stand Boost.Context
 * and Boost.Fiber, Go, libdill, and libc's ucontext, which saves the signal
 * mask by a system call.
 */
#include <errno.h>
#include <stdlib.h>
#include <ucontext.h>

#include "task/stack.h"
#include "task/switch.h"
#include "tasks.h"

#define STACK_BYTES ((size_t)64 * 1024)

/* ---- there and back ----------------------------------------------------- */

struct bare {
    struct context host;
    struct context context;
    unsigned chunk;
};

static void bare_main(void *arg)
{
    struct bare *bare = arg;

    for (;;)
        context_switch(&bare->context, &bare->host);
}

static uint64_t bare_pairs(void *arg)
{
    struct bare *bare = arg;

    for (unsigned i = 0; i < bare->chunk; i++)
        context_switch(&bare->host, &bare->context);
    return bare->chunk;
}

static int bare_pair(const struct bench_case *of, const struct budget *budget,
                     struct sample *sample)
{
    struct bare bare = { .chunk = of->chunk };
    struct stack_pool pool;
    struct stack *stack;

    stack_pool_init(&pool, STACK_BYTES, 0);
    stack = stack_get(&pool);
    if (stack == NULL)
        return -ENOMEM;
    context_init_thread(&bare.host);
    context_make(&bare.context, stack, bare_main, &bare);
    measure(budget, bare_pairs, &bare, sample);
    stack_put(&pool, stack);
    stack_pool_deinit(&pool);
    return 0;
}

static ucontext_t uc_host, uc_other;

static void uc_main(void)
{
    for (;;)
        swapcontext(&uc_other, &uc_host);
}

static uint64_t uc_pairs(void *arg)
{
    const struct bench_case *of = arg;
    unsigned count = of->chunk / 16;

    for (unsigned i = 0; i < count; i++)
        swapcontext(&uc_host, &uc_other);
    return count;
}

static int uc_pair(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    void *stack = malloc(STACK_BYTES);

    if (stack == NULL)
        return -ENOMEM;
    getcontext(&uc_other);
    uc_other.uc_stack.ss_sp = stack;
    uc_other.uc_stack.ss_size = STACK_BYTES;
    makecontext(&uc_other, uc_main, 0);
    measure(budget, uc_pairs, (void *)(uintptr_t)of, sample);
    free(stack);
    return 0;
}

/* ---- between tasks ------------------------------------------------------ */

static int yielder(void *arg)
{
    const struct bench_case *of = arg;

    for (unsigned i = 0; i < of->chunk / of->n; i++)
        gyre_yield();
    return 0;
}

static uint64_t yields(struct on_loop *on)
{
    spawn_many(on, on->of->n, yielder, (void *)(uintptr_t)on->of);
    run_all(on);
    return on->of->chunk / on->of->n * on->of->n;
}

static int task_yield(const struct bench_case *of, const struct budget *budget,
                      struct sample *sample)
{
    return on_loop(of, budget, sample, 0, yields);
}

/* ---- the bench ---------------------------------------------------------- */

static const struct contender pairs[] = {
    { .name = "gyre, bare", .take = bare_pair, .is_limit = true },
    { .name = "Boost fiber_context", .peer = "boost-context", .test = "fiber" },
    { .name = "Boost callcc", .peer = "boost-context", .test = "callcc" },
    { .name = "ucontext", .take = uc_pair },
};

static const struct contender yielding[] = {
    { .name = "gyre yield", .take = task_yield, .is_limit = true },
    { .name = "Boost.Fiber", .peer = "boost-fiber", .test = "yield" },
    { .name = "Go", .peer = "go", .test = "yield" },
    { .name = "libdill", .peer = "dill", .test = "yield" },
};

static const struct bench_case cases[] = {
    { "there and back", pairs, CASE_COUNT(pairs), .chunk = 65536 },
    { "yield, 2 tasks", yielding, CASE_COUNT(yielding), .n = 2,
      .chunk = 65536 },
    { "yield, 1000 tasks", yielding, CASE_COUNT(yielding), .n = 1000,
      .chunk = 262144 },
};

const struct bench bench_switch = {
    .name = "switch",
    .unit = "two switches, there and back, or one yield",
    .cases = cases,
    .count = CASE_COUNT(cases),
    .seconds = 0.04,
    .rounds = 15,
    .instruction_ops = 65536,
};
