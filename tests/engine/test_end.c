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
