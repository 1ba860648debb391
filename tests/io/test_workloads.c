/* SPDX-License-Identifier: MIT */
/*
 * Tasks in numbers: the workloads of other coroutine libraries' tests, at their
 * sizes and at ten times these. Calls within calls, chains of joins, many
 * tasks, many NOPs, tasks from many threads, callbacks beside tasks.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/world.h"

/* ---- calls within calls -------------------------------------------------- */

struct fibonacci {
    unsigned n;
    unsigned value;
};

static int fibonacci(void *arg)
{
    struct fibonacci *f = arg;
    struct fibonacci below[2] = { { f->n - 1, 0 }, { f->n - 2, 0 } };
    gyre_scope scope;

    if (f->n < 2) {
        f->value = f->n;
        return gyre_yield();
    }
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, fibonacci, &below[0]));
    CHECK_OK(gyre_spawn(&scope, fibonacci, &below[1]));
    CHECK_OK(gyre_scope_close(&scope));
    f->value = below[0].value + below[1].value;
    return 0;
}

KERNEL_TEST2(K1_K2_K10_fibonacci_by_tasks_that_wait_for_tasks)
{
    struct fibonacci ten = { 10, 0 }, fifteen = { 15, 0 };

    must_run(fibonacci, &ten);
    CHECK_EQ(ten.value, 55u);
    must_run(fibonacci, &fifteen);
    CHECK_EQ(fifteen.value, 610u);
}

struct chain {
    unsigned depth; /* tasks below this one */
    unsigned wait_at;
    unsigned long sum;
};

/* Each spawns the next and joins it. */
static int chain_task(void *arg)
{
    struct chain *chain = arg;
    struct chain next = { chain->depth - 1, chain->wait_at, 0 };
    gyre_scope scope;
    gyre_task *task;
    int result;

    if (chain->depth == chain->wait_at)
        CHECK_OK(gyre_sleep(GYRE_MS));
    chain->sum = chain->depth;
    if (chain->depth == 0)
        return 0;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, NULL, chain_task, &next, &task));
    CHECK_OK(gyre_join(task, &result));
    CHECK_OK(result);
    chain->sum += next.sum;
    return gyre_scope_close(&scope);
}

static void run_chain(unsigned depth)
{
    struct chain chain = { depth, depth / 2, 0 };

    must_run(chain_task, &chain);
    CHECK_EQ(chain.sum, (unsigned long)depth * (depth + 1) / 2);
}

KERNEL_TEST2(K2_K3_a_chain_of_joins_with_a_wait_in_the_middle)
{
    run_chain(10);
    run_chain(100);
    run_chain(1000);
}

KERNEL_TEST2(K2_K13_a_chain_of_joins_a_hundred_thousand_deep)
{
    run_chain(test_tasks(100000 / test_scale()));
}

static int deepest; /* what the wait at the end of the chain returned */

/* The same without a join: scopes that close, one inside the other. */
static int nest_task(void *arg)
{
    struct chain *chain = arg;
    struct chain next = { chain->depth - 1, chain->wait_at, 0 };
    gyre_scope scope;

    if (chain->depth == 0)
        return deepest = gyre_sleep_until(GYRE_NEVER);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, nest_task, &next));
    return gyre_scope_close(&scope);
}

static int cancel_deep(void *arg)
{
    struct chain chain = { test_tasks(20000 / test_scale()), 0, 0 };
    gyre_scope scope;
    gyre_task *task;
    int result;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, NULL, nest_task, &chain, &task));
    CHECK_OK(gyre_sleep(GYRE_MS));
    for (unsigned i = 0; i <= chain.depth; i++)
        CHECK_OK(gyre_yield());
    gyre_task_cancel(task);
    CHECK_OK(gyre_join(task, &result));
    CHECK_OK(result); /* cancelled with their scopes: no error */
    CHECK_ERR(deepest, -ECANCELED);
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(G7_K13_a_cancel_goes_twenty_thousand_scopes_down)
{
    must_run(cancel_deep, NULL);
}

/* ---- passing control ----------------------------------------------------- */

static unsigned passes;

static int pass(void *arg)
{
    size_t left = gyre_stack_left();

    (void)arg;
    while (passes > 0) {
        passes--;
        CHECK_OK(gyre_yield());
        CHECK_EQ(gyre_stack_left(), left);
    }
    return 0;
}

static int pass_around(void *arg)
{
    gyre_scope scope;

    (void)arg;
    passes = 1000000 / test_scale();
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_spawn(&scope, pass, NULL));
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(K3_K6_control_passes_a_million_times_and_no_stack_grows)
{
    must_run(pass_around, NULL);
}

/* ---- many ---------------------------------------------------------------- */

static unsigned ran;

static int count_one(void *arg)
{
    (void)arg;
    ran++;
    return 0;
}

static int nop_one(void *arg)
{
    gyre_op op;

    (void)arg;
    gyre_op_nop(&op);
    CHECK_OK(gyre_await(&op).res);
    ran++;
    return 0;
}

struct many {
    gyre_task_fn *fn;
    unsigned count;
};

static int spawn_many(void *arg)
{
    struct many *many = arg;
    gyre_scope scope;

    ran = 0;
    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < many->count; i++)
        CHECK_OK(gyre_spawn(&scope, many->fn, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(ran, many->count);
    return 0;
}

static void run_many(gyre_task_fn *fn, unsigned most)
{
    for (unsigned count = 1; count <= most; count *= 10) {
        struct many many = { fn, test_tasks(count) };

        must_run(spawn_many, &many);
    }
}

KERNEL_TEST2(K1_K4_tasks_by_the_ten_thousand)
{
    run_many(count_one, 10000);
}

KERNEL_TEST2(K1_K4_tasks_by_the_hundred_thousand_tenfold)
{
    struct many many = { count_one, test_tasks(100000 / test_scale()) };

    must_run(spawn_many, &many);
}

KERNEL_TEST2(B1_K1_tasks_that_each_wait_for_a_nop)
{
    run_many(nop_one, 10000);
}

KERNEL_TEST2(B1_J1_tasks_that_each_wait_for_a_nop_tenfold)
{
    struct many many = { nop_one, test_tasks(100000 / test_scale()) };

    must_run(spawn_many, &many);
}

static int nops_in_a_row(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 2 * 10240; i++)
        CHECK_OK(nop_one(NULL));
    return 0;
}

KERNEL_TEST2(B1_one_nop_after_the_other)
{
    must_run(nops_in_a_row, NULL);
}

/* ---- from many threads --------------------------------------------------- */

struct poster {
    gyre_loop *loop;
    unsigned count;
    struct posted {
        gyre_work work;
        gyre_loop *loop;
    } * posted;
};

static void spawn_posted(gyre_work *work)
{
    struct posted *posted = (struct posted *)work;

    CHECK_OK(gyre_spawn(gyre_loop_scope(posted->loop), nop_one, NULL));
    gyre_loop_release(posted->loop);
}

static void *post_all(void *arg)
{
    struct poster *poster = arg;

    for (unsigned i = 0; i < poster->count; i++)
        gyre_loop_post(poster->loop, &poster->posted[i].work, spawn_posted);
    return NULL;
}

static void post_from(unsigned threads, unsigned each)
{
    struct poster *posters = calloc(threads, sizeof *posters);
    pthread_t *ids = calloc(threads, sizeof *ids);
    struct posted *posted;
    gyre_loop *loop;

    each = test_tasks(threads * each) / threads;
    posted = calloc((size_t)threads * each, sizeof *posted);
    CHECK(posted != NULL && posters != NULL && ids != NULL);
    ran = 0;
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK(gyre_loop_scope(loop) != NULL);
    for (unsigned i = 0; i < threads * each; i++) {
        posted[i].loop = loop;
        gyre_loop_hold(loop);
    }
    for (unsigned i = 0; i < threads; i++) {
        posters[i] = (struct poster){ loop, each, posted + (size_t)i * each };
        CHECK_OK(pthread_create(&ids[i], NULL, post_all, &posters[i]));
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(ran, threads * each);
    for (unsigned i = 0; i < threads; i++)
        CHECK_OK(pthread_join(ids[i], NULL));
    gyre_loop_destroy(loop);
    free(ids);
    free(posters);
    free(posted);
}

KERNEL_TEST2(H9_K1_tasks_come_from_a_hundred_threads)
{
    post_from(1, 100);
    post_from(10, 100);
    post_from(100, 100);
}

KERNEL_TEST2(H9_K1_tasks_come_from_a_hundred_threads_tenfold)
{
    post_from(100, 1000 / test_scale());
}

/* ---- callbacks beside tasks ---------------------------------------------- */

#define WAITING 500

struct stackless {
    gyre_op op;
    int fd;
    char byte;
    unsigned *got;
};

static void stackless_got(gyre_op *op, gyre_result result)
{
    struct stackless *self = (struct stackless *)op;

    CHECK_EQ(result.res, 1);
    CHECK_EQ(self->byte, 'c');
    ++*self->got;
}

static int ask_by_task(void *arg)
{
    int fd = *(int *)arg;
    char byte;

    CHECK_EQ(gyre_send(fd, "c", 1, 0), 1);
    CHECK_EQ(gyre_recv(fd, &byte, 1, 0), 1);
    CHECK_EQ(byte, 't');
    return 0;
}

/* Many wait by callbacks, without a stack each; each is written to by a task,
 * which gets its answer from a callback's side of the program. */
static int mix(void *arg)
{
    static struct stackless waiting[WAITING];
    static int pairs[WAITING][2];
    unsigned got = 0;
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < WAITING; i++) {
        struct stackless *self = &waiting[i];

        pair_open(pairs[i]);
        self->got = &got;
        gyre_op_recv(&self->op, pairs[i][0], &self->byte, 1, 0);
        gyre_op_start(gyre_loop_current(), &self->op, stackless_got, NULL);
        CHECK_OK(gyre_spawn(&scope, ask_by_task, &pairs[i][1]));
    }
    while (got < WAITING)
        CHECK_OK(gyre_yield());
    for (int i = 0; i < WAITING; i++)
        CHECK_EQ(gyre_send(pairs[i][0], "t", 1, 0), 1);
    CHECK_OK(gyre_scope_close(&scope));
    for (int i = 0; i < WAITING; i++)
        pair_close(pairs[i]);
    return 0;
}

KERNEL_TEST(K11_callbacks_without_a_stack_wait_beside_tasks)
{
    must_run(mix, NULL);
}
