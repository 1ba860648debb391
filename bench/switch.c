/* SPDX-License-Identifier: MIT */
/*
 * switch.c - stacks: leaving one for another, and beginning and ending on one
 *
 * The limit is gyre's bare switch, between two contexts and nothing else. Above
 * it stands the same through the loop's run queue, as tasks do it; beside it
 * what libc has: ucontext, which saves the signal mask by a system call, and
 * threads.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <pthread.h>
#include <stdlib.h>
#include <ucontext.h>

#include "bench.h"
#include "task/stack.h"
#include "task/switch.h"

#define CHUNK 65536
#define SLOW_CHUNK 4096
#define STACK_BYTES ((size_t)64 * 1024)

/* ---- the bare switch ---------------------------------------------------- */

struct bare {
    struct context host;
    struct context context;
    struct stack_pool pool;
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

    for (unsigned i = 0; i < CHUNK; i++)
        context_switch(&bare->host, &bare->context);
    return CHUNK;
}

static int bare_pair(const struct bench_case *of, const struct budget *budget,
                     struct sample *sample)
{
    struct bare bare;
    struct stack *stack;

    (void)of;
    stack_pool_init(&bare.pool, STACK_BYTES, 0);
    stack = stack_get(&bare.pool);
    if (stack == NULL)
        return -ENOMEM;
    context_init_thread(&bare.host);
    context_make(&bare.context, stack, bare_main, &bare);
    measure(budget, bare_pairs, &bare, sample);
    stack_put(&bare.pool, stack);
    stack_pool_deinit(&bare.pool);
    return 0;
}

static void bare_end(void *arg)
{
    struct bare *bare = arg;

    context_exit(&bare->context, &bare->host);
}

static uint64_t bare_lives(void *arg)
{
    struct bare *bare = arg;

    for (unsigned i = 0; i < CHUNK; i++) {
        struct stack *stack = stack_get(&bare->pool);

        if (stack == NULL)
            abort();
        context_make(&bare->context, stack, bare_end, bare);
        context_switch(&bare->host, &bare->context);
        stack_put(&bare->pool, stack);
    }
    return CHUNK;
}

static int bare_life(const struct bench_case *of, const struct budget *budget,
                     struct sample *sample)
{
    struct bare bare;

    (void)of;
    stack_pool_init(&bare.pool, STACK_BYTES, 0);
    context_init_thread(&bare.host);
    measure(budget, bare_lives, &bare, sample);
    stack_pool_deinit(&bare.pool);
    return 0;
}

/* ---- tasks -------------------------------------------------------------- */

/* Several, or a yield would find nobody to yield to. */
#define YIELDERS 8

static int yielder(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < CHUNK / YIELDERS; i++)
        gyre_yield();
    return 0;
}

static uint64_t task_pairs(void *arg)
{
    gyre_loop *loop = arg;

    for (unsigned i = 0; i < YIELDERS; i++)
        if (gyre_spawn(gyre_loop_scope(loop), yielder, NULL) != 0)
            abort();
    if (gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE) != 0)
        abort();
    return CHUNK;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* One at a time, each on the stack of the one before. */
static uint64_t task_lives(void *arg)
{
    gyre_loop *loop = arg;
    gyre_scope *scope = gyre_loop_scope(loop);

    for (unsigned i = 0; i < CHUNK; i++)
        if (gyre_spawn(scope, nothing, NULL) != 0 ||
            !gyre_loop_run_one_ready(loop))
            abort();
    return CHUNK;
}

static int on_loop(const struct budget *budget, struct sample *sample,
                   uint64_t (*chunk)(void *arg))
{
    gyre_loop *loop;
    int err = gyre_loop_create(&loop, NULL);

    if (err < 0)
        return err;
    if (gyre_loop_run(loop, GYRE_RUN_NOWAIT) < 0)
        return -EIO;
    measure(budget, chunk, loop, sample);
    gyre_loop_destroy(loop);
    return 0;
}

static int task_pair(const struct bench_case *of, const struct budget *budget,
                     struct sample *sample)
{
    (void)of;
    return on_loop(budget, sample, task_pairs);
}

static int task_life(const struct bench_case *of, const struct budget *budget,
                     struct sample *sample)
{
    (void)of;
    return on_loop(budget, sample, task_lives);
}

/* ---- libc's ------------------------------------------------------------- */

static ucontext_t uc_host, uc_other;

static void uc_main(void)
{
    for (;;)
        swapcontext(&uc_other, &uc_host);
}

static void uc_end(void)
{
}

static void uc_make(void *stack, void (*fn)(void))
{
    getcontext(&uc_other);
    uc_other.uc_stack.ss_sp = stack;
    uc_other.uc_stack.ss_size = STACK_BYTES;
    uc_other.uc_link = &uc_host;
    makecontext(&uc_other, fn, 0);
}

static uint64_t uc_pairs(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < SLOW_CHUNK; i++)
        swapcontext(&uc_host, &uc_other);
    return SLOW_CHUNK;
}

static uint64_t uc_lives(void *stack)
{
    for (unsigned i = 0; i < SLOW_CHUNK; i++) {
        uc_make(stack, uc_end);
        swapcontext(&uc_host, &uc_other);
    }
    return SLOW_CHUNK;
}

static int uc_take(const struct budget *budget, struct sample *sample,
                   uint64_t (*chunk)(void *arg))
{
    void *stack = malloc(STACK_BYTES);

    if (stack == NULL)
        return -ENOMEM;
    uc_make(stack, uc_main);
    measure(budget, chunk, stack, sample);
    free(stack);
    return 0;
}

static int uc_pair(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    (void)of;
    return uc_take(budget, sample, uc_pairs);
}

static int uc_life(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    (void)of;
    return uc_take(budget, sample, uc_lives);
}

static void *thread_main(void *arg)
{
    return arg;
}

static uint64_t thread_lives(void *arg)
{
    for (unsigned i = 0; i < 64; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, thread_main, arg) != 0)
            abort();
        pthread_join(thread, NULL);
    }
    return 64;
}

static int thread_life(const struct bench_case *of, const struct budget *budget,
                       struct sample *sample)
{
    (void)of;
    measure(budget, thread_lives, NULL, sample);
    return 0;
}

static const struct contender pairs[] = {
    { .name = "bare switch", .take = bare_pair, .is_limit = true },
    { .name = "gyre yield", .take = task_pair },
    { .name = "ucontext", .take = uc_pair },
};

static const struct contender lives[] = {
    { .name = "bare switch", .take = bare_life, .is_limit = true },
    { .name = "gyre spawn", .take = task_life },
    { .name = "ucontext", .take = uc_life },
    { .name = "thread", .take = thread_life },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct bench_case cases[] = {
    { "resume and yield", pairs, COUNT(pairs), 0, 0 },
    { "spawn, run, finish", lives, COUNT(lives), 0, 0 },
};

const struct bench bench_switch = {
    .name = "switch",
    .unit = "a pair, or a life",
    .cases = cases,
    .count = COUNT(cases),
    .seconds = 0.04,
    .rounds = 15,
    .instruction_ops = CHUNK,
};
