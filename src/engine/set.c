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
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "engine/engine.h"
#include "kernel/choose.h"
#include "kernel/thread.h"
#include "loop/option.h"

_Thread_local struct engine *engine_self;

static const char no_memory[] = "no memory for engines and their tasks";

static int refuse(int error, const char *sentence)
{
    loop_create_says(sentence);
    return error;
}

/* ---- how many ------------------------------------------------------------ */

/* "all", or digits; 0: neither. */
static unsigned count_read(const char *text)
{
    unsigned count = 0;

    if (strcmp(text, "all") == 0)
        return GYRE_EACH_CPU;
    for (; *text >= '0' && *text <= '9' && count <= ENGINES_MAX; text++)
        count = count * 10 + (unsigned)(*text - '0');
    return *text == '\0' ? count : 0;
}

int engines_count_wanted(const gyre_run_options *options, unsigned *count)
{
    const char *text = kernel_engines_option();

    *count = options->engines;
    if (*count == 0 && (text == NULL || *text == '\0'))
        *count = 1;
    else if (*count == 0)
        *count = count_read(text);
    if (*count == GYRE_EACH_CPU) {
        *count = thread_cpu_count();
        if (*count > ENGINES_MAX)
            *count = ENGINES_MAX;
    }
    if (*count >= 1 && *count <= ENGINES_MAX)
        return 0;
    return refuse(
        -EINVAL,
        options->engines == 0
            ? "GYRE_ENGINES is neither a number from 1 to 1024 nor \"all\""
            : "gyre_run_options.engines is more than 1024: GYRE_EACH_CPU gives "
              "one for each CPU, and more than that seldom helps");
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
        return refuse(err, err == -ENOMEM
                               ? no_memory
                               : "gyre_run_options.stack_size is less than "
                                 "16 KiB or more than 1 GiB");
    engine->tasks = engine->loop->tasks;
    engine->tasks->engine = engine;
    engine->tasks->number = number;
    engine->loop->engine = engine;
    list_init(&engine->hooks);
    engine_init_alarm(engine);
    patience_init(engine);
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
    /* They are not to be bound as an engine is. */
    if (set->count > 1 || options->cpu_count > 0)
        err = loop_share_threads(&loop_options, &pool);
    if (err == -ENOMEM)
        return refuse(err, no_memory);
    for (unsigned i = 0; err == 0 && i < set->count; i++)
        err = engine_make(set, i, options, &loop_options);
    gyre_blocking_pool_destroy(pool);
    return err;
}

int engines_make(gyre_engines **engines, const gyre_run_options *options)
{
    unsigned count;
    gyre_engines *set;
    int err = engines_count_wanted(options, &count);

    if (err < 0)
        return err;
    set = alloc_aligned(_Alignof(gyre_engines),
                        sizeof *set + count * sizeof set->engines[0]);
    if (set == NULL)
        return refuse(-ENOMEM, no_memory);
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

/* Why an engine could not begin, to whoever makes it. */
int engine_refuse(const struct engine *engine, int error)
{
    static _Thread_local char sentence[120];

    if (error == -ENOMEM)
        return refuse(error, no_memory);
    if (error == -ERANGE)
        return refuse(error, "gyre_run_options.stall_ns is less than 1 ms or "
                             "more than an hour");
    if (error == -EBUSY)
        return refuse(error, "gyre_run_options.stall_ns: SIGURG, by which "
                             "threads are asked, is taken by "
                             "gyre_dump_on_signal(): give that another");
    if (error == -EINVAL && engine->cpu >= 0)
        (void)snprintf(sentence, sizeof sentence,
                       "gyre_run_options.cpus names CPU %d, which this process "
                       "may not use: taskset -p shows those it may",
                       engine->cpu);
    else
        (void)snprintf(sentence, sizeof sentence,
                       "engine %u cannot begin: no more threads or locked "
                       "memory may be had: raise ulimit -u and ulimit -l",
                       engine->number);
    return refuse(error, sentence);
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

        err = fault_take(FAULT_ENGINE);
        if (err == 0)
            err = thread_start(&engine->thread, engine_main, engine);
        engine->has_thread = err == 0;
        if (err < 0)
            err = engine_refuse(engine, err);
    }
    for (unsigned i = first; i < set->count; i++) {
        struct engine *engine = &set->engines[i];

        if (!engine->has_thread)
            break;
        engine_await_begin(engine);
        if (err == 0 && engine->error < 0)
            err = engine_refuse(engine, engine->error);
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
