/* SPDX-License-Identifier: MIT */
/*
 * gyre/engine.h - many loops, each with its tasks on a thread of its own
 *
 *     gyre_run(&(gyre_run_options){ .engines = GYRE_EACH_CPU }, server, NULL);
 *
 *     static const gyre_task_options anywhere = { .where = GYRE_ANYWHERE };
 *     err = gyre_spawn_with(scope, &anywhere, work, arg, NULL);
 *
 * Life.     Engines are made by gyre_run(), whose thread is engine 0, or by
 *           gyre_engines_create(), for a program whose threads are its own.
 *           There is one engine unless more are asked for, by the program or by
 *           GYRE_ENGINES in the environment. They end together.
 *
 * Memory.   A task's stack comes from its spawner's engine and returns there.
 *
 * Threads.  An engine is one thread, one loop, one ring. A task never changes
 *           its thread once it has started; tasks spawned GYRE_ANYWHERE may be
 *           taken by an idle engine before. Calls below are for any thread
 *           unless they say otherwise.
 *
 * Cancel.   A scope's cancel, deadline and errors reach across engines: a post
 *           to the engine where the task is, so a moment later. So do those by
 *           plain threads.
 *
 * Errors.   What tasks of several engines share is theirs to protect
 *           (gyre/sync.h); a loop, its ops and its timers are its engine's.
 */
#ifndef GYRE_ENGINE_H
#define GYRE_ENGINE_H

#include <gyre/loop.h>
#include <gyre/scope.h>
#include <gyre/task.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- where tasks run: gyre_task_options.where ---------------------------- */

/*
 * Spawn fn(arg) on each engine, one task for each, in `scope`; `where` of the
 * options (may be NULL) is not looked at. 0; or the error of the first spawn
 * that failed: then `*spawned` (may be NULL), else the number of engines, says
 * how many have been.
 */
GYRE_API int gyre_spawn_all(gyre_scope *scope, const gyre_task_options *options,
                            gyre_task_fn *fn, void *arg,
                            unsigned *spawned) GYRE_WAITS GYRE_MUST_USE;

/* ---- engines of a program whose threads are its own ---------------------- */

/*
 * Calls that wait for an engine (gyre_block_on(), gyre_spawn(), gyre_join(),
 * gyre_scope_open_on() ...) are for tasks of any loop and for plain threads,
 * which sleep meanwhile; they panic in a callback. What has been asked when the
 * engines end is answered, mostly by -ECANCELED, as is all that is asked of
 * engines which have ended. None of these calls may begin when the engines may
 * be gone: gyre_engines_destroy() and the end of a run wait for tasks, and for
 * the scopes that threads have opened, and for nothing else. Engines that a
 * shutdown has left behind (gyre/shutdown.h) refuse, too; but who waits when
 * they are left, for a task that is left or an engine that is held, is not
 * answered.
 */

/* gyre_run_options.engines: one for each CPU the process may use. */
#define GYRE_EACH_CPU (~0U)

/*
 * Start options->engines engines (`options` NULL: one) on threads of their own,
 * named options->name and their number. `failure` and `sandbox` are of
 * gyre_run() alone. 0, or why there could be none: what gyre_loop_create()
 * returns, -EAGAIN (no thread), -EINVAL (gyre_loop_create_error() says what).
 */
GYRE_API int gyre_engines_create(gyre_engines **engines,
                                 const gyre_run_options *options) GYRE_MUST_USE;

/* Cancel what is there, wait for its end, and for threads to close the scopes
 * that they have opened here, which are cancelled, too; end the threads, free
 * all. Not on one of the engines. NULL is allowed. */
GYRE_API void gyre_engines_destroy(gyre_engines *engines);

/*
 * Run fn(arg) as a task of the engines, wait for its end, and return its
 * result, or why it could not be spawned (see gyre_spawn_with()). It belongs to
 * no scope; GYRE_HERE is the caller's engine, for others each in turn. A plain
 * thread sleeps meanwhile; a task, of these engines or not, waits, and can be
 * cancelled, which cancels fn's task and waits for it. `options` may be NULL.
 * -ECANCELED also: the engines are ending.
 */
GYRE_API int gyre_block_on(gyre_engines *engines,
                           const gyre_task_options *options, gyre_task_fn *fn,
                           void *arg) GYRE_WAITS;

/*
 * Open a scope as a plain thread: on engine `n`, below its outermost. The
 * thread may spawn into it, cancel it, tighten its deadline, and closes it by
 * gyre_scope_close(), which sleeps until the children have returned and calls
 * what they have deferred; gyre_scope_failure() answers after that. It sleeps
 * until the engine has opened it, and panics in a task or a callback.
 * `options` may be NULL. 0; -ECANCELED: the engines are ending.
 */
GYRE_API int gyre_scope_open_on(
    gyre_engines *engines, unsigned n, gyre_scope *scope,
    const gyre_scope_options *options) GYRE_MUST_USE;

/* ---- who is where -------------------------------------------------------- */

/* The engines of the calling thread, and its number among them; elsewhere NULL
 * and -1. */
GYRE_API gyre_engines *gyre_engines_current(void);
GYRE_API int gyre_engine_current(void);

GYRE_API unsigned gyre_engines_count(const gyre_engines *engines);

/* Engine `n`'s loop; NULL: there is no engine n. To post to (gyre_loop_post()),
 * to start ops on from elsewhere (gyre_op_start_remote()); it stays the
 * engine's, and what only its owner may do panics elsewhere. */
GYRE_API gyre_loop *gyre_engine_loop(const gyre_engines *engines, unsigned n);

/* The outermost scope of engine `n`, for spawning what belongs to nobody, by
 * any task or thread; it closes with the engines. NULL: there is no engine n.
 */
GYRE_API gyre_scope *gyre_engine_scope(const gyre_engines *engines, unsigned n);

/* Tasks that are on engine `n` or on their way there: what GYRE_LEAST_LOADED
 * compares. Approximate on other threads than the engine's. */
GYRE_API uint64_t gyre_engine_load(const gyre_engines *engines, unsigned n);

typedef struct gyre_engine_stats {
    size_t size;     /* set by the caller: sizeof(gyre_engine_stats) */
    uint64_t load;   /* as gyre_engine_load() */
    uint64_t queued; /* tasks spawned here as GYRE_ANYWHERE, not yet started */
    int cpu;         /* the CPU it is bound to; -1: any */
    /* Since the engines were made. */
    uint64_t placed; /* tasks that others sent here by name, load or turn */
    uint64_t taken;  /* tasks taken from another engine's queue */
    uint64_t given;  /* tasks that others took from this one's */
} gyre_engine_stats;

/* Approximate, each number for itself. */
GYRE_API void gyre_engine_get_stats(const gyre_engines *engines, unsigned n,
                                    gyre_engine_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
