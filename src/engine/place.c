/* SPDX-License-Identifier: MIT */
/*
 * place.c - where a task goes, and who is where
 *
 * A load is how many tasks an engine has, those that are on their way to it
 * among them: who spawns many in one turn sees what he has sent already. To
 * compare two engines, chosen at random, and take the better spreads almost as
 * evenly as to look at all (Mitzenmacher, The Power of Two Choices), and what
 * is seen may be old without all going the same way.
 */
#include <errno.h>

#include "engine/engine.h"

static struct engine *engine_at(const gyre_engines *engines, unsigned n)
{
    return (struct engine *)(uintptr_t)&engines->engines[n];
}

static uint64_t load_of(const struct engine *engine)
{
    const struct tasks *tasks = engine->tasks;
    int64_t load =
        (int64_t)census_get(&tasks->alive) - census_get(&tasks->away) +
        census_get(&tasks->guests) +
        atomic_load_explicit(&tasks->arriving, memory_order_relaxed) +
        atomic_load_explicit(&engine->queue.count, memory_order_relaxed);

    return load > 0 ? (uint64_t)load : 0; /* each number for itself */
}

static struct engine *less_loaded(struct engine *here)
{
    gyre_engines *set = here->set;
    uint64_t random = engine_random(here);
    unsigned a = (unsigned)((random >> 32) % set->count);
    unsigned b = (unsigned)((uint32_t)random % (set->count - 1));
    struct engine *one = &set->engines[a];
    struct engine *other = &set->engines[b + (b >= a)];

    return load_of(other) < load_of(one) ? other : one;
}

static int engine_choose(struct tasks *tasks, int where, struct tasks **to)
{
    struct engine *here = tasks->engine;
    gyre_engines *set = here->set;
    struct engine *chosen;

    *to = NULL;
    if (where == GYRE_ANYWHERE)
        return 0;
    if (where == GYRE_LEAST_LOADED)
        chosen = less_loaded(here);
    else if (where == GYRE_NEXT)
        chosen = &set->engines[atomic_fetch_add_explicit(&set->next, 1,
                                                         memory_order_relaxed) %
                               set->count];
    else if (where >= GYRE_ENGINE(0) && where <= GYRE_ENGINE(set->count - 1))
        chosen = &set->engines[where - GYRE_ENGINE(0)];
    else
        return -EINVAL;
    *to = chosen->tasks;
    return 0;
}

static void engine_offer(struct tasks *tasks, gyre_task *task)
{
    struct engine *here = tasks->engine;

    queue_push(&here->queue, task);
    engines_call_one(here->set, here->number);
}

const struct placing engine_placing = {
    .choose = engine_choose,
    .offer = engine_offer,
};

int gyre_spawn_all(gyre_scope *scope, const gyre_task_options *options,
                   gyre_task_fn *fn, void *arg, unsigned *spawned)
{
    const struct tasks *tasks = scope->loop_->tasks;
    const struct engine *here = tasks->engine;
    unsigned count = here != NULL ? here->set->count : 1;
    gyre_task_options each = { 0 };
    unsigned n = 0;
    int err = 0;

    if (options != NULL)
        each = *options;
    for (; n < count && err == 0; n += err == 0) {
        each.where = GYRE_ENGINE(n);
        err = gyre_spawn_with(scope, &each, fn, arg, NULL);
    }
    if (spawned != NULL)
        *spawned = n;
    return err;
}

/* ---- who is where -------------------------------------------------------- */

gyre_engines *gyre_engines_current(void)
{
    return engine_self != NULL ? engine_self->set : NULL;
}

int gyre_engine_current(void)
{
    return engine_self != NULL ? (int)engine_self->number : -1;
}

unsigned gyre_engines_count(const gyre_engines *engines)
{
    return engines->count;
}

gyre_loop *gyre_engine_loop(const gyre_engines *engines, unsigned n)
{
    return n < engines->count ? engine_at(engines, n)->loop : NULL;
}

gyre_scope *gyre_engine_scope(const gyre_engines *engines, unsigned n)
{
    return n < engines->count ? &engine_at(engines, n)->tasks->root : NULL;
}

static const struct engine *engine_checked(const gyre_engines *engines,
                                           unsigned n)
{
    ASSERT_API(n < engines->count, "there is no engine of that number: see "
                                   "gyre_engines_count()");
    return engine_at(engines, n);
}

uint64_t gyre_engine_load(const gyre_engines *engines, unsigned n)
{
    return load_of(engine_checked(engines, n));
}

void gyre_engine_get_stats(const gyre_engines *engines, unsigned n,
                           gyre_engine_stats *stats)
{
    const struct engine *engine = engine_checked(engines, n);

    ASSERT_API(stats->size == sizeof *stats,
               "gyre_engine_stats.size is not that of this library");
    stats->load = load_of(engine);
    stats->queued = queue_count(&engine->queue);
    stats->cpu = engine->cpu;
    stats->placed = counter_get(&engine->tasks->placed);
    stats->taken = counter_get(&engine->taken);
    stats->given = atomic_load_explicit(&engine->given, memory_order_relaxed);
}
