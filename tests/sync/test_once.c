/* SPDX-License-Identifier: MIT */
/*
 * Once: done by one, waited for by the others, tried again after a failure.
 * And the spinlock.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "sync/kinds.h"

static void both(int (*fn)(void *flags))
{
    must_run(fn, NULL);
    must_run(fn, (void *)(uintptr_t)GYRE_LOCAL);
}

/* ---- once ---------------------------------------------------------------- */

enum { CALLERS = 6 };

struct world {
    gyre_once once;
    unsigned calls;
    unsigned failures; /* so many fail first */
    bool inside;
    unsigned results[3]; /* success, failure, cancelled */
    unsigned turn;
};

static int work_slowly(void *arg)
{
    struct world *w = arg;

    CHECK(!w->inside);
    w->inside = true;
    w->calls++;
    (void)gyre_yield();
    (void)gyre_yield();
    w->inside = false;
    return w->calls <= w->failures ? -EIO : 7;
}

static int call_once(void *arg)
{
    struct world *w = arg;
    int err = gyre_once_run(&w->once, work_slowly, w);

    CHECK(err == 0 || err == -EIO || err == -ECANCELED);
    w->results[err == 0 ? 0 : err == -EIO ? 1 : 2]++;
    CHECK(err != 0 || gyre_once_is_done(&w->once));
    return 0;
}

static int call_with_failures(void *flags)
{
    for (unsigned failures = 0; failures <= CALLERS; failures++) {
        struct world w = { .failures = failures };
        gyre_scope scope;

        gyre_once_init(&w.once, (unsigned)(uintptr_t)flags);
        gyre_scope_open(&scope, NULL);
        for (unsigned i = 0; i < CALLERS; i++)
            CHECK_OK(gyre_spawn(&scope, call_once, &w));
        CHECK_OK(gyre_scope_close(&scope));
        CHECK_EQ(w.results[1], failures);
        CHECK_EQ(w.results[0], CALLERS - failures);
        CHECK_EQ(gyre_once_is_done(&w.once), failures < CALLERS);
        CHECK_EQ(w.calls, failures < CALLERS ? failures + 1 : failures);
        gyre_once_destroy(&w.once);
    }
    return 0;
}

KERNEL_TEST2(M1_once_is_done_by_one_and_tried_again_after_a_failure)
{
    both(call_with_failures);
}

static int cancel_callers(void *flags)
{
    struct world w = { .failures = 1 };
    gyre_task *tasks[3];
    gyre_scope scope;

    gyre_once_init(&w.once, (unsigned)(uintptr_t)flags);
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_spawn_with(&scope, NULL, call_once, &w, &tasks[i]));
    CHECK_OK(gyre_yield());
    gyre_task_cancel(tasks[1]); /* next in line */
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(w.results[0], 1u);
    CHECK_EQ(w.results[1], 1u);
    CHECK_EQ(w.results[2], 1u);
    CHECK_EQ(w.calls, 2u);

    /* Done, it can be had in a cancelled scope, too; another not begun. */
    gyre_scope_open(&scope, NULL);
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_once_run(&w.once, work_slowly, &w));
    gyre_once_destroy(&w.once);
    gyre_once_init(&w.once, (unsigned)(uintptr_t)flags);
    CHECK_ERR(gyre_once_run(&w.once, work_slowly, &w), -ECANCELED);
    CHECK_EQ(w.calls, 2u);
    CHECK_OK(gyre_scope_close(&scope));
    gyre_once_destroy(&w.once);
    return 0;
}

KERNEL_TEST2(M1_M12_a_cancelled_caller_of_once_is_passed_over)
{
    both(cancel_callers);
}

static gyre_once once = GYRE_ONCE_INIT;

static int run_again(void *arg)
{
    return gyre_once_run(&once, run_again, arg);
}

TEST_PANICS(M1_once_from_inside_itself_panics, "would wait for itself")
{
    CHECK_OK(gyre_once_run(&once, run_again, NULL));
}

static int destroy_it(void *arg)
{
    (void)arg;
    gyre_once_destroy(&once);
    return 0;
}

TEST_PANICS(M1_destroying_a_once_that_runs_panics, "while its function runs")
{
    CHECK_OK(gyre_once_run(&once, destroy_it, NULL));
}

static int made; /* by the function, without an atomic */
static atomic_uint makers;

static int make(void *arg)
{
    (void)arg;
    atomic_fetch_add(&makers, 1);
    made = 42;
    return 0;
}

static void *use_made(void *arg)
{
    CHECK_OK(gyre_once_run(&once, make, NULL));
    CHECK_EQ(made, 42);
    return arg;
}

TEST(M1_threads_see_what_once_has_made)
{
    pthread_t threads[8];

    for (int i = 0; i < 8; i++)
        CHECK_OK(pthread_create(&threads[i], NULL, use_made, NULL));
    for (int i = 0; i < 8; i++)
        CHECK_OK(pthread_join(threads[i], NULL));
    CHECK_EQ(atomic_load(&makers), 1u);
    gyre_once_destroy(&once);
}

/* ---- spinlock ------------------------------------------------------------ */

static gyre_spinlock spinlock = GYRE_SPINLOCK_INIT;
static unsigned long counter;

static unsigned long each(void)
{
    return 200000 / test_scale();
}

static void *count_up(void *arg)
{
    for (unsigned long i = 0; i < each(); i++) {
        while (i % 3 == 0 && !gyre_spin_try_lock(&spinlock))
            ;
        if (i % 3 != 0)
            gyre_spin_lock(&spinlock);
        counter++;
        gyre_spin_unlock(&spinlock);
    }
    return arg;
}

TEST(M13_a_spinlock_excludes_threads)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CHECK_OK(pthread_create(&threads[i], NULL, count_up, NULL));
    for (int i = 0; i < 4; i++)
        CHECK_OK(pthread_join(threads[i], NULL));
    CHECK_EQ(counter, 4 * each());
    CHECK(gyre_spin_try_lock(&spinlock));
    CHECK(!gyre_spin_try_lock(&spinlock));
    gyre_spin_unlock(&spinlock);
}

TEST_PANICS(M13_unlocking_an_open_spinlock_panics, "is not locked")
{
    gyre_spin_unlock(&spinlock);
}
