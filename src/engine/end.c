/* SPDX-License-Identifier: MIT */
/*
 * end.c - when there is nothing left, and how engines stop
 *
 * Nothing left. An engine is quiet while it sleeps with no op, no timer and
 * nothing posted; it says whether it has tasks. That all are quiet when looked
 * at one after the other does not say that they were at one time: one may have
 * posted to another before it went quiet, and that one may have taken it after
 * it was looked at.
 * So whoever goes quiet looks at each count of sleeps and then at the flag,
 * then whether anything is posted to anybody, then at counts and flags again.
 * Who wakes takes its flag away, then counts, then takes what was posted. So an
 * engine whose counts are equal was quiet from the first look at its flag to
 * the second look at its count: all were, in between, nobody posted or took
 * then, and nothing was on its way. The last to go quiet sees all others; so it
 * is found. tests/model/test_quiet.c is the model of this.
 *
 * The end. Each engine says that it is ending: it spawns nothing from then on.
 * When all have said so, each turns until it has no task left and says that,
 * too. A task that is on its way from one to another is counted by the first
 * until it is back, so when all have said so, none is anywhere. If a shutdown
 * has a deadline (shutdown.c), it may pass before; the first to notice says so,
 * and of both verdicts one stands. With none left, or without waiting for them
 * any longer, each engine ends what it has in flight. tests/model/test_end.c is
 * the model of this.
 */
#include "engine/engine.h"

#include "kernel/thread.h"
#include "task/ask.h"

/* ---- nothing left -------------------------------------------------------- */

static bool engines_are_quiet(const gyre_engines *engines, uint64_t *sleeps)
{
    *sleeps = 0;
    for (unsigned i = 0; i < engines->count; i++) {
        const struct engine *engine = &engines->engines[i];

        *sleeps += atomic_load(&engine->sleeps);
        if (!atomic_load(&engine->quiet))
            return false;
    }
    return true;
}

static bool engines_were_posted_to(const gyre_engines *engines)
{
    for (unsigned i = 0; i < engines->count; i++)
        if (loop_has_posted(engines->engines[i].loop))
            return true;
    return false;
}

static bool engines_wait(const gyre_engines *engines)
{
    for (unsigned i = 0; i < engines->count; i++)
        if (atomic_load_explicit(&engines->engines[i].waits,
                                 memory_order_relaxed))
            return true;
    return false;
}

bool engines_are_still(const gyre_engines *engines, bool *waits)
{
    uint64_t before, after;

    if (!engines_are_quiet(engines, &before) || engines_were_posted_to(engines))
        return false;
    *waits = engines_wait(engines);
    return engines_are_quiet(engines, &after) && before == after;
}

bool engine_quiet(struct engine *engine)
{
    gyre_engines *set = engine->set;
    bool waits;

    if (atomic_load_explicit(&set->over, memory_order_relaxed) ||
        !loop_is_done_but(engine->loop, engine->patience.armed))
        return true;
    atomic_store_explicit(&engine->waits, !tasks_are_gone(engine->tasks),
                          memory_order_relaxed);
    atomic_store(&engine->quiet, true);
    if (!engines_are_still(set, &waits))
        return true;
    if (waits)
        return patience_begin(engine);
    if (atomic_load(&set->draining))
        engines_stop(set);
    return true;
}

/* ---- the end ------------------------------------------------------------- */

/* What is not of tasks may be about to end when time is up. */
#define GRACE_NS (GYRE_SECOND / 4)

void engines_stop(gyre_engines *engines)
{
    atomic_fetch_add(&engines->shutdown.callers, 1);
    if (!atomic_exchange(&engines->over, true)) {
        atomic_store(&engines->shutdown.cancelled_ns, thread_clock());
        for (unsigned i = 0; i < engines->count; i++)
            gyre_loop_stop(engines->engines[i].loop);
        engines_have_news(engines);
    }
    atomic_fetch_sub(&engines->shutdown.callers, 1);
}

/* The last of all has come so far: the others look. */
static void engines_wake(gyre_engines *set)
{
    for (unsigned i = 0; i < set->count; i++)
        gyre_loop_wake(set->engines[i].loop, GYRE_WAKE_TASK, 1);
}

static void engine_turn(struct engine *engine)
{
    int err;

    /* Alone and without a deadline it can tell who waits for nobody. */
    if (engine->set->count == 1 &&
        shutdown_end_ns(&engine->set->shutdown) == GYRE_NEVER) {
        tasks_turn_to_end(engine->tasks);
        return;
    }
    gyre_loop_hold(engine->loop); /* or a turn would not sleep */
    err = gyre_loop_run(engine->loop, GYRE_RUN_ONCE);
    gyre_loop_release(engine->loop);
    ASSERT_API(err >= 0, "the kernel refuses to finish what tasks wait for");
    (void)err;
}

static void engine_decide(struct engine *engine, enum engines_verdict verdict)
{
    uint32_t undecided = ENGINES_UNDECIDED;

    if (atomic_compare_exchange_strong(&engine->set->verdict, &undecided,
                                       verdict))
        engines_wake(engine->set);
}

/* Until no engine has a task left, or time is up. */
static void engine_end_tasks(struct engine *engine)
{
    gyre_engines *set = engine->set;
    bool gone = false;

    if (atomic_fetch_add(&set->ending, 1) + 1 == set->count)
        engines_wake(set);
    while (atomic_load(&set->verdict) == ENGINES_UNDECIDED) {
        if (!gone && atomic_load(&set->ending) == set->count &&
            tasks_are_gone(engine->tasks)) {
            gone = true;
            if (atomic_fetch_add(&set->gone, 1) + 1 == set->count)
                engine_decide(engine, ENGINES_GONE);
        } else if (shutdown_is_overdue(&set->shutdown, 0)) {
            engine_decide(engine, ENGINES_OVERDUE);
        } else {
            engine_turn(engine);
        }
    }
}

/* Until nothing is in flight: true; or time is up. */
static bool engine_end_ops(struct engine *engine)
{
    const gyre_engines *set = engine->set;
    gyre_timer stuck;
    bool more = true;

    engine->knows = true; /* what a hook would start can begin no more */
    /* Dropped, `told` would look posted for ever: no new time would come. */
    loop_end_begin(engine->loop, &stuck, &engine->told);
    if (atomic_load(&set->verdict) == ENGINES_OVERDUE)
        engine->grace_ns = GRACE_NS;
    engine_set_alarm(engine);
    while (more && !shutdown_is_overdue(&set->shutdown, engine->grace_ns))
        more = loop_end_turn(engine->loop);
    gyre_timer_stop(&stuck);
    return !more;
}

void engine_end(struct engine *engine)
{
    gyre_engines *set = engine->set;
    gyre_timer stuck;

    patience_end(engine);
    atomic_fetch_add(&set->shutdown.cancelled,
                     census_get(&engine->tasks->alive));
    engine_hear(engine); /* the end may come before the post */
    tasks_begin_end(engine->tasks);
    stuck_watch(engine->loop, &stuck);
    engine_set_alarm(engine);
    atomic_fetch_add(&set->shutdown.callers, 1);
    engine_end_tasks(engine);
    atomic_fetch_sub(&set->shutdown.callers, 1);
    gyre_timer_stop(&stuck);
    engine->loop->company = NULL;
    asks_answer_all(engine->loop); /* posted work is dropped next */
    engine->left = !tasks_are_gone(engine->tasks) || !engine_end_ops(engine);
    if (engine->left)
        engine_tell_left(engine);
    atomic_store(&engine->has_ended, true);
    atomic_fetch_add(&set->ended, 1);
    engines_have_news(set);
}
