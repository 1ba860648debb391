/* SPDX-License-Identifier: MIT */
/*
 * How engines end: what is asked of them then, what a shield keeps, and what is
 * said of an engine that could not go on.
 */
#include <pthread.h>
#include <sched.h>

#include "engine/crew.h"
#include "engine/engine.h"

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- after the end, and before they are freed ---------------------------- */

static void await_end(gyre_engines *engines)
{
    while (atomic_load(&engines->ended) < engines->count)
        sched_yield();
}

static void ask_in_vain(gyre_engines *engines)
{
    gyre_task *task;
    gyre_scope scope;

    for (unsigned n = 0; n < gyre_engines_count(engines); n++) {
        gyre_scope *outermost = gyre_engine_scope(engines, n);

        CHECK_ERR(gyre_block_on(engines, NULL, nothing, NULL), -ECANCELED);
        CHECK_ERR(gyre_spawn(outermost, nothing, NULL), -ECANCELED);
        CHECK_ERR(spawn_at(outermost, GYRE_HERE, nothing, NULL, &task),
                  -ECANCELED);
        if (gyre_task_current() == NULL)
            CHECK_ERR(gyre_scope_open_on(engines, n, &scope, NULL), -ECANCELED);
        gyre_scope_cancel(outermost);
    }
}

static int ask_in_vain_as_task(void *arg)
{
    ask_in_vain(arg);
    return 0;
}

static void ask_what_has_ended(unsigned count)
{
    gyre_engines *engines;

    CHECK_OK(
        gyre_engines_create(&engines, &(gyre_run_options){ .engines = count }));
    gyre_engines_shutdown(engines, NULL);
    await_end(engines);
    ask_in_vain(engines);
    CHECK_OK(gyre_run(NULL, ask_in_vain_as_task, engines));
    CHECK_OK(gyre_engines_wait(engines, NULL));
}

KERNEL_TEST2(L11_R9_engines_that_have_ended_refuse_what_is_asked)
{
    ask_what_has_ended(1);
    ask_what_has_ended(3);
}

/* ---- a shield, and its tasks on other engines ---------------------------- */

struct shielded {
    atomic_bool begun;
    atomic_uint kept;
};

static int keep_on(void *arg)
{
    struct shielded *shielded = arg;

    CHECK_OK(gyre_sleep(20 * GYRE_MS));
    atomic_fetch_add(&shielded->kept, 1);
    return 0;
}

/* From there a task goes to the next engine. */
static int keep_on_twice(void *arg)
{
    struct shielded *shielded = arg;

    CHECK_OK(
        spawn_at(gyre_scope_current(), GYRE_ENGINE(2), keep_on, arg, NULL));
    atomic_store(&shielded->begun, true);
    return keep_on(arg);
}

static int shield_and_stop(void *arg)
{
    static const gyre_scope_options shield = { .shield = true,
                                               .deadline_ns = GYRE_NEVER };
    struct shielded *shielded = arg;
    gyre_scope scope, below;

    gyre_scope_open(&scope, &shield);
    gyre_scope_open(&below, NULL);
    CHECK_OK(spawn_at(&below, GYRE_ENGINE(1), keep_on_twice, arg, NULL));
    while (!atomic_load(&shielded->begun))
        CHECK_OK(gyre_sleep(100 * GYRE_US));
    gyre_engines_shutdown(NULL, NULL);
    CHECK_OK(gyre_scope_close(&below));
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST2(L10_a_shield_holds_for_its_tasks_on_other_engines)
{
    struct shielded shielded = { .begun = false };

    run_on_engines(3, shield_and_stop, &shielded);
    CHECK_EQ(shielded.kept, 2u);
}

/* ---- a kernel that refuses ----------------------------------------------- */

static struct kernel_class refusing;
static const struct kernel_class *ordinary;
static bool has_refused;

/* Once. */
static int refuse(struct kernel *kernel, unsigned submit, unsigned want,
                  uint64_t deadline_ns)
{
    if (has_refused)
        return ordinary->enter(kernel, submit, want, deadline_ns);
    has_refused = true;
    return -EOWNERDEAD;
}

/* Who wakes a loop looks at its class: only while it sleeps, and who has sent
 * us may not be done with that. */
static int break_kernel(void *arg)
{
    gyre_loop *loop = gyre_loop_current();

    (void)arg;
    loop_await_calls(loop);
    ordinary = loop->kernel->class;
    refusing = *ordinary;
    refusing.enter = refuse;
    has_refused = false;
    loop->kernel->class = &refusing;
    return 0;
}

static int break_engine(void *arg)
{
    CHECK_OK(spawn_at(gyre_scope_current(), GYRE_ENGINE(1), break_kernel, arg,
                      NULL));
    return gyre_sleep(GYRE_NEVER) == -ECANCELED ? 7 : -EPROTO;
}

KERNEL_TEST2(L3_the_error_of_any_engine_is_that_of_the_run)
{
    gyre_engines *engines;

    CHECK_ERR(gyre_run(&(gyre_run_options){ .engines = 2 }, break_engine, NULL),
              -EOWNERDEAD);
    CHECK_OK(
        gyre_engines_create(&engines, &(gyre_run_options){ .engines = 2 }));
    CHECK_EQ(gyre_block_on(engines, NULL, break_engine, NULL), 7);
    CHECK_ERR(gyre_engines_wait(engines, NULL), -EOWNERDEAD);
}
