/* SPDX-License-Identifier: MIT */
/*
 * Cancels and deadlines by who is not on the scope's loop, and what other
 * threads hand over to an engine's loop.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "engine/crew.h"

static int sleep_long(void *arg)
{
    if (arg != NULL)
        atomic_fetch_add((atomic_uint *)arg, 1);
    return gyre_sleep(GYRE_NEVER);
}

static gyre_engines *engines_of(unsigned count)
{
    gyre_engines *engines;

    CHECK_OK(
        gyre_engines_create(&engines, &(gyre_run_options){ .engines = count }));
    return engines;
}

/* ---- scopes -------------------------------------------------------------- */

static void spawn_sleepers(gyre_scope *scope)
{
    for (int i = 0; i < 6; i++)
        CHECK_OK(spawn_at(scope, GYRE_ENGINE(i % 2), sleep_long, NULL, NULL));
}

KERNEL_TEST(R9_L3_a_thread_cancels_a_scope)
{
    gyre_engines *engines = engines_of(2);
    gyre_scope scope;

    CHECK_OK(gyre_scope_open_on(engines, 1, &scope, NULL));
    spawn_sleepers(&scope);
    gyre_scope_cancel(&scope);
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    gyre_engines_destroy(engines);
}

KERNEL_TEST(R9_L3_a_thread_gives_a_scope_a_deadline)
{
    gyre_engines *engines = engines_of(2);
    gyre_scope scope;

    CHECK_OK(gyre_scope_open_on(engines, 1, &scope, NULL));
    spawn_sleepers(&scope);
    gyre_scope_set_deadline(&scope, gyre_deadline_in(1000 * GYRE_SECOND));
    gyre_scope_set_deadline(&scope, gyre_deadline_in(2 * GYRE_MS));
    gyre_scope_set_deadline(&scope, gyre_deadline_in(2000 * GYRE_SECOND));
    CHECK_EQ(gyre_scope_close(&scope), -ETIME);
    /* One that it has from the first. */
    CHECK_OK(gyre_scope_open_on(
        engines, 0, &scope,
        &(gyre_scope_options){ .deadline_ns = gyre_deadline_in(GYRE_MS) }));
    spawn_sleepers(&scope);
    CHECK_EQ(gyre_scope_close(&scope), -ETIME);
    gyre_engines_destroy(engines);
}

/* A task's scope, closed in the moment the cancel is posted: the post has to
 * arrive first, for the scope lies in the task's frame. */
struct race {
    gyre_scope *_Atomic scope;
    atomic_uint called;
    unsigned rounds;
};

/* Spinning, to be there at once; but the other may need this processor. */
static void await_both_calls(struct race *race, bool turns)
{
    for (unsigned spins = 1; atomic_load(&race->called) < 2; spins++) {
        if (turns)
            (void)gyre_yield();
        if (spins % 256 == 0)
            sched_yield();
    }
}

static int open_and_close(void *arg)
{
    struct race *race = arg;

    for (unsigned i = 0; i < race->rounds; i++) {
        gyre_scope scope;

        gyre_scope_open(&scope, NULL);
        CHECK_OK(gyre_spawn(&scope, sleep_long, NULL));
        atomic_store(&race->scope, &scope);
        await_both_calls(race, i % 2 == 0);
        atomic_store(&race->called, 0);
        CHECK_OK(gyre_scope_close(&scope));
    }
    return 0;
}

static void *cancel_what_is_open(void *arg)
{
    struct race *race = arg;
    gyre_scope *last = NULL;

    for (unsigned i = 0; i < race->rounds; i++) {
        gyre_scope *scope;

        while ((scope = atomic_exchange(&race->scope, NULL)) == NULL)
            sched_yield();
        gyre_scope_set_deadline(scope, gyre_deadline_in(1000 * GYRE_SECOND));
        atomic_fetch_add(&race->called, 1);
        gyre_scope_cancel(scope);
        atomic_fetch_add(&race->called, 1);
        last = scope;
    }
    return last;
}

KERNEL_TEST(R9_a_scope_does_not_close_before_a_cancel_has_arrived)
{
    struct race race = { .rounds = 300 };
    gyre_engines *engines = engines_of(1);
    pthread_t thread;

    CHECK_OK(pthread_create(&thread, NULL, cancel_what_is_open, &race));
    CHECK_OK(gyre_block_on(engines, NULL, open_and_close, &race));
    pthread_join(thread, NULL);
    gyre_engines_destroy(engines);
}

/* ---- tasks --------------------------------------------------------------- */

/* By several threads at once, and joined while their posts are on the way. */
struct target {
    gyre_task *task;
    pthread_barrier_t begin;
    pthread_barrier_t end;
    unsigned rounds;
};

enum { CANCELLERS = 3 };

static void *cancel_each(void *arg)
{
    struct target *target = arg;

    for (unsigned i = 0; i < target->rounds; i++) {
        pthread_barrier_wait(&target->begin);
        gyre_task_cancel(target->task);
        pthread_barrier_wait(&target->end);
    }
    return NULL;
}

KERNEL_TEST(R9_threads_cancel_a_task_and_its_handle_goes)
{
    struct target target = { .rounds = 200 / test_scale() };
    gyre_engines *engines = engines_of(2);
    pthread_t threads[CANCELLERS];
    gyre_scope scope;

    pthread_barrier_init(&target.begin, NULL, CANCELLERS + 1);
    pthread_barrier_init(&target.end, NULL, CANCELLERS + 1);
    for (int i = 0; i < CANCELLERS; i++)
        CHECK_OK(pthread_create(&threads[i], NULL, cancel_each, &target));
    CHECK_OK(gyre_scope_open_on(engines, 0, &scope, NULL));
    for (unsigned i = 0; i < target.rounds; i++) {
        int result = 0;

        CHECK_OK(spawn_at(&scope, GYRE_ENGINE(i % 2), sleep_long, NULL,
                          &target.task));
        pthread_barrier_wait(&target.begin);
        pthread_barrier_wait(&target.end);
        CHECK_OK(gyre_join(target.task, &result));
        CHECK_EQ(result, -ECANCELED);
    }
    CHECK_OK(gyre_scope_close(&scope));
    for (int i = 0; i < CANCELLERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&target.begin);
    pthread_barrier_destroy(&target.end);
    gyre_engines_destroy(engines);
}

/* ---- closing ------------------------------------------------------------- */

static void add_digit(void *arg)
{
    unsigned *digits = arg;

    CHECK(gyre_loop_current() == NULL); /* the closing thread's */
    *digits = 10 * *digits + 1;
}

struct deferring {
    gyre_scope *scope;
    gyre_deferred deferred[2];
    unsigned digits;
};

static int defer_twice(void *arg)
{
    struct deferring *d = arg;

    for (int i = 0; i < 2; i++)
        gyre_scope_defer(d->scope, &d->deferred[i], add_digit, &d->digits);
    return 0;
}

KERNEL_TEST(R9_what_is_deferred_is_called_by_the_closing_thread)
{
    gyre_engines *engines = engines_of(1);
    gyre_scope scope, other;
    struct deferring d = { .scope = &scope };

    CHECK_OK(gyre_scope_open_on(engines, 0, &scope, NULL));
    CHECK_OK(gyre_scope_open_on(engines, 0, &other, NULL));
    CHECK_OK(gyre_spawn(&scope, defer_twice, &d));
    CHECK_OK(gyre_scope_close(&scope)); /* in any order */
    CHECK_EQ(d.digits, 11u);
    CHECK_OK(gyre_scope_close(&other));
    gyre_engines_destroy(engines);
}

static void *destroy_engines(void *arg)
{
    gyre_engines_destroy(arg);
    return NULL;
}

KERNEL_TEST(R9_engines_end_when_the_threads_scopes_are_closed)
{
    gyre_engines *engines = engines_of(2);
    atomic_uint begun = 0;
    pthread_t thread;
    gyre_scope scope;
    gyre_task *task;
    int result = 0;

    CHECK_OK(gyre_scope_open_on(engines, 1, &scope, NULL));
    CHECK_OK(spawn_at(&scope, GYRE_HERE, sleep_long, &begun, &task));
    CHECK_OK(pthread_create(&thread, NULL, destroy_engines, engines));
    CHECK_OK(gyre_join(task, &result)); /* it is cancelled with all */
    CHECK_EQ(result, -ECANCELED);
    CHECK_EQ(gyre_spawn(&scope, sleep_long, &begun), -ECANCELED);
    CHECK_OK(gyre_scope_close(&scope));
    pthread_join(thread, NULL);
}

/* ---- ops and work for an engine's loop ----------------------------------- */

struct handed {
    gyre_engines *engines;
    int pipe[2];
    char byte;
    gyre_work work;
    gyre_op op;
    atomic_int result;
    atomic_int number;
};

static void op_is_done(gyre_op *op, gyre_result result)
{
    struct handed *handed = op->user;

    atomic_store(&handed->number, gyre_engine_current());
    atomic_store(&handed->result, result.res);
}

static void work_runs(gyre_work *work)
{
    struct handed *handed =
        (struct handed *)((char *)work - offsetof(struct handed, work));

    atomic_store(&handed->number, gyre_engine_current());
}

static void await_number(struct handed *handed, int expected)
{
    while (atomic_load(&handed->number) < 0)
        sched_yield();
    CHECK_EQ(atomic_exchange(&handed->number, -1), expected);
}

KERNEL_TEST(H12_a_thread_starts_an_op_on_an_engines_loop)
{
    struct handed handed = { .engines = engines_of(2), .number = -1 };

    CHECK_OK(pipe(handed.pipe));
    for (int n = 0; n < 2; n++) {
        gyre_loop *loop = gyre_engine_loop(handed.engines, (unsigned)n);

        handed.byte = 0;
        atomic_store(&handed.result, 0);
        gyre_op_read(&handed.op, handed.pipe[0], &handed.byte, 1,
                     GYRE_CURRENT_POSITION);
        gyre_op_start_remote(loop, &handed.op, op_is_done, &handed);
        CHECK_EQ(write(handed.pipe[1], "x", 1), 1);
        await_number(&handed, n);
        while (atomic_load(&handed.result) == 0)
            sched_yield();
        CHECK_EQ(handed.byte, 'x');
        gyre_loop_post(loop, &handed.work, work_runs);
        await_number(&handed, n);
    }
    gyre_engines_destroy(handed.engines);
    close(handed.pipe[0]);
    close(handed.pipe[1]);
}

TEST_PANICS(H12_only_its_engine_starts_ops_at_once, "gyre_op_start_remote()")
{
    gyre_engines *engines = engines_of(1);
    gyre_op op;

    gyre_op_nop(&op);
    gyre_op_start(gyre_engine_loop(engines, 0), &op, op_is_done, NULL);
}

static void timer_ran(gyre_timer *timer, int status)
{
    (void)timer;
    FAIL("it ran: %d", status);
}

TEST_PANICS(H12_only_its_engine_has_timers, "does not own the loop")
{
    gyre_engines *engines = engines_of(1);
    gyre_timer timer;

    gyre_timer_init(&timer, gyre_engine_loop(engines, 0), timer_ran, NULL);
    gyre_timer_start(&timer, 0);
}
