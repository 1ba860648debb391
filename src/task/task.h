/* SPDX-License-Identifier: MIT */
/*
 * task.h - tasks and scopes from the inside
 *
 * A task runs between two switches: task_resume() on the loop's own flow of
 * control (the host) switches to it, and it switches back to the host whenever
 * it waits. If a task is next on the ready queue, it is switched to directly,
 * as the host would have done. So there is one way in, the loop's ready queue,
 * and one way out, task_wait(). Every wait is ended by exactly one task_wake()
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

#include <gyre/scope.h>
#include <gyre/task.h>

#include "base/list.h"
#include "task/stack.h"
#include "task/switch.h"

/* What a loop with tasks has more than one without: loop->tasks. */
struct tasks {
    gyre_loop *loop;
    struct context host; /* the loop's own flow of control */
    struct stack_pool stacks;
    gyre_scope root;
    bool ending; /* the loop is being destroyed */
};

struct gyre_task {
    gyre_work work; /* on the loop's ready queue */
    struct context context;
    struct tasks *tasks;
    struct stack *stack;
    gyre_scope *home;   /* spawned into; NULL once it has returned */
    gyre_scope *scope;  /* innermost */
    struct list member; /* of scope->members_, or of home's handles_ */
    void (*cancel_wait)(gyre_task *task);
    void *waits_for; /* what cancel_wait works on */
    gyre_result wait_result;
    gyre_task *joiner;
    gyre_task_fn *fn;
    void *arg;
    const char *name;
    int result;
    bool has_handle;
    bool finished;
    bool waiting;
};

/* The tasks of a loop, made on first use; NULL: no memory. */
struct tasks *tasks_of(gyre_loop *loop);

/* The running task; panics outside of tasks. */
gyre_task *task_running(void);

/* Switch away until task_wake(). `cancel_wait` may be NULL. */
void task_wait(gyre_task *task, void (*cancel_wait)(gyre_task *task));

/* End the task's wait: it is ready. Only while it waits. */
void task_wake(gyre_task *task);

/* 0, -ECANCELED or -ETIME, as the task's innermost scope says. */
int task_cancelled(const gyre_task *task);

/* Start a filled op and wait for its end, also in a cancelled scope, and
 * whatever becomes of the scope: for close. */
gyre_result task_await_shielded(gyre_op *op);

/* Give a finished task's stack back. */
void task_free(gyre_task *task);

/* scope.c: a task enters and leaves its scopes. */
void scope_init(gyre_scope *scope, gyre_loop *loop);
void scope_add_member(gyre_scope *scope, gyre_task *task);
void scope_child_ended(gyre_scope *scope, gyre_task *task);
void scope_free_handles(gyre_scope *scope);
void scope_cancel_for(gyre_scope *scope, int reason);

static inline struct list *scope_list(void *const *storage)
{
    return (struct list *)(uintptr_t)storage;
}

#endif
