/* SPDX-License-Identifier: MIT */
/*
 * blocking_pool.h - what the two files of the pool share: blocking.c, in which
 * requests are asked for, and blocking_thread.c, in which they are done
 */
#ifndef KERNEL_BLOCKING_POOL_H
#define KERNEL_BLOCKING_POOL_H

#include <sys/types.h>

#include "base/assert.h"
#include "kernel/blocking.h"
#include "kernel/thread.h"

/* In blocking_user.running, beside the number: the owner waits for the last. */
#define BLOCKING_LEAVING (UINT32_C(1) << 31)

struct worker {
    struct gyre_blocking_pool *pool;
    pthread_t thread;
    struct list link; /* pool->idle; guarded, as is all below */
    uint32_t called;  /* it sleeps on this while it is 0 */
    bool exists;      /* to be joined */
    bool exited;
};

struct gyre_blocking_pool {
    _Atomic uint32_t holders;
    pid_t process;
    unsigned queue_max; /* 0: no limit */
    unsigned idle_ms;
    struct thread_cpus cpus; /* of who made it */

    pthread_mutex_t lock; /* guards what follows */
    struct list line;     /* of users with jobs queued */
    struct list idle;     /* workers, the last to work first */
    unsigned queued;
    unsigned calls; /* of these */
    unsigned alive;
    unsigned asleep; /* on `idle` */
    unsigned busy;   /* alive, and have a job */
    bool stopping;
    uint64_t wait_max_ns;
    uint64_t taken, refused, made;
    unsigned workers_max;
    struct worker workers[];
};

static inline void blocking_lock(struct gyre_blocking_pool *pool)
{
    int error = pthread_mutex_lock(&pool->lock);

    ASSERT(error == 0);
}

static inline void blocking_unlock(struct gyre_blocking_pool *pool)
{
    int error = pthread_mutex_unlock(&pool->lock);

    ASSERT(error == 0);
}

/* Threads that have no job, whether they know of one already or not. */
static inline unsigned blocking_spare(const struct gyre_blocking_pool *pool)
{
    ASSERT(pool->busy <= pool->alive);
    return pool->alive - pool->busy;
}

/* Under the lock: make a thread, if there is a place and Linux gives one. */
void blocking_spawn(struct gyre_blocking_pool *pool);

/* Under the lock: the idle thread that is to be woken by its word `called`, or
 * NULL. */
struct worker *blocking_rouse(struct gyre_blocking_pool *pool);

/* Wait for all threads. Nothing is queued. */
void blocking_end_threads(struct gyre_blocking_pool *pool);

#endif
