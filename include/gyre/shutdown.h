/* SPDX-License-Identifier: MIT */
/*
 * gyre/shutdown.h - engines end in phases, each with its time
 *
 *     static int serve(void *arg)
 *     {
 *         ... spawn what serves ...
 *         gyre_wait_shutdown();            here, or when SIGTERM has come:
 *         gyre_engines_shutdown(NULL, &(gyre_shutdown_options){
 *             .drain_ns = 10 * GYRE_SECOND, .cancel_ns = GYRE_SECOND });
 *
 * Phases.   1. Listeners stop accepting; who waits in gyre_wait_shutdown(), and
 *              each hook, is told.
 *           2. Tasks may finish until drain_ns have passed. When nothing is
 *              left, the rest is left out.
 *           3. All tasks are cancelled, but for what runs in a shield, and each
 *              may use cancel_ns to end.
 *           4. What has not ended then is named, and left alone for ever. All
 *              else is freed.
 *
 * Life.     The set of engines must be there while a call is made. It ends by
 *           itself in gyre_run() and in gyre_engines_wait().
 *
 * Memory.   What an engine left behind is never freed and its thread never ends
 *           (-ETIMEDOUT): its ring, the stacks of its tasks, and those of other
 *           engines' tasks that are there. So buffers, arguments and everything
 *           else that its tasks and ops know must stay until the process ends.
 *
 * Threads.  Any, unless the call says otherwise.
 *
 * Errors.   The engine whose thread called gyre_run() can be left by its waits,
 *           but not by a task that never returns from computing: that one has
 *           the thread, and gyre_run() does not come back.
 */
#ifndef GYRE_SHUTDOWN_H
#define GYRE_SHUTDOWN_H

#include <gyre/engine.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero is the default of every member. */
typedef struct gyre_shutdown_options {
    size_t size; /* sizeof(gyre_shutdown_options), or 0 */
    /* How long tasks may go on; 0: they are cancelled at once; GYRE_NEVER: as
     * long as they like. */
    uint64_t drain_ns;
    /* How long cancelled tasks and ops may take; 0 or GYRE_NEVER: as long as it
     * takes, and what takes more than a second is named in the log. */
    uint64_t cancel_ns;
} gyre_shutdown_options;

/*
 * Begin to shut down; does not wait. `engines` NULL: the calling thread's.
 * `options` may be NULL. Called again, it can only shorten the times. By any
 * thread, in tasks and in signal handlers, too (it is async-signal-safe).
 */
GYRE_API void gyre_engines_shutdown(gyre_engines *engines,
                                    const gyre_shutdown_options *options);

/* Has it begun? `engines` NULL: the calling thread's, and false if there are
 * none. */
GYRE_API bool gyre_is_shutting_down(const gyre_engines *engines);

/* Wait until a shutdown of the task's engines begins. 0: it has; -ECANCELED,
 * -ETIME. The loop does not end before: a run in which all other tasks have
 * returned goes on. */
GYRE_API int gyre_wait_shutdown(void) GYRE_WAITS GYRE_MUST_USE;

/* Something to be told when a shutdown begins; all zero if it is not set. */
typedef struct gyre_shutdown_hook {
    void *link_[2];
    void (*run_)(struct gyre_shutdown_hook *hook);
} gyre_shutdown_hook;

/* Call run(hook) once, on this engine's thread and outside of tasks, so it must
 * not wait, when a shutdown begins. The hook is held until then, or until it is
 * taken back. False: it has begun, so there will be no call. Nor is there one
 * of an engine that has been stopped and has no task left. Only on an engine's
 * thread. */
GYRE_API bool gyre_shutdown_watch(gyre_shutdown_hook *hook,
                                  void (*run)(gyre_shutdown_hook *hook))
    GYRE_MUST_USE;

/* Take it back, on the same engine; nothing happens if it was called. */
GYRE_API void gyre_shutdown_unwatch(gyre_shutdown_hook *hook);

#define GYRE_SHUTDOWN_TEXT 3072

typedef struct gyre_shutdown_report {
    size_t size;       /* set by the caller: sizeof(gyre_shutdown_report) */
    uint64_t drain_ns; /* from gyre_engines_shutdown() to the end of phase 2 */
    uint64_t end_ns;   /* and from there to the end */
    /* Of all engines, each when it heard of it. */
    uint32_t tasks;           /* when the shutdown began */
    uint32_t tasks_cancelled; /* when phase 3 began, new ones among them */
    uint32_t tasks_left;      /* in the end */
    uint32_t engines_left;    /* that were not freed */
    uint64_t ops_left;        /* that the kernel still has */
    /* What is left, a line for each task, op, and scope that a thread has not
     * closed: "engine 1: task 'reader': waiting for 2.01 s on CALL, in flight
     * for 2.01 s, asked to end; ...". Cut where there is more than fits. */
    char text[GYRE_SHUTDOWN_TEXT];
} gyre_shutdown_report;

/*
 * Wait for the end of engines that gyre_engines_create() made, which somebody
 * shuts down, now or later, and free them. 0; -ETIMEDOUT: something is left,
 * which `report` (may be NULL) names; or why the loop of one could not go on,
 * which has ended them all. The thread sleeps; not on one of the
 * engines. gyre_engines_destroy() cancels what is there and then does the same.
 */
GYRE_API int gyre_engines_wait(gyre_engines *engines,
                               gyre_shutdown_report *report) GYRE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
