/* SPDX-License-Identifier: MIT */
/*
 * Programs that fail: tasks and scopes. See programs.h.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "awaits/programs.h"
#include "io/world.h"

static void pair_up(struct stage *stage)
{
    pair_open(stage->fds);
}

/* An op that is done at once. */
static int say(struct stage *stage)
{
    ssize_t n = gyre_send(stage->fds[1], "x", 1, 0);

    return n < 0 ? (int)n : 0;
}

static int sleep_a_little(void *arg)
{
    struct stage *stage = arg;
    int err = gyre_yield();

    if (err == 0)
        err = gyre_sleep(20 * GYRE_US);
    if (err == 0)
        stage->count++;
    return err;
}

static int sleepers_main(gyre_scope *scope, void *arg)
{
    return spawn_some(scope, sleep_a_little, arg, 4);
}

PROGRAM(sleepers, .spawns = 4);

static int yield_and_say(void *arg)
{
    int err = gyre_yield();

    return err < 0 ? err : say(arg);
}

static int spawn_storm_main(gyre_scope *scope, void *arg)
{
    return spawn_some(scope, yield_and_say, arg, 12);
}

PROGRAM(spawn_storm, .set_up = pair_up, .ops = 12, .spawns = 12);

/* ---- join ---------------------------------------------------------------- */

struct branch {
    struct stage *stage;
    struct branch *below; /* two, in a frame that outlives their tasks */
    unsigned depth;
};

static int branch_main(void *arg);

/* Two children, joined in order: their sum, or the first error. Those not
 * joined are waited for by the scope. */
static int branch_children(gyre_scope *scope, void *arg)
{
    struct branch *branch = arg;
    gyre_task *tasks[2];
    int sum = 0;

    for (int i = 0; i < 2; i++) {
        int err = gyre_spawn_with(scope, NULL, branch_main, &branch->below[i],
                                  &tasks[i]);

        if (err < 0)
            return err;
    }
    for (int i = 0; i < 2; i++) {
        int result;
        int err = gyre_join(tasks[i], &result);

        if (err < 0 || result < 0)
            return err < 0 ? err : result;
        sum += result;
    }
    return sum;
}

static int branch_main(void *arg)
{
    struct branch *branch = arg;
    struct branch below[2];

    if (branch->depth == 0) {
        int err = say(branch->stage);

        return err < 0 ? err : 1;
    }
    below[0] = (struct branch){ branch->stage, NULL, branch->depth - 1 };
    below[1] = below[0];
    branch->below = below;
    return gyre_scope_run(NULL, branch_children, branch);
}

static int tree_of_joins_main(gyre_scope *scope, void *arg)
{
    struct branch root = { arg, NULL, 2 };
    int sum = branch_main(&root);

    (void)scope;
    if (sum >= 0)
        CHECK_EQ(sum, 4);
    return sum < 0 ? sum : 0;
}

PROGRAM(tree_of_joins, .set_up = pair_up, .ops = 4, .spawns = 6);

/* ---- scopes -------------------------------------------------------------- */

static void one_less(void *arg)
{
    struct stage *stage = arg;

    stage->live--;
}

static int nest(struct stage *stage, int depth)
{
    gyre_deferred deferred;
    gyre_scope scope;
    int err, closed;

    gyre_scope_open(&scope, NULL);
    stage->live++;
    gyre_scope_defer(&scope, &deferred, one_less, stage);
    err = spawn_some(&scope, yield_and_say, stage, 1);
    if (err == 0 && depth > 0)
        err = nest(stage, depth - 1);
    if (err < 0)
        gyre_scope_cancel(&scope);
    closed = gyre_scope_close(&scope);
    return err < 0 ? err : closed;
}

static int nested_scopes_main(gyre_scope *scope, void *arg)
{
    (void)scope;
    return nest(arg, 3);
}

PROGRAM(nested_scopes, .set_up = pair_up, .ops = 4, .spawns = 4);

static int bounded_spawns_main(gyre_scope *scope, void *arg)
{
    return spawn_some(scope, yield_and_say, arg, 6);
}

PROGRAM(bounded_spawns, .set_up = pair_up, .options = { .max_tasks = 2 },
        .ops = 6, .spawns = 6);

static int spawns_aside_main(gyre_scope *scope, void *arg)
{
    return spawn_some(scope, yield_and_say, arg, 6);
}

PROGRAM(spawns_aside, .set_up = pair_up,
        .options = { .max_tasks = 2, .when_full = GYRE_FULL_INLINE }, .ops = 6,
        .spawns = 6);

/* What was begun is undone, even if the cancel comes in the middle of it. */
static int commit(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    int err = say(stage);

    (void)scope;
    stage->live--;
    return err;
}

static int begin_and_commit(void *arg)
{
    struct stage *stage = arg;
    gyre_scope_options shield = { .shield = true, .deadline_ns = GYRE_NEVER };
    int err, committed;

    stage->live++;
    err = say(stage);
    committed = gyre_scope_run(&shield, commit, stage);
    return err < 0 ? err : committed;
}

static int commit_in_a_shield_main(gyre_scope *scope, void *arg)
{
    return spawn_some(scope, begin_and_commit, arg, 2);
}

PROGRAM(commit_in_a_shield, .set_up = pair_up, .ops = 4, .spawns = 2);

static int receive_for_ever(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;

    (void)scope;
    return (int)gyre_recv(stage->fds[0], stage->bytes, 8, 0);
}

static int receive_until_a_deadline_main(gyre_scope *scope, void *arg)
{
    gyre_scope_options soon = {
        .deadline_ns = gyre_loop_update_now(gyre_loop_current()) +
                       100 * GYRE_US,
    };
    int err = gyre_scope_run(&soon, receive_for_ever, arg);

    (void)scope;
    return err == -ETIME ? 0 : err;
}

PROGRAM(receive_until_a_deadline, .set_up = pair_up, .ops = 1);

static int siblings_go_on_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    gyre_scope_options options = { .on_error = GYRE_ERROR_CONTINUES };
    gyre_scope own;
    int err, closed;

    (void)scope;
    gyre_scope_open(&own, &options);
    err = spawn_some(&own, sleep_a_little, stage, 2);
    if (err == 0)
        err = spawn_some(&own, yield_and_say, stage, 2);
    closed = gyre_scope_close(&own);
    if (err == 0)
        CHECK_EQ(stage->count, 2u); /* whatever became of the others */
    return err < 0 ? err : closed;
}

PROGRAM(siblings_go_on, .set_up = pair_up, .ops = 2, .spawns = 4);

/* ---- values and cancels -------------------------------------------------- */

static const char key;

static int look_up(void *arg)
{
    CHECK(gyre_local_get(&key) == arg);
    return say(arg);
}

static int bound_values_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;

    /* Held until the scope closes, which is after this. */
    gyre_local_bind(&stage->local, &key, stage);
    return spawn_some(scope, look_up, arg, 2);
}

PROGRAM(bound_values, .set_up = pair_up, .ops = 2, .spawns = 2);

static int wait_for_cancel(void *arg)
{
    struct stage *stage = arg;

    return (int)gyre_recv(stage->fds[0], stage->bytes, 8, 0);
}

static int tasks_cancelled_singly_main(gyre_scope *scope, void *arg)
{
    gyre_task *tasks[2];
    int err = 0;

    for (int i = 0; i < 2 && err == 0; i++)
        err = gyre_spawn_with(scope, NULL, wait_for_cancel, arg, &tasks[i]);
    if (err == 0)
        err = gyre_yield();
    for (int i = 0; i < 2 && err == 0; i++) {
        int result;

        gyre_task_cancel(tasks[i]);
        err = gyre_join(tasks[i], &result);
        if (err == 0 && result != -ECANCELED)
            err = result;
    }
    return err;
}

/* A cancel is what it wants. */
PROGRAM(tasks_cancelled_singly, .set_up = pair_up, .copes = { -ECANCELED },
        .ops = 2, .spawns = 2);
