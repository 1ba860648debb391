/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/engine.h: calls that another engine answers.
 */
#include <errno.h>

#include "awaits/stage.h"

/* ---- a task of other engines --------------------------------------------- */

static void begin_engine(struct scene *scene)
{
    gyre_engines *engines;

    CHECK_OK(gyre_engines_create(&engines, NULL));
    scene->value = engines;
    gyre_event_init(&scene->sync.event, 0);
}

static void end_engine(struct scene *scene)
{
    gyre_engines_destroy(scene->value);
    gyre_event_destroy(&scene->sync.event);
}

static int wait_over_there(void *arg)
{
    struct scene *scene = arg;
    int err = gyre_event_wait(&scene->sync.event, NULL);

    return err < 0 ? err : 7;
}

static void help_over_there(struct scene *scene)
{
    linger(scene);
    (void)gyre_event_set(&scene->sync.event, NULL);
}

/* What ends the wait comes from outside of the loop, which does not know. */
static int wait_block_on(struct scene *scene)
{
    int err;

    gyre_loop_hold(scene->loop);
    err =
        AWAIT(scene, gyre_block_on(scene->value, NULL, wait_over_there, scene));
    gyre_loop_release(scene->loop);
    return err;
}

SCENARIO(gyre_block_on) = { .wait = wait_block_on,
                            .help = help_over_there,
                            .set_up = begin_engine,
                            .tear_down = end_engine,
                            .result = { 7 } };
