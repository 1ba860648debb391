/* SPDX-License-Identifier: MIT */
/*
 * finish.c - when all engines have ended, or time is up: what is freed
 *
 * Whoever made the engines waits until each has said how it ended. No loop is
 * freed before, since what runs on one may post to another. If all have said
 * so, those that have ended are freed and those that have not are left. If an
 * engine says nothing, a task has its thread and may do anything yet; so
 * nothing is freed. What is left stays on a list, where a debugger finds it.
 *
 * Orderings. An engine says how it ended, and a caller leaves, with release;
 * who waits acquires both, and lets the engines free with release. That is
 * enough, and most of it is sequentially consistent.
 * tests/model/test_finish.c is the model of this.
 */
#include <errno.h>
#include <gyre/error.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/notice.h"
#include "engine/engine.h"
#include "kernel/thread.h"

/* An engine that is not held by a task has said how it ended by then. */
#define GRACE_NS GYRE_SECOND

static gyre_engines *engines_left_first;
static pthread_mutex_t engines_left_lock = PTHREAD_MUTEX_INITIALIZER;

void engines_have_news(gyre_engines *engines)
{
    __atomic_fetch_add(&engines->news, 1, __ATOMIC_SEQ_CST);
    thread_wake_all(&engines->news);
}

/* ---- each engine's thread ------------------------------------------------ */

void engine_await_fate(struct engine *engine)
{
    gyre_engines *set = engine->set;
    uint32_t fate;

    while ((fate = __atomic_load_n(&set->fate, __ATOMIC_ACQUIRE)) ==
           ENGINES_TO_WAIT)
        (void)thread_wait(&set->fate, ENGINES_TO_WAIT, UINT64_MAX);
    /* A thread that ended would take what its ring has in flight with it, in
     * the middle of what others may wait for. */
    while (engine->left || fate == ENGINES_TO_LEAVE)
        (void)thread_wait(&set->fate, fate, UINT64_MAX);
}

/* ---- who waits for them all ---------------------------------------------- */

static bool engines_have_ended(gyre_engines *set)
{
    for (;;) {
        uint32_t news = __atomic_load_n(&set->news, __ATOMIC_SEQ_CST);
        uint64_t end_ns = shutdown_end_ns(&set->shutdown);

        if (atomic_load(&set->ended) == set->count)
            return true;
        if (shutdown_is_overdue(&set->shutdown, GRACE_NS))
            return false;
        (void)thread_wait(&set->news, news,
                          end_ns < GYRE_NEVER - GRACE_NS ? end_ns + GRACE_NS
                                                         : UINT64_MAX);
    }
}

/* The rest has not said how it ended: it is held, and will not answer. */
static void engines_find_held(gyre_engines *set)
{
    for (unsigned i = 0; i < set->count; i++) {
        struct engine *engine = &set->engines[i];

        if (atomic_load(&engine->has_ended))
            continue;
        engine_tell_held(engine);
        loop_refuse_offers(engine->loop);
    }
}

/* Is it to be freed? If all have ended, those that have left nothing. */
static bool engine_stays(const struct engine *engine, enum engines_fate fate)
{
    return fate == ENGINES_TO_LEAVE || engine->left;
}

static void report_count(const gyre_engines *set, enum engines_fate fate,
                         gyre_shutdown_report *report)
{
    for (unsigned i = 0; i < set->count; i++) {
        const struct engine *engine = &set->engines[i];

        if (!engine_stays(engine, fate))
            continue;
        report->engines_left++;
        report->tasks_left += census_get(&engine->tasks->alive);
        report->ops_left += counter_get(&engine->loop->in_flight);
    }
}

static void report_make(gyre_engines *set, enum engines_fate fate,
                        gyre_shutdown_report *report)
{
    struct shutdown *shutdown = &set->shutdown;
    uint64_t begun_ns = atomic_load(&shutdown->begun_ns);
    uint64_t cancelled_ns = atomic_load(&shutdown->cancelled_ns);

    *report = (gyre_shutdown_report){ .size = sizeof *report };
    report_count(set, fate, report);
    if (begun_ns == GYRE_NEVER)
        return;
    if (cancelled_ns == GYRE_NEVER)
        cancelled_ns = atomic_load(&shutdown->drain_until_ns);
    report->drain_ns = cancelled_ns > begun_ns ? cancelled_ns - begun_ns : 0;
    report->end_ns = thread_clock() - cancelled_ns;
    report->tasks = atomic_load(&shutdown->tasks);
    report->tasks_cancelled = atomic_load(&shutdown->cancelled);
    gyre_spin_lock(&shutdown->lock);
    shutdown->closed = true;
    memcpy(report->text, shutdown->text, sizeof report->text);
    gyre_spin_unlock(&shutdown->lock);
}

/* Why an engine could not go on, and all have ended; 0: none. */
static int engines_error(const gyre_engines *set)
{
    int err = 0;

    for (unsigned i = 0; i < set->count && err == 0; i++)
        err = set->engines[i].error;
    return err;
}

static void engines_leave(gyre_engines *set)
{
    pthread_mutex_lock(&engines_left_lock);
    set->next_left = engines_left_first;
    engines_left_first = set;
    pthread_mutex_unlock(&engines_left_lock);
}

/* Until nobody is inside gyre_engines_shutdown(). */
static void engines_await_callers(gyre_engines *set)
{
    while (atomic_load(&set->shutdown.callers) != 0)
        thread_yield();
}

static void engines_let_end(gyre_engines *set, enum engines_fate fate)
{
    __atomic_store_n(&set->fate, fate, __ATOMIC_RELEASE);
    thread_wake_all(&set->fate);
    for (unsigned i = 0; i < set->count; i++) {
        struct engine *engine = &set->engines[i];

        if (engine->has_thread && engine_stays(engine, fate))
            thread_detach(engine->thread);
        else if (engine->has_thread)
            thread_join(engine->thread);
        else if (!engine_stays(engine, fate))
            engine_free(engine);
    }
}

int engines_finish(gyre_engines *set, gyre_shutdown_report *report)
{
    enum engines_fate fate = ENGINES_TO_FREE;
    gyre_shutdown_report own;

    ASSERT_API(report == NULL || report->size == sizeof *report,
               "gyre_shutdown_report.size is not that of this library");
    if (report == NULL)
        report = &own;
    if (engines_have_ended(set)) {
        engines_await_callers(set);
    } else {
        fate = ENGINES_TO_LEAVE;
        engines_find_held(set);
    }
    report_make(set, fate, report);
    engines_let_end(set, fate);
    if (report->engines_left == 0) {
        int err = engines_error(set);

        alloc_free(set);
        return err;
    }
    engines_leave(set);
    notice("%u of %u engines could not end in time: %u tasks and %" PRIu64
           " requests are left, and their memory is never freed",
           report->engines_left, set->count, report->tasks_left,
           report->ops_left);
    return -ETIMEDOUT;
}

/* ---- for a program whose threads are its own ----------------------------- */

int gyre_engines_wait(gyre_engines *engines, gyre_shutdown_report *report)
{
    ASSERT_API(gyre_engines_current() != engines,
               "engines are waited for by a thread that is none of them");
    return engines_finish(engines, report);
}

void gyre_engines_destroy(gyre_engines *engines)
{
    int err;

    if (engines == NULL)
        return;
    ASSERT_API(gyre_engines_current() != engines,
               "engines are destroyed by a thread that is none of them");
    engines_stop(engines);
    err = engines_finish(engines, NULL);
    if (err < 0 && err != -ETIMEDOUT) /* which was told */
        notice("engines have ended because a loop of theirs could not go on: "
               "%s",
               gyre_strerror(err));
}
