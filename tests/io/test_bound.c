/* SPDX-License-Identifier: MIT */
/*
 * Bounds on the number of tasks, of a scope and of a loop: what happens to a
 * spawn when they are reached. Ten times the bound is asked for, from tasks
 * and from callbacks, and each task runs once.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "io/world.h"

#define BOUND 10U
#define ASKED (10 * BOUND)

static unsigned ran, alive, alive_most;
static unsigned started[ASKED]; /* in order of their first turn */

static int counted(void *arg)
{
    started[ran++] = (unsigned)(uintptr_t)arg;
    if (++alive > alive_most)
        alive_most = alive;
    for (unsigned i = 0; i < 1 + (uintptr_t)arg % 3; i++)
        if (gyre_yield() < 0)
            break;
    alive--;
    return 0;
}

static void *number(unsigned i)
{
    return (void *)(uintptr_t)i;
}

/* ---- one spawner --------------------------------------------------------- */

static int ask_for_many(void *arg)
{
    gyre_scope_options *options = arg;
    gyre_scope scope;

    gyre_scope_open(&scope, options);
    for (unsigned i = 0; i < ASKED; i++)
        CHECK_OK(gyre_spawn(&scope, counted, number(i)));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(ran, ASKED);
    return 0;
}

KERNEL_TEST2(J5_the_spawner_waits_while_its_scope_is_full)
{
    gyre_scope_options options = { .max_tasks = BOUND };

    must_run(ask_for_many, &options);
    CHECK_EQ(alive_most, BOUND);
    for (unsigned i = 0; i < ASKED; i++)
        CHECK_EQ(started[i], i);
}

KERNEL_TEST2(J5_a_task_too_many_runs_while_its_spawner_waits_for_it)
{
    gyre_scope_options options = { .max_tasks = BOUND,
                                   .when_full = GYRE_FULL_INLINE };

    must_run(ask_for_many, &options);
    CHECK_LE(alive_most, BOUND + 1);
    CHECK_GE(alive_most, BOUND);
}

KERNEL_TEST2(J5_a_loop_has_a_bound_over_all_scopes)
{
    gyre_run_options options = { .max_tasks = BOUND, .engines = 1 };

    CHECK_OK(gyre_run(&options, ask_for_many, NULL));
    CHECK_EQ(alive_most, BOUND - 1); /* and the first task */
    ran = alive = alive_most = 0;
    options.when_full = GYRE_FULL_INLINE;
    CHECK_OK(gyre_run(&options, ask_for_many, NULL));
    CHECK_LE(alive_most, BOUND);
}

static int ask_until_refused(void *arg)
{
    gyre_scope_options options = { .max_tasks = BOUND,
                                   .when_full = GYRE_FULL_REFUSES };
    unsigned refused = 0;
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, &options);
    for (unsigned i = 0; i < ASKED;) {
        int err = gyre_spawn(&scope, counted, number(i));

        if (err == 0) {
            i++;
            continue;
        }
        CHECK_ERR(err, -EAGAIN);
        refused++;
        CHECK_OK(gyre_yield());
    }
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(ran, ASKED);
    CHECK_EQ(alive_most, BOUND);
    CHECK_GT(refused, 0u);
    return 0;
}

KERNEL_TEST2(J5_a_spawn_is_refused_and_the_argument_stays_with_the_caller)
{
    must_run(ask_until_refused, NULL);
}

static int handle_inline(void *arg)
{
    gyre_scope_options options = { .max_tasks = 1,
                                   .when_full = GYRE_FULL_INLINE };
    gyre_scope scope;
    gyre_task *tasks[3];

    (void)arg;
    gyre_scope_open(&scope, &options);
    for (unsigned i = 0; i < 3; i++)
        CHECK_OK(gyre_spawn_with(&scope, NULL, counted, number(i), &tasks[i]));
    CHECK_EQ(ran, 2u); /* the second, inline, outlived the first */
    CHECK_OK(gyre_join(tasks[2], NULL));
    CHECK_OK(gyre_join(tasks[0], NULL));
    CHECK_OK(gyre_scope_close(&scope)); /* lets the handle of the other go */
    return 0;
}

KERNEL_TEST2(J5_K5_a_task_that_ran_inline_can_be_joined)
{
    must_run(handle_inline, NULL);
}

/* The scope closes as soon as the task over the bound has ended, before its
 * spawner, which belongs to another scope, goes on. */
static int spawn_elsewhere(void *arg)
{
    CHECK_OK(gyre_spawn(arg, counted, NULL));
    CHECK_OK(gyre_spawn(arg, counted, NULL));
    return 0;
}

static int close_early(void *arg)
{
    gyre_scope_options options = { .max_tasks = 1,
                                   .when_full = GYRE_FULL_INLINE };
    gyre_scope outer, scope;

    (void)arg;
    gyre_scope_open(&outer, NULL);
    gyre_scope_open(&scope, &options);
    CHECK_OK(gyre_spawn(&outer, spawn_elsewhere, &scope));
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_yield());
    CHECK_OK(gyre_scope_close(&scope));
    memset(&scope, 0x5a, sizeof scope);
    CHECK_OK(gyre_scope_close(&outer));
    CHECK_EQ(ran, 2u);
    return 0;
}

KERNEL_TEST2(J5_R1_a_scope_may_close_before_who_spawned_inline_goes_on)
{
    must_run(close_early, NULL);
}

/* ---- many spawners ------------------------------------------------------- */

struct crowd {
    gyre_scope *scope;
    unsigned first;
};

static int crowd_spawner(void *arg)
{
    struct crowd *crowd = arg;

    for (unsigned i = 0; i < ASKED / 10; i++)
        CHECK_OK(gyre_spawn(crowd->scope, counted, number(crowd->first + i)));
    return 0;
}

static int crowd_of_spawners(void *arg)
{
    gyre_scope_options options = { .max_tasks = 1 };
    struct crowd crowds[10];
    gyre_scope outer, scope;

    (void)arg;
    gyre_scope_open(&outer, NULL);
    gyre_scope_open(&scope, &options);
    for (unsigned i = 0; i < 10; i++) {
        crowds[i] = (struct crowd){ &scope, i * (ASKED / 10) };
        CHECK_OK(gyre_spawn(&outer, crowd_spawner, &crowds[i]));
    }
    while (ran < ASKED)
        CHECK_OK(gyre_yield());
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_OK(gyre_scope_close(&outer));
    CHECK_EQ(ran, ASKED);
    CHECK_EQ(alive_most, 1u);
    /* The first found room at once, and asked again before the others did. */
    CHECK_EQ(started[0], 0u);
    for (unsigned i = 1, turn = 0; i < ASKED; turn++) {
        unsigned spawner = turn % 10, piece = turn / 10 + (spawner == 0);

        if (piece < ASKED / 10)
            CHECK_EQ(started[i++], spawner * 10 + piece);
    }
    return 0;
}

KERNEL_TEST2(J5_spawners_that_wait_are_served_in_order)
{
    must_run(crowd_of_spawners, NULL);
}

static int waiter_result;

static int waiting_spawner(void *arg)
{
    waiter_result = gyre_spawn(arg, counted, NULL);
    return 0;
}

static int cancel_spawner(void *arg)
{
    gyre_scope_options options = { .max_tasks = 1 };
    gyre_scope outer, scope;

    (void)arg;
    gyre_scope_open(&scope, &options);
    gyre_scope_open(&outer, NULL);
    CHECK_OK(gyre_spawn(&scope, counted, number(2)));
    CHECK_OK(gyre_spawn(&outer, waiting_spawner, &scope));
    CHECK_OK(gyre_yield());
    gyre_scope_cancel(&outer);
    CHECK_OK(gyre_scope_close(&outer));
    CHECK_ERR(waiter_result, -ECANCELED);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(ran, 1u);
    return 0;
}

KERNEL_TEST2(J5_R8_a_spawner_that_waits_can_be_cancelled)
{
    must_run(cancel_spawner, NULL);
}

/* ---- outside of tasks ---------------------------------------------------- */

struct outside {
    gyre_work work;
    gyre_loop *loop;
    unsigned asked;
    unsigned refused;
};

/* A callback cannot wait: it is told, and comes again. */
static void spawn_from_callback(gyre_work *work)
{
    struct outside *outside = (struct outside *)work;
    gyre_scope *scope = gyre_loop_scope(outside->loop);

    while (outside->asked < ASKED) {
        int err = gyre_spawn(scope, counted, number(outside->asked));

        if (err != 0) {
            CHECK_ERR(err, -EAGAIN);
            outside->refused++;
            break;
        }
        outside->asked++;
    }
    if (outside->asked < ASKED)
        gyre_loop_post(outside->loop, &outside->work, spawn_from_callback);
}

static void spawn_outside(gyre_full_policy policy)
{
    struct outside outside = { .asked = 0 };

    ran = alive = alive_most = 0;
    CHECK_OK(gyre_loop_create(&outside.loop, NULL));
    CHECK_OK(gyre_loop_set_max_tasks(outside.loop, BOUND, policy));
    gyre_loop_post(outside.loop, &outside.work, spawn_from_callback);
    CHECK_OK(gyre_loop_run(outside.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(ran, ASKED);
    CHECK_EQ(alive_most, BOUND);
    CHECK_GT(outside.refused, 0u);
    gyre_loop_destroy(outside.loop);
}

KERNEL_TEST2(J5_outside_of_tasks_a_full_loop_refuses_and_nothing_is_lost)
{
    spawn_outside(GYRE_FULL_WAITS);
    spawn_outside(GYRE_FULL_REFUSES);
    spawn_outside(GYRE_FULL_INLINE);
}

#define THREADS 4U

struct poster {
    gyre_loop *loop;
    struct request {
        gyre_work work;
        gyre_loop *loop;
        unsigned number;
    } requests[ASKED / THREADS];
};

/* What another thread wants to run, brought to the loop; refused, it comes
 * again. */
static void spawn_request(gyre_work *work)
{
    struct request *request = (struct request *)work;
    int err = gyre_spawn(gyre_loop_scope(request->loop), counted,
                         number(request->number));

    if (err == 0) {
        gyre_loop_release(request->loop);
        return;
    }
    CHECK_ERR(err, -EAGAIN);
    gyre_loop_post(request->loop, work, spawn_request);
}

static void *post_requests(void *arg)
{
    struct poster *poster = arg;

    for (unsigned i = 0; i < ASKED / THREADS; i++)
        gyre_loop_post(poster->loop, &poster->requests[i].work, spawn_request);
    return NULL;
}

KERNEL_TEST2(J5_what_other_threads_ask_of_a_full_loop_is_not_lost)
{
    struct poster posters[THREADS];
    pthread_t threads[THREADS];
    unsigned seen[ASKED] = { 0 };
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_loop_set_max_tasks(loop, BOUND, GYRE_FULL_REFUSES));
    for (unsigned i = 0; i < ASKED; i++) {
        posters[i % THREADS].loop = loop;
        posters[i % THREADS].requests[i / THREADS] =
            (struct request){ .loop = loop, .number = i };
        gyre_loop_hold(loop);
    }
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_OK(pthread_create(&threads[i], NULL, post_requests, &posters[i]));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_OK(pthread_join(threads[i], NULL));
    CHECK_EQ(ran, ASKED);
    CHECK_LE(alive_most, BOUND);
    for (unsigned i = 0; i < ASKED; i++)
        CHECK_EQ(seen[started[i]]++, 0u);
    gyre_loop_destroy(loop);
}

/* ---- failures ------------------------------------------------------------ */

static int room_after_failure(void *arg)
{
    gyre_scope_options options = { .max_tasks = 2,
                                   .when_full = GYRE_FULL_REFUSES };
    gyre_scope scope;
    int err;

    (void)arg;
    gyre_scope_open(&scope, &options);
    for (unsigned i = 0; i < 600; i++) {
        alloc_fail_nth(1);
        err = gyre_spawn(&scope, counted, NULL);
        alloc_fail_nth(0);
        CHECK(err == 0 || err == -ENOMEM || err == -EAGAIN);
        if (err == -EAGAIN)
            break;
    }
    CHECK_ERR(err, -EAGAIN); /* no room was lost, and none was made */
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(J5_a_spawn_without_memory_gives_its_room_back)
{
    /* There are stacks, as that of the first task. */
    CHECK_OK(gyre_run(&(gyre_run_options){ .engines = 1 }, room_after_failure,
                      NULL));
}

static int raise_bound(void *arg)
{
    gyre_loop *loop = gyre_loop_current();
    gyre_scope scope;

    (void)arg;
    CHECK_OK(gyre_loop_set_max_tasks(loop, 2, GYRE_FULL_WAITS));
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, waiting_spawner, &scope));
    CHECK_OK(gyre_yield()); /* it waits: two there are */
    CHECK_EQ(ran, 0u);
    CHECK_OK(gyre_loop_set_max_tasks(loop, 3, GYRE_FULL_WAITS));
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_yield());
    CHECK_EQ(ran, 1u);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_OK(waiter_result);
    return 0;
}

KERNEL_TEST2(J5_who_waits_goes_on_when_the_bound_is_raised)
{
    must_run(raise_bound, NULL);
}
