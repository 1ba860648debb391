/* SPDX-License-Identifier: MIT */
/*
 * A task on another engine than its scope's: results, errors, cancels and
 * deadlines reach across, and the scope waits for it as for any child.
 */
#include "engine/crew.h"

/* ---- where it runs, and what it gives ------------------------------------ */

static int number_of_engine(void *arg)
{
    *(int *)arg = gyre_engine_current();
    return 40 + gyre_engine_current();
}

static int join_from_each(void *arg)
{
    unsigned count = *(unsigned *)arg;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    for (unsigned n = 0; n < count; n++) {
        gyre_task *task;
        int engine = -1, result = 0;

        CHECK_OK(
            spawn_at(&scope, GYRE_ENGINE(n), number_of_engine, &engine, &task));
        CHECK_OK(gyre_join(task, &result));
        CHECK_EQ(engine, (int)n);
        CHECK_EQ(result, 40 + (int)n);
    }
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST(L3_L7_tasks_run_on_the_engine_they_are_sent_to)
{
    for (unsigned count = 1; count <= 4; count++)
        run_on_engines(count, join_from_each, &count);
}

static int scribble_and_sleep(void *arg)
{
    volatile char frame[2048];

    (void)arg;
    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = (char)0xa5;
    return gyre_sleep(GYRE_MS);
}

static int use_stacks_again(void *arg)
{
    gyre_scope scope;

    (void)arg;
    for (int round = 0; round < 4; round++) {
        gyre_scope_open(&scope, NULL);
        for (int i = 0; i < 8; i++)
            CHECK_OK(spawn_at(&scope, round % 2 == 0 ? GYRE_HERE : GYRE_NEXT,
                              scribble_and_sleep, NULL, NULL));
        CHECK_OK(gyre_scope_close(&scope));
    }
    return 0;
}

KERNEL_TEST(L3_tasks_are_sent_on_stacks_that_others_have_used)
{
    run_on_engines(2, use_stacks_again, NULL);
}

static int sleep_and_count(void *arg)
{
    CHECK_OK(gyre_sleep(GYRE_MS));
    atomic_fetch_add((atomic_uint *)arg, 1);
    return 0;
}

static int close_waits(void *arg)
{
    atomic_uint count = 0;
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 20; i++)
        CHECK_OK(spawn_at(&scope, GYRE_ENGINE(i % 2), sleep_and_count, &count,
                          NULL));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(count, 20);
    return 0;
}

KERNEL_TEST(L3_a_scope_waits_for_its_children_on_other_engines)
{
    run_on_engines(2, close_waits, NULL);
}

static int leave_on_all(void *arg)
{
    CHECK_OK(gyre_spawn_all(gyre_engine_scope(gyre_engines_current(), 0), NULL,
                            sleep_and_count, arg, NULL));
    return 0;
}

KERNEL_TEST(L3_L8_a_run_waits_for_what_is_left_on_all_engines)
{
    atomic_uint count = 0;

    run_on_engines(3, leave_on_all, &count);
    CHECK_EQ(count, 3);
}

/* ---- errors -------------------------------------------------------------- */

static int fail(void *arg)
{
    (void)arg;
    return GYRE_FAIL(-EPROTO, "as asked");
}

static int sleep_long(void *arg)
{
    int result = gyre_sleep(GYRE_NEVER);

    if (arg != NULL)
        *(int *)arg = result;
    return result;
}

static int errors_cancel(void *arg)
{
    int result = 0, far_result = 0;
    gyre_failure failure;
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(spawn_at(&scope, GYRE_HERE, sleep_long, &result, NULL));
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(2), sleep_long, &far_result, NULL));
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), fail, NULL, NULL));
    CHECK_EQ(gyre_scope_close(&scope), -EPROTO);
    CHECK_EQ(result, -ECANCELED);
    CHECK_EQ(far_result, -ECANCELED);
    gyre_task_failure(&failure);
    CHECK_STR_EQ(failure.text, "as asked");
    return 0;
}

KERNEL_TEST(L3_an_error_on_one_engine_cancels_siblings_on_others)
{
    run_on_engines(3, errors_cancel, NULL);
}

/* ---- cancels and deadlines ----------------------------------------------- */

static int cancel_reaches(void *arg)
{
    int results[8] = { 0 };
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 8; i++)
        CHECK_OK(spawn_at(&scope, GYRE_ENGINE(i % 2), sleep_long, &results[i],
                          NULL));
    CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    for (int i = 0; i < 8; i++)
        CHECK_EQ(results[i], -ECANCELED); /* I9, I13 */
    return 0;
}

KERNEL_TEST(L3_a_cancel_reaches_other_engines)
{
    run_on_engines(2, cancel_reaches, NULL);
}

static int deadline_reaches(void *arg)
{
    gyre_scope_options options = { .deadline_ns =
                                       gyre_deadline_in(2 * GYRE_MS) };
    int result = 0, later = 0;
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, &options);
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), sleep_long, &result, NULL));
    CHECK_EQ(gyre_scope_close(&scope), -ETIME);
    CHECK_EQ(result, -ETIME);
    /* One that is set when the task is there already. */
    gyre_scope_open(&scope, NULL);
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), sleep_long, &later, NULL));
    CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_scope_set_deadline(&scope, gyre_deadline_in(2 * GYRE_MS));
    CHECK_EQ(gyre_scope_close(&scope), -ETIME);
    CHECK_EQ(later, -ETIME);
    return 0;
}

KERNEL_TEST(L3_a_deadline_reaches_other_engines)
{
    run_on_engines(2, deadline_reaches, NULL);
}

static int cancel_one(void *arg)
{
    int cut = 0, result = 0;
    gyre_task *task;
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), sleep_long, &cut, &task));
    CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_task_cancel(task);
    CHECK_OK(gyre_join(task, &result));
    CHECK_EQ(result, -ECANCELED);
    CHECK_EQ(cut, -ECANCELED);
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST(L3_one_task_of_another_engine_is_cancelled)
{
    run_on_engines(2, cancel_one, NULL);
}

/* ---- what it leaves in its part of the scope ----------------------------- */

static int leave_child(void *arg)
{
    CHECK(gyre_scope_current() != NULL);
    return gyre_spawn(gyre_scope_current(), sleep_and_count, arg);
}

static int part_waits(void *arg)
{
    atomic_uint count = 0;
    gyre_scope scope;
    gyre_task *task;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), leave_child, &count, &task));
    CHECK_OK(gyre_join(task, NULL));
    CHECK_EQ(count, 1);
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST(L3_a_part_of_a_scope_ends_with_what_was_spawned_into_it)
{
    run_on_engines(2, part_waits, NULL);
}

/* ---- a task cancels itself, or one beside it ----------------------------- */

static int cancel_oneself(void *arg)
{
    (void)arg;
    gyre_task_cancel(gyre_task_current());
    CHECK_ERR(gyre_cancelled(), -ECANCELED);
    CHECK_ERR(gyre_sleep(GYRE_NEVER), -ECANCELED);
    return -ECANCELED;
}

static int cancel_themselves(void *arg)
{
    gyre_task *task;
    gyre_scope scope;
    int result = 0;

    (void)arg;
    for (unsigned n = 0; n < 2; n++) {
        gyre_scope_open(&scope, NULL);
        CHECK_OK(spawn_at(&scope, GYRE_ENGINE(n), cancel_oneself, NULL, NULL));
        CHECK_OK(spawn_at(&scope, GYRE_ENGINE(n), cancel_oneself, NULL, &task));
        CHECK_OK(gyre_join(task, &result));
        CHECK_EQ(result, -ECANCELED);
        CHECK_OK(gyre_scope_close(&scope)); /* it was no error of the scope */
        CHECK_OK(gyre_scope_cancelled(&scope));
    }
    return 0;
}

KERNEL_TEST(L3_a_task_on_another_engine_cancels_itself)
{
    run_on_engines(2, cancel_themselves, NULL);
}

struct victim {
    _Atomic(gyre_task *) task;
    atomic_bool cancelled;
};

static int be_cancelled(void *arg)
{
    struct victim *victim = arg;

    atomic_store(&victim->task, gyre_task_current());
    CHECK_ERR(gyre_sleep(GYRE_NEVER), -ECANCELED);
    atomic_store(&victim->cancelled, true);
    return -ECANCELED;
}

static int cancel_victim(void *arg)
{
    struct victim *victim = arg;

    while (atomic_load(&victim->task) == NULL)
        CHECK_OK(gyre_yield());
    gyre_task_cancel(atomic_load(&victim->task));
    return 0;
}

static int cancel_beside(void *arg)
{
    gyre_scope scope;
    gyre_task *task;

    (void)arg;
    for (unsigned n = 0; n <= 3; n++) {
        struct victim victim = { .task = NULL };
        int where = GYRE_ENGINE(n == 3 ? 2 : 1);
        bool has_handle = n != 0;

        gyre_scope_open(&scope, NULL);
        CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), be_cancelled, &victim,
                          has_handle ? &task : NULL));
        CHECK_OK(spawn_at(&scope, where, cancel_victim, &victim, NULL));
        CHECK_OK(gyre_scope_close(&scope));
        CHECK(atomic_load(&victim.cancelled));
    }
    return 0;
}

KERNEL_TEST(L3_a_task_on_another_engine_cancels_one_beside_it)
{
    run_on_engines(3, cancel_beside, NULL);
}
