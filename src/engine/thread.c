/* SPDX-License-Identifier: MIT */
/*
 * thread.c - what plain threads do with engines: see task/outside.h
 */
#include <errno.h>

#include "engine/engine.h"
#include "task/outside.h"

/* ---- block on ------------------------------------------------------------ */

/* The calling task is one of the engines': it spawns here, or elsewhere as the
 * options say, and joins. Cancelled, it still waits. */
static int run_from_task(gyre_scope *scope, const gyre_task_options *options,
                         gyre_task_fn *fn, void *arg)
{
    gyre_scope_options shielded = { .shield = true, .deadline_ns = GYRE_NEVER };
    gyre_scope shield;
    gyre_task *task;
    int result = 0;
    int err = gyre_spawn_with(scope, options, fn, arg, &task);

    if (err < 0)
        return err;
    if (gyre_join(task, &result) == 0)
        return result;
    gyre_task_cancel(task);
    gyre_scope_open(&shield, &shielded);
    err = gyre_join(task, &result);
    ASSERT(err == 0);
    err = gyre_scope_close(&shield);
    ASSERT(err == 0);
    return result;
}

/* Elsewhere: each engine in turn has its books. */
static int run_from_elsewhere(gyre_engines *engines, const void *site,
                              const gyre_task_options *options,
                              gyre_task_fn *fn, void *arg)
{
    unsigned n = atomic_fetch_add_explicit(&engines->next_books, 1,
                                           memory_order_relaxed);
    struct tasks *tasks = engines->engines[n % engines->count].tasks;

    return outside_run(site, &tasks->root, options, fn, arg);
}

static bool is_task_of(const gyre_engines *engines)
{
    return task_self != NULL && engine_self != NULL &&
           engine_self->set == engines &&
           task_self->tasks == engine_self->tasks;
}

int gyre_block_on(gyre_engines *engines, const gyre_task_options *options,
                  gyre_task_fn *fn, void *arg)
{
    int cancelled = task_self != NULL ? task_cancelled(task_self) : 0;
    int result;

    ASSERT_API(engines != NULL, "which engines? outside of them "
                                "gyre_engines_current() is NULL");
    ASSERT_API(fn != NULL, "a task needs a function");
    ASSERT_API(options == NULL || options->size == 0 ||
                   options->size == sizeof *options,
               "gyre_task_options.size is not that of this library");
    if (cancelled != 0)
        return cancelled;
    if (is_task_of(engines))
        result = run_from_task(&engine_self->tasks->root, options, fn, arg);
    else
        result = run_from_elsewhere(engines, __builtin_return_address(0),
                                    options, fn, arg);
    /* As the caller's own scope says. */
    if (result == -ECANCELED && task_self != NULL &&
        task_cancelled(task_self) != 0)
        result = task_cancelled(task_self);
    return result;
}

/* ---- a scope of a thread's own ------------------------------------------- */

int gyre_scope_open_on(gyre_engines *engines, unsigned n, gyre_scope *scope,
                       const gyre_scope_options *options)
{
    ASSERT_API(engines != NULL, "which engines? outside of them "
                                "gyre_engines_current() is NULL");
    ASSERT_API(n < engines->count, "there is no engine of that number: see "
                                   "gyre_engines_count()");
    ASSERT_API(task_self == NULL, "a task opens a scope by gyre_scope_open()");
    return outside_open(engines->engines[n].tasks, scope, options);
}
