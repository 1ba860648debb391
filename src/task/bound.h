/* SPDX-License-Identifier: MIT */
/*
 * bound.h - who waits for room, step by step
 *
 * A task that spawns waits inside bound_take(). Who is elsewhere cannot: he is
 * a struct spawner, takes a step, and if that says BOUND_WAITS another one when
 * `wake` was called. All on the scope's loop. Includes only what task.h does.
 */
#ifndef TASK_BOUND_H
#define TASK_BOUND_H

#include "task/task.h"

struct branch;

#define BOUND_WAITS 1

struct spawner {
    struct list link;
    void *who;                             /* for `wake` */
    void (*wake)(struct spawner *spawner); /* room is promised */
    bool may_wait;
    bool aside;    /* the bound is passed: wait until the task has ended */
    bool promised; /* and not yet taken */
    bool counted;  /* it has its scope's room, and waits for the loop's */
};

/* 0: there is room, and it is taken; BOUND_WAITS: it is in a queue; negative:
 * why not. */
int bound_step(gyre_scope *scope, struct spawner *spawner);

/* Likewise of the scope's room alone. */
int bound_step_in_scope(gyre_scope *scope, struct spawner *spawner);

/* Until there is some. A task of the scope's loop. */
int bound_take_in_scope(gyre_scope *scope, bool *aside);

/* It waits no more, and was promised nothing. */
void bound_withdraw(gyre_scope *scope, struct spawner *spawner);

/* So many that were counted in the scope alone are no more. */
void bound_give_in_scope(gyre_scope *scope, uint32_t n);

/*
 * room.c: the bound of a scope holds over all engines. What is spawned into its
 * part on another one is counted there, and in the scope itself:
 *
 *   by whoever spawns                  the part's loop        the scope's
 *   room_take: an ask            -------------------------->  counted
 *   spawn                        --->  counted, runs, ends
 *                                      room_free: a post -->  counted no more
 */
static inline bool room_is_elsewhere(const gyre_scope *scope)
{
    return scope->part_ && scope->max_tasks_ != 0;
}

/* By any task or thread, before it spawns into the part: 0, or why there is no
 * room. A callback cannot wait for the answer: -EAGAIN. */
int room_take(gyre_scope *part, bool *aside);
/* Likewise: it came to nothing before the part's loop knew. */
void room_return(gyre_scope *part);
/* On the part's loop: what was counted there has ended. */
void room_free(gyre_scope *part);
/* The scope whose bound counts for a branch; NULL: there is none. */
gyre_scope *room_scope(const struct branch *branch);

#endif
