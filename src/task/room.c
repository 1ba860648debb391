/* SPDX-License-Identifier: MIT */
/*
 * room.c - room in a scope, for what is spawned into its parts: see bound.h
 *
 * Who spawns asks the scope's loop for room before, as he would ask it to spawn
 * (outside.c), and has it whatever becomes of the part: what was counted there
 * gives it back at its end, by a post that takes along all that has ended until
 * it arrives. A part of a part hands it on, so that no post is under way to a
 * scope when what it lies in goes home: posts arrive in order, and it goes by
 * the same way (branch.h).
 */
#include <errno.h>

#include "loop/loop.h"
#include "task/ask.h"
#include "task/bound.h"
#include "task/branch.h"

static struct branch *branch_of(gyre_scope *part)
{
    ASSERT(part->part_);
    return CONTAINER_OF(part, struct branch, part);
}

gyre_scope *room_scope(const struct branch *branch)
{
    gyre_scope *trunk = branch->trunk;

    if (trunk->max_tasks_ == 0)
        return NULL;
    return trunk->part_ ? branch_of(trunk)->room : trunk;
}

/* ---- who asks for it ----------------------------------------------------- */

struct room_ask {
    struct ask ask;
    gyre_scope *scope;
    struct spawner spawner;
    bool cancelled;
};

static struct room_ask *room_ask_of(struct ask *ask)
{
    return CONTAINER_OF(ask, struct room_ask, ask);
}

/* It is in a queue, and its task was cancelled. */
static void room_ask_ends(struct room_ask *self)
{
    bound_withdraw(self->scope, &self->spawner);
    ask_give_up(&self->ask);
}

static void room_ask_step(struct ask *ask)
{
    struct room_ask *self = room_ask_of(ask);
    const struct tasks *tasks = ask->loop->tasks;
    int err = bound_step_in_scope(self->scope, &self->spawner);

    if (err == BOUND_WAITS) {
        if (ask->impatient || self->cancelled)
            room_ask_ends(self);
        return;
    }
    if (err == 0 && tasks->ending) {
        bound_give_in_scope(self->scope, 1);
        err = -ECANCELED;
    }
    ask_answer(ask, err);
}

static void room_ask_promised(struct spawner *spawner)
{
    struct room_ask *self = spawner->who;

    ask_later(&self->ask, room_ask_step);
}

static void room_ask_withdraw(struct ask *ask)
{
    struct room_ask *self = room_ask_of(ask);

    self->cancelled = true;
    if (!self->spawner.promised)
        room_ask_ends(self);
}

int room_take(gyre_scope *part, bool *aside)
{
    gyre_scope *scope = branch_of(part)->room;
    struct room_ask self = {
        .ask = { .begin = room_ask_step, .withdraw = room_ask_withdraw },
        .scope = scope,
        .spawner = { .wake = room_ask_promised, .may_wait = true },
    };
    int err;

    if (task_self == NULL && gyre_loop_current() != NULL)
        return -EAGAIN;
    self.spawner.who = &self;
    err = loop_owner(scope->loop_) == loop_thread()
              ? bound_take_in_scope(scope, aside)
              : ask_and_wait(&self.ask, scope->loop_, "room for a task", scope);
    *aside = *aside || self.spawner.aside;
    return err;
}

static void room_ask_return(struct ask *ask)
{
    bound_give_in_scope(room_ask_of(ask)->scope, 1);
    ask_answer(ask, 0);
}

void room_return(gyre_scope *part)
{
    struct room_ask self = { .ask = { .begin = room_ask_return,
                                      .insists = true },
                             .scope = branch_of(part)->room };

    if (loop_owner(self.scope->loop_) == loop_thread())
        bound_give_in_scope(self.scope, 1);
    else
        (void)ask_and_wait(&self.ask, self.scope->loop_, "another loop",
                           self.scope);
}

/* ---- who gives it back --------------------------------------------------- */

static void rooms_arrive(gyre_work *work);

/* On the loop of the branch's part. */
static void rooms_send(struct branch *branch, uint32_t n)
{
    if (atomic_fetch_add_explicit(&branch->rooms, n, memory_order_acq_rel) == 0)
        gyre_loop_post(branch->home->loop, &branch->rooms_work, rooms_arrive);
}

static void rooms_arrive(gyre_work *work)
{
    struct branch *branch = CONTAINER_OF(work, struct branch, rooms_work);
    uint32_t n =
        atomic_exchange_explicit(&branch->rooms, 0, memory_order_acq_rel);

    ASSERT(n > 0);
    if (branch->trunk->part_)
        rooms_send(branch_of(branch->trunk), n);
    else
        bound_give_in_scope(branch->trunk, n);
}

void room_free(gyre_scope *part)
{
    rooms_send(branch_of(part), 1);
}
