/* SPDX-License-Identifier: MIT */
/*
 * deadlock.c - tasks wait, and nobody can wake them
 *
 * What task/run.c does for one loop. All engines are still: they sleep, nothing
 * is in flight or posted, and tasks are there. Only another thread can wake
 * them; if the process has none but the engines', nobody ever will. To look for
 * threads is costly, so that is done when nothing came for a while, and then
 * less and less often: who has found all still arms a timer, which does not
 * count as anything in flight. Threads are looked for first and what they
 * posted then: the last of them may just have ended, and that may have been the
 * last thing it did.
 *
 * Engines of gyre_engines_create() are made by a thread that goes on, so there
 * is nothing to be told of them.
 */
#include "engine/engine.h"

#include "kernel/proc.h"

#define PATIENCE_MOST_NS (60 * GYRE_SECOND)

static void patience_over(gyre_timer *timer, int status)
{
    struct engine *engine = timer->user;

    engine->patience.armed = false;
    engine->patience.over = status == 0;
}

void patience_init(struct engine *engine)
{
    gyre_timer_init(&engine->patience.timer, engine->loop, patience_over,
                    engine);
}

static void patience_arm(struct patience *patience, gyre_loop *loop)
{
    patience->armed = true;
    gyre_timer_start(&patience->timer, loop_clock(loop) + patience->ns);
}

/* There is no thread but the engines', and still nothing is posted. */
static bool engines_are_stuck(const gyre_engines *set)
{
    bool waits = false;

    return !proc_has_threads_beside(set->count - 1) &&
           engines_are_still(set, &waits) && waits;
}

bool patience_begin(struct engine *engine)
{
    struct patience *patience = &engine->patience;

    if (engine->set->engines[0].has_thread || patience->armed)
        return true;
    ASSERT_API(!patience->over || !engines_are_stuck(engine->set),
               "deadlock: tasks wait on all engines, and nothing is in flight "
               "that could wake them");
    if (!patience->over)
        patience->ns = task_patience_ns;
    else if (patience->ns < PATIENCE_MOST_NS)
        patience->ns += patience->ns + GYRE_MS;
    patience->over = false;
    patience_arm(patience, engine->loop);
    return false;
}

void patience_end(struct engine *engine)
{
    gyre_timer_stop(&engine->patience.timer);
    engine->patience.armed = false;
}
