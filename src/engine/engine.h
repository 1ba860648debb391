/* SPDX-License-Identifier: MIT */
/*
 * engine.h - engines from the inside
 *
 * An engine is a thread, a loop and the tasks of that loop; a set of them
 * begins and ends together. What crosses from one to another is posted to its
 * loop (loop/wake.c) or lies in a queue (queue.c); nothing else is shared but a
 * few counters.
 *
 *   set.c    make them, their threads
 *   run.c    the shortest way: gyre_run()
 *   place.c  where a task goes
 *   queue.c  tasks that may begin anywhere
 *   idle.c   an engine without work looks for some, and sleeps
 *   parallel.c  pieces of work that all take one by one
 *   end.c    when there is nothing left, and how they stop
 *
 * This room stands on sync/ and task/.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <gyre/engine.h>
#include <gyre/sync.h>
#include <pthread.h>
#include <stdatomic.h>

#include "loop/loop.h"
#include "task/task.h"

#define ENGINES_MAX 1024U

/* Work that may run on any engine, oldest first. */
struct queue {
    _Alignas(64) gyre_spinlock lock;
    gyre_work *first; /* these two under the lock */
    gyre_work *last;
    _Atomic uint32_t count; /* written under the lock */
};

struct engine {
    struct gyre_engines *set;
    unsigned number;
    gyre_loop *loop;
    struct tasks *tasks;
    pthread_t thread;
    bool has_thread;
    int cpu; /* -1: any */
    uint64_t random;
    uint32_t begun; /* a futex: 1 when it runs, or has failed to */
    int error;

    struct queue queue;
    _Alignas(64) atomic_bool idle; /* who swaps it to false wakes it */
    atomic_bool quiet;             /* asleep with nothing left to do: end.c */
    _Atomic uint64_t sleeps;       /* begun when quiet */

    loop_counter placed; /* single writer, but for these two */
    loop_counter taken;
    _Atomic uint64_t given;
};

enum engines_go { ENGINES_WAIT, ENGINES_GO, ENGINES_GIVE_UP };

struct gyre_engines {
    unsigned count;
    const char *name;
    uint64_t stall_ns;      /* 0: nobody watches */
    uint32_t go;            /* a futex: enum engines_go */
    atomic_uint next;       /* for GYRE_NEXT */
    atomic_uint idle_count; /* of engines that are idle */
    atomic_bool draining;   /* end when all are quiet */
    atomic_bool over;
    atomic_uint ending; /* have begun to end; have no task left */
    atomic_uint gone;
    atomic_bool may_free;
    _Alignas(64) struct engine engines[];
};

extern _Thread_local struct engine *engine_self
    __attribute__((tls_model("initial-exec")));

static inline struct engine *loop_engine(const gyre_loop *loop)
{
    return loop->engine;
}

/* ---- set.c --------------------------------------------------------------- */

/* `count` engines with their loops, no thread yet. */
int engines_make(gyre_engines **engines, const gyre_run_options *options);
/* Threads for engine `first` and those after it. If it fails, none runs. */
int engines_begin(gyre_engines *engines, unsigned first);
/* The calling thread is the engine's. */
int engine_enter(struct engine *engine);
/* On its thread, or its maker's if it had none. */
void engine_free(struct engine *engine);
/* Wait for the threads, which have been stopped or never ran; free. */
void engines_free(gyre_engines *engines);

/* ---- place.c ------------------------------------------------------------- */

extern const struct placing engine_placing;

/* ---- queue.c ------------------------------------------------------------- */

void queue_push(struct queue *queue, gyre_work *work);
gyre_work *queue_take(struct queue *queue);
/* Take the older half, one at least, at most `limit`: a list; or NULL. */
gyre_work *queue_take_half(struct queue *queue, uint32_t limit,
                           uint32_t *taken);
void queue_push_all(struct queue *queue, gyre_work *first);

static inline uint32_t queue_count(const struct queue *queue)
{
    return atomic_load(&queue->count);
}

/* ---- idle.c -------------------------------------------------------------- */

extern const struct loop_company engine_company;

/* Something was pushed: if an engine is idle, wake one. */
void engines_call_one(gyre_engines *engines, unsigned from);

uint64_t engine_random(struct engine *engine);

/* ---- end.c --------------------------------------------------------------- */

/* It goes to sleep with nothing in flight. */
void engine_quiet(struct engine *engine);
/* Stop all runs. Any thread. */
void engines_stop(gyre_engines *engines);
/* On the engine's thread: cancel its tasks, turn until no engine has one. */
void engine_end(struct engine *engine);

#endif
