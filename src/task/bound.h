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

/* It waits no more, and was promised nothing. */
void bound_withdraw(gyre_scope *scope, struct spawner *spawner);

#endif
