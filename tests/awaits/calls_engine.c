/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/shutdown.h. The stage turns a loop by hand, so a set of one
 * engine is made around that loop.
 */
#include <string.h>

#include "awaits/stage.h"
#include "base/alloc.h"
#include "engine/engine.h"

static void set_up_engine(struct scene *scene)
{
    gyre_engines *set = alloc_aligned(_Alignof(gyre_engines),
                                      sizeof *set + sizeof set->engines[0]);
    struct engine *engine;

    CHECK(set != NULL);
    memset(set, 0, sizeof *set + sizeof set->engines[0]);
    engine = &set->engines[0];
    set->count = 1;
    shutdown_init(&set->shutdown);
    engine->set = set;
    engine->loop = scene->loop;
    engine->tasks = tasks_of(scene->loop);
    list_init(&engine->hooks);
    engine_init_alarm(engine);
    scene->value = set;
    engine_self = engine;
}

static void tear_down_engine(struct scene *scene)
{
    gyre_engines *set = scene->value;

    CHECK(list_is_empty(&set->engines[0].hooks));
    engine_self = NULL;
    alloc_free(set);
}

static int wait_wait_shutdown(struct scene *scene)
{
    return AWAIT(scene, gyre_wait_shutdown());
}

static void help_wait_shutdown(struct scene *scene)
{
    static const gyre_shutdown_options drain = { .drain_ns = GYRE_NEVER };

    linger(scene);
    gyre_engines_shutdown(scene->value, &drain);
    linger(scene); /* the loop has yet to run what was posted */
}

SCENARIO(gyre_wait_shutdown) = { .wait = wait_wait_shutdown,
                                 .help = help_wait_shutdown,
                                 .set_up = set_up_engine,
                                 .tear_down = tear_down_engine };
