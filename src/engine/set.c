/* SPDX-License-Identifier: MIT */
/*
 * set.c - engines, their loops and their threads
 *
 * All loops are made by the thread that makes the set, so that what goes wrong
 * is told at once, and each goes to its thread with its first turn. A loop is
 * destroyed by its thread, when no engine has a task left.
 */
#include <errno.h>
#include <gyre/blocking_pool.h>
#include <gyre/stall.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "kernel/thread.h"
#include "loop/option.h"

_Thread_local struct engine *engine_self;

static unsigned count_wanted(const gyre_run_options *options)
{
    unsigned count = options->engines;

    if (count == GYRE_EACH_CPU)
        count = thread_cpu_count();
    if (count == 0)
        count = 1;
    return count;
}

/* ---- make ---------------------------------------------------------------- */

static int engine_make(gyre_engines *set, unsigned number,
                       const gyre_run_options *options,
                       const gyre_loop_options *loop_options)
{
    struct engine *engine = &set->engines[number];
    int err;

    engine->set = set;
    engine->number = number;
    engine->random = (number + 1) * UINT64_C(0x9E3779B97F4A7C15);
    engine->cpu = -1;
    list_init(&engine->queue.tasks);
    if (options->cpu_count > 0)
        engine->cpu = (int)options->cpus[number % options->cpu_count];
    err = gyre_loop_create(&engine->loop, loop_options);
    if (err < 0)
        return err;
    err = tasks_prepare(engine->loop, options);
    if (err < 0)
        return err;
    engine->tasks = engine->loop->tasks;
    engine->tasks->engine = engine;
    engine->loop->engine = engine;
    list_init(&engine->hooks);
    engine_init_alarm(engine);
    if (set->count > 1) {
        engine->tasks->placing = &engine_placing;
        engine->loop->company = &engine_company;
    }
    return 0;
}

/* With a pool of threads for all, which ends with the last loop. */
static int engines_make_each(gyre_engines *set, const gyre_run_options *options)
{
    gyre_loop_options loop_options = { 0 };
    gyre_blocking_pool *pool = NULL;
    int err = 0;

    if (options->loop != NULL)
        loop_options = *options->loop;
    if (options->sandbox != NULL)
        loop_options.ring.restrictable = true;
    if (set->count > 1)
        err = loop_share_threads(&loop_options, &pool);
    for (unsigned i = 0; err == 0 && i < set->count; i++)
        err = engine_make(set, i, options, &loop_options);
    gyre_blocking_pool_destroy(pool);
    return err;
}

int engines_make(gyre_engines **engines, const gyre_run_options *options)
{
    unsigned count = count_wanted(options);
    gyre_engines *set;
    int err;

    if (count > ENGINES_MAX)
        return -EINVAL;
    set = alloc_aligned(_Alignof(gyre_engines),
                        sizeof *set + count * sizeof set->engines[0]);
    if (set == NULL)
        return -ENOMEM;
    memset(set, 0, sizeof *set + count * sizeof set->engines[0]);
    set->count = count;
    set->stall_ns = options->stall_ns;
    shutdown_init(&set->shutdown);
    set->name = options->name != NULL ? options->name : "gyre";
    err = engines_make_each(set, options);
    if (err < 0) {
        engines_free(set);
        return err;
    }
    *engines = set;
    return 0;
}

/* ---- their threads ------------------------------------------------------- */

static int engine_watch(struct engine *engine)
{
    const gyre_stall_options options = { .threshold_ns =
                                             engine->set->stall_ns };

    return options.threshold_ns == 0
               ? 0
               : gyre_loop_watch_stalls(engine->loop, &options);
}

int engine_enter(struct engine *engine)
{
    int err = engine->cpu >= 0 ? thread_bind((unsigned)engine->cpu) : 0;

    if (err == 0)
        err = loop_attach(engine->loop);
    if (err < 0)
        return err;
    engine_self = engine;
    engine->running = &task_self;
    return engine_watch(engine);
}

/* Tell who waits in engines_begin(). */
static void engine_has_begun(struct engine *engine, int error)
{
    engine->error = error;
    __atomic_store_n(&engine->begun, 1, __ATOMIC_RELEASE);
    thread_wake(&engine->begun);
}

/* Until all have begun. */
static bool engine_may_go(gyre_engines *set)
{
    uint32_t go;

    while ((go = __atomic_load_n(&set->go, __ATOMIC_ACQUIRE)) == ENGINES_WAIT)
        (void)thread_wait(&set->go, ENGINES_WAIT, UINT64_MAX);
    return go == ENGINES_GO;
}

static void *engine_main(void *arg)
{
    struct engine *engine = arg;
    gyre_engines *set = engine->set;
    int err;

    thread_set_name(set->name, engine->number);
    err = engine_enter(engine);
    engine_has_begun(engine, err);
    if (engine_may_go(set)) {
        err = gyre_loop_run(engine->loop, GYRE_RUN_FOREVER);
        engine->error = err < 0 ? err : 0;
        /* Whoever stops one stops all. */
        engines_stop(set);
        engine_end(engine);
        engine_await_fate(engine);
    }
    /* Else it is its maker's. */
    if (err >= 0 || engine_self != NULL)
        engine_free(engine);
    return NULL;
}

static void engine_await_begin(struct engine *engine)
{
    while (__atomic_load_n(&engine->begun, __ATOMIC_ACQUIRE) == 0)
        (void)thread_wait(&engine->begun, 0, UINT64_MAX);
}

static void engines_let_go(gyre_engines *set, uint32_t go)
{
    __atomic_store_n(&set->go, go, __ATOMIC_RELEASE);
    thread_wake_all(&set->go);
}

static void engines_join(gyre_engines *set)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->engines[i].has_thread)
            thread_join(set->engines[i].thread);
}

int engines_begin(gyre_engines *set, unsigned first)
{
    int err = 0;

    for (unsigned i = first; i < set->count && err == 0; i++) {
        struct engine *engine = &set->engines[i];

        err = thread_start(&engine->thread, engine_main, engine);
        engine->has_thread = err == 0;
    }
    for (unsigned i = first; i < set->count; i++) {
        struct engine *engine = &set->engines[i];

        if (!engine->has_thread)
            break;
        engine_await_begin(engine);
        if (err == 0)
            err = engine->error;
    }
    engines_let_go(set, err == 0 ? ENGINES_GO : ENGINES_GIVE_UP);
    return err;
}

/* ---- the end ------------------------------------------------------------- */

void engine_free(struct engine *engine)
{
    engine->loop->company = NULL;
    gyre_loop_destroy(engine->loop);
    engine->loop = NULL;
    if (engine_self == engine)
        engine_self = NULL;
}

void engines_free(gyre_engines *set)
{
    engines_join(set);
    for (unsigned i = 0; i < set->count; i++)
        if (set->engines[i].loop != NULL)
            engine_free(&set->engines[i]);
    alloc_free(set);
}

/* ---- for a program whose threads are its own ----------------------------- */

int gyre_engines_create(gyre_engines **engines, const gyre_run_options *options)
{
    static const gyre_run_options defaults;
    gyre_engines *set;
    int err;

    if (options == NULL)
        options = &defaults;
    ASSERT_API(options->size == 0 || options->size == sizeof *options,
               "gyre_run_options.size is not that of this library");
    err = engines_make(&set, options);
    if (err < 0)
        return err;
    if (set->count == 1)
        set->engines[0].loop->company = &engine_company; /* it ends by itself */
    err = engines_begin(set, 0);
    if (err < 0) {
        engines_free(set);
        return err;
    }
    *engines = set;
    return 0;
}
