/* SPDX-License-Identifier: MIT */
/*
 * bound.c - how many tasks there may be at a time
 *
 * A scope and the loop as a whole each count their tasks against a bound, if
 * they have one. When a task ends while spawners wait, its room is *promised*
 * to the first of them before that one runs, so that nobody who comes later
 * takes it. A spawner waits for one of the two at a time: for its scope first.
 * It may be a task of this loop, or somebody elsewhere (outside.c).
 */
#include "task/bound.h"

#include <errno.h>

#include "loop/loop.h"
#include "task/task.h"

/* A part of a scope has only what was let in already. */
static bool scope_is_full(const gyre_scope *scope)
{
    return scope->max_tasks_ != 0 && !scope->part_ &&
           scope->children_ + scope->promised_ >= scope->max_tasks_;
}

static bool loop_is_full(const struct tasks *tasks)
{
    return tasks->max_tasks != 0 &&
           census_get(&tasks->alive) + tasks->promised >= tasks->max_tasks;
}

bool bound_is_reached(const gyre_scope *scope)
{
    return scope_is_full(scope) || loop_is_full(scope->loop_->tasks);
}

/* ---- one step of a spawner ----------------------------------------------- */

/* What a policy says to a full house: 0 to go on (aside or not), BOUND_WAITS,
 * or an error. */
static int when_full(unsigned policy, struct list *spawners,
                     struct spawner *spawner)
{
    if (policy == GYRE_FULL_REFUSES || !spawner->may_wait)
        return -EAGAIN;
    if (policy == GYRE_FULL_INLINE) {
        spawner->aside = true;
        return 0;
    }
    list_append(spawners, &spawner->link);
    return BOUND_WAITS;
}

/* It was promised what it waited for: one promise less is open. */
static bool take_promise(struct spawner *spawner, uint32_t *promised)
{
    if (!spawner->promised)
        return false;
    spawner->promised = false;
    ASSERT(*promised > 0);
    --*promised;
    return true;
}

int bound_step_in_scope(gyre_scope *scope, struct spawner *spawner)
{
    int err = 0;

    if (spawner->counted)
        return 0;
    if (!take_promise(spawner, &scope->promised_) && scope_is_full(scope))
        err =
            when_full(scope->when_full_, scope_list(scope->spawners_), spawner);
    if (err != 0)
        return err;
    scope->children_++;
    spawner->counted = true;
    return 0;
}

int bound_step(gyre_scope *scope, struct spawner *spawner)
{
    struct tasks *tasks = scope->loop_->tasks;
    int err = bound_step_in_scope(scope, spawner);

    if (err != 0)
        return err;
    if (!take_promise(spawner, &tasks->promised) && loop_is_full(tasks))
        err = when_full(tasks->when_full, &tasks->spawners, spawner);
    if (err == BOUND_WAITS)
        return err;
    census_add(&tasks->alive, 1);
    if (err < 0)
        bound_give(scope);
    return err;
}

void bound_withdraw(gyre_scope *scope, struct spawner *spawner)
{
    struct tasks *tasks = scope->loop_->tasks;

    ASSERT(!spawner->promised);
    if (list_is_linked(&spawner->link))
        list_remove(&spawner->link);
    if (!spawner->counted)
        return;
    census_add(&tasks->alive, 1);
    bound_give(scope);
}

/* ---- a task waits for room ----------------------------------------------- */

static void spawner_wake(struct spawner *spawner)
{
    task_wake(spawner->who);
}

static void spawner_cancel(gyre_task *task)
{
    struct spawner *spawner = task->waits_for;

    list_remove(&spawner->link);
    task_wake(task);
}

/* It is in a queue. 0: the room is promised. */
static int wait_for_room(struct spawner *spawner, const gyre_scope *scope)
{
    gyre_task *task = spawner->who;

    if (task_cancelled(task) != 0)
        return task_cancelled(task);
    task->waits_for = spawner;
    task_wait(task, spawner_cancel, "room for a task", scope);
    return spawner->promised ? 0 : task_cancelled(task);
}

int bound_take_slowly(gyre_scope *scope, bool *aside)
{
    struct spawner spawner = {
        .who = task_self,
        .wake = spawner_wake,
        .may_wait = task_self != NULL,
    };
    int err = 0;

    if (room_is_elsewhere(scope))
        err = room_take(scope, &spawner.aside);
    if (err < 0)
        return err;
    while ((err = bound_step(scope, &spawner)) == BOUND_WAITS) {
        err = wait_for_room(&spawner, scope);
        if (err < 0) {
            bound_withdraw(scope, &spawner);
            return err;
        }
    }
    *aside = spawner.aside;
    return err;
}

int bound_take_in_scope(gyre_scope *scope, bool *aside)
{
    struct spawner spawner = { .who = task_self,
                               .wake = spawner_wake,
                               .may_wait = true };
    int err;

    while ((err = bound_step_in_scope(scope, &spawner)) == BOUND_WAITS) {
        err = wait_for_room(&spawner, scope);
        if (err < 0) {
            bound_withdraw(scope, &spawner);
            return err;
        }
    }
    *aside = spawner.aside;
    return err;
}

/* ---- give ---------------------------------------------------------------- */

/* Promise room to the first who waits; false: nobody does. */
static bool promise_one(struct list *spawners)
{
    struct list *link = list_take_first(spawners);
    struct spawner *spawner;

    if (link == NULL)
        return false;
    spawner = CONTAINER_OF(link, struct spawner, link);
    spawner->promised = true;
    spawner->wake(spawner);
    return true;
}

void bound_promise(gyre_scope *scope)
{
    struct tasks *tasks = scope->loop_->tasks;

    if (room_is_elsewhere(scope))
        room_free(scope);
    else if (scope->max_tasks_ != 0 && !scope_is_full(scope) &&
             promise_one(scope_list(scope->spawners_)))
        scope->promised_++;
    if (tasks->max_tasks != 0 && !loop_is_full(tasks) &&
        promise_one(&tasks->spawners))
        tasks->promised++;
}

void bound_raised(struct tasks *tasks)
{
    while (!loop_is_full(tasks) && promise_one(&tasks->spawners))
        tasks->promised++;
}

void bound_give_in_scope(gyre_scope *scope, uint32_t n)
{
    ASSERT(scope->children_ >= n);
    scope->children_ -= n;
    while (!scope_is_full(scope) && promise_one(scope_list(scope->spawners_)))
        scope->promised_++;
    scope_look_at_close(scope);
}
