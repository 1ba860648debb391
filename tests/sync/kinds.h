/* SPDX-License-Identifier: MIT */
/*
 * kinds.h - what all primitives have in common, so that one test asks them all
 *
 * Each kind begins closed: whoever waits for it has to wait until open() lets
 * them through, in their order, one by one (a mutex) or all at once (an event).
 * A lock is held at first, by the task or thread that called init(), and has to
 * be opened there. Who came through goes on to leave().
 */
#ifndef TESTS_SYNC_KINDS_H
#define TESTS_SYNC_KINDS_H

#include <gyre/gyre.h>

#include "runner/test.h"

/* Any of the primitives, and what its waits need beside it. */
struct object {
    union {
        gyre_sync_ sync; /* each begins with it */
        gyre_mutex mutex;
        gyre_rwlock rwlock;
        gyre_cond cond;
        gyre_semaphore semaphore;
        gyre_event event;
        gyre_latch latch;
        gyre_barrier barrier;
        gyre_wait_group group;
        gyre_once once;
    };
    gyre_mutex beside; /* of the condition variable */
    int runs;          /* of the once */
};

struct kind {
    const char *name;
    /* Closed, for `waiters` calls of wait(); flags: GYRE_LOCAL. */
    void (*init)(struct object *object, unsigned waiters, unsigned flags);
    int (*wait)(struct object *object, uint64_t deadline_ns);
    void (*leave)(struct object *object); /* NULL: nothing to do */
    void (*open)(struct object *object);
    void (*destroy)(struct object *object);
    bool counts;  /* opens for the number given to init(), not for fewer */
    bool forgets; /* who comes after open() waits all the same */
};

extern const struct kind kinds[];
extern const size_t kind_count;

/* How many stand in the object's queue. */
unsigned queue_length(struct object *object);

/* ---- somebody who waits -------------------------------------------------- */

struct client {
    const struct kind *kind;
    struct object *object;
    uint64_t deadline_ns;
    int result;
    unsigned turn; /* 1: was the first to come through, or to give up */
    bool ended;
    gyre_task *task;
};

/* For tasks: wait, note the result, leave. 0. */
int client_run(void *client);

/* A new round: the next client to end has turn 1. */
void clients_init(struct client *clients, unsigned count,
                  const struct kind *kind, struct object *object);

/* Spawned into the scope, in order; they wait when this returns. */
void clients_start(struct client *clients, unsigned count, gyre_scope *scope);

/* Use the stack below the caller's frame for something else. */
void scribble(void);

/* Run fn for each kind and for shared and local ones, as a task. */
void for_each_kind(void (*fn)(const struct kind *kind, unsigned flags));

/* Run fn as a task of a loop of its own. */
void must_run(int (*fn)(void *arg), void *arg);

uint64_t clock_ns(void);

/* So many tasks at a time, or fewer where a tool watches each. */
unsigned many_tasks(unsigned count);

#endif
