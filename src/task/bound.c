/* SPDX-License-Identifier: MIT */
/*
 * bound.c - how many tasks there may be at a time
 *
 * A scope and the loop as a whole each count their tasks against a bound, if
 * they have one. When a task ends while spawners wait, its room is *promised*
 * to the first of them before that one runs, so that nobody who comes later
 * takes it. A spawner waits for one of the two at a time: for its scope first.
 */
#include <errno.h>

#include "loop/loop.h"
#include "task/task.h"

struct spawner {
    struct list link;
    gyre_task *task;
    bool promised;
};

static bool scope_is_full(const gyre_scope *scope)
{
    return scope->max_tasks_ != 0 &&
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

/* ---- waiting for room ---------------------------------------------------- */

static void spawner_cancel(gyre_task *task)
{
    struct spawner *spawner = task->waits_for;

    list_remove(&spawner->link);
    task_wake(task);
}

/* 0: the room is promised to the caller. */
static int wait_for_room(struct list *spawners, const gyre_scope *scope)
{
    struct spawner self = { .task = gyre_task_current() };

    if (self.task == NULL)
        return -EAGAIN;
    if (task_cancelled(self.task) != 0)
        return task_cancelled(self.task);
    list_append(spawners, &self.link);
    self.task->waits_for = &self;
    task_wait(self.task, spawner_cancel, "room for a task", scope);
    return self.promised ? 0 : task_cancelled(self.task);
}

/* Promise room to the first who waits; false: nobody does. */
static bool promise_one(struct list *spawners)
{
    struct list *link = list_take_first(spawners);

    if (link == NULL)
        return false;

    struct spawner *spawner = CONTAINER_OF(link, struct spawner, link);

    spawner->promised = true;
    task_wake(spawner->task);
    return true;
}

/* What a policy says to a full house: 0 to go on (aside or not), or an error.
 */
static int when_full(unsigned policy, struct list *spawners,
                     const gyre_scope *scope, uint32_t *promised, bool *aside)
{
    int err;

    if (policy == GYRE_FULL_REFUSES)
        return -EAGAIN;
    if (policy == GYRE_FULL_INLINE) {
        *aside = gyre_task_current() != NULL;
        return *aside ? 0 : -EAGAIN;
    }
    err = wait_for_room(spawners, scope);
    if (err == 0)
        (*promised)--;
    return err;
}

/* ---- take and give ------------------------------------------------------- */

int bound_take_slowly(gyre_scope *scope, bool *aside)
{
    struct tasks *tasks = scope->loop_->tasks;
    int err;

    if (scope_is_full(scope)) {
        err = when_full(scope->when_full_, scope_list(scope->spawners_), scope,
                        &scope->promised_, aside);
        if (err < 0)
            return err;
    }
    scope->children_++;
    if (loop_is_full(tasks)) {
        err = when_full(tasks->when_full, &tasks->spawners, scope,
                        &tasks->promised, aside);
        if (err < 0) {
            census_add(&tasks->alive, 1);
            bound_give(scope);
            return err;
        }
    }
    census_add(&tasks->alive, 1);
    return 0;
}

void bound_promise(gyre_scope *scope)
{
    struct tasks *tasks = scope->loop_->tasks;

    if (scope->max_tasks_ != 0 && !scope_is_full(scope) &&
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
