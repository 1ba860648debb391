/* SPDX-License-Identifier: MIT */
/*
 * A scope's bound holds over all engines: what its children spawn elsewhere,
 * into their part of it, counts like what is spawned at home.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "engine/crew.h"

static void open_with(gyre_scope *scope, uint32_t max_tasks,
                      gyre_full_policy when_full)
{
    const gyre_scope_options options = { .max_tasks = max_tasks,
                                         .when_full = when_full };

    gyre_scope_open(scope, &options);
}

/* ---- how many at a time -------------------------------------------------- */

struct crowd {
    atomic_uint inside;
    atomic_uint most;
    atomic_uint done;
};

static int stay_a_while(void *arg)
{
    struct crowd *crowd = arg;
    unsigned now = atomic_fetch_add(&crowd->inside, 1) + 1;
    unsigned most = atomic_load(&crowd->most);

    while (now > most &&
           !atomic_compare_exchange_weak(&crowd->most, &most, now))
        ;
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_yield());
    atomic_fetch_sub(&crowd->inside, 1);
    atomic_fetch_add(&crowd->done, 1);
    return 0;
}

enum { EACH = 20, MAX = 5 };

static int spawn_into_part(void *arg)
{
    for (int i = 0; i < EACH; i++)
        CHECK_OK(gyre_spawn(gyre_scope_current(), stay_a_while, arg));
    return 0;
}

static int send_spawners(void *arg)
{
    struct crowd crowd = { .inside = 0 };
    gyre_scope scope;

    (void)arg;
    open_with(&scope, MAX, GYRE_FULL_WAITS);
    for (int n = 1; n <= 2; n++)
        CHECK_OK(
            spawn_at(&scope, GYRE_ENGINE(n), spawn_into_part, &crowd, NULL));
    for (int i = 0; i < EACH; i++)
        CHECK_OK(gyre_spawn(&scope, stay_a_while, &crowd));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(crowd.done, 3 * EACH);
    CHECK_LE(crowd.most, MAX);
    CHECK_GE(crowd.most, 1);
    return 0;
}

KERNEL_TEST(L3_J5_a_bound_holds_over_engines)
{
    run_on_engines(3, send_spawners, NULL);
}

/* ---- what a full scope says ---------------------------------------------- */

static atomic_bool may_go;

static int stay(void *arg)
{
    (void)arg;
    while (!atomic_load(&may_go))
        CHECK_OK(gyre_yield());
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Until what has ended is known there. */
static int spawn_in_time(gyre_scope *scope, const gyre_task_options *options,
                         gyre_task_fn *fn)
{
    int err;

    while ((err = gyre_spawn_with(scope, options, fn, NULL, NULL)) == -EAGAIN)
        if (gyre_task_current() != NULL)
            CHECK_OK(gyre_yield());
        else
            sched_yield();
    return err;
}

static void fill_and_empty(gyre_scope *scope)
{
    const gyre_task_options nowhere = { .where = GYRE_ENGINE(100) };

    atomic_store(&may_go, false);
    CHECK_ERR(spawn_in_time(scope, &nowhere, stay), -EINVAL);
    CHECK_OK(gyre_spawn(scope, stay, NULL));
    CHECK_ERR(gyre_spawn(scope, stay, NULL), -EAGAIN);
    atomic_store(&may_go, true);
    CHECK_OK(spawn_in_time(scope, NULL, nothing));
}

static int refused_there(void *arg)
{
    (void)arg;
    fill_and_empty(gyre_scope_current());
    return 0;
}

static int send_one_who_is_refused(void *arg)
{
    gyre_scope scope;

    (void)arg;
    open_with(&scope, 2, GYRE_FULL_REFUSES);
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), refused_there, NULL, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST(L3_J5_a_full_scope_refuses_elsewhere)
{
    run_on_engines(2, send_one_who_is_refused, NULL);
}

static int send_on(void *arg)
{
    return spawn_at(gyre_scope_current(), GYRE_ENGINE(2), refused_there, arg,
                    NULL);
}

static int send_one_who_sends_on(void *arg)
{
    gyre_scope scope;

    (void)arg;
    for (int i = 0; i < 5; i++) {
        open_with(&scope, 3, GYRE_FULL_REFUSES);
        CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), send_on, NULL, NULL));
        CHECK_OK(gyre_scope_close(&scope));
    }
    return 0;
}

KERNEL_TEST(L3_J5_a_part_of_a_part_has_the_bound_of_the_scope)
{
    run_on_engines(3, send_one_who_sends_on, NULL);
}

static int goes_aside(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 3; i++) {
        struct crowd crowd = { .inside = 0 };

        CHECK_OK(gyre_spawn(gyre_scope_current(), stay_a_while, &crowd));
        CHECK_EQ(crowd.done, 1);
    }
    return 0;
}

static int send_one_who_goes_aside(void *arg)
{
    gyre_scope scope;

    (void)arg;
    open_with(&scope, 1, GYRE_FULL_INLINE);
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), goes_aside, NULL, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST(L3_J5_beyond_the_bound_a_spawner_elsewhere_waits_for_the_end)
{
    run_on_engines(2, send_one_who_goes_aside, NULL);
}

/* ---- who waits for room is cancelled ------------------------------------- */

static atomic_bool waits;

static int wait_in_vain(void *arg)
{
    (void)arg;
    atomic_store(&waits, true);
    CHECK_ERR(gyre_spawn(gyre_scope_current(), nothing, NULL), -ECANCELED);
    return 0;
}

static int cancel_who_waits(void *arg)
{
    gyre_scope scope;
    gyre_task *task;

    (void)arg;
    for (int i = 0; i < 20; i++) {
        atomic_store(&waits, false);
        open_with(&scope, 1, GYRE_FULL_WAITS);
        CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), wait_in_vain, NULL, &task));
        while (i % 2 == 0 && !atomic_load(&waits))
            CHECK_OK(gyre_yield());
        gyre_task_cancel(task);
        CHECK_OK(gyre_join(task, NULL));
        CHECK_OK(gyre_scope_close(&scope));
    }
    return 0;
}

KERNEL_TEST(L3_J5_R8_who_waits_elsewhere_for_room_is_cancelled)
{
    run_on_engines(2, cancel_who_waits, NULL);
}

static int yield_once(void *arg)
{
    (void)arg;
    (void)gyre_yield();
    return 0;
}

static int may_be_cancelled(void *arg)
{
    int err = 0;

    (void)arg;
    while (err == 0 && gyre_cancelled() == 0)
        err = gyre_spawn(gyre_scope_current(), yield_once, NULL);
    CHECK(err == 0 || err == -ECANCELED);
    return 0;
}

/* At any moment: the room is taken, given or on its way. */
static int cancel_at_each_moment(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        gyre_task *tasks[2];
        gyre_scope scope;

        open_with(&scope, 3, GYRE_FULL_WAITS);
        for (int n = 0; n < 2; n++)
            CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1 + n), may_be_cancelled,
                              NULL, &tasks[n]));
        for (int n = 0; n < i; n++)
            CHECK_OK(gyre_yield());
        for (int n = 0; n < 2; n++)
            gyre_task_cancel(tasks[n]);
        for (int n = 0; n < 2; n++)
            CHECK_OK(gyre_join(tasks[n], NULL));
        CHECK_OK(gyre_spawn(&scope, nothing, NULL));
        CHECK_OK(gyre_scope_close(&scope));
    }
    return 0;
}

KERNEL_TEST(L3_J5_R8_room_is_not_lost_when_a_wait_for_it_is_cancelled)
{
    run_on_engines(3, cancel_at_each_moment, NULL);
}

/* ---- who spawns into a part from outside --------------------------------- */

static _Atomic(gyre_scope *) part;
static atomic_bool part_may_close;

static int lend_part(void *arg)
{
    (void)arg;
    atomic_store(&part, gyre_scope_current());
    while (!atomic_load(&part_may_close))
        CHECK_OK(gyre_yield());
    return 0;
}

static void *fill_from_thread(void *arg)
{
    (void)arg;
    fill_and_empty(atomic_load(&part));
    return NULL;
}

static int fill_from_task(void *arg)
{
    (void)arg;
    fill_and_empty(atomic_load(&part));
    return 0;
}

static int thread_joins(void *arg)
{
    return pthread_join(*(pthread_t *)arg, NULL);
}

static int lend_and_fill(void *arg)
{
    gyre_scope scope, own;
    pthread_t thread;

    (void)arg;
    atomic_store(&part, NULL);
    atomic_store(&part_may_close, false);
    open_with(&scope, 2, GYRE_FULL_REFUSES);
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), lend_part, NULL, NULL));
    while (atomic_load(&part) == NULL)
        CHECK_OK(gyre_yield());
    /* A thread, a task of the scope's own loop, one of neither. */
    CHECK_OK(pthread_create(&thread, NULL, fill_from_thread, NULL));
    CHECK_OK(gyre_call_blocking(thread_joins, &thread));
    for (int n = 0; n <= 2; n += 2) {
        gyre_scope_open(&own, NULL);
        CHECK_OK(spawn_at(&own, GYRE_ENGINE(n), fill_from_task, NULL, NULL));
        CHECK_OK(gyre_scope_close(&own));
    }
    atomic_store(&part_may_close, true);
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST(L3_J5_R9_who_spawns_into_a_part_from_outside_is_bound)
{
    run_on_engines(3, lend_and_fill, NULL);
}

/* ---- a callback ---------------------------------------------------------- */

static int told;

static void spawn_in_callback(gyre_timer *timer, int status)
{
    (void)status;
    told = gyre_spawn(timer->user, nothing, NULL);
}

static int set_timer(void *arg)
{
    gyre_timer timer;

    (void)arg;
    told = 1;
    gyre_timer_init(&timer, gyre_loop_current(), spawn_in_callback,
                    gyre_scope_current());
    gyre_timer_start(&timer, 0);
    while (told == 1)
        CHECK_OK(gyre_yield());
    CHECK_ERR(told, -EAGAIN);
    return 0;
}

static int send_one_with_a_timer(void *arg)
{
    gyre_scope scope;

    (void)arg;
    open_with(&scope, 10, GYRE_FULL_WAITS);
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1 - gyre_engine_current()), set_timer,
                      NULL, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST2(L3_J5_a_callback_elsewhere_cannot_wait_for_room)
{
    run_on_engines(2, send_one_with_a_timer, NULL);
}
