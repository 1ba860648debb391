/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/sync.h.
 *
 * The helper runs first and has what the call wants. In the second way of the
 * _until forms it keeps it until the call's own deadline has ended the call.
 */
#include <errno.h>

#include "awaits/stage.h"

/* ---- mutex --------------------------------------------------------------- */

static void mutex_up(struct scene *scene)
{
    gyre_mutex_init(&scene->mutex, 0);
}

static void mutex_down(struct scene *scene)
{
    gyre_mutex_destroy(&scene->mutex);
}

static void mutex_hold(struct scene *scene)
{
    CHECK(gyre_mutex_try_lock(&scene->mutex));
    if (scene->way == 0)
        linger(scene);
    else
        linger_until_done(scene);
    gyre_mutex_unlock(&scene->mutex);
}

static int mutex_give_back(struct scene *scene, int err)
{
    CHECK_EQ(gyre_mutex_is_mine(&scene->mutex), err == 0);
    if (err == 0)
        gyre_mutex_unlock(&scene->mutex);
    return err;
}

static int wait_mutex(struct scene *scene)
{
    return mutex_give_back(scene, AWAIT(scene, gyre_mutex_lock(&scene->mutex)));
}

SCENARIO(gyre_mutex_lock) = { .wait = wait_mutex,
                              .help = mutex_hold,
                              .set_up = mutex_up,
                              .tear_down = mutex_down,
                              .help_first = true };

static int wait_mutex_until(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);

    return mutex_give_back(
        scene, AWAIT(scene, gyre_mutex_lock_until(&scene->mutex, deadline)));
}

SCENARIO(gyre_mutex_lock_until) = { .wait = wait_mutex_until,
                                    .help = mutex_hold,
                                    .set_up = mutex_up,
                                    .tear_down = mutex_down,
                                    .ways = 2,
                                    .result = { 0, -ETIMEDOUT },
                                    .help_first = true };

static int wait_guard(struct scene *scene)
{
    gyre_guard guard;
    int err = AWAIT(scene, (guard = gyre_guard_begin(&scene->mutex)).error);

    CHECK_EQ(gyre_mutex_is_mine(&scene->mutex), err == 0);
    gyre_guard_end(&guard);
    return err;
}

SCENARIO(gyre_guard_begin) = { .wait = wait_guard,
                               .help = mutex_hold,
                               .set_up = mutex_up,
                               .tear_down = mutex_down,
                               .help_first = true };
