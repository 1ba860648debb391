/* SPDX-License-Identifier: MIT */
/*
 * Engines have one pool of threads for what blocks.
 */
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/crew.h"

enum { ENGINES = 3, CALLS = 10, THREADS = 2 };

static atomic_uint inside, most, ended;

static int be_inside(void *arg)
{
    unsigned now = atomic_fetch_add(&inside, 1) + 1;
    unsigned before = atomic_load(&most);

    while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
        ;
    /* Long enough for others to come in, if they may; and on a machine that is
     * busy each of these takes a while. */
    for (int i = 0; i < 3; i++)
        sched_yield();
    atomic_fetch_sub(&inside, 1);
    return *(int *)arg;
}

static int call_often(void *arg)
{
    gyre_blocking_stats stats = { .size = sizeof stats };
    int number = gyre_engine_current();

    gyre_loop_get_blocking_stats(gyre_loop_current(), &stats);
    CHECK_EQ(stats.threads_max, (unsigned)THREADS);
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(gyre_call_blocking(be_inside, &number), number);
        CHECK_EQ(gyre_engine_current(), number);
    }
    atomic_fetch_add((atomic_uint *)arg, 1);
    return 0;
}

static int call_on_each(void *arg)
{
    gyre_blocking_stats stats = { .size = sizeof stats };
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 4; i++)
        CHECK_OK(gyre_spawn_all(&scope, NULL, call_often, arg, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    gyre_loop_get_blocking_stats(gyre_loop_current(), &stats);
    CHECK_EQ(stats.taken, 4u * ENGINES * CALLS);
    CHECK_LE(stats.made, (unsigned)THREADS);
    return 0;
}

KERNEL_TEST2(L9_engines_share_their_threads)
{
    gyre_loop_options loop = { .blocking_threads_max = THREADS };
    gyre_run_options options = { .engines = ENGINES, .loop = &loop };

    CHECK_OK(gyre_run(&options, call_on_each, &ended));
    CHECK_EQ(atomic_load(&ended), 4u * ENGINES);
    CHECK_LE(atomic_load(&most), (unsigned)THREADS);
}

/* The program's own pool is for all engines and whatever else it has. */
KERNEL_TEST2(L9_engines_use_a_pool_that_is_given)
{
    gyre_blocking_pool *pool;
    gyre_blocking_pool_options threads = { .threads_max = THREADS };
    gyre_loop_options loop = { 0 };
    gyre_run_options options = { .engines = ENGINES, .loop = &loop };
    gyre_blocking_stats stats = { .size = sizeof stats };

    CHECK_OK(gyre_blocking_pool_create(&pool, &threads));
    loop.blocking_pool = pool;
    CHECK_OK(gyre_run(&options, call_on_each, &ended));
    gyre_blocking_pool_get_stats(pool, &stats);
    CHECK_EQ(stats.taken, 4u * ENGINES * CALLS);
    gyre_blocking_pool_destroy(pool);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

TEST(L9_E8_engines_of_too_many_threads_are_refused_by_name)
{
    gyre_loop_options loop = { .blocking_threads_max = 1025 };
    gyre_run_options options = { .engines = ENGINES, .loop = &loop };

    CHECK_ERR(gyre_run(&options, nothing, NULL), -EINVAL);
    CHECK_STR_HAS(gyre_loop_create_error(), "blocking_threads_max");
    CHECK_OK(setenv("GYRE_LOOP", "blocking_threads_max=1026", 1));
    loop.blocking_threads_max = 0;
    CHECK_ERR(gyre_run(&options, nothing, NULL), -EINVAL);
    CHECK_STR_HAS(gyre_loop_create_error(), "blocking_threads_max");
}
