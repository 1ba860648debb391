/* SPDX-License-Identifier: MIT */
/*
 * Spawning and joining by who is not on the scope's loop: plain threads, and
 * tasks of other engines. What they get is what a task there would get.
 */
#include <pthread.h>
#include <sched.h>

#include "base/fault.h"
#include "engine/crew.h"

/* Engines of a plain thread's, and a scope of its own on the first. */
struct yard {
    gyre_engines *engines;
    gyre_scope scope;
};

static void yard_open(struct yard *yard, unsigned engines,
                      const gyre_scope_options *options)
{
    CHECK_OK(gyre_engines_create(&yard->engines,
                                 &(gyre_run_options){ .engines = engines }));
    CHECK_OK(gyre_scope_open_on(yard->engines, 0, &yard->scope, options));
}

static void yard_close(struct yard *yard, int expected)
{
    CHECK_EQ(gyre_scope_close(&yard->scope), expected);
    gyre_engines_destroy(yard->engines);
}

static int count_one(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
    return 0;
}

static int give_seven(void *arg)
{
    int err = gyre_yield();

    (void)arg;
    return err == 0 ? 7 : err;
}

static int fail(void *arg)
{
    (void)arg;
    return GYRE_FAIL(-EPROTO, "as asked");
}

/* Until it is cancelled; counts that it has begun. */
static int sleep_long(void *arg)
{
    if (arg != NULL)
        atomic_fetch_add((atomic_uint *)arg, 1);
    return gyre_sleep(GYRE_NEVER);
}

/* As that, but for the flag, which ends it. */
static int wait_for_flag(void *arg)
{
    int err = 0;

    while (err == 0 && !atomic_load((atomic_bool *)arg))
        err = gyre_sleep(100 * GYRE_US);
    return err;
}

static void await_count(const atomic_uint *count, unsigned least)
{
    while (atomic_load(count) < least)
        sched_yield();
}

/* ---- spawn --------------------------------------------------------------- */

enum { THREADS = 8, EACH = 60 };

struct crowd {
    struct yard yard;
    atomic_uint count;
};

static void *spawn_each(void *arg)
{
    static const int where[] = { GYRE_HERE, GYRE_ANYWHERE, GYRE_ENGINE(1),
                                 GYRE_NEXT, GYRE_LEAST_LOADED };
    struct crowd *crowd = arg;

    for (int i = 0; i < EACH; i++)
        CHECK_OK(spawn_at(&crowd->yard.scope, where[i % 5], count_one,
                          &crowd->count, NULL));
    return NULL;
}

KERNEL_TEST(R9_threads_spawn_into_one_scope)
{
    struct crowd crowd = { .count = 0 };
    pthread_t threads[THREADS];

    yard_open(&crowd.yard, 2, NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK_OK(pthread_create(&threads[i], NULL, spawn_each, &crowd));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    yard_close(&crowd.yard, 0);
    CHECK_EQ(crowd.count, (unsigned)THREADS * EACH);
}

static int spawn_into(void *arg)
{
    struct crowd *crowd = arg;

    for (int i = 0; i < EACH; i++)
        CHECK_OK(gyre_spawn(&crowd->yard.scope, count_one, &crowd->count));
    return 0;
}

KERNEL_TEST(R9_tasks_of_other_engines_spawn_into_one_scope)
{
    struct crowd crowd = { .count = 0 };
    gyre_scope others;

    yard_open(&crowd.yard, 3, NULL);
    CHECK_OK(gyre_scope_open_on(crowd.yard.engines, 2, &others, NULL));
    CHECK_OK(gyre_spawn_all(&others, NULL, spawn_into, &crowd, NULL));
    /* And one of a loop that is none of these. */
    CHECK_OK(gyre_run(NULL, spawn_into, &crowd));
    CHECK_OK(gyre_scope_close(&others));
    yard_close(&crowd.yard, 0);
    CHECK_EQ(crowd.count, 4u * EACH);
}

TEST(R9_a_spawn_from_elsewhere_fails_as_one_there_does)
{
    gyre_task_options small = { .stack_size = 1 };
    struct yard yard;
    atomic_uint count = 0;
    atomic_bool go_on = false;
    gyre_task *task;
    int result = 0;

    yard_open(&yard, 2,
              &(gyre_scope_options){ .max_tasks = 1,
                                     .when_full = GYRE_FULL_REFUSES });
    CHECK_EQ(gyre_spawn_with(&yard.scope, &small, count_one, &count, NULL),
             -EINVAL);
    CHECK_EQ(spawn_at(&yard.scope, GYRE_ENGINE(2), count_one, &count, NULL),
             -EINVAL);
    fault_nth(FAULT_SPAWN, 1, -ENOMEM);
    if (gyre_spawn(&yard.scope, count_one, &count) != -ENOMEM)
        TEST_SKIP("failures are injected in builds with GYRE_VERIFY");
    CHECK_EQ(atomic_load(&count), 0u);
    CHECK_OK(spawn_at(&yard.scope, GYRE_HERE, wait_for_flag, &go_on, &task));
    CHECK_EQ(gyre_spawn(&yard.scope, count_one, &count), -EAGAIN);
    atomic_store(&go_on, true);
    CHECK_OK(gyre_join(task, &result));
    CHECK_EQ(result, 0);
    CHECK_OK(gyre_spawn(&yard.scope, count_one, &count));
    yard_close(&yard, 0);
    CHECK_EQ(atomic_load(&count), 1u);
}

/* The engines end, held up by a shield, while somebody spawns. */
struct held {
    gyre_engines *engines;
    atomic_bool ending;
    atomic_bool go_on;
};

static int stay_in_shield(void *arg)
{
    gyre_scope_options options = { .shield = true, .deadline_ns = GYRE_NEVER };
    struct held *held = arg;
    gyre_scope shield;

    held->engines = gyre_engines_current();
    while (gyre_cancelled() == 0)
        (void)gyre_sleep(100 * GYRE_US);
    atomic_store(&held->ending, true);
    gyre_scope_open(&shield, &options);
    while (!atomic_load(&held->go_on))
        CHECK_OK(gyre_sleep(100 * GYRE_US));
    CHECK_OK(gyre_scope_close(&shield));
    return 0;
}

static void *spawn_too_late(void *arg)
{
    struct held *held = arg;
    gyre_scope scope;

    while (!atomic_load(&held->ending))
        sched_yield();
    CHECK_EQ(gyre_spawn(gyre_engine_scope(held->engines, 0), give_seven, NULL),
             -ECANCELED);
    CHECK_EQ(gyre_block_on(held->engines, NULL, give_seven, NULL), -ECANCELED);
    CHECK_EQ(gyre_scope_open_on(held->engines, 0, &scope, NULL), -ECANCELED);
    atomic_store(&held->go_on, true);
    return NULL;
}

static int stop_soon(void *arg)
{
    struct held *held = arg;

    CHECK_OK(gyre_spawn(gyre_engine_scope(gyre_engines_current(), 0),
                        stay_in_shield, arg));
    while (held->engines == NULL)
        CHECK_OK(gyre_yield());
    gyre_loop_stop(gyre_loop_current());
    return 0;
}

KERNEL_TEST(R9_L11_engines_that_end_refuse_what_comes)
{
    for (unsigned engines = 1; engines <= 2; engines++) {
        struct held held = { 0 };
        pthread_t thread;

        CHECK_OK(pthread_create(&thread, NULL, spawn_too_late, &held));
        run_on_engines(engines, stop_soon, &held);
        pthread_join(thread, NULL);
    }
}

/* ---- bounds -------------------------------------------------------------- */

struct queueing {
    struct yard yard;
    atomic_bool go_on;
    atomic_uint asking;
    atomic_uint ran;
    atomic_int result;
};

static void *spawn_when_room(void *arg)
{
    struct queueing *q = arg;

    atomic_fetch_add(&q->asking, 1);
    CHECK_OK(gyre_spawn(&q->yard.scope, count_one, &q->ran));
    return NULL;
}

KERNEL_TEST(R9_J5_threads_wait_for_room)
{
    enum { WAITING = 4 };
    struct queueing q = { 0 };
    pthread_t threads[WAITING];

    yard_open(&q.yard, 2, &(gyre_scope_options){ .max_tasks = 1 });
    CHECK_OK(gyre_spawn(&q.yard.scope, wait_for_flag, &q.go_on));
    for (int i = 0; i < WAITING; i++)
        CHECK_OK(pthread_create(&threads[i], NULL, spawn_when_room, &q));
    await_count(&q.asking, WAITING);
    CHECK_EQ(atomic_load(&q.ran), 0u);
    atomic_store(&q.go_on, true);
    for (int i = 0; i < WAITING; i++)
        pthread_join(threads[i], NULL);
    yard_close(&q.yard, 0);
    CHECK_EQ(atomic_load(&q.ran), (unsigned)WAITING);
}

static int spawn_until_cancelled(void *arg)
{
    struct queueing *q = arg;

    atomic_fetch_add(&q->asking, 1);
    atomic_store(&q->result, gyre_spawn(&q->yard.scope, count_one, &q->ran));
    return 0;
}

KERNEL_TEST(R9_J5_a_task_that_waits_for_room_elsewhere_is_cancelled)
{
    struct queueing q = { 0 };
    gyre_scope own;

    yard_open(&q.yard, 2, &(gyre_scope_options){ .max_tasks = 1 });
    CHECK_OK(gyre_spawn(&q.yard.scope, wait_for_flag, &q.go_on));
    for (int i = 0; i < 20; i++) {
        CHECK_OK(gyre_scope_open_on(q.yard.engines, 1, &own, NULL));
        atomic_store(&q.asking, 0);
        CHECK_OK(gyre_spawn(&own, spawn_until_cancelled, &q));
        /* In the queue, on the way to it, or not yet asking. */
        if (i % 3 == 0)
            await_count(&q.asking, 1);
        gyre_scope_cancel(&own);
        CHECK_OK(gyre_scope_close(&own));
        CHECK_EQ(atomic_load(&q.result), -ECANCELED);
    }
    CHECK_EQ(atomic_load(&q.ran), 0u);
    atomic_store(&q.go_on, true);
    yard_close(&q.yard, 0);
}

/* The room is given and the wait is cancelled at about the same time: the task
 * was spawned, or it was not. */
KERNEL_TEST(R9_J5_room_is_given_or_the_wait_is_cancelled)
{
    unsigned rounds = 400 / test_scale();
    struct queueing q = { 0 };
    unsigned spawned = 0;

    yard_open(&q.yard, 2, &(gyre_scope_options){ .max_tasks = 1 });
    for (unsigned i = 0; i < rounds; i++) {
        gyre_task *holder;
        gyre_scope own;

        atomic_store(&q.asking, 0);
        atomic_store(&q.go_on, false);
        CHECK_OK(spawn_at(&q.yard.scope, GYRE_HERE, wait_for_flag, &q.go_on,
                          &holder));
        CHECK_OK(gyre_scope_open_on(q.yard.engines, 1, &own, NULL));
        CHECK_OK(gyre_spawn(&own, spawn_until_cancelled, &q));
        await_count(&q.asking, 1);
        atomic_store(&q.go_on, true);
        for (unsigned spin = 0; spin < i % 7; spin++)
            sched_yield();
        gyre_scope_cancel(&own);
        CHECK_OK(gyre_scope_close(&own));
        CHECK_OK(gyre_join(holder, NULL));
        spawned += atomic_load(&q.result) == 0;
    }
    yard_close(&q.yard, 0);
    CHECK_EQ(atomic_load(&q.ran), spawned);
}

static int note_and_end(void *arg)
{
    CHECK_OK(gyre_sleep(GYRE_MS));
    atomic_fetch_add((atomic_uint *)arg, 1);
    return 0;
}

KERNEL_TEST(R9_J5_beyond_the_bound_a_thread_waits_for_the_end)
{
    struct queueing q = { 0 };

    yard_open(
        &q.yard, 2,
        &(gyre_scope_options){ .max_tasks = 1, .when_full = GYRE_FULL_INLINE });
    CHECK_OK(gyre_spawn(&q.yard.scope, wait_for_flag, &q.go_on));
    CHECK_OK(gyre_spawn(&q.yard.scope, note_and_end, &q.ran));
    CHECK_EQ(atomic_load(&q.ran), 1u);
    CHECK_OK(
        spawn_at(&q.yard.scope, GYRE_ENGINE(1), note_and_end, &q.ran, NULL));
    CHECK_EQ(atomic_load(&q.ran), 2u);
    atomic_store(&q.go_on, true);
    yard_close(&q.yard, 0);
}

/* ---- join ---------------------------------------------------------------- */

static int join_elsewhere(void *arg)
{
    struct yard *yard = arg;
    gyre_failure failure;
    gyre_task *task;
    int result = 0;

    CHECK_OK(spawn_at(&yard->scope, GYRE_HERE, give_seven, NULL, &task));
    CHECK_OK(gyre_join(task, &result));
    CHECK_EQ(result, 7);
    CHECK_OK(spawn_at(&yard->scope, GYRE_ENGINE(1), fail, NULL, &task));
    CHECK_OK(gyre_join(task, &result));
    CHECK_EQ(result, -EPROTO);
    gyre_task_failure(&failure);
    CHECK_STR_EQ(failure.text, "as asked");
    return 0;
}

KERNEL_TEST(R9_threads_and_tasks_elsewhere_join)
{
    gyre_scope_options options = { .on_error = GYRE_ERROR_CONTINUES };
    struct yard yard;
    gyre_failure failure;
    gyre_task *task;
    int result = 0;

    yard_open(&yard, 2, &options);
    CHECK_OK(gyre_run(NULL, join_elsewhere, &yard));
    for (int i = 0; i < 50; i++) {
        CHECK_OK(
            spawn_at(&yard.scope, GYRE_ENGINE(i % 2), give_seven, NULL, &task));
        if (i % 3 == 0)
            sched_yield(); /* it may have ended, or not */
        CHECK_OK(gyre_join(task, &result));
        CHECK_EQ(result, 7);
    }
    CHECK_EQ(gyre_scope_close(&yard.scope), -EPROTO);
    gyre_scope_failure(&yard.scope, &failure);
    CHECK_STR_EQ(failure.text, "as asked");
    gyre_engines_destroy(yard.engines);
}

struct joining {
    gyre_task *target;
    atomic_uint begun;
    int err;
    int result;
};

static int join_until_cancelled(void *arg)
{
    struct joining *j = arg;

    atomic_fetch_add(&j->begun, 1);
    j->err = gyre_join(j->target, &j->result);
    return 0;
}

KERNEL_TEST(R9_a_join_of_a_task_elsewhere_is_cancelled)
{
    struct yard yard;
    gyre_scope own;

    yard_open(&yard, 2, NULL);
    for (int i = 0; i < 20; i++) {
        struct joining j = { .err = 1 };
        int result = 0;

        CHECK_OK(spawn_at(&yard.scope, GYRE_HERE, sleep_long, NULL, &j.target));
        CHECK_OK(gyre_scope_open_on(yard.engines, 1, &own, NULL));
        CHECK_OK(gyre_spawn(&own, join_until_cancelled, &j));
        if (i % 2 == 0)
            await_count(&j.begun, 1);
        gyre_scope_cancel(&own);
        CHECK_OK(gyre_scope_close(&own));
        CHECK_EQ(j.err, -ECANCELED);
        /* The handle remains. */
        gyre_task_cancel(j.target);
        CHECK_OK(gyre_join(j.target, &result));
        CHECK_EQ(result, -ECANCELED);
    }
    yard_close(&yard, 0);
}

/* The target ends and the join is cancelled at about the same time. */
KERNEL_TEST(R9_a_join_succeeds_or_leaves_the_handle)
{
    unsigned rounds = 300 / test_scale();
    struct yard yard;

    yard_open(&yard, 2, NULL);
    for (unsigned i = 0; i < rounds; i++) {
        struct joining j = { .err = 1 };
        gyre_scope own;

        CHECK_OK(spawn_at(&yard.scope, GYRE_HERE, sleep_long, NULL, &j.target));
        CHECK_OK(gyre_scope_open_on(yard.engines, 1, &own, NULL));
        CHECK_OK(gyre_spawn(&own, join_until_cancelled, &j));
        await_count(&j.begun, 1);
        gyre_task_cancel(j.target);
        for (unsigned spin = 0; spin < i % 5; spin++)
            sched_yield();
        gyre_scope_cancel(&own);
        CHECK_OK(gyre_scope_close(&own));
        if (j.err != 0)
            CHECK_OK(gyre_join(j.target, &j.result));
        CHECK_EQ(j.result, -ECANCELED);
    }
    yard_close(&yard, 0);
}

/* ---- what is refused ----------------------------------------------------- */

static void spawn_in_callback(gyre_timer *timer, int status)
{
    struct yard *yard = timer->user;

    (void)status;
    CHECK_OK(gyre_spawn(&yard->scope, give_seven, NULL));
}

TEST_PANICS(R9_a_callback_does_not_wait_for_another_loop,
            "a callback of a loop must not")
{
    struct yard yard;
    gyre_loop *loop;
    gyre_timer timer;

    yard_open(&yard, 1, NULL);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_timer_init(&timer, loop, spawn_in_callback, &yard);
    gyre_timer_start(&timer, 0);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
}

static int open_as_task(void *arg)
{
    gyre_scope scope;

    return gyre_scope_open_on(arg, 0, &scope, NULL);
}

TEST_PANICS(R9_a_task_opens_no_threads_scope, "gyre_scope_open()")
{
    gyre_engines *engines;

    CHECK_OK(gyre_engines_create(&engines, NULL));
    (void)gyre_block_on(engines, NULL, open_as_task, engines);
}

static void *close_others_scope(void *arg)
{
    struct yard *yard = arg;

    CHECK_OK(gyre_scope_close(&yard->scope));
    return NULL;
}

TEST_PANICS(R9_only_its_opener_closes_a_threads_scope, "closed by its opener")
{
    struct yard yard;
    pthread_t thread;

    yard_open(&yard, 1, NULL);
    CHECK_OK(pthread_create(&thread, NULL, close_others_scope, &yard));
    pthread_join(thread, NULL);
}
