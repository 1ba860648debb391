/* SPDX-License-Identifier: MIT */
/*
 * stage.h - a small program around one call that waits, cancelled everywhere
 *
 * A *scenario* is such a program. In a scope of its own it has three tasks: one
 * that makes the call, one that by and by lets it have what it waits for (the
 * helper), and one that receives on a socket meanwhile, so that the call is
 * never alone. A *pass* performs it once, step by step: each step resumes one
 * task, or turns the loop once, by hand. After the k-th step of the k-th pass
 * comes the *strike*, of one kind; the passes end when the program is over
 * before it is struck. After each pass:
 *
 *   - the call has returned what it does without a strike, or -ECANCELED or
 *     -ETIME by the kind: the latter, and at once, if it had not begun; the
 *     former if its wait was over already
 *   - at least one strike of each kind met it while it waited and ended it
 *   - no op, timer, task, scope or descriptor is left
 *   - what the tear-down destroys panics if somebody still waits for it
 *
 * A scenario is defined for each call that the headers mark GYRE_WAITS
 * (test_cancel.c); the program does not link without it.
 */
#ifndef AWAITS_STAGE_H
#define AWAITS_STAGE_H

#include <gyre/gyre.h>

#include "runner/test.h"

enum { STAGE_FDS = 6, STAGE_BYTES = 4096, STAGE_PATH = 600 };

/* How a pass is struck. */
enum strike {
    STRIKE_SCOPE,    /* the scope is cancelled */
    STRIKE_TASK,     /* the one task is */
    STRIKE_DEADLINE, /* the scope's deadline is moved into the past */
    STRIKE_TIMER,    /* ... or to the next instant, and a timer does it */
    STRIKE_SHIELD,   /* as the first, and the call is in a shield */
    STRIKE_DESTROY,  /* the loop is destroyed */
    STRIKES,
};

struct scene;

enum { WAYS_MAX = 3 };

struct scenario {
    /* Makes the call, by AWAIT(); on a task. Gives back what it got, if the
     * call succeeded after all. Its result is what the call's comes to, one
     * number for any success that is the same each time. */
    int (*wait)(struct scene *scene);
    /* Ends the wait; on another task. Only plain system calls, calls that do
     * not wait, and linger(): it is cancelled as well. May be NULL. */
    void (*help)(struct scene *scene);
    /* Before and after, outside of tasks; may be NULL. Descriptors in `fds` are
     * closed by the stage. */
    void (*set_up)(struct scene *scene);
    void (*tear_down)(struct scene *scene);
    /* Variants of it; 0 is 1. */
    unsigned ways;
    int result[WAYS_MAX]; /* without a strike */
    bool deaf[WAYS_MAX];  /* it waits on, whatever happens */
    bool help_first;      /* the helper's task runs first */
    bool many;            /* the call is one wait after the other */
    bool may_leave;       /* a request may end after the call has returned */
};

#define SCENARIO_NAME(call) no_SCENARIO_in_tests_awaits_for_##call
#define SCENARIO(call) const struct scenario SCENARIO_NAME(call)

struct scene {
    const struct scenario *scenario;
    unsigned way;
    enum strike strike;
    gyre_loop *loop;
    gyre_task *waiter;
    gyre_scope scope;
    int noise[2];
    int result;
    int close_result; /* of the scope */
    bool opened;      /* the scope is */
    bool begun;       /* the call has */
    bool inside;      /* the call is waiting */
    bool done;        /* the waiter is */
    bool refused;     /* a task of the scenario's own was */
    bool finished;    /* all of it */
    bool struck;
    bool struck_before;
    bool struck_inside;
    bool struck_woken; /* its wait had ended, and it was yet to run */

    /* For the scenarios. */
    int fds[STAGE_FDS]; /* -1: none */
    char bytes[STAGE_BYTES];
    char path[STAGE_PATH];
    unsigned count;
    void *value;
    gyre_task *task;
    gyre_channel *channel;
    gyre_mutex mutex;
    union {
        gyre_rwlock rwlock;
        gyre_cond cond;
        gyre_semaphore semaphore;
        gyre_event event;
        gyre_latch latch;
        gyre_barrier barrier;
        gyre_wait_group group;
        gyre_once once;
        gyre_oneshot oneshot;
    } sync;
};

/* The call itself, whose result (an int) is kept and the value of the whole. */
#define AWAIT(scene, call)                                                     \
    ((scene)->begun = (scene)->inside = true, (scene)->result = (int)(call),   \
     (scene)->inside = false, (scene)->result)

/* For a scenario's own tasks: in a loop that is being destroyed there are none,
 * and the scenario returns the error. */
int spawn_more(struct scene *scene, gyre_scope *scope, int (*fn)(void *arg),
               gyre_task **task);

/* All passes, each way, by each kind of strike. */
void stage_run(const char *call, const struct scenario *scenario);

/* How long something lasts that ends by itself: long enough for a step. */
uint64_t stage_delay(void);

/* For helpers: let the others and the kernel have a few turns. */
void linger(struct scene *scene);
/* Let the call end by itself, in whatever state the scope is. */
void linger_until_done(struct scene *scene);
/* Does the call's own deadline end it? In the second way, soon: nobody helps
 * then. In the first it is far away. */
uint64_t own_deadline(const struct scene *scene);

#endif
