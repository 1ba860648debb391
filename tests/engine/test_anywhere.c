/* SPDX-License-Identifier: MIT */
/*
 * Tasks that may begin anywhere: idle engines take them, each runs once, on one
 * engine from its beginning to its end.
 */
#include <sched.h>

#include "engine/crew.h"

enum { ENGINES = 3 };

struct tally {
    atomic_uint ran;
    atomic_uint on[ENGINES];
    atomic_uint met; /* are there at the same time */
};

static int begin_and_end(void *arg)
{
    struct tally *tally = arg;
    int engine = gyre_engine_current();

    for (int i = 0; i < 3; i++) {
        CHECK_OK(gyre_yield());
        CHECK_EQ(gyre_engine_current(), engine);
    }
    atomic_fetch_add(&tally->on[engine], 1);
    atomic_fetch_add(&tally->ran, 1);
    return 0;
}

static int spawn_many(void *arg)
{
    unsigned count = test_tasks(2000);
    struct tally *tally = arg;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < count; i++)
        CHECK_OK(spawn_at(&scope, GYRE_ANYWHERE, begin_and_end, tally, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(tally->ran, count);
    return 0;
}

KERNEL_TEST(L6_each_task_runs_once_and_stays_where_it_began)
{
    struct tally tally = { 0 };

    run_on_engines(ENGINES, spawn_many, &tally);
    CHECK_EQ(tally.ran, tally.on[0] + tally.on[1] + tally.on[2]);
}

/* Goes on only when one is on each engine: none may be left to one. */
static int meet_others(void *arg)
{
    struct tally *tally = arg;

    atomic_fetch_add(&tally->on[gyre_engine_current()], 1);
    atomic_fetch_add(&tally->met, 1);
    while (atomic_load(&tally->met) < ENGINES)
        sched_yield(); /* it holds its thread */
    return 0;
}

static int hold_each(void *arg)
{
    struct tally *tally = arg;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < ENGINES; i++)
        CHECK_OK(spawn_at(&scope, GYRE_ANYWHERE, meet_others, tally, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    for (unsigned i = 0; i < ENGINES; i++)
        CHECK_EQ(tally->on[i], 1);
    return 0;
}

KERNEL_TEST(L6_idle_engines_take_what_waits)
{
    struct tally tally = { 0 };

    run_on_engines(ENGINES, hold_each, &tally);
}

static int cut_before_it_began(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
    return gyre_cancelled();
}

static int cancel_queued(void *arg)
{
    unsigned count = test_tasks(200);
    atomic_uint ran = 0;
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < count; i++)
        CHECK_OK(
            spawn_at(&scope, GYRE_ANYWHERE, cut_before_it_began, &ran, NULL));
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(ran, count);
    return 0;
}

KERNEL_TEST(L6_a_task_always_runs_also_if_it_was_cancelled_in_the_queue)
{
    for (int i = 0; i < 20; i++)
        run_on_engines(2, cancel_queued, NULL);
}
