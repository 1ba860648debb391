/* SPDX-License-Identifier: MIT */
/*
 * Running a function as a task of the engines, and waiting for its end: by
 * plain threads, tasks of these engines, and tasks of none.
 */
#include <pthread.h>
#include <sched.h>

#include "base/fault.h"
#include "engine/crew.h"
#include "task/task.h"

static int give_number(void *arg)
{
    int err = gyre_sleep(100 * GYRE_US);

    CHECK(gyre_engine_current() >= 0);
    *(int *)arg = gyre_engine_current();
    return err < 0 ? err : 40;
}

static int fail(void *arg)
{
    (void)arg;
    return GYRE_FAIL(-EPROTO, "as asked");
}

static int sleep_long(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
    return gyre_sleep(GYRE_NEVER);
}

static void block_on_each(gyre_engines *engines)
{
    int number = -1;

    CHECK_EQ(gyre_block_on(engines, NULL, give_number, &number), 40);
    for (int n = 0; n < (int)gyre_engines_count(engines); n++) {
        gyre_task_options options = { .where = GYRE_ENGINE(n) };

        CHECK_EQ(gyre_block_on(engines, &options, give_number, &number), 40);
        CHECK_EQ(number, n);
    }
    CHECK_EQ(gyre_block_on(engines, NULL, fail, NULL), -EPROTO);
}

static int block_on_as_task(void *arg)
{
    gyre_failure failure;

    block_on_each(arg);
    gyre_task_failure(&failure);
    CHECK_STR_EQ(failure.text, "as asked");
    return 0;
}

KERNEL_TEST(L11_a_thread_waits_for_a_function_on_an_engine)
{
    gyre_engines *engines;

    CHECK_OK(
        gyre_engines_create(&engines, &(gyre_run_options){ .engines = 3 }));
    block_on_each(engines);
    /* A task of a loop that is none of them, and one of theirs. */
    CHECK_OK(gyre_run(NULL, block_on_as_task, engines));
    CHECK_OK(gyre_block_on(engines, NULL, block_on_as_task, engines));
    gyre_engines_destroy(engines);
}

TEST(L11_what_cannot_be_spawned_is_not_waited_for)
{
    gyre_task_options small = { .stack_size = 1 };
    gyre_task_options nowhere = { .where = GYRE_ENGINE(1) };
    gyre_engines *engines;
    int number;

    CHECK_OK(gyre_engines_create(&engines, NULL));
    CHECK_EQ(gyre_block_on(engines, &small, give_number, &number), -EINVAL);
    CHECK_EQ(gyre_block_on(engines, &nowhere, give_number, &number), -EINVAL);
    fault_nth(FAULT_SPAWN, 1, -ENOMEM);
    if (gyre_block_on(engines, NULL, give_number, &number) != -ENOMEM)
        TEST_SKIP("failures are injected in builds with GYRE_VERIFY");
    CHECK_EQ(gyre_block_on(engines, NULL, give_number, &number), 40);
    gyre_engines_destroy(engines);
}

TEST(L11_the_bound_holds_for_threads)
{
    gyre_run_options options = { .max_tasks = 1,
                                 .when_full = GYRE_FULL_REFUSES };
    gyre_engines *engines;
    atomic_uint begun = 0;
    gyre_task *task;
    int number, result;

    CHECK_OK(gyre_engines_create(&engines, &options));
    CHECK_OK(spawn_at(gyre_engine_scope(engines, 0), GYRE_HERE, sleep_long,
                      &begun, &task));
    CHECK_EQ(gyre_block_on(engines, NULL, give_number, &number), -EAGAIN);
    gyre_task_cancel(task);
    CHECK_OK(gyre_join(task, &result));
    CHECK_EQ(result, -ECANCELED);
    CHECK_EQ(gyre_block_on(engines, NULL, give_number, &number), 40);
    gyre_engines_destroy(engines);
}

static int count_here(void *arg)
{
    atomic_uint *on = arg;

    atomic_fetch_add(&on[gyre_engine_current()], 1);
    return 0;
}

TEST(L4_L11_threads_block_on_each_engine_in_turn)
{
    enum { ENGINES = 4, ROUNDS = 3 };
    gyre_task_options next = { .where = GYRE_NEXT };
    atomic_uint on[ENGINES] = { 0 };
    gyre_engines *engines;

    CHECK_OK(gyre_engines_create(&engines,
                                 &(gyre_run_options){ .engines = ENGINES }));
    for (int i = 0; i < ENGINES * ROUNDS; i++)
        CHECK_OK(gyre_block_on(engines, &next, count_here, on));
    for (int n = 0; n < ENGINES; n++)
        CHECK_EQ(on[n], (unsigned)ROUNDS);
    gyre_engines_destroy(engines);
}

/* ---- cancelled ----------------------------------------------------------- */

struct cut {
    gyre_engines *engines;
    atomic_uint begun;
    int result;
};

static int block_on_sleep(void *arg)
{
    struct cut *cut = arg;

    cut->result = gyre_block_on(cut->engines, NULL, sleep_long, &cut->begun);
    return 0;
}

static int cancel_the_caller(void *arg)
{
    struct cut *cut = arg;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, block_on_sleep, cut));
    while (atomic_load(&cut->begun) == 0)
        CHECK_OK(gyre_sleep(10 * GYRE_US));
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(cut->result, -ECANCELED);
    /* One that is cancelled before. */
    gyre_scope_open(&scope, NULL);
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_spawn(&scope, block_on_sleep, cut));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(cut->result, -ECANCELED);
    CHECK_EQ(atomic_load(&cut->begun), 1u);
    atomic_store(&cut->begun, 0);
    return 0;
}

KERNEL_TEST(L11_a_cancelled_caller_cancels_the_function)
{
    struct cut cut = { .begun = 0 };

    CHECK_OK(
        gyre_engines_create(&cut.engines, &(gyre_run_options){ .engines = 2 }));
    CHECK_OK(gyre_run(NULL, cancel_the_caller, &cut));
    CHECK_OK(gyre_block_on(cut.engines, NULL, cancel_the_caller, &cut));
    gyre_engines_destroy(cut.engines);
}

/* ---- the end ------------------------------------------------------------- */

static void *block_on_in_thread(void *arg)
{
    (void)block_on_sleep(arg);
    return NULL;
}

static void *be_refused_in_thread(void *arg)
{
    struct cut *cut = arg;

    CHECK_EQ(gyre_block_on(cut->engines, NULL, sleep_long, &cut->begun),
             -ECANCELED);
    return NULL;
}

KERNEL_TEST(L11_who_waits_when_the_engines_end_is_answered)
{
    enum { THREADS = 5 };
    pthread_t threads[THREADS];
    struct cut cuts[THREADS];
    gyre_engines *engines;

    CHECK_OK(
        gyre_engines_create(&engines, &(gyre_run_options){ .engines = 2 }));
    for (int i = 0; i < THREADS; i++) {
        cuts[i] = (struct cut){ .engines = engines };
        CHECK_OK(
            pthread_create(&threads[i], NULL, block_on_in_thread, &cuts[i]));
    }
    for (int i = 0; i < THREADS; i++)
        while (atomic_load(&cuts[i].begun) == 0)
            sched_yield();
    gyre_engines_destroy(engines);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(cuts[i].result, -ECANCELED);
    }
}

enum { IN_QUEUE = 4 };

/* It has the room; the others wait for it. */
static int see_them_wait(void *arg)
{
    const struct tasks *tasks = gyre_loop_current()->tasks;
    unsigned waiting = 0;

    while (waiting < IN_QUEUE) {
        CHECK_OK(gyre_sleep(100 * GYRE_US));
        waiting = 0;
        for (const struct list *at = tasks->spawners.next;
             at != &tasks->spawners; at = at->next)
            waiting++;
    }
    return sleep_long(arg);
}

KERNEL_TEST(L11_R9_who_waits_for_room_when_the_engines_end_is_answered)
{
    gyre_run_options options = { .max_tasks = 1 };
    pthread_t threads[IN_QUEUE];
    struct cut cut = { .begun = 0 };

    CHECK_OK(gyre_engines_create(&cut.engines, &options));
    CHECK_OK(gyre_spawn(gyre_engine_scope(cut.engines, 0), see_them_wait,
                        &cut.begun));
    for (int i = 0; i < IN_QUEUE; i++)
        CHECK_OK(pthread_create(&threads[i], NULL, be_refused_in_thread, &cut));
    while (atomic_load(&cut.begun) == 0)
        sched_yield();
    gyre_engines_destroy(cut.engines);
    for (int i = 0; i < IN_QUEUE; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&cut.begun), 1u);
}

TEST_PANICS(L11_without_engines_it_is_refused, "which engines?")
{
    int number;

    (void)gyre_block_on(gyre_engines_current(), NULL, give_number, &number);
}

TEST_PANICS(R9_a_thread_without_engines_opens_no_scope, "which engines?")
{
    gyre_scope scope;

    CHECK_OK(gyre_scope_open_on(gyre_engines_current(), 0, &scope, NULL));
}

static void block_in_callback(gyre_timer *timer, int status)
{
    int number;

    (void)status;
    CHECK_EQ(gyre_block_on(timer->user, NULL, give_number, &number), 40);
}

TEST_PANICS(L11_a_callback_must_not_block, "a callback of a loop must not")
{
    gyre_engines *engines;
    gyre_loop *loop;
    gyre_timer timer;

    CHECK_OK(gyre_engines_create(&engines, NULL));
    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_timer_init(&timer, loop, block_in_callback, engines);
    gyre_timer_start(&timer, 0);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
}
