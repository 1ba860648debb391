/* SPDX-License-Identifier: MIT */
/*
 * stall.c - who is watched, and with which signal
 *
 * The calls come from the threads of many loops; `life` lets one in at a time.
 * The watcher never takes it. Who leaves waits for the watcher, which may wait
 * for this very thread to answer a signal: it does, for a lock is waited for by
 * a sleep that signals interrupt.
 */
#include <gyre/stall.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "base/alloc.h"
#include "kernel/fork.h"
#include "kernel/signal.h"
#include "kernel/signal_stack.h"
#include "task/stall.h"
#include "task/task.h"

#define THRESHOLD_NS (100 * GYRE_MS)
#define THRESHOLD_MIN_NS GYRE_MS
#define THRESHOLD_MAX_NS (3600 * GYRE_SECOND)
#define INTERVAL_NS GYRE_SECOND

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;

/* ---- fork() -------------------------------------------------------------- */

static void fork_in_child(void)
{
    /* Whoever held it is not here. */
    pthread_mutex_init(&life, NULL);
    watcher_forget();
}

/* Once in a process: 0 or -ENOMEM. */
static int fork_begin_watch(void)
{
    static bool watched;
    int err = 0;

    if (!watched)
        err = fork_watch(watcher_hold, watcher_release, fork_in_child);
    watched = err == 0;
    return err;
}

/* ---- one loop ------------------------------------------------------------ */

/* What the loop's own thread needs for the handler, and had before. */
static void thread_ready(struct stall_watch *watch)
{
    watch->thread = thread_handle_self();
    watch->has_signal_stack = signal_stack_begin();
    watch->was_blocked = signal_unblock(watch->options.signal);
}

static void thread_as_before(struct stall_watch *watch)
{
    if (watch->was_blocked)
        signal_block(watch->options.signal);
    if (watch->has_signal_stack)
        signal_stack_end();
}

static void stop(struct stall_watch *watch)
{
    int number = watch->options.signal;

    if (!list_is_linked(&watch->link))
        return;
    watcher_remove(watch);
    if (!watcher_has_signal(number)) {
        signal_unwatch(number);
        signal_quiesce();
    }
    thread_as_before(watch);
}

static int engine_of(const gyre_loop *loop)
{
    const struct tasks *tasks = loop->tasks;

    return tasks != NULL && tasks->placing != NULL ? (int)tasks->number : -1;
}

static int start(struct stall_watch *watch, const gyre_stall_options *options)
{
    int err = fork_begin_watch();

    if (err < 0)
        return err;
    err = signal_watch(options->signal, stall_on_signal);
    if (err < 0)
        return err;
    watch->options = *options;
    watch->engine = engine_of(watch->loop);
    thread_ready(watch);
    err = watcher_add(watch);
    if (err == 0)
        return 0;
    if (!watcher_has_signal(options->signal))
        signal_unwatch(options->signal);
    thread_as_before(watch);
    return err;
}

static void stalls_end(gyre_loop *loop)
{
    gyre_loop_unwatch_stalls(loop);
    alloc_free(loop->stalls);
    loop->stalls = NULL;
    loop->stalls_end = NULL;
}

static struct stall_watch *watch_of(gyre_loop *loop)
{
    struct stall_watch *watch = loop->stalls;

    if (watch != NULL)
        return watch;
    watch = alloc_zeroed(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    watch->loop = loop;
    loop->stalls = watch;
    loop->stalls_end = stalls_end;
    return watch;
}

/* ---- the calls ----------------------------------------------------------- */

static int resolve(gyre_stall_options *resolved,
                   const gyre_stall_options *options)
{
    *resolved = (gyre_stall_options){ 0 };
    if (options != NULL) {
        ASSERT_API(options->size == 0 || options->size == sizeof *options,
                   "gyre_stall_options.size is not that of this library");
        *resolved = *options;
    }
    if (resolved->threshold_ns == 0)
        resolved->threshold_ns = THRESHOLD_NS;
    if (resolved->interval_ns == 0)
        resolved->interval_ns = INTERVAL_NS;
    if (resolved->signal == 0)
        resolved->signal = SIGURG;
    return resolved->threshold_ns < THRESHOLD_MIN_NS ||
                   resolved->threshold_ns > THRESHOLD_MAX_NS
               ? -ERANGE
               : 0;
}

int gyre_loop_watch_stalls(gyre_loop *loop, const gyre_stall_options *options)
{
    gyre_stall_options resolved;
    struct stall_watch *watch;
    int err = resolve(&resolved, options);

    loop_assert_owner(loop);
    if (err < 0)
        return err;
    err = loop_attach(loop);
    if (err < 0)
        return err;
    watch = watch_of(loop);
    if (watch == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&life);
    stop(watch);
    err = start(watch, &resolved);
    pthread_mutex_unlock(&life);
    return err;
}

void gyre_loop_unwatch_stalls(gyre_loop *loop)
{
    loop_assert_owner(loop);
    if (loop->stalls == NULL)
        return;
    pthread_mutex_lock(&life);
    stop(loop->stalls);
    pthread_mutex_unlock(&life);
}

void gyre_loop_get_stall_stats(const gyre_loop *loop, gyre_stall_stats *stats)
{
    const struct stall_watch *watch = loop->stalls;

    loop_assert_owner(loop);
    ASSERT_API(stats->size == sizeof *stats,
               "set gyre_stall_stats.size to sizeof(gyre_stall_stats)");
    *stats = (gyre_stall_stats){ .size = sizeof *stats };
    if (watch == NULL)
        return;
    stats->stalls = counter_get(&watch->stalls);
    stats->longest_ns = counter_get(&watch->longest_ns);
    stats->total_ns = counter_get(&watch->total_ns);
}
