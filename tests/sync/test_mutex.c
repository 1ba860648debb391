/* SPDX-License-Identifier: MIT */
/*
 * The mutex: who holds it, that nobody comes in between, and what is misuse.
 */
#include <errno.h>
#include <pthread.h>

#include "sync/kinds.h"

static void *flags_arg(unsigned flags)
{
    return (void *)(uintptr_t)flags;
}

static void both(int (*fn)(void *flags))
{
    must_run(fn, flags_arg(0));
    must_run(fn, flags_arg(GYRE_LOCAL));
}

/* ---- holding ------------------------------------------------------------- */

static int hold(void *flags)
{
    gyre_mutex mutex;

    gyre_mutex_init(&mutex, (unsigned)(uintptr_t)flags);
    CHECK(!gyre_mutex_is_mine(&mutex));
    CHECK(gyre_mutex_try_lock(&mutex));
    CHECK(gyre_mutex_is_mine(&mutex));
    CHECK(!gyre_mutex_try_lock(&mutex));
    gyre_mutex_unlock(&mutex);
    CHECK(!gyre_mutex_is_mine(&mutex));
    CHECK_OK(gyre_mutex_lock(&mutex));
    gyre_mutex_unlock(&mutex);
    CHECK_OK(gyre_mutex_lock_until(&mutex, 1)); /* free: no deadline */
    gyre_mutex_unlock(&mutex);
    gyre_mutex_destroy(&mutex);
    return 0;
}

KERNEL_TEST2(M3_a_mutex_is_held_by_one)
{
    both(hold);
}

static gyre_mutex static_mutex = GYRE_MUTEX_INIT;

static void *thread_tries(void *arg)
{
    (void)arg;
    CHECK(!gyre_mutex_is_mine(&static_mutex));
    CHECK(!gyre_mutex_try_lock(&static_mutex));
    return NULL;
}

TEST(M3_a_thread_holds_it_outside_of_tasks)
{
    pthread_t thread;

    CHECK_OK(gyre_mutex_lock(&static_mutex));
    CHECK_OK(pthread_create(&thread, NULL, thread_tries, NULL));
    CHECK_OK(pthread_join(thread, NULL));
    CHECK(gyre_mutex_is_mine(&static_mutex));
    gyre_mutex_unlock(&static_mutex);
    gyre_mutex_destroy(&static_mutex);
}

/* ---- no barging ---------------------------------------------------------- */

struct pair {
    gyre_mutex mutex;
    bool other_has_it;
};

static int take_and_keep(void *arg)
{
    struct pair *pair = arg;

    CHECK_OK(gyre_mutex_lock(&pair->mutex));
    pair->other_has_it = true;
    gyre_mutex_unlock(&pair->mutex);
    return 0;
}

/* Handed over at the unlock: the old holder has to queue again. */
static int no_barging(void *flags)
{
    struct pair pair = { .other_has_it = false };
    gyre_scope scope;

    gyre_mutex_init(&pair.mutex, (unsigned)(uintptr_t)flags);
    CHECK_OK(gyre_mutex_lock(&pair.mutex));
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, take_and_keep, &pair));
    CHECK_OK(gyre_yield());
    gyre_mutex_unlock(&pair.mutex);
    CHECK(!gyre_mutex_try_lock(&pair.mutex));
    CHECK_ERR(gyre_mutex_lock_until(&pair.mutex, 1), -ETIMEDOUT);
    CHECK(!pair.other_has_it);
    CHECK_OK(gyre_mutex_lock(&pair.mutex));
    CHECK(pair.other_has_it);
    gyre_mutex_unlock(&pair.mutex);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK(gyre_mutex_try_lock(&pair.mutex)); /* as if nobody had waited */
    gyre_mutex_unlock(&pair.mutex);
    gyre_mutex_destroy(&pair.mutex);
    return 0;
}

KERNEL_TEST2(M3_nobody_takes_a_mutex_that_is_handed_over)
{
    both(no_barging);
}

/* ---- guard --------------------------------------------------------------- */

static int with_guard(gyre_mutex *mutex, int result)
{
    GYRE_GUARD(guard, mutex);
    if (guard.error < 0)
        return guard.error;
    CHECK(gyre_mutex_is_mine(mutex));
    return result;
}

static int guards(void *flags)
{
    gyre_mutex mutex;
    gyre_scope scope;

    gyre_mutex_init(&mutex, (unsigned)(uintptr_t)flags);
    CHECK_EQ(with_guard(&mutex, 7), 7);
    CHECK(!gyre_mutex_is_mine(&mutex));
    gyre_scope_open(&scope, NULL);
    gyre_scope_cancel(&scope);
    CHECK_ERR(with_guard(&mutex, 7), -ECANCELED);
    CHECK_OK(gyre_scope_close(&scope));
    gyre_mutex_destroy(&mutex);
    return 0;
}

KERNEL_TEST2(M3_a_guard_ends_with_its_block)
{
    both(guards);
}

/* ---- from callbacks ------------------------------------------------------ */

static void use_in_callback(gyre_work *work)
{
    (void)work;
    CHECK(gyre_mutex_try_lock(&static_mutex));
    CHECK(gyre_mutex_is_mine(&static_mutex));
    gyre_mutex_unlock(&static_mutex);
}

KERNEL_TEST2(M3_a_callback_can_try)
{
    gyre_loop *loop;
    gyre_work work;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_loop_post(loop, &work, use_in_callback);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    gyre_loop_destroy(loop);
}

/* ---- misuse -------------------------------------------------------------- */

TEST_PANICS(M3_unlocking_what_is_not_locked_panics, "does not hold this mutex")
{
    gyre_mutex_unlock(&static_mutex);
}

static int lock_twice(void *arg)
{
    CHECK_OK(gyre_mutex_lock(&static_mutex));
    return arg == NULL ? gyre_mutex_lock(&static_mutex) : 0;
}

TEST_PANICS(M3_locking_twice_panics, "holds this mutex already")
{
    (void)gyre_run(NULL, lock_twice, NULL);
}

static int unlock_anothers(void *arg)
{
    (void)arg;
    gyre_mutex_unlock(&static_mutex);
    return 0;
}

TEST_PANICS(M3_unlocking_what_another_task_holds_panics,
            "does not hold this mutex")
{
    CHECK_OK(gyre_mutex_lock(&static_mutex)); /* by the thread, not a task */
    (void)gyre_run(NULL, unlock_anothers, NULL);
}

TEST_PANICS(M3_destroying_a_locked_mutex_panics, "still locked")
{
    CHECK_OK(gyre_mutex_lock(&static_mutex));
    gyre_mutex_destroy(&static_mutex);
}

TEST_PANICS(M3_an_unknown_flag_panics, "the only flag is GYRE_LOCAL")
{
    gyre_mutex_init(&static_mutex, 1u << 30);
}
