/* SPDX-License-Identifier: MIT */
/*
 * Tasks of several engines wait for the same primitive, of each kind: all are
 * let through, and those that are cancelled or out of time are not in its queue
 * any more, whoever was about to let them through.
 */
#include <errno.h>

#include "sync/kinds.h"

enum { ENGINES = 3, COUNT = 24, ROUNDS = 10 };

static const gyre_run_options engines = { .engines = ENGINES };
static const gyre_task_options next = { .where = GYRE_NEXT };

static void start_on_engines(struct client *clients, gyre_scope *scope)
{
    for (unsigned i = 0; i < COUNT; i++)
        CHECK_OK(gyre_spawn_with(scope, &next, client_run, &clients[i], NULL));
}

static void await_length(struct object *object, unsigned length)
{
    while (queue_length(object) < length)
        CHECK_OK(gyre_sleep(GYRE_MS / 10));
}

static void let_all_through(const struct kind *kind)
{
    struct client clients[COUNT];
    struct object object;
    gyre_scope scope;

    kind->init(&object, COUNT, 0);
    clients_init(clients, COUNT, kind, &object);
    gyre_scope_open(&scope, NULL);
    start_on_engines(clients, &scope);
    await_length(&object, COUNT);
    kind->open(&object);
    CHECK_OK(gyre_scope_close(&scope));
    for (unsigned i = 0; i < COUNT; i++)
        CHECK_OK(clients[i].result);
    kind->destroy(&object);
}

/* Some are there, some on their way, when they are cancelled and let through.
 */
static void cancel_meanwhile(const struct kind *kind, unsigned there)
{
    struct client clients[COUNT];
    struct object object;
    gyre_scope scope;

    kind->init(&object, COUNT, 0);
    clients_init(clients, COUNT, kind, &object);
    gyre_scope_open(&scope, NULL);
    start_on_engines(clients, &scope);
    await_length(&object, there);
    gyre_scope_cancel(&scope);
    if (!kind->counts)
        kind->open(&object);
    CHECK_OK(gyre_scope_close(&scope));
    for (unsigned i = 0; i < COUNT; i++)
        CHECK(clients[i].result == 0 || clients[i].result == -ECANCELED);
    CHECK_EQ(queue_length(&object), 0U);
    kind->destroy(&object);
}

static void run_out_of_time(const struct kind *kind, uint64_t delay_ns)
{
    gyre_scope_options options = { .deadline_ns = clock_ns() + delay_ns };
    struct client clients[COUNT];
    struct object object;
    gyre_scope scope;
    int err;

    kind->init(&object, COUNT, 0);
    clients_init(clients, COUNT, kind, &object);
    for (unsigned i = 0; i < COUNT; i += 2)
        clients[i].deadline_ns = options.deadline_ns - delay_ns / 4;
    gyre_scope_open(&scope, &options);
    start_on_engines(clients, &scope);
    (void)gyre_sleep(delay_ns / 2);
    if (!kind->counts)
        kind->open(&object);
    err = gyre_scope_close(&scope);
    CHECK(err == 0 || err == -ETIME);
    for (unsigned i = 0; i < COUNT; i++)
        CHECK(clients[i].result == 0 || clients[i].result == -ETIME ||
              clients[i].result == -ETIMEDOUT);
    CHECK_EQ(queue_length(&object), 0U);
    kind->destroy(&object);
}

static int each_kind_lets_through(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < kind_count; i++)
        let_all_through(&kinds[i]);
    return 0;
}

KERNEL_TEST2(M1_M3_M4_M5_M6_M7_M8_tasks_of_several_engines_are_let_through)
{
    CHECK_OK(gyre_run(&engines, each_kind_lets_through, NULL));
}

static int each_kind_is_left(void *arg)
{
    (void)arg;
    for (unsigned round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < kind_count; i++)
            cancel_meanwhile(&kinds[i], round * COUNT / ROUNDS);
    return 0;
}

KERNEL_TEST2(M12_tasks_of_several_engines_leave_when_cancelled)
{
    CHECK_OK(gyre_run(&engines, each_kind_is_left, NULL));
}

static int each_kind_is_given_up(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < kind_count; i++)
        run_out_of_time(&kinds[i], 4 * GYRE_MS);
    return 0;
}

KERNEL_TEST2(M12_tasks_of_several_engines_give_up_at_their_deadline)
{
    CHECK_OK(gyre_run(&engines, each_kind_is_given_up, NULL));
}

/* ---- what is local ------------------------------------------------------- */

static struct object local;

static int wait_locally(void *arg)
{
    (void)arg;
    return gyre_event_wait(&local.event, NULL);
}

static int wait_on_two(void *arg)
{
    const gyre_task_options far = { .where = GYRE_ENGINE(1) };
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, &far, wait_locally, arg, NULL));
    while (queue_length(&local) == 0)
        CHECK_OK(gyre_sleep(GYRE_MS));
    return gyre_event_wait(&local.event, NULL);
}

TEST_PANICS(M11_on_two_engines_none_waits_for_what_is_local, "GYRE_LOCAL")
{
    gyre_event_init(&local.event, GYRE_LOCAL);
    (void)gyre_run(&engines, wait_on_two, NULL);
}

static int set_from_elsewhere(void *arg)
{
    const gyre_task_options far = { .where = GYRE_ENGINE(1) };
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, &far, wait_locally, arg, NULL));
    while (queue_length(&local) == 0)
        CHECK_OK(gyre_sleep(GYRE_MS));
    CHECK_OK(gyre_event_set(&local.event, NULL));
    return gyre_scope_close(&scope);
}

TEST_PANICS(M11_what_is_local_is_not_given_by_another_engine, "GYRE_LOCAL")
{
    gyre_event_init(&local.event, GYRE_LOCAL);
    (void)gyre_run(&engines, set_from_elsewhere, NULL);
}
