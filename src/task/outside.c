/* SPDX-License-Identifier: MIT */
/*
 * outside.c - asks of a scope: see outside.h
 *
 * What begins with the name of an ask runs on the scope's loop, outside of
 * tasks.
 */
#include "task/outside.h"

#include "loop/loop.h"
#include "task/ask.h"
#include "task/bound.h"

/* ---- spawn --------------------------------------------------------------- */

struct spawn_ask {
    struct ask ask;
    struct spawn spawn;
    struct spawner spawner;
    gyre_task *target; /* whose end is waited for */
    bool whole;        /* the answer is the task's result */
    bool cancelled;
    gyre_failure failure;
};

static struct spawn_ask *spawn_ask_of(struct ask *ask)
{
    return CONTAINER_OF(ask, struct spawn_ask, ask);
}

/* The task is on its stack yet; nobody looks at it after this. */
static void spawn_ask_ended(gyre_task *target)
{
    struct spawn_ask *self = target->joiner;
    int result = 0;

    target->ended = NULL;
    target->joiner = NULL;
    if (self->whole)
        result = target->result;
    if (result < 0)
        self->failure = failure_of(target, result);
    ask_answer(&self->ask, result);
}

/* There is room. */
static void spawn_ask_make(struct spawn_ask *self)
{
    const struct tasks *tasks = self->spawn.scope->loop_->tasks;
    gyre_task *target;

    if (tasks->ending) {
        bound_give(self->spawn.scope); /* while it waited */
        ask_answer(&self->ask, -ECANCELED);
        return;
    }
    target = task_spawn(&self->spawn);
    if (target == NULL || !(self->whole || self->spawner.aside)) {
        ask_answer(&self->ask, target == NULL ? -ENOMEM : 0);
        return;
    }
    self->target = target;
    target->joiner = self;
    target->ended = spawn_ask_ended;
    if (self->cancelled)
        scope_cancel_task(target);
}

static void spawn_ask_step(struct ask *ask)
{
    struct spawn_ask *self = spawn_ask_of(ask);
    int err = bound_step(self->spawn.scope, &self->spawner);

    if (err == BOUND_WAITS && (ask->impatient || self->cancelled)) {
        bound_withdraw(self->spawn.scope, &self->spawner);
        ask_give_up(ask);
    } else if (err == 0) {
        spawn_ask_make(self);
    } else if (err < 0) {
        ask_answer(ask, err);
    }
}

static void spawn_ask_promised(struct spawner *spawner)
{
    struct spawn_ask *self = spawner->who;

    ask_later(&self->ask, spawn_ask_step);
}

static void spawn_ask_begin(struct ask *ask)
{
    int err = task_check_spawn(&spawn_ask_of(ask)->spawn);

    if (err < 0)
        ask_answer(ask, err);
    else
        spawn_ask_step(ask);
}

static void spawn_ask_withdraw(struct ask *ask)
{
    struct spawn_ask *self = spawn_ask_of(ask);

    self->cancelled = true;
    if (self->target != NULL && self->whole)
        scope_cancel_task(self->target);
    if (self->target != NULL || self->spawner.promised)
        return;
    bound_withdraw(self->spawn.scope, &self->spawner);
    ask_give_up(ask);
}

static int spawn_and_wait(struct spawn_ask *self, const char *reason)
{
    gyre_scope *scope = self->spawn.scope;
    int32_t result;

    self->ask.begin = spawn_ask_begin;
    self->ask.withdraw = spawn_ask_withdraw;
    self->spawner.who = self;
    self->spawner.wake = spawn_ask_promised;
    self->spawner.may_wait = true;
    result = ask_and_wait(&self->ask, scope->loop_, reason, scope);
    if (self->failure.error != 0 && task_self != NULL)
        task_self->failure = self->failure;
    return result;
}

int outside_spawn(const void *site, gyre_scope *scope,
                  const gyre_task_options *options, gyre_task_fn *fn, void *arg,
                  gyre_task **handle)
{
    struct spawn_ask self = { .spawn = { .site = site,
                                         .scope = scope,
                                         .options = options,
                                         .fn = fn,
                                         .arg = arg,
                                         .handle = handle } };
    int err = 0;

    if (room_is_elsewhere(scope))
        err = room_take(scope, &self.spawner.aside);
    if (err < 0)
        return err;
    err = spawn_and_wait(&self, "a spawn on another loop");
    if (err < 0 && !self.spawner.counted && room_is_elsewhere(scope))
        room_return(scope);
    return err;
}

int outside_run(const void *site, gyre_scope *scope,
                const gyre_task_options *options, gyre_task_fn *fn, void *arg)
{
    struct spawn_ask self = { .spawn = { .site = site,
                                         .scope = scope,
                                         .options = options,
                                         .fn = fn,
                                         .arg = arg },
                              .whole = true };

    return spawn_and_wait(&self, "a task of another loop");
}

/* ---- join ---------------------------------------------------------------- */

struct join_ask {
    struct ask ask;
    gyre_task *target;
    int taken;
    gyre_failure failure;
};

static struct join_ask *join_ask_of(struct ask *ask)
{
    return CONTAINER_OF(ask, struct join_ask, ask);
}

static void join_ask_take(struct ask *ask)
{
    struct join_ask *self = join_ask_of(ask);

    self->taken = task_collect(self->target, &self->failure);
    ask_answer(ask, 0);
}

static void join_ask_ended(gyre_task *target)
{
    struct join_ask *self = target->joiner;

    ask_later(&self->ask, join_ask_take);
}

static void join_ask_begin(struct ask *ask)
{
    struct join_ask *self = join_ask_of(ask);

    task_watch(self->target, join_ask_ended, self);
    if (self->target->finished) {
        join_ask_take(ask);
    } else if (ask->impatient) {
        self->target->ended = NULL;
        ask_give_up(ask);
    }
}

static void join_ask_withdraw(struct ask *ask)
{
    struct join_ask *self = join_ask_of(ask);

    if (self->target->finished)
        return; /* it is about to be taken */
    self->target->ended = NULL;
    ask_give_up(ask);
}

int outside_join(gyre_task *target, int *result)
{
    struct join_ask self = { .ask = { .begin = join_ask_begin,
                                      .withdraw = join_ask_withdraw },
                             .target = target };
    int32_t err = ask_and_wait(&self.ask, target->books->loop, "join", target);

    if (err < 0)
        return err;
    if (self.taken < 0 && task_self != NULL)
        task_self->failure = self.failure;
    if (result != NULL)
        *result = self.taken;
    return 0;
}

/* ---- a thread's own scope ------------------------------------------------ */

struct scope_ask {
    struct ask ask;
    struct tasks *tasks;
    gyre_scope *scope;
    const gyre_scope_options *options;
    const void *opener;
    gyre_deferred *deferred; /* to be called before the scope is closed */
};

static struct scope_ask *scope_ask_of(struct ask *ask)
{
    return CONTAINER_OF(ask, struct scope_ask, ask);
}

/* Until it is closed, the loop does not end: it counts as a child. */
static void open_ask_begin(struct ask *ask)
{
    struct scope_ask *self = scope_ask_of(ask);
    struct tasks *tasks = self->tasks;
    gyre_scope *scope = self->scope;

    if (tasks->ending) {
        ask_answer(ask, -ECANCELED);
        return;
    }
    scope_init(scope, tasks->loop);
    scope->parent_ = &tasks->root;
    scope->opener_ = self->opener;
    scope->cancelled_ = tasks->root.cancelled_;
    list_append(scope_list(tasks->root.scopes_), scope_list(scope->link_));
    tasks->root.children_++;
    tasks->outside++;
    if (self->options != NULL)
        scope_apply(scope, self->options);
    ask_answer(ask, 0);
}

int outside_open(struct tasks *tasks, gyre_scope *scope,
                 const gyre_scope_options *options)
{
    struct scope_ask self = { .ask = { .begin = open_ask_begin },
                              .tasks = tasks,
                              .scope = scope,
                              .options = options,
                              .opener = loop_thread() };

    return ask_and_wait(&self.ask, tasks->loop, "another loop", scope);
}

/* Nothing is to be waited for. What was deferred comes first, in the closing
 * thread; it may spawn, or defer once more. */
static void close_ask_go_on(struct scope_ask *self)
{
    gyre_scope *scope = self->scope;
    struct tasks *tasks = scope->loop_->tasks;
    int err;

    scope->closer_ = NULL;
    self->deferred = scope->deferred_;
    if (self->deferred != NULL) {
        scope->deferred_ = self->deferred->next_;
        ask_answer(&self->ask, 0);
        return;
    }
    err = scope_end(scope);
    ASSERT(scope->parent_->children_ > 0);
    scope->parent_->children_--;
    tasks->outside--;
    ask_answer(&self->ask, err);
}

void outside_may_close(gyre_scope *scope)
{
    close_ask_go_on(scope->closer_);
}

static void close_ask_begin(struct ask *ask)
{
    struct scope_ask *self = scope_ask_of(ask);

    self->scope->closer_ = self;
    self->scope->closing_ = true;
    scope_look_at_close(self->scope);
}

int outside_close(gyre_scope *scope)
{
    struct scope_ask self = { .scope = scope };
    int32_t err;

    ASSERT_API(task_self == NULL && scope->opener_ == loop_thread(),
               "a scope is closed by its opener");
    for (;;) {
        /* Children that never end keep the scope's memory, as a task's. */
        self.ask = (struct ask){ .begin = close_ask_begin, .insists = true };
        err = ask_and_wait(&self.ask, scope->loop_, "children", scope);
        if (self.deferred == NULL)
            return err;
        self.deferred->fn_(self.deferred->arg_);
    }
}
