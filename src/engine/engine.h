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
 *   thread.c plain threads run tasks here, and open scopes
 *   end.c    when there is nothing left, and how each engine ends
 *   finish.c when all have ended, or time is up: what is freed
 *   shutdown.c  an end in phases, each with its time
 *   deadlock.c  tasks wait, and nobody can wake them
 *
 * This room stands on sync/ and task/.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <gyre/engine.h>
#include <gyre/shutdown.h>
#include <gyre/sync.h>
#include <pthread.h>
#include <stdatomic.h>

#include "loop/loop.h"
#include "task/task.h"

#define ENGINES_MAX 1024U

/* Tasks that may begin on any engine, oldest first. */
struct queue {
    _Alignas(64) gyre_spinlock lock;
    struct list tasks;      /* under the lock */
    _Atomic uint32_t count; /* written under the lock */
};

/* Whether tasks wait for ever, asked now and then: deadlock.c. */
struct patience {
    gyre_timer timer;
    uint64_t ns;
    bool armed;
    bool over;
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
    struct patience patience;

    struct queue queue;
    _Alignas(64) atomic_bool idle; /* who swaps it to false wakes it */
    atomic_bool quiet;             /* asleep with nothing in flight: end.c */
    atomic_bool waits;             /* when it went quiet it had tasks */
    _Atomic uint64_t sleeps;       /* begun when quiet */

    struct list hooks;       /* told when a shutdown begins */
    gyre_timer alarm;        /* the next time that matters to a shutdown */
    bool stole;              /* one that is ready was taken from another */
    uint64_t grace_ns;       /* beyond the last, for what is of no task */
    gyre_work told;          /* there is news of it: shutdown.c */
    atomic_bool told_posted; /* `told` is on its way */
    bool knows;              /* the hooks were called */
    atomic_bool has_ended;
    bool left; /* not wholly, so it is never freed */
    /* The task_self of its thread, for who asks what holds it. */
    gyre_task *const *running;

    loop_counter taken;
    _Atomic uint64_t given;
};

enum engines_go { ENGINES_WAIT, ENGINES_GO, ENGINES_GIVE_UP };

/* Have all engines no task left, or did time run out before? */
enum engines_verdict { ENGINES_UNDECIDED, ENGINES_GONE, ENGINES_OVERDUE };

/* What becomes of those that have said how they ended. */
enum engines_fate { ENGINES_TO_WAIT, ENGINES_TO_FREE, ENGINES_TO_LEAVE };

/* Times are monotonic; GYRE_NEVER: there is none. Any thread. */
struct shutdown {
    _Atomic uint64_t begun_ns;
    _Atomic uint64_t drain_until_ns;
    _Atomic uint64_t cancelled_ns;
    _Atomic uint64_t cancel_ns; /* how long from then on */
    atomic_uint callers;        /* who may yet touch a loop or the set */
    _Atomic uint32_t tasks;     /* when it began; when they were cancelled */
    _Atomic uint32_t cancelled;
    gyre_spinlock lock; /* of the text */
    bool closed;        /* the text is complete */
    size_t length;
    char text[GYRE_SHUTDOWN_TEXT];
};

struct gyre_engines {
    unsigned count;
    const char *name;
    uint64_t stall_ns;      /* 0: nobody watches */
    uint32_t go;            /* a futex: enum engines_go */
    atomic_uint next;       /* for GYRE_NEXT */
    atomic_uint next_books; /* for gyre_block_on() from elsewhere */
    atomic_uint idle_count; /* of engines that are idle */
    atomic_bool draining;   /* end when all are quiet */
    atomic_bool over;
    atomic_uint ending; /* have begun to end; have no task left */
    atomic_uint gone;
    _Atomic uint32_t verdict; /* enum engines_verdict */
    _Atomic uint32_t ended;   /* engines that have said how */
    uint32_t news;            /* a futex: who waits for them looks again */
    uint32_t fate;            /* a futex: enum engines_fate */
    struct gyre_engines *next_left;
    struct shutdown shutdown;
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
/* How many these options make: GYRE_ENGINES has a say in what they leave open.
 * 0, or -EINVAL (gyre_loop_create_error()). */
int engines_count_wanted(const gyre_run_options *options, unsigned *count);
/* Threads for engine `first` and those after it. If it fails, none runs. */
int engines_begin(gyre_engines *engines, unsigned first);
/* The calling thread is the engine's. */
int engine_enter(struct engine *engine);
/* It could not: gyre_loop_create_error() says why. The error. */
int engine_refuse(const struct engine *engine, int error);
/* On its thread, or its maker's if it had none. */
void engine_free(struct engine *engine);
/* Wait for the threads, none of which ever ran; free. */
void engines_free(gyre_engines *engines);
/* Tell who sleeps on the set's `news`. */
void engines_have_news(gyre_engines *engines);

/* ---- run.c --------------------------------------------------------------- */

/* Does the first task of a run begin on its last engine? Tests set it. */
extern bool run_begins_last;

/* ---- place.c ------------------------------------------------------------- */

extern const struct placing engine_placing;

/* ---- queue.c ------------------------------------------------------------- */

enum queue_end { QUEUE_OLDEST, QUEUE_NEWEST };

void queue_push(struct queue *queue, gyre_task *task);
void queue_push_all(struct queue *queue, struct list *tasks, uint32_t n);
/* NULL: there is none. */
gyre_task *queue_take(struct queue *queue, enum queue_end end);
/* Append the older half, one at least, at most `limit`: how many. */
uint32_t queue_take_half(struct queue *queue, uint32_t limit,
                         struct list *tasks);

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

/* It goes to sleep; false: it does not. */
bool engine_quiet(struct engine *engine);
/* Are all asleep with nothing in flight and nothing on its way? Then *waits
 * says whether any has tasks. */
bool engines_are_still(const gyre_engines *engines, bool *waits);
/* Stop all runs. Any thread. */
void engines_stop(gyre_engines *engines);
/* On the engine's thread: cancel its tasks, turn until no engine has one, or
 * time is up, and say so. */
void engine_end(struct engine *engine);

/* ---- finish.c ------------------------------------------------------------ */

/* After engine_end(), on the engine's own thread: free its loop and return, or
 * never return. */
void engine_await_fate(struct engine *engine);
/* Wait for the end of all; free what has ended. 0; -ETIMEDOUT: the rest is left
 * as it is; else why an engine could not go on. `report` may be NULL. */
int engines_finish(gyre_engines *engines, gyre_shutdown_report *report);

/* ---- shutdown.c ---------------------------------------------------------- */

void shutdown_init(struct shutdown *shutdown);
/* When the engines are to have ended; GYRE_NEVER. */
uint64_t shutdown_end_ns(const struct shutdown *shutdown);
bool shutdown_is_overdue(const struct shutdown *shutdown, uint64_t grace_ns);
/* If a shutdown has begun, its hooks are called, once. */
void engine_hear(struct engine *engine);
void engine_init_alarm(struct engine *engine);
/* The engine's next alarm: the end of this phase, or its grace later. */
void engine_set_alarm(struct engine *engine);
/* Add to the text what is left of the engine; on its thread. */
void engine_tell_left(struct engine *engine);
/* Likewise, that its thread has not come back. */
void engine_tell_held(struct engine *engine);

/* ---- deadlock.c ---------------------------------------------------------- */

void patience_init(struct engine *engine);
/* All engines are still and tasks wait. False: it does not sleep yet. */
bool patience_begin(struct engine *engine);
void patience_end(struct engine *engine);

#endif
