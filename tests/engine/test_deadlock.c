/* SPDX-License-Identifier: MIT */
/*
 * Tasks of several engines wait for what nobody will do: a run tells that,
 * unless there is a thread that may yet do it.
 */
#include <pthread.h>
#include <sched.h>

#include "engine/crew.h"
#include "task/fiber_tools.h"
#include "task/task.h"

static gyre_event event;

static void alone_in_the_process(void)
{
    if (GYRE_TSAN)
        TEST_SKIP("ThreadSanitizer has a thread of its own");
    test_not_on_qemu_user("it has a thread of its own");
}

static int wait_for_event(void *arg)
{
    (void)arg;
    return gyre_event_wait(&event, NULL);
}

static int wait_on_all(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_all(&scope, NULL, wait_for_event, arg, NULL));
    return gyre_scope_close(&scope);
}

static void run_and_wait(void)
{
    gyre_event_init(&event, 0);
    CHECK_OK(gyre_run(&(gyre_run_options){ .engines = 3 }, wait_on_all, NULL));
    gyre_event_destroy(&event);
}

TEST_PANICS(K5_L3_tasks_of_all_engines_that_wait_for_nobody_are_told_of,
            "deadlock: tasks wait on all engines")
{
    alone_in_the_process();
    run_and_wait();
}

static gyre_task *far;

static int join_far(void *arg)
{
    (void)arg;
    return gyre_join(far, NULL);
}

/* One waits for the other's end, and that for what the first would do. */
static int wait_in_a_circle(void *arg)
{
    gyre_scope *scope = gyre_scope_current();

    gyre_event_init(&event, 0);
    CHECK_OK(spawn_at(scope, GYRE_ENGINE(1), wait_for_event, arg, &far));
    CHECK_OK(gyre_spawn(scope, join_far, arg));
    return 0;
}

TEST_PANICS(K5_L3_a_circle_over_two_engines_is_told_of, "deadlock")
{
    alone_in_the_process();
    run_on_engines(2, wait_in_a_circle, NULL);
}

/* ---- no deadlock --------------------------------------------------------- */

static void *set_later(void *arg)
{
    struct timespec delay = { .tv_nsec = 20 * 1000000 };

    (void)nanosleep(&delay, NULL);
    CHECK_OK(gyre_event_set(&event, NULL));
    return arg;
}

KERNEL_TEST2(K5_L3_a_thread_that_may_wake_tasks_is_waited_for)
{
    pthread_t thread;

    task_patience_ns = GYRE_MS; /* looks several times */
    gyre_event_init(&event, 0);
    CHECK_OK(pthread_create(&thread, NULL, set_later, NULL));
    CHECK_OK(gyre_run(&(gyre_run_options){ .engines = 3 }, wait_on_all, NULL));
    CHECK_OK(pthread_join(thread, NULL));
    gyre_event_destroy(&event);
}

static int set_from_engine(void *arg)
{
    CHECK_OK(gyre_sleep(3 * GYRE_MS));
    CHECK_OK(gyre_event_set(&event, NULL));
    return arg != NULL;
}

static int wait_for_one_that_sleeps(void *arg)
{
    gyre_scope scope;

    gyre_event_init(&event, 0);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(0), wait_for_event, arg, NULL));
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), wait_for_event, arg, NULL));
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(2), set_from_engine, arg, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    gyre_event_destroy(&event);
    return 0;
}

KERNEL_TEST2(K5_L3_a_task_that_sleeps_on_one_engine_is_no_deadlock)
{
    task_patience_ns = 0;
    for (int i = 0; i < 20; i++)
        run_on_engines(3, wait_for_one_that_sleeps, NULL);
}
