/* SPDX-License-Identifier: MIT */
/*
 * A primitive that ends while somebody waits for it: a panic if he has not been
 * let through, and nothing at all if he has, although whoever let him through
 * may still be inside the call.
 */
#include <pthread.h>
#include <stdlib.h>

#include "sync/kinds.h"

static const struct kind *doomed;
static bool passed_over;

static int destroy_under_a_waiter(void *arg)
{
    struct client client;
    struct object object;
    gyre_scope scope;

    (void)arg;
    doomed->init(&object, 1, 0);
    clients_init(&client, 1, doomed, &object);
    gyre_scope_open(&scope, NULL);
    clients_start(&client, 1, &scope);
    if (passed_over) {
        /* Passed over: off the queue, but still to come for the lock. */
        gyre_task_cancel(client.task);
        doomed->open(&object);
    }
    doomed->destroy(&object);
    return 0;
}

#define DESTROY_TEST(name, index, when)                                        \
    TEST_PANICS(name, "is destroyed while somebody waits for it")              \
    {                                                                          \
        doomed = &kinds[index];                                                \
        passed_over = (when);                                                  \
        (void)gyre_run(NULL, destroy_under_a_waiter, NULL);                    \
    }

DESTROY_TEST(M3_destroying_a_mutex_that_is_waited_for_panics, 0, false)
DESTROY_TEST(M4_destroying_a_rwlock_that_readers_wait_for_panics, 1, false)
DESTROY_TEST(M4_destroying_a_rwlock_that_writers_wait_for_panics, 2, false)
DESTROY_TEST(M5_destroying_a_condition_that_is_waited_for_panics, 3, false)
DESTROY_TEST(M8_destroying_a_semaphore_that_is_waited_for_panics, 5, false)
DESTROY_TEST(M1_destroying_an_event_that_is_waited_for_panics, 6, false)
DESTROY_TEST(M6_destroying_a_latch_that_is_waited_for_panics, 7, false)
DESTROY_TEST(M7_destroying_a_wait_group_that_is_waited_for_panics, 8, false)
DESTROY_TEST(M8_destroying_a_barrier_that_is_waited_for_panics, 9, false)
DESTROY_TEST(M12_destroying_a_mutex_before_a_cancelled_waiter_left_panics, 0,
             true)
DESTROY_TEST(M12_destroying_a_condition_before_a_cancelled_waiter_left_panics,
             3, true)
DESTROY_TEST(M12_destroying_an_event_before_a_cancelled_waiter_left_panics, 6,
             true)

/* ---- ended by the first who comes through -------------------------------- */

struct doomed {
    struct object object; /* on the heap, so that a late touch is seen */
    const struct kind *kind;
};

static void *let_through(void *arg)
{
    struct doomed *d = arg;

    d->kind->open(&d->object);
    return NULL;
}

static int end_at_once(void *arg)
{
    struct doomed *d = arg;
    int err = d->kind->wait(&d->object, GYRE_NEVER);

    if (d->kind->leave != NULL)
        d->kind->leave(&d->object);
    d->kind->destroy(&d->object);
    free(d);
    return err;
}

static void *end_at_once_in_thread(void *arg)
{
    CHECK_OK(end_at_once(arg));
    return NULL;
}

static void *end_at_once_in_task(void *arg)
{
    must_run(end_at_once, arg);
    return NULL;
}

/* Those whose open() touches the object once; a lock is opened by its holder,
 * who is the thread that made it. */
static bool can_be_raced(const struct kind *kind)
{
    return kind->leave == NULL && !kind->forgets && !kind->counts;
}

static void race_to_the_end(const struct kind *kind, bool in_task)
{
    struct doomed *d = malloc(sizeof *d);
    pthread_t waiter, opener;

    CHECK(d != NULL);
    d->kind = kind;
    kind->init(&d->object, 1, 0);
    CHECK_OK(pthread_create(&opener, NULL, let_through, d));
    CHECK_OK(pthread_create(
        &waiter, NULL, in_task ? end_at_once_in_task : end_at_once_in_thread,
        d));
    CHECK_OK(pthread_join(opener, NULL));
    CHECK_OK(pthread_join(waiter, NULL));
}

TEST(M1_M6_M7_who_comes_through_may_end_it_at_once)
{
    for (size_t i = 0; i < kind_count; i++)
        for (unsigned n = 0; n < 400 / test_scale(); n++)
            if (can_be_raced(&kinds[i]))
                race_to_the_end(&kinds[i], n % 4 == 0);
}
