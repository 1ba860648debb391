/* SPDX-License-Identifier: MIT */
/*
 * task.h - tasks and scopes from the inside
 *
 * A task runs between two switches: task_resume() on the loop's own flow of
 * control (the host) switches to it, and it switches back to the host whenever
 * it waits, and when it ends. If a task is next on the ready queue, it is
 * switched to directly, as the host would have done; who arrives puts back the
 * stack of who ended. So there is one way in, the loop's ready queue, and one
 * way to wait, task_wait(). Every wait is ended by exactly one task_wake()
 * (I8).
 *
 * Who makes a task wait says how the wait is ended early: `cancel_wait`, called
 * at most once, by a scope that is cancelled. It asks; the wake may come later,
 * with the op's last completion. While it is NULL the wait cannot be cancelled.
 *
 * The control block lies on the top page of the task's stack, so an idle task
 * costs that page. A task that has a handle keeps its stack until it is joined
 * or its scope closes.
 */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include <errno.h>
#include <gyre/scope.h>
#include <gyre/task.h>

#include "base/list.h"
#include "kernel/thread.h"
#include "loop/loop.h"
#include "task/stack.h"
#include "task/switch.h"

struct branch;
struct stack_kinds;
struct task_chunk;

/* What a loop with tasks has more than one without: loop->tasks. */
struct tasks {
    gyre_loop *loop;
    struct context host; /* the loop's own flow of control */
    gyre_task *dead; /* has ended and left; its stack is yet to be put back */
    gyre_scope root;
    _Atomic uint32_t alive;  /* spawned here and not returned; engine/ reads */
    _Atomic uint32_t away;   /* of these, on another engine: branch.h */
    _Atomic uint32_t guests; /* of other engines' scopes, here */
    _Atomic uint32_t arriving;     /* on their way here; many writers */
    loop_counter placed;           /* have arrived */
    const struct placing *placing; /* NULL: there is no other engine */
    void *engine;                  /* of placing */
    unsigned number;               /* of the engine, for dumps */
    uint32_t promised;  /* room given to spawners that are yet to run */
    uint32_t max_tasks; /* 0: no bound */
    uint8_t when_full;
    bool ending;             /* the loop is being destroyed */
    uint32_t outside;        /* waits that other threads may end */
    uint32_t leaving;        /* asks answered, whose `leaving` is on its way */
    struct list spawners;    /* who waits for room among all tasks */
    bool has_fault_stack;    /* see kernel/fault.h */
    struct thread_cpus cpus; /* of who made it: its helpers' */
    struct stack_kinds *kinds; /* NULL: stacks are not measured */
    struct stack_pool stacks;
};

/* Where tasks may go to, and who decides: engine/. */
struct placing {
    /* For gyre_task_options.where but GYRE_HERE: 0, and *to is the tasks of a
     * loop, or NULL for anywhere; -EINVAL: there is no such place. */
    int (*choose)(struct tasks *here, int where, struct tasks **to);
    /* A task that may begin anywhere: its work is run on the loop that takes
     * it. `member` is free until then. */
    void (*offer)(struct tasks *here, gyre_task *task);
};

/* Single writer: the loop's thread. */
static inline uint32_t census_get(const _Atomic uint32_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static inline void census_add(_Atomic uint32_t *count, uint32_t n)
{
    atomic_store_explicit(count, census_get(count) + n, memory_order_relaxed);
}

struct gyre_task {
    gyre_work work; /* on the loop's ready queue */
    struct context context;
    struct tasks *tasks;
    struct stack *stack;
    struct branch *branch; /* NULL: it runs on its scope's loop */
    gyre_scope *home;      /* spawned into; NULL once it has returned */
    gyre_scope *scope;     /* innermost */
    struct tasks *books;   /* whose scope has its handle; NULL: there is none */
    struct list member;    /* of scope->members_, or of home's handles_ */
    void (*cancel_wait)(gyre_task *task);
    struct task_chunk *memory; /* arena.c */
    void *waits_for;           /* what cancel_wait works on */
    gyre_result wait_result;
    uint64_t *wait_extra;           /* where gyre_await_extra() wants it */
    gyre_result wait_first;         /* a completion of the op before its last */
    void (*ended)(gyre_task *task); /* tells who joins it; NULL: nobody does */
    void *joiner;                   /* for `ended` */
    gyre_task_fn *fn;
    void *arg;
    const char *name;
    int result;
    int cancelled;   /* this task alone: 0 or -ECANCELED */
    uint32_t wishes; /* wish.h; set if it has a handle */
    bool finished;
    bool waiting;
    /* For dumps and debuggers. */
    const char *wait_reason; /* of the wait under way, or the last; static */
    const void *waits_on;    /* the op, the timer, the task, the mutex ... */
    uint64_t since_ns;       /* when that wait began, by the turn's clock */
    uint64_t born_ns;
    const void *site; /* after the call that spawned it */
    gyre_local *locals;
    gyre_failure failure;
    gyre_work wish_work; /* wish.h */
};

/* The tasks of a loop, made on first use; NULL: no memory. */
struct tasks *tasks_of(gyre_loop *loop);

/* The running task, or NULL outside of tasks. */
extern _Thread_local gyre_task *task_self
    __attribute__((tls_model("initial-exec")));

/* The running task; panics outside of tasks. */
static inline gyre_task *task_running(void)
{
    ASSERT_API(task_self != NULL, "this call can wait, so it can only be made "
                                  "inside a task: by gyre_run(), gyre_spawn(), "
                                  "or gyre_block_on() from another thread");
    return task_self;
}

/* Switch away until task_wake(). `cancel_wait` may be NULL. `reason` is a
 * static string, `on` what is waited for: dumps show them. */
void task_wait(gyre_task *task, void (*cancel_wait)(gyre_task *task),
               const char *reason, const void *on);

/* End the task's wait: it is ready. Only while it waits. */
void task_wake(gyre_task *task);

/* Likewise by any thread, once for a wait that nobody else may end: the caller
 * has made sure of that (sync/waiter.h). The task may be about to wait. */
void task_wake_from_anywhere(gyre_task *task);

/* 0, -ECANCELED or -ETIME, as the task's innermost scope says. */
static inline int task_cancelled(const gyre_task *task)
{
    /* In a scope of its own the task was told by that scope. */
    if (task->scope->cancelled_ != 0 || task->scope != task->home)
        return task->scope->cancelled_;
    return task->cancelled;
}

/* Start a filled op and wait for its end, also in a cancelled scope, and
 * whatever becomes of the scope: for close. */
gyre_result task_await_shielded(gyre_op *op);

/* ---- run.c: the tasks of a loop, until there are none -------------------- */

/* What the options ask of the tasks of a loop. */
int tasks_prepare(gyre_loop *loop, const gyre_run_options *options);
/* Turn until no task is left, or somebody stops the loop: 1. */
int tasks_run(struct tasks *tasks);
/* No task begins any more; those there are are cancelled. */
void tasks_begin_end(struct tasks *tasks);
/* Then: one turn, which may sleep. Not when all are gone. */
void tasks_turn_to_end(struct tasks *tasks);
/* Turn until no task of the loop's scopes, and no guest, is left. */
void tasks_finish(struct tasks *tasks);
/* Is none left? */
static inline bool tasks_are_gone(const struct tasks *tasks)
{
    return tasks->root.children_ == 0 && census_get(&tasks->guests) == 0;
}

/* How long a run waits for other threads before it looks whether there are any;
 * tests set it to 0. */
extern uint64_t task_patience_ns;

/* Who holds a mutex that a task of this loop waits for: a task, a thread or
 * NULL. sync/, which stands above, sets it before it lets anyone wait for the
 * reason "mutex". For dumps. */
typedef const void *task_owner_fn(const void *mutex);
extern task_owner_fn *task_mutex_owner;

/* A line for each task that runs here and has not returned, and for each op in
 * flight besides: "engine 3: task 'a': waiting for ...". On the loop's thread,
 * between turns. */
void tasks_tell_left(struct tasks *tasks, unsigned engine,
                     void (*write)(void *user, const char *text, size_t size),
                     void *user);

/* Does a task wait for this op? For dumps. */
bool task_owns_op(const gyre_op *op);

/* The name of a task that was given none. */
extern const char task_no_name[];

/* Have `ended` called when a task with a handle ends, if it has not; before its
 * scope can close. `joiner` is for it. By one at a time; taken back by setting
 * `ended` to NULL. */
void task_watch(gyre_task *target, void (*ended)(gyre_task *), void *joiner);

/* The result of a finished task, for the running one; the handle is gone. */
int task_take(gyre_task *target);
/* Likewise; if it is an error, *failure says where it comes from. */
int task_collect(gyre_task *target, gyre_failure *failure);

/* Give back what gyre_task_alloc() gave the task. */
void task_free_memory(gyre_task *task);

/* Give a finished task's stack back. */
void task_free(gyre_task *task);
/* Likewise; nothing else is left of it. */
void task_put_stack(gyre_task *task);

/* A spawn, for who is elsewhere: outside.c. */
struct spawn {
    const void *site;
    gyre_scope *scope;
    const gyre_task_options *options; /* may be NULL */
    gyre_task_fn *fn;
    void *arg;
    gyre_task **handle; /* may be NULL */
    struct stack_class *class;
    struct tasks *to; /* NULL: anywhere */
};

/* Sets the last two: 0, or why not. Then, when there is room: the task, or
 * NULL: no memory, and the room is given back. */
int task_check_spawn(struct spawn *spawn);
gyre_task *task_spawn(const struct spawn *spawn);

/* The work of a task that is ready: runs it, and those it hands over to. */
void task_resume(gyre_work *work);
/* Likewise the first time, if the loop is traced. */
void task_start(gyre_work *work);

/* failure.c: an op of the running task has failed. */
void task_note_failure(gyre_task *task, const gyre_op *op, int error);
/* What is known of an error that the task returned. */
gyre_failure failure_of(const gyre_task *task, int error);

/* bound.c: room for one more task in the scope and on its loop, or an error.
 * `aside`: the spawner is to wait for the task's end. */
static inline int bound_take(gyre_scope *scope, bool *aside);
int bound_take_slowly(gyre_scope *scope, bool *aside);
/* Would the next spawn have to wait, or be refused? */
bool bound_is_reached(const gyre_scope *scope);
/* A task has ended, or never was: the room goes to who waits for it. */
static inline void bound_give(gyre_scope *scope);
void bound_promise(gyre_scope *scope);
/* The loop's bound was changed: those who wait may have room now. */
void bound_raised(struct tasks *tasks);

/* scope.c: a task enters and leaves its scopes. */
void scope_init(gyre_scope *scope, gyre_loop *loop);
static inline void scope_add_member(gyre_scope *scope, gyre_task *task);
static inline void scope_child_ended(gyre_scope *scope, gyre_task *task);
/* `task` returned the result, as a child or from the function of a run. */
void scope_note_result(gyre_scope *scope, const gyre_task *task, int result);
/* An error of a child, or of what it left on another engine. */
void scope_note_error(gyre_scope *scope, int error,
                      const gyre_failure *failure);
void scope_free_handles(gyre_scope *scope);
void scope_cancel_for(gyre_scope *scope, int reason);
/* The next scope below `top`, parents first; `enter`: also below this one. */
gyre_scope *scope_after(gyre_scope *scope, const gyre_scope *top, bool enter);
/* Wait for the children and call what was deferred, on the owner. */
void scope_empty(gyre_scope *scope, gyre_task *task);
/* As a call on the scope's loop does. */
void scope_cancel_task(gyre_task *task);
void scope_tighten(gyre_scope *scope, uint64_t deadline_ns);
void scope_apply(gyre_scope *scope, const gyre_scope_options *options);
/* Without children: no part of the tree any more. Its error, or 0. */
int scope_end(gyre_scope *scope);
/* Is the opener to wait? For children, or for a wish on its way. */
static inline bool scope_is_busy(const gyre_scope *scope);
/* The opener waits in a close. If there is nothing to wait for any more, wake
 * it; a plain thread: outside.c. */
static inline void scope_look_at_close(gyre_scope *scope);
void outside_may_close(gyre_scope *scope);
/* A deadline of the scope, or of one above it, has passed elsewhere. */
void scope_look_at_deadlines(gyre_scope *scope);

/* Is it what a cancelled scope makes calls return? */
static inline bool result_is_cancel(int result)
{
    return result == -ECANCELED || result == -ETIME;
}

static inline struct list *scope_list(void *const *storage)
{
    return (struct list *)(uintptr_t)storage;
}

/* ---- on the way of every spawn ------------------------------------------- */

static inline int bound_take(gyre_scope *scope, bool *aside)
{
    struct tasks *tasks = scope->loop_->tasks;

    if (UNLIKELY((scope->max_tasks_ | tasks->max_tasks) != 0))
        return bound_take_slowly(scope, aside);
    scope->children_++;
    census_add(&tasks->alive, 1);
    return 0;
}

static inline void bound_give(gyre_scope *scope)
{
    struct tasks *tasks = scope->loop_->tasks;

    ASSERT(scope->children_ > 0 && census_get(&tasks->alive) > 0);
    scope->children_--;
    census_add(&tasks->alive, (uint32_t)-1);
    if (UNLIKELY((scope->max_tasks_ | tasks->max_tasks) != 0))
        bound_promise(scope);
    if (scope->closing_)
        scope_look_at_close(scope);
}

static inline bool scope_is_busy(const gyre_scope *scope)
{
    return scope->children_ + scope->promised_ > 0 ||
           __atomic_load_n(&scope->wishes_, __ATOMIC_ACQUIRE) != 0;
}

static inline void scope_look_at_close(gyre_scope *scope)
{
    if (!scope->closing_ || scope_is_busy(scope))
        return;
    scope->closing_ = false;
    if (LIKELY(scope->owner_ != NULL))
        task_wake(scope->owner_);
    else
        outside_may_close(scope);
}

static inline void scope_add_member(gyre_scope *scope, gyre_task *task)
{
    task->scope = scope;
    list_append(scope_list(scope->members_), &task->member);
}

static inline void scope_child_ended(gyre_scope *scope, gyre_task *task)
{
    list_remove(&task->member);
    task->scope = NULL;
    task->home = NULL;
    if (task->books != NULL)
        list_append(scope_list(scope->handles_), &task->member);
    if (UNLIKELY(task->result < 0))
        scope_note_result(scope, task, task->result);
    bound_give(scope);
}

#endif
