/* SPDX-License-Identifier: MIT */
/*
 * end.c - when there is nothing left, and how engines stop
 *
 * Nothing left. An engine is quiet while it sleeps with no task, no op, no
 * timer and nothing posted. That all are quiet when looked at one after the
 * other does not say that they were at one time: one may have posted to another
 * before it went quiet, and that one may have taken it after it was looked at.
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
 * until it is back, so when all have said so, none is anywhere.
 */
#include "engine/engine.h"

#include "kernel/thread.h"

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

void engine_quiet(struct engine *engine)
{
    gyre_engines *set = engine->set;
    uint64_t before, after;

    if (atomic_load_explicit(&set->over, memory_order_relaxed) ||
        !tasks_are_gone(engine->tasks) || !loop_is_done(engine->loop))
        return;
    atomic_store(&engine->quiet, true);
    if (atomic_load(&set->draining) && engines_are_quiet(set, &before) &&
        !engines_were_posted_to(set) && engines_are_quiet(set, &after) &&
        before == after)
        engines_stop(set);
}

/* ---- the end ------------------------------------------------------------- */

void engines_stop(gyre_engines *engines)
{
    if (atomic_exchange(&engines->over, true))
        return;
    for (unsigned i = 0; i < engines->count; i++)
        gyre_loop_stop(engines->engines[i].loop);
}

/* The engine has come so far. True: it is the last of them, and has told the
 * others. */
static bool engine_says(struct engine *engine, atomic_uint *count)
{
    gyre_engines *set = engine->set;

    if (atomic_fetch_add(count, 1) + 1 < set->count)
        return false;
    for (unsigned i = 0; i < set->count; i++)
        gyre_loop_wake(set->engines[i].loop, GYRE_WAKE_TASK, 1);
    return true;
}

static void engine_turn(struct engine *engine)
{
    int err = gyre_loop_run(engine->loop, GYRE_RUN_ONCE);

    ASSERT_API(err >= 0, "the kernel refuses to finish what tasks wait for");
    (void)err;
}

void engine_end(struct engine *engine)
{
    gyre_engines *set = engine->set;
    gyre_timer stuck;

    gyre_loop_hold(engine->loop); /* or a turn would not sleep */
    tasks_begin_end(engine->tasks);
    stuck_watch(engine->loop, &stuck);
    (void)engine_says(engine, &set->ending);
    while (atomic_load(&set->ending) < set->count ||
           !tasks_are_gone(engine->tasks))
        engine_turn(engine);
    if (engine_says(engine, &set->gone))
        atomic_store(&set->may_free, true);
    while (atomic_load(&set->gone) < set->count)
        engine_turn(engine);
    /* Who is the last may still be telling. */
    while (!atomic_load(&set->may_free))
        thread_yield();
    gyre_timer_stop(&stuck);
    gyre_loop_release(engine->loop);
    engine->loop->company = NULL;
}
