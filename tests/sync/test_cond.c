/* SPDX-License-Identifier: MIT */
/*
 * The condition variable: the mutex is always held afterwards, no notify is
 * lost, and a predicate decides.
 */
#include <errno.h>
#include <pthread.h>

#include "sync/kinds.h"

struct world {
    gyre_mutex mutex;
    gyre_cond cond;
    unsigned tickets;
    unsigned woken;
    int result;
    gyre_task *task;
};

static void world_init(struct world *w, void *flags)
{
    *w = (struct world){ .result = 42 };
    gyre_mutex_init(&w->mutex, (unsigned)(uintptr_t)flags);
    gyre_cond_init(&w->cond, (unsigned)(uintptr_t)flags);
}

static void world_end(struct world *w)
{
    gyre_cond_destroy(&w->cond);
    gyre_mutex_destroy(&w->mutex);
}

static bool has_ticket(void *arg)
{
    struct world *w = arg;

    CHECK(gyre_mutex_is_mine(&w->mutex));
    return w->tickets > 0;
}

static int want_ticket(void *arg)
{
    struct world *w = arg;
    int err;

    CHECK_OK(gyre_mutex_lock(&w->mutex));
    err = gyre_cond_wait_for(&w->cond, &w->mutex, has_ticket, w, GYRE_NEVER);
    CHECK(gyre_mutex_is_mine(&w->mutex));
    w->result = err;
    if (err == 0)
        w->tickets--;
    w->woken++;
    gyre_mutex_unlock(&w->mutex);
    return 0;
}

static void give(struct world *w, unsigned tickets)
{
    CHECK_OK(gyre_mutex_lock(&w->mutex));
    w->tickets += tickets;
    gyre_cond_notify_all(&w->cond);
    gyre_mutex_unlock(&w->mutex);
}

static int wait_for_tickets(void *flags)
{
    struct world w;
    gyre_scope scope;

    world_init(&w, flags);
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 5; i++)
        CHECK_OK(gyre_spawn(&scope, want_ticket, &w));
    CHECK_OK(gyre_yield());
    give(&w, 2);
    for (int i = 0; i < 5; i++)
        CHECK_OK(gyre_yield());
    CHECK_EQ(w.woken, 2u); /* the others found nothing, and wait again */
    give(&w, 3);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(w.woken, 5u);
    CHECK_EQ(w.tickets, 0u);
    world_end(&w);
    return 0;
}

/* Cancelled, it gets the mutex all the same, in its turn. */
static int cancel_relocks(void *flags)
{
    struct world w;
    gyre_scope scope;

    world_init(&w, flags);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, NULL, want_ticket, &w, &w.task));
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_mutex_lock(&w.mutex));
    gyre_task_cancel(w.task);
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_yield());
    CHECK_EQ(w.woken, 0u); /* it waits for the mutex, shielded */
    gyre_mutex_unlock(&w.mutex);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(w.result, -ECANCELED);
    world_end(&w);
    return 0;
}

/* The wait ends, but what was waited for has come meanwhile: 0. */
static int predicate_wins(void *flags)
{
    struct world w;
    gyre_scope scope;

    world_init(&w, flags);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, NULL, want_ticket, &w, &w.task));
    CHECK_OK(gyre_yield());
    w.tickets = 1; /* and no notify */
    gyre_task_cancel(w.task);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_OK(w.result);
    CHECK_OK(gyre_mutex_lock(&w.mutex));
    CHECK_ERR(gyre_cond_wait_for(&w.cond, &w.mutex, has_ticket, &w, 1),
              -ETIMEDOUT);
    CHECK_ERR(gyre_cond_wait_until(&w.cond, &w.mutex, 1), -ETIMEDOUT);
    CHECK(gyre_mutex_is_mine(&w.mutex));
    gyre_mutex_unlock(&w.mutex);
    world_end(&w);
    return 0;
}

static int just_wait(void *arg)
{
    struct world *w = arg;

    CHECK_OK(gyre_mutex_lock(&w->mutex));
    if (gyre_cond_wait(&w->cond, &w->mutex) == 0)
        w->woken++;
    gyre_mutex_unlock(&w->mutex);
    return 0;
}

/* One notify wakes one; without anybody waiting it is gone. */
static int count_wakes(void *flags)
{
    gyre_task *tasks[4];
    struct world w;
    gyre_scope scope;

    world_init(&w, flags);
    gyre_cond_notify_one(&w.cond);
    gyre_cond_notify_all(&w.cond);
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 4; i++)
        CHECK_OK(gyre_spawn_with(&scope, NULL, just_wait, &w, &tasks[i]));
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_yield());
    CHECK_EQ(w.woken, 0u);
    gyre_cond_notify_one(&w.cond);
    CHECK_OK(gyre_yield());
    CHECK_EQ(w.woken, 1u);
    /* The cancel came first, so the notify is for the next. */
    gyre_task_cancel(tasks[1]);
    gyre_cond_notify_one(&w.cond);
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_yield());
    CHECK_EQ(w.woken, 2u);
    gyre_cond_notify_all(&w.cond);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(w.woken, 3u);
    world_end(&w);
    return 0;
}

static void both(int (*fn)(void *flags))
{
    must_run(fn, NULL);
    must_run(fn, (void *)(uintptr_t)GYRE_LOCAL);
}

KERNEL_TEST2(M5_a_predicate_is_asked_with_the_mutex_held_until_it_holds)
{
    both(wait_for_tickets);
}

KERNEL_TEST2(M5_M12_the_mutex_is_held_after_a_cancel)
{
    both(cancel_relocks);
}

KERNEL_TEST2(M5_M12_a_predicate_that_holds_is_worth_more_than_the_cancel)
{
    both(predicate_wins);
}

KERNEL_TEST2(M5_a_notify_wakes_one_that_waits_and_nobody_later)
{
    both(count_wakes);
}

TEST_PANICS(M5_waiting_without_the_mutex_panics, "holds its mutex")
{
    gyre_mutex mutex = GYRE_MUTEX_INIT;
    gyre_cond cond = GYRE_COND_INIT;

    CHECK_OK(gyre_cond_wait(&cond, &mutex));
}
