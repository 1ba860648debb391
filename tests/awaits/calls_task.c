/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/task.h and gyre/scope.h, and the spawns of gyre/engine.h.
 */
#include <errno.h>
#include <gyre/engine.h>
#include <sys/socket.h>
#include <unistd.h>

#include "awaits/stage.h"
#include "io/world.h"

/* ---- spawn: there is no room --------------------------------------------- */

static int yield_thrice(void *arg)
{
    struct scene *scene = arg;

    linger(scene);
    scene->count++;
    return 0;
}

/* A scope for one task, with one in it. In the second way the new task runs
 * aside, and its spawner waits for its end, whatever happens. */
static int full_open(struct scene *scene, gyre_scope *scope)
{
    gyre_scope_open(scope, &(gyre_scope_options){
                               .max_tasks = 1,
                               .when_full = scene->way == 0 ? GYRE_FULL_WAITS
                                                            : GYRE_FULL_INLINE,
                           });
    return spawn_more(scene, scope, yield_thrice, NULL);
}

/* Each task that was spawned has run, and no other. */
static int full_close(struct scene *scene, gyre_scope *scope, int err)
{
    CHECK_OK(gyre_scope_close(scope));
    CHECK_EQ(scene->count, (unsigned)scene->begun + (err == 0));
    return err;
}

static int wait_spawn(struct scene *scene)
{
    gyre_scope scope;
    int err = full_open(scene, &scope);

    if (err == 0)
        err = AWAIT(scene, gyre_spawn(&scope, yield_thrice, scene));
    return full_close(scene, &scope, err);
}

SCENARIO(gyre_spawn) = { .wait = wait_spawn,
                         .ways = 2,
                         .deaf = { false, true } };

static int wait_spawn_with(struct scene *scene)
{
    gyre_scope scope;
    gyre_task *task;
    int err = full_open(scene, &scope);

    if (err == 0)
        err = AWAIT(scene,
                    gyre_spawn_with(&scope, NULL, yield_thrice, scene, &task));
    return full_close(scene, &scope, err);
}

SCENARIO(gyre_spawn_with) = { .wait = wait_spawn_with,
                              .ways = 2,
                              .deaf = { false, true } };

/* One engine is all there is. */
static int wait_spawn_all(struct scene *scene)
{
    gyre_scope scope;
    unsigned spawned = 7;
    int err = full_open(scene, &scope);

    if (err == 0) {
        err = AWAIT(
            scene, gyre_spawn_all(&scope, NULL, yield_thrice, scene, &spawned));
        CHECK_EQ(spawned, err == 0);
    }
    return full_close(scene, &scope, err);
}

SCENARIO(gyre_spawn_all) = { .wait = wait_spawn_all,
                             .ways = 2,
                             .deaf = { false, true } };

/* ---- join ---------------------------------------------------------------- */

static int return_seven(void *arg)
{
    struct scene *scene = arg;

    linger(scene);
    return 7;
}

static int wait_join(struct scene *scene)
{
    gyre_scope *scope = gyre_scope_current();
    gyre_task *task;
    int result = 0;
    int err = spawn_more(scene, scope, return_seven, &task);

    if (err == 0)
        err = AWAIT(scene, gyre_join(task, &result));
    return err < 0 ? err : result;
}

SCENARIO(gyre_join) = { .wait = wait_join, .result = { 7 } };

/* ---- sleep and yield ----------------------------------------------------- */

static int wait_yield(struct scene *scene)
{
    return AWAIT(scene, gyre_yield());
}

/* Its wait is over at once, and there is nothing to keep. */
SCENARIO(gyre_yield) = { .wait = wait_yield, .many = true };

static int wait_sleep(struct scene *scene)
{
    return AWAIT(scene, gyre_sleep(stage_delay()));
}

SCENARIO(gyre_sleep) = { .wait = wait_sleep };

static int wait_sleep_for(struct scene *scene)
{
    gyre_delay delay;

    CHECK_OK(gyre_delay_set(&delay, stage_delay(), GYRE_NANOSECONDS));
    return AWAIT(scene, gyre_sleep_for(delay));
}

SCENARIO(gyre_sleep_for) = { .wait = wait_sleep_for };

static int wait_sleep_until(struct scene *scene)
{
    uint64_t deadline = gyre_loop_update_now(scene->loop) + stage_delay();

    return AWAIT(scene, gyre_sleep_until(deadline));
}

SCENARIO(gyre_sleep_until) = { .wait = wait_sleep_until };

/* ---- an op --------------------------------------------------------------- */

static void pair_up(struct scene *scene)
{
    pair_open(scene->fds);
}

static void send_byte(struct scene *scene)
{
    linger(scene);
    CHECK_EQ(write(scene->fds[1], "x", 1), 1);
}

static int wait_await(struct scene *scene)
{
    gyre_op op;

    gyre_op_recv(&op, scene->fds[0], scene->bytes, 8, 0);
    return AWAIT(scene, gyre_await(&op).res);
}

SCENARIO(gyre_await) = {
    .wait = wait_await, .help = send_byte, .set_up = pair_up, .result = { 1 }
};

static int wait_await_extra(struct scene *scene)
{
    uint64_t extra[2];
    gyre_op op;

    gyre_op_recv(&op, scene->fds[0], scene->bytes, 8, 0);
    return AWAIT(scene, gyre_await_extra(&op, extra).res);
}

SCENARIO(gyre_await_extra) = { .wait = wait_await_extra,
                               .help = send_byte,
                               .set_up = pair_up,
                               .result = { 1 } };

/* ---- scopes: a close waits for its children, who hear of the cancel ------ */

static int receive(void *arg)
{
    struct scene *scene = arg;

    return (int)gyre_recv(scene->fds[0], scene->bytes, 1, 0);
}

static int wait_scope_close(struct scene *scene)
{
    gyre_scope scope;
    int err;

    gyre_scope_open(&scope, NULL);
    err = spawn_more(scene, &scope, receive, NULL);
    if (err == 0)
        err = spawn_more(scene, &scope, yield_thrice, NULL);
    if (err == 0)
        return AWAIT(scene, gyre_scope_close(&scope));
    CHECK_OK(gyre_scope_close(&scope));
    return err;
}

SCENARIO(gyre_scope_close) = { .wait = wait_scope_close,
                               .help = send_byte,
                               .set_up = pair_up,
                               .deaf = { true } };

static int spawn_two(gyre_scope *scope, void *arg)
{
    int err = spawn_more(arg, scope, receive, NULL);

    if (err == 0)
        err = spawn_more(arg, scope, yield_thrice, NULL);
    return err == 0 ? 5 : err;
}

static int wait_scope_run(struct scene *scene)
{
    return AWAIT(scene, gyre_scope_run(NULL, spawn_two, scene));
}

SCENARIO(gyre_scope_run) = { .wait = wait_scope_run,
                             .help = send_byte,
                             .set_up = pair_up,
                             .result = { 5 },
                             .deaf = { true } };
