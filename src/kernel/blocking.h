/* SPDX-License-Identifier: MIT */
/*
 * blocking.h - the threads on which a request may block
 *
 * A pool is a bounded number of threads; a user is an emulator that asks them
 * to do jobs. One pool may have many users, on threads of their own: the bound
 * is over all, a thread takes a job of each user in turn, and what is done goes
 * back to the user who asked. The public side of it is gyre/blocking.h.
 *
 * Threads.  A pool's functions are for any thread, a user's for its owner's.
 */
#ifndef KERNEL_BLOCKING_H
#define KERNEL_BLOCKING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "kernel/kernel.h"

struct gyre_blocking_pool;

/* What a thread is asked to do, embedded by who asks; filled are `run` and
 * `is_call`. */
struct blocking_job {
    void (*run)(struct blocking_job *job); /* on a thread */
    bool is_call;                          /* it counts for queue_max */
    bool taken; /* guarded by the pool's lock, as is `link` */
    struct list link;
    struct blocking_user *user;
    uint64_t queued_ns;
    struct blocking_job *next; /* among what is done */
};

struct blocking_user {
    struct gyre_blocking_pool *pool; /* NULL: it uses none */
    struct list queue;               /* of jobs; guarded, as is `turn` */
    struct list turn;                /* among users with jobs queued */
    /* On a thread, when something is done of which the owner knows nothing. */
    void (*tell)(struct blocking_user *user);
    _Atomic(struct blocking_job *) done;
    _Atomic uint32_t running; /* jobs that threads have */
};

/* A pool with one holder, the caller; NULL: no memory. The numbers are those of
 * kernel_options, resolved. It ends, and its threads with it, when the last
 * lets go; who uses it holds it, too. */
struct gyre_blocking_pool *blocking_create(
    const struct kernel_options *options);
void blocking_hold(struct gyre_blocking_pool *pool);
void blocking_let_go(struct gyre_blocking_pool *pool);

void blocking_look(struct gyre_blocking_pool *pool, struct kernel_pool *look);

void blocking_use(struct blocking_user *user, struct gyre_blocking_pool *pool,
                  void (*tell)(struct blocking_user *user));
/* No job of the user's is queued, running or not taken from what is done. */
void blocking_leave(struct blocking_user *user);

/* 0; or -EAGAIN: there is no thread and none can be made, or as many calls wait
 * as may. */
int blocking_add(struct blocking_user *user, struct blocking_job *job);
/* Take a job out of the queue; false: it runs, or is done. */
bool blocking_take_back(struct blocking_user *user, struct blocking_job *job);
/* All that is done, in order, linked by `next`. */
struct blocking_job *blocking_take_done(struct blocking_user *user);

/* A thread of gyre's own, with a small stack, to which no signal goes. */
bool blocking_thread(pthread_t *thread, void *(*body)(void *), void *arg);

#endif
