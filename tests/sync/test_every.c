/* SPDX-License-Identifier: MIT */
/*
 * What holds for every primitive, shared and local, on every kernel: order,
 * cancel, deadlines, shields, and who is asked to leave the queue.
 */
#include <errno.h>
#include <stdlib.h>

#include "sync/kinds.h"

static gyre_scope_options from_now(uint64_t delay_ns)
{
    return (gyre_scope_options){ .deadline_ns = clock_ns() + delay_ns };
}

static void check_untouched(const struct client *clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        CHECK(!clients[i].ended);
}

/* ---- order --------------------------------------------------------------- */

static void serve_in_order(const struct kind *kind, unsigned flags)
{
    enum { COUNT = 50 };
    struct client clients[COUNT];
    struct object object;
    gyre_scope scope;

    kind->init(&object, COUNT, flags);
    clients_init(clients, COUNT, kind, &object);
    gyre_scope_open(&scope, NULL);
    clients_start(clients, COUNT, &scope);
    CHECK_EQ(queue_length(&object), (unsigned)COUNT);
    check_untouched(clients, COUNT);
    kind->open(&object);
    check_untouched(clients, COUNT); /* nothing runs inside the call */
    CHECK_OK(gyre_scope_close(&scope));
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK_OK(clients[i].result);
        CHECK_EQ(clients[i].turn, i + 1);
    }
    kind->destroy(&object);
}

KERNEL_TEST(M1_M3_M4_M5_M6_M7_M8_who_waits_first_is_served_first)
{
    for_each_kind(serve_in_order);
}

static void serve_very_many(const struct kind *kind, unsigned flags,
                            unsigned count)
{
    struct client *clients = malloc(count * sizeof *clients);
    struct object object;
    gyre_scope scope;

    CHECK(clients != NULL);
    kind->init(&object, count, flags);
    clients_init(clients, count, kind, &object);
    gyre_scope_open(&scope, NULL);
    clients_start(clients, count, &scope);
    while (queue_length(&object) < count)
        (void)gyre_yield();
    kind->open(&object);
    CHECK_OK(gyre_scope_close(&scope));
    for (unsigned i = 0; i < count; i++)
        CHECK_EQ(clients[i].turn, i + 1);
    kind->destroy(&object);
    free(clients);
}

static void serve_many(const struct kind *kind, unsigned flags)
{
    serve_very_many(kind, flags, many_tasks(5000));
}

KERNEL_TEST2(M1_M3_M4_M5_M6_M7_M8_thousands_wait_for_one)
{
    for_each_kind(serve_many);
}

static int serve_most(void *kind)
{
    serve_very_many(kind, 0, many_tasks(100000) / test_scale());
    return 0;
}

#define MOST_TEST(name, index)                                                 \
    TEST(name)                                                                 \
    {                                                                          \
        struct kind kind = kinds[index];                                       \
                                                                               \
        must_run(serve_most, &kind);                                           \
    }

MOST_TEST(M3_a_hundred_thousand_wait_for_a_mutex, 0)
MOST_TEST(M4_a_hundred_thousand_wait_for_a_rwlock, 2)
MOST_TEST(M5_a_hundred_thousand_wait_for_a_condition, 4)
MOST_TEST(M8_a_hundred_thousand_wait_for_a_semaphore, 5)
MOST_TEST(M1_a_hundred_thousand_wait_for_an_event, 6)
MOST_TEST(M6_a_hundred_thousand_wait_for_a_latch, 7)
MOST_TEST(M7_a_hundred_thousand_wait_for_a_wait_group, 8)
MOST_TEST(M8_a_hundred_thousand_wait_for_a_barrier, 9)

/* ---- cancel -------------------------------------------------------------- */

static void refuse_the_cancelled(const struct kind *kind, unsigned flags)
{
    struct client client;
    struct object object;
    gyre_scope scope;

    kind->init(&object, 1, flags);
    clients_init(&client, 1, kind, &object);
    gyre_scope_open(&scope, NULL);
    gyre_scope_cancel(&scope);
    CHECK_EQ(kind->wait(&object, GYRE_NEVER), -ECANCELED);
    CHECK_EQ(gyre_spawn(&scope, client_run, &client), 0);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(client.result, -ECANCELED);
    CHECK_EQ(queue_length(&object), 0u);
    if (!kind->counts)
        kind->open(&object);
    kind->destroy(&object);
}

KERNEL_TEST2(M12_a_cancelled_task_does_not_even_begin_to_wait)
{
    for_each_kind(refuse_the_cancelled);
}

/* Cancel some of those who wait; the others are served in their order. */
static void cancel_some(const struct kind *kind, unsigned flags, unsigned which)
{
    enum { COUNT = 5 };
    struct client clients[COUNT];
    struct object object;
    gyre_scope scope;
    unsigned cancelled = 0, turn = 0;

    kind->init(&object, COUNT, flags);
    clients_init(clients, COUNT, kind, &object);
    gyre_scope_open(&scope, NULL);
    clients_start(clients, COUNT, &scope);
    for (unsigned i = 0; i < COUNT; i++)
        if ((which >> i & 1) != 0) {
            gyre_task_cancel(clients[i].task);
            cancelled++;
        }
    (void)gyre_yield();
    for (unsigned i = 0; i < COUNT; i++)
        CHECK_EQ(clients[i].ended, (which >> i & 1) != 0);
    CHECK_EQ(queue_length(&object), COUNT - cancelled);
    kind->open(&object);
    CHECK_OK(gyre_scope_close(&scope));
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK_ERR(clients[i].result, which >> i & 1 ? -ECANCELED : 0);
        if (clients[i].result < 0)
            continue;
        CHECK_GT(clients[i].turn, turn);
        turn = clients[i].turn;
    }
    kind->destroy(&object);
}

static void cancel_each_set(const struct kind *kind, unsigned flags)
{
    if (kind->counts)
        return;
    for (unsigned which = 0; which < 32; which++)
        cancel_some(kind, flags, which);
}

/* I12 */
KERNEL_TEST2(M12_M3_M4_M5_M8_a_cancelled_waiter_leaves_the_others_as_they_were)
{
    for_each_kind(cancel_each_set);
}

/* The cancel came first: the wait has ended, and what is given goes to the
 * next, although the first has not run yet. */
static void cancel_then_open(const struct kind *kind, unsigned flags)
{
    struct client clients[2];
    struct object object;
    gyre_scope scope;

    if (kind->counts)
        return;
    kind->init(&object, 1, flags);
    clients_init(clients, 2, kind, &object);
    gyre_scope_open(&scope, NULL);
    clients_start(clients, 2, &scope);
    gyre_task_cancel(clients[0].task);
    kind->open(&object);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(clients[0].result, -ECANCELED);
    CHECK_OK(clients[1].result);
    kind->destroy(&object);
}

/* I12 */
KERNEL_TEST2(M12_who_was_cancelled_first_is_passed_over)
{
    for_each_kind(cancel_then_open);
}

/* What was given is kept, whatever comes then. False: the machine was so slow
 * that the deadline came before. */
static bool open_before_all(const struct kind *kind, unsigned flags,
                            uint64_t delay_ns)
{
    struct client clients[2];
    struct object object;
    gyre_scope scope;
    bool in_time;

    kind->init(&object, 2, flags);
    clients_init(clients, 2, kind, &object);
    clients[0].deadline_ns = clock_ns() + delay_ns;
    gyre_scope_open(&scope, NULL);
    clients_start(clients, 2, &scope);
    in_time = !clients[0].ended;
    while (clock_ns() < clients[0].deadline_ns)
        ; /* the timer is due, but has not run */
    if (in_time || !kind->counts)
        kind->open(&object);
    else
        gyre_task_cancel(clients[1].task);
    if (in_time)
        gyre_task_cancel(clients[0].task);
    CHECK_OK(gyre_scope_close(&scope));
    if (in_time) {
        CHECK_OK(clients[0].result);
        CHECK_OK(clients[1].result);
    }
    kind->destroy(&object);
    return in_time;
}

static void open_then_cancel(const struct kind *kind, unsigned flags)
{
    uint64_t delay_ns = GYRE_MS;

    while (!open_before_all(kind, flags, delay_ns))
        delay_ns *= 2;
}

/* I12 */
KERNEL_TEST2(M12_what_was_given_is_kept_when_a_cancel_or_a_deadline_comes_then)
{
    for_each_kind(open_then_cancel);
}

struct shielded {
    const struct kind *kind;
    struct object *object;
    int result;
    int after;
};

static int wait_shielded(void *arg)
{
    struct shielded *s = arg;
    gyre_scope_options options = { .shield = true, .deadline_ns = GYRE_NEVER };
    gyre_scope scope;

    gyre_scope_open(&scope, &options);
    s->result = s->kind->wait(s->object, GYRE_NEVER);
    if (s->result == 0 && s->kind->leave != NULL)
        s->kind->leave(s->object);
    CHECK_OK(gyre_scope_close(&scope));
    s->after = gyre_cancelled();
    return 0;
}

static void wait_in_shield(const struct kind *kind, unsigned flags)
{
    struct object object;
    struct shielded s = { .kind = kind, .object = &object, .result = 42 };
    gyre_scope scope;

    kind->init(&object, 1, flags);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, wait_shielded, &s));
    (void)gyre_yield();
    CHECK_EQ(queue_length(&object), 1u);
    gyre_scope_cancel(&scope);
    for (int i = 0; i < 3; i++)
        (void)gyre_yield();
    CHECK_EQ(queue_length(&object), 1u);
    CHECK_EQ(s.result, 42);
    if (kind->counts) { /* would itself wait in the cancelled scope */
        gyre_scope_options o = { .shield = true, .deadline_ns = GYRE_NEVER };
        gyre_scope inner;

        gyre_scope_open(&inner, &o);
        kind->open(&object);
        CHECK_OK(gyre_scope_close(&inner));
    } else {
        kind->open(&object);
    }
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_OK(s.result);
    CHECK_ERR(s.after, -ECANCELED);
    kind->destroy(&object);
}

KERNEL_TEST2(M12_R2_a_shielded_wait_survives_the_cancel)
{
    for_each_kind(wait_in_shield);
}

/* ---- deadlines ----------------------------------------------------------- */

static void reach_own_deadlines(const struct kind *kind, unsigned flags)
{
    struct client clients[3];
    struct object object;
    gyre_scope scope;

    kind->init(&object, 3, flags);
    clients_init(clients, 3, kind, &object);
    clients[0].deadline_ns = 1;
    clients[2].deadline_ns = clock_ns() + GYRE_MS;
    clients[1].deadline_ns = clock_ns() + 2 * GYRE_MS;
    gyre_scope_open(&scope, NULL);
    clients_start(clients, 3, &scope);
    CHECK(clients[0].ended); /* it did not wait */
    while (!clients[1].ended)
        (void)gyre_yield();
    CHECK_GE(clock_ns(), clients[1].deadline_ns); /* I5 */
    CHECK_OK(gyre_scope_close(&scope));
    for (int i = 0; i < 3; i++)
        CHECK_ERR(clients[i].result, -ETIMEDOUT);
    CHECK_EQ(queue_length(&object), 0u);
    if (!kind->counts)
        kind->open(&object);
    kind->destroy(&object);
}

KERNEL_TEST2(M12_waits_end_by_their_own_deadline)
{
    for_each_kind(reach_own_deadlines);
}

static void reach_scopes_deadline(const struct kind *kind, unsigned flags)
{
    gyre_scope_options options = from_now(GYRE_MS);
    struct client client;
    struct object object;
    gyre_scope scope;

    kind->init(&object, 1, flags);
    clients_init(&client, 1, kind, &object);
    gyre_scope_open(&scope, &options);
    clients_start(&client, 1, &scope);
    CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    CHECK_GE(clock_ns(), options.deadline_ns); /* I5 */
    CHECK_ERR(client.result, -ETIME);
    CHECK_EQ(queue_length(&object), 0u);
    if (!kind->counts)
        kind->open(&object);
    kind->destroy(&object);
}

KERNEL_TEST2(M12_R3_waits_end_by_the_deadline_of_their_scope)
{
    for_each_kind(reach_scopes_deadline);
}

static void open_in_time(const struct kind *kind, unsigned flags)
{
    struct client clients[2];
    struct object object;
    gyre_scope scope;

    kind->init(&object, 2, flags);
    clients_init(clients, 2, kind, &object);
    clients[0].deadline_ns = clients[1].deadline_ns = clock_ns() +
                                                      1000 * GYRE_SECOND;
    gyre_scope_open(&scope, NULL);
    clients_start(clients, 2, &scope);
    kind->open(&object);
    CHECK_OK(gyre_scope_close(&scope)); /* and does not wait for the timers */
    CHECK_OK(clients[0].result);
    CHECK_OK(clients[1].result);
    kind->destroy(&object);
}

KERNEL_TEST2(M12_what_comes_before_the_deadline_is_had)
{
    for_each_kind(open_in_time);
}

static void take_what_is_there(const struct kind *kind, unsigned flags)
{
    struct object object;

    if (kind->counts)
        return;
    kind->init(&object, 1, flags);
    kind->open(&object);
    CHECK_ERR(kind->wait(&object, 1), kind->forgets ? -ETIMEDOUT : 0);
    if (!kind->forgets && kind->leave != NULL)
        kind->leave(&object);
    kind->destroy(&object);
}

KERNEL_TEST2(M12_a_deadline_that_has_passed_takes_what_is_there)
{
    for_each_kind(take_what_is_there);
}
