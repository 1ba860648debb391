/* SPDX-License-Identifier: MIT */
/*
 * run.c - the shortest way to tasks: a run
 *
 * Engine 0 is the calling thread's. A run is over when its first task has
 * returned and no engine has anything left, or when somebody stops a loop.
 */
#include <errno.h>
#include <gyre/sandbox.h>

#include "engine/engine.h"
#include "kernel/thread.h"
#include "loop/option.h"

/* The first task of a run: what it does, and what came of it. */
struct first {
    gyre_task_fn *fn;
    void *arg;
    gyre_engines *engines;
    gyre_failure failure;
    int result;
    bool finished;
};

static int first_main(void *arg)
{
    struct first *first = arg;

    first->result = first->fn(first->arg);
    if (first->result < 0)
        first->failure = failure_of(task_running(), first->result);
    first->finished = true;
    atomic_store(&first->engines->draining, true);
    return first->result;
}

bool run_begins_last;

static int spawn_first(gyre_engines *engines, struct first *first)
{
    const gyre_task_options last = { .where = GYRE_ENGINE(engines->count - 1) };
    gyre_scope *root = &engines->engines[0].tasks->root;

    return gyre_spawn_with(root, run_begins_last ? &last : NULL, first_main,
                           first, NULL);
}

/* Until nothing is left, or somebody stops a loop. */
static int run_all(gyre_engines *engines)
{
    struct engine *engine = &engines->engines[0];

    return engines->count == 1 ? tasks_run(engine->tasks)
                               : gyre_loop_run(engine->loop, GYRE_RUN_FOREVER);
}

/* The first task and all it leaves behind, on engines made for it. */
static int run_on(gyre_engines *engines, const gyre_run_options *options,
                  struct first *first)
{
    struct engine *engine = &engines->engines[0];
    int err = 0;
    int left;

    if (options->sandbox != NULL)
        err = gyre_sandbox(options->sandbox);
    if (err == 0) {
        err = engine_enter(engine);
        if (err < 0)
            (void)engine_refuse(engine, err);
    }
    if (err == 0)
        err = engines_begin(engines, 1);
    if (err < 0) {
        engines_free(engines);
        return err;
    }
    err = spawn_first(engines, first);
    if (err == 0)
        err = run_all(engines);
    else
        loop_create_says("no memory for the stack of the first task");
    engines_stop(engines);
    /* Stopped: the tasks that are left hear of it as a cancel. */
    engine_end(engine);
    left = engines_finish(engines, options->shutdown_report);
    if (err < 0)
        return err;
    ASSERT(first->finished || left < 0);
    return left < 0 ? left : first->result;
}

int gyre_run(const gyre_run_options *options, gyre_task_fn *fn, void *arg)
{
    struct first first = { .fn = fn, .arg = arg };
    struct engine *outer = engine_self;
    struct thread_cpus cpus;
    gyre_run_options o = { 0 };
    int result;

    if (options != NULL) {
        ASSERT_API(options->size == 0 || options->size == sizeof *options,
                   "gyre_run_options.size is not that of this library");
        o = *options;
    }
    if (o.shutdown_report != NULL) {
        ASSERT_API(o.shutdown_report->size == sizeof *o.shutdown_report,
                   "gyre_shutdown_report.size is not that of this library");
        *o.shutdown_report =
            (gyre_shutdown_report){ .size = o.shutdown_report->size };
    }
    result = engines_make(&first.engines, &o);
    if (result >= 0) {
        thread_get_cpus(&cpus);
        result = run_on(first.engines, &o, &first);
        engine_self = outer;
        if (o.cpu_count > 0)
            thread_set_cpus(&cpus);
    }
    /* It may have failed before there was a task to say where. */
    if (result < 0 && first.failure.error == 0)
        first.failure = (gyre_failure){ .error = result, .fd = -1 };
    if (o.failure != NULL)
        *o.failure = first.failure;
    return result;
}
