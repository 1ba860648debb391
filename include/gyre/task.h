/* SPDX-License-Identifier: MIT */
/*
 * gyre/task.h - a stack that waits for ops: code that reads like blocking code
 *
 *     static int hello(void *arg)
 *     {
 *         gyre_sleep(10 * GYRE_MS);
 *         return 0;
 *     }
 *
 *     int main(void) { return gyre_run(NULL, hello, NULL) < 0; }
 *
 * Life.     A task is spawned into a scope (gyre/scope.h), which does not close
 *           before the task has returned. A spawned task always runs, also in a
 *           cancelled scope, so that it can release its argument.
 *
 * Memory.   Each task has a guarded stack of its own from a pool; its control
 *           block lies on that stack. The argument stays the caller's if the
 *           spawn fails, and is the task's if it succeeds.
 *
 * Threads.  A task never changes its thread. Tasks of one loop never run at the
 *           same time; they change only inside calls that can wait. Spawning,
 *           joining and cancelling are for tasks of any loop and for plain
 *           threads (gyre/engine.h), which sleep while the scope's loop sees to
 *           it: it has to be running. A callback may do so on its own loop, and
 *           cancel on any.
 *
 * Cancel.   A call that can wait returns -ECANCELED, or -ETIME for a deadline,
 *           when the task's scope is cancelled, and so does each later one. A
 *           call whose op was done already returns the op's result.
 *
 * Errors.   A call that can wait panics outside a task.
 */
#ifndef GYRE_TASK_H
#define GYRE_TASK_H

#include <gyre/loop.h>
#include <gyre/op.h>
#include <gyre/timer.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The result: >= 0, or a negative errno, which is an error of its scope. */
typedef int gyre_task_fn(void *arg);

/* What happens to a spawn when as many tasks as are allowed are there. */
typedef enum gyre_full_policy {
    GYRE_FULL_WAITS,   /* the spawner waits, first come, first served, until
                          one has ended; in a callback: -EAGAIN */
    GYRE_FULL_REFUSES, /* -EAGAIN; the argument stays with the caller */
    GYRE_FULL_INLINE   /* the new task runs, and the spawner waits for its end:
                          each spawner adds one to the bound at most */
} gyre_full_policy;

struct gyre_failure;
struct gyre_shutdown_report;
struct gyre_stack_allocator;
struct gyre_sandbox_options;

/* Zero is the default of every member. */
typedef struct gyre_run_options {
    size_t size; /* sizeof(gyre_run_options), or 0 */
    const gyre_loop_options *loop;
    size_t stack_size;          /* bytes for each task; 0: 64 KiB */
    uint32_t max_tasks;         /* at a time; 0: as many as memory holds */
    gyre_full_policy when_full; /* there are max_tasks */
    /* If the run fails, where (see gyre/scope.h); may be NULL. */
    struct gyre_failure *failure;
    /* See gyre/stack.h. */
    const struct gyre_stack_allocator *stacks; /* borrowed */
    bool measure_stacks;
    /* Enter a sandbox (gyre/sandbox.h) between the making of the loop, which is
     * made restrictable, and the first task. NULL: none. */
    const struct gyre_sandbox_options *sandbox; /* borrowed */
    /* How many engines (gyre/engine.h), each with a loop and tasks as said
     * above, max_tasks among them; at most 1024. 0: as many as GYRE_ENGINES in
     * the environment says ("all": one for each CPU), unless the program gained
     * privileges; else one. Their threads for what blocks are one pool, of
     * which the loop's blocking_threads_max, ... are the numbers. */
    unsigned engines;
    /* Engine n runs on cpus[n % cpu_count] alone; 0: on any CPU. Where
     * gyre_run()'s own thread may run is as before when it returns; where that
     * is, threads for what blocks run. */
    unsigned cpu_count;
    const unsigned *cpus; /* borrowed */
    /* The threads are "NAME-0", "NAME-1" ...; NULL: "gyre". gyre_run() leaves
     * its own thread's name alone. At most 10 bytes count. */
    const char *name;
    /* Tell of tasks and callbacks that keep the thread for longer, on standard
     * error: gyre/stall.h. At least 1 ms; 0: do not watch. */
    uint64_t stall_ns;
    /* What came of a gyre_engines_shutdown() (gyre/shutdown.h), with `size`
     * set; may be NULL. */
    struct gyre_shutdown_report *shutdown_report;
} gyre_run_options;

/*
 * Make a loop on this thread, and further engines if they are asked for, run
 * fn(arg) as its first task, wait for it and for all it left in the loops,
 * destroy them. The task's result, or why there could be no loop
 * (gyre_loop_create_error()) or no sandbox (gyre_sandbox_error()); -ETIMEDOUT:
 * a shutdown had a deadline, and something is left that cannot be freed; or why
 * one of the loops could not go on, which has ended the run.
 * `options` may be NULL.
 */
GYRE_API int gyre_run(const gyre_run_options *options, gyre_task_fn *fn,
                      void *arg);

typedef struct gyre_task_options {
    size_t size; /* sizeof(gyre_task_options), or 0 */
    /* For dumps and failures; NULL: "task". Held until the task was joined or
     * its scope has closed, so it is not the task's to free. */
    const char *name;
    /* Bytes, 16 KiB to 1 GiB, rounded up to a power of two; 0: the loop's. */
    size_t stack_size;
    /* On which engine: GYRE_HERE ... */
    int where;
} gyre_task_options;

/* Where the scope is: its own loop, which is the default. */
#define GYRE_HERE 0
/* Where the scope is, or with whoever is idle first (gyre/engine.h). With
 * several engines they wait in a queue of their own, which is begun mostly at
 * the newest, so that in a tree of tasks few wait at a time; with one they are
 * ready at once, like all others, and begin in order, for a second queue would
 * cost each of them without anybody there to take from it. */
#define GYRE_ANYWHERE (-1)
/* On the less loaded of two engines chosen at random: gyre_engine_load(). */
#define GYRE_LEAST_LOADED (-2)
/* On each engine in turn. */
#define GYRE_NEXT (-3)
/* On engine `n`. */
#define GYRE_ENGINE(n) ((int)(n) + 1)

/*
 * Start fn(arg) in `scope`, on its loop; it runs at the next turn. The task is
 * forgotten when it returns; its result counts for the scope. 0; -ENOMEM: no
 * stack; -ECANCELED: the loop is being destroyed. With a bound on the tasks of
 * the scope or the loop that is reached: -EAGAIN, or the call waits, and can
 * then return -ECANCELED and -ETIME. Whenever it fails, the argument stays the
 * caller's. Elsewhere than on the scope's loop the call waits for its answer,
 * whose errors are the same.
 */
GYRE_API int gyre_spawn(gyre_scope *scope, gyre_task_fn *fn,
                        void *arg) GYRE_WAITS GYRE_MUST_USE;

/* Likewise, with options (may be NULL) and a handle for gyre_join() (none if
 * `task` is NULL), which is valid until it is joined or the scope has closed.
 * -EINVAL: no such stack size, or no such engine. A task that runs on another
 * engine than its scope's is in a part of the scope there: gyre_scope_current()
 * is that part, and what it spawns into it has ended before the task has. If
 * the scope has a bound, such a spawn asks its engine for room, and waits for
 * the answer; a callback cannot: -EAGAIN. */
GYRE_API int gyre_spawn_with(gyre_scope *scope,
                             const gyre_task_options *options, gyre_task_fn *fn,
                             void *arg,
                             gyre_task **task) GYRE_WAITS GYRE_MUST_USE;

/* Cancel one task and the scopes it has opened, but not its siblings. Does not
 * wait: the task is still to be joined, or its scope closed. -ECANCELED as its
 * result is then no error of its scope. By any task or callback of the scope's
 * loop, or of the engine it runs on, itself among them; a task with a handle by
 * whoever has that, on any thread, from which it takes a moment. */
GYRE_API void gyre_task_cancel(gyre_task *task);

/*
 * Wait for a task and take its result. 0: *result (may be NULL) is set and the
 * handle gone. -ECANCELED, -ETIME: the caller was cancelled while it waited;
 * the handle remains. By one task or plain thread at a time, of any loop.
 */
GYRE_API int gyre_join(gyre_task *task, int *result) GYRE_WAITS GYRE_MUST_USE;

/* The scope of a loop's outermost tasks, for spawning from callbacks or before
 * the loop runs. It has no deadline, and closes with the loop. NULL: no memory
 * for it. */
GYRE_API gyre_scope *gyre_loop_scope(gyre_loop *loop);

/* Bytes for the stack of each task yet to be spawned whose options do not say.
 * 0; -EINVAL: less than 16 KiB or more than 1 GiB; -ENOMEM: no memory for the
 * loop's first use of tasks. */
GYRE_API int gyre_loop_set_stack_size(gyre_loop *loop, size_t size);

/* At most `max` tasks at a time on the loop (0: no bound), in all its scopes.
 * Those there are stay. -ENOMEM: no memory for the loop's first use of tasks.
 */
GYRE_API int gyre_loop_set_max_tasks(gyre_loop *loop, uint32_t max,
                                     gyre_full_policy when_full);

/* ---- inside a task ------------------------------------------------------ */

/* The running task, or NULL outside of tasks. */
GYRE_API gyre_task *gyre_task_current(void);
GYRE_API const char *gyre_task_name(const gyre_task *task);

/* The task that opened the scope it was spawned into; NULL: the loop's own. */
GYRE_API gyre_task *gyre_task_parent(const gyre_task *task);

/* The instruction after the call that spawned it (for addr2line, dladdr). */
GYRE_API const void *gyre_task_site(const gyre_task *task);

/* Let the other ready tasks have their turn, and the kernel when a turn's share
 * of them has run (gyre_loop_options.ready_max). 0, -ECANCELED, -ETIME; it
 * yields in each case. */
GYRE_API int gyre_yield(void) GYRE_WAITS;

/* Sleep for a delay from now, or until a deadline. 0: it has passed;
 * -ECANCELED, -ETIME: the scope ended it. Never early. */
GYRE_API int gyre_sleep(uint64_t delay_ns) GYRE_WAITS;
GYRE_API int gyre_sleep_for(gyre_delay delay) GYRE_WAITS;
GYRE_API int gyre_sleep_until(uint64_t deadline_ns) GYRE_WAITS;

/* 0, or what the next call that can wait would return: -ECANCELED, -ETIME. */
GYRE_API int gyre_cancelled(void);

/* Start a filled, idle op and wait for its last completion; the op may lie on
 * the stack. Completions before the last are not seen: for those, use
 * callbacks. */
GYRE_API gyre_result gyre_await(gyre_op *op) GYRE_WAITS;

/* The same, and `extra` becomes what that completion brought beside its result
 * (gyre_op_extra()); zeros if it brought nothing. */
GYRE_API gyre_result gyre_await_extra(gyre_op *op,
                                      uint64_t extra[2]) GYRE_WAITS;

/* Bytes left on the running task's stack (SIZE_MAX outside of tasks). */
GYRE_API size_t gyre_stack_left(void);

#ifdef __cplusplus
}
#endif

#endif
