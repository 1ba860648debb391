/* SPDX-License-Identifier: MIT */
/*
 * idle.c - an engine without work looks for some, and sleeps
 *
 * No task is forgotten (I6). An engine that finds nothing:   idle = true;
 * then it looks at every queue once more. Who pushes:   pushes (the queue's
 * count);   then looks whether anybody is idle. All four are sequentially
 * consistent, so one of the two sees the other (Dekker's pattern). Who finds an
 * idle engine swaps its flag to false; of many one succeeds, and wakes the
 * loop, which remembers that if it has not gone to sleep yet.
 *
 * idle_count saves the look at all flags, so it must not be 0 while one of them
 * is true: it goes up before a flag is set, and down after it was taken away.
 * tests/model/test_idle.c is the model of all this.
 *
 * An engine that took several calls the next, so that work for all reaches all
 * though a push calls but one.
 */
#include "engine/engine.h"

#define STEAL_MAX 64U

uint64_t engine_random(struct engine *engine)
{
    /* xorshift64*, of Marsaglia and Vigna. */
    engine->random ^= engine->random >> 12;
    engine->random ^= engine->random << 25;
    engine->random ^= engine->random >> 27;
    return engine->random * UINT64_C(0x2545F4914F6CDD1D);
}

/* ---- calling others ------------------------------------------------------ */

/* Is it idle, and is the caller the one to end that? */
static bool idle_end(struct engine *engine)
{
    if (!atomic_load(&engine->idle) || !atomic_exchange(&engine->idle, false))
        return false;
    atomic_fetch_sub(&engine->set->idle_count, 1);
    return true;
}

void engines_call_one(gyre_engines *engines, unsigned from)
{
    if (atomic_load(&engines->idle_count) == 0)
        return;
    for (unsigned i = 1; i < engines->count; i++) {
        struct engine *engine = &engines->engines[(from + i) % engines->count];

        if (idle_end(engine)) {
            gyre_loop_wake(engine->loop, GYRE_WAKE_TASK, 1);
            return;
        }
    }
}

/* ---- looking for work ---------------------------------------------------- */

static bool engine_more(gyre_loop *loop, bool first)
{
    struct engine *engine = loop_engine(loop);
    gyre_task *task;

    /* What was stolen begins alone: what lies behind it nobody else can have.
     */
    if (first && engine->stole) {
        engine->stole = false;
        return false;
    }
    task = queue_take(&engine->queue, first ? QUEUE_OLDEST : QUEUE_NEWEST);
    if (task == NULL)
        return false;
    loop_make_ready(loop, &task->work);
    return true;
}

/* Half of what the first has that has anything. One of that begins here: if all
 * were queued, two thieves could take the last from each other for ever. */
static bool engine_steal(struct engine *engine)
{
    gyre_engines *set = engine->set;
    unsigned start = (unsigned)(engine_random(engine) % set->count);

    for (unsigned i = 0; i < set->count; i++) {
        struct engine *victim = &set->engines[(start + i) % set->count];
        struct list tasks;
        uint32_t taken;

        if (victim == engine)
            continue;
        list_init(&tasks);
        taken = queue_take_half(&victim->queue, STEAL_MAX, &tasks);
        if (taken == 0)
            continue;
        engine->stole = true;
        counter_add(&engine->taken, taken);
        atomic_fetch_add_explicit(&victim->given, taken, memory_order_relaxed);
        loop_make_ready(
            engine->loop,
            &CONTAINER_OF(list_take_first(&tasks), gyre_task, member)->work);
        if (taken > 1) {
            queue_push_all(&engine->queue, &tasks, taken - 1);
            engines_call_one(set, engine->number);
        }
        return true;
    }
    return false;
}

static bool engines_have_work(const gyre_engines *engines)
{
    for (unsigned i = 0; i < engines->count; i++)
        if (queue_count(&engines->engines[i].queue) > 0)
            return true;
    return false;
}

static void engine_awake(gyre_loop *loop)
{
    struct engine *engine = loop_engine(loop);

    if (atomic_load_explicit(&engine->quiet, memory_order_relaxed)) {
        atomic_store(&engine->quiet, false);
        atomic_fetch_add(&engine->sleeps, 1);
    }
    (void)idle_end(engine);
}

static bool engine_idle(gyre_loop *loop)
{
    struct engine *engine = loop_engine(loop);

    if (queue_count(&engine->queue) > 0 || engine_steal(engine))
        return true;
    ASSERT(!atomic_load_explicit(&engine->idle, memory_order_relaxed));
    atomic_fetch_add(&engine->set->idle_count, 1);
    atomic_store(&engine->idle, true);
    if (engines_have_work(engine->set)) { /* I6 */
        (void)idle_end(engine);
        return true;
    }
    if (engine_quiet(engine))
        return false;
    engine_awake(loop);
    return true;
}

const struct loop_company engine_company = {
    .more = engine_more,
    .idle = engine_idle,
    .awake = engine_awake,
};
