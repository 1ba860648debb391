/* SPDX-License-Identifier: MIT */
/*
 * scope.c - the tree that owns tasks
 *
 * A scope knows three kinds of things: its children, counted, which it waits
 * for; the tasks whose innermost scope it is, listed, whose waits it ends when
 * it is cancelled; and the scopes below, listed, to which a cancel goes down.
 * A task that opens a scope moves from one list to the other.
 *
 * A cancel marks every scope below, so that asking "am I cancelled?" looks at
 * one word; a scope opened under a cancelled one begins cancelled (I9). Only a
 * scope whose deadline is earlier than all above it has a timer.
 */
#include <errno.h>
#include <string.h>

#include "loop/loop.h"
#include "task/task.h"

static gyre_scope *link_scope(struct list *link)
{
    return CONTAINER_OF(link, gyre_scope, link_);
}

static void scope_overdue(gyre_timer *timer, int status)
{
    gyre_scope *scope = CONTAINER_OF(timer, gyre_scope, timer_);

    ASSERT(status == 0);
    if (scope->cancelled_ == 0)
        scope->overdue_ = true;
    scope_cancel_for(scope, -ETIME);
}

void scope_init(gyre_scope *scope, gyre_loop *loop)
{
    memset(scope, 0, sizeof *scope);
    scope->loop_ = loop;
    scope->deadline_ns_ = GYRE_NEVER;
    list_init(scope_list(scope->link_));
    list_init(scope_list(scope->scopes_));
    list_init(scope_list(scope->members_));
    list_init(scope_list(scope->handles_));
    gyre_timer_init(&scope->timer_, loop, scope_overdue, NULL);
}

void scope_add_member(gyre_scope *scope, gyre_task *task)
{
    task->scope = scope;
    list_append(scope_list(scope->members_), &task->member);
}

static void scope_move_member(gyre_scope *scope, gyre_task *task)
{
    list_remove(&task->member);
    scope_add_member(scope, task);
}

/* ---- cancel -------------------------------------------------------------- */

static void scope_cancel_members(gyre_scope *scope, int reason)
{
    struct list *members = scope_list(scope->members_);

    scope->cancelled_ = reason;
    for (struct list *at = members->next; at != members; at = at->next) {
        gyre_task *task = CONTAINER_OF(at, gyre_task, member);
        void (*cancel_wait)(gyre_task *) = task->cancel_wait;

        task->cancel_wait = NULL;
        if (cancel_wait != NULL)
            cancel_wait(task);
    }
}

/* The next scope of the tree below `top`, parents first. Without recursion, for
 * scopes may be nested deeper than a task's stack is. */
static gyre_scope *scope_after(gyre_scope *scope, const gyre_scope *top,
                               bool enter)
{
    struct list *below = scope_list(scope->scopes_);

    if (enter && !list_is_empty(below))
        return link_scope(below->next);
    while (scope != top) {
        struct list *next = scope_list(scope->link_)->next;

        if (next != scope_list(scope->parent_->scopes_))
            return link_scope(next);
        scope = scope->parent_;
    }
    return NULL;
}

void scope_cancel_for(gyre_scope *scope, int reason)
{
    gyre_scope *at = scope;

    while (at != NULL) {
        /* Below a cancelled scope everything is cancelled already. */
        bool fresh = at->cancelled_ == 0;

        if (fresh)
            scope_cancel_members(at, reason);
        ASSERT(at->cancelled_ != 0); /* I9 */
        at = scope_after(at, scope, fresh);
    }
}

void gyre_scope_cancel(gyre_scope *scope)
{
    loop_assert_owner(scope->loop_);
    scope_cancel_for(scope, -ECANCELED);
}

/* ---- children ------------------------------------------------------------ */

static bool is_mere_cancel(const gyre_scope *scope, int result)
{
    return scope->cancelled_ != 0 && (result == -ECANCELED || result == -ETIME);
}

static void scope_note_result(gyre_scope *scope, int result)
{
    if (result >= 0 || scope->error_ != 0 || is_mere_cancel(scope, result))
        return;
    scope->error_ = result;
    if (scope->policy_ == GYRE_ERROR_CANCELS)
        scope_cancel_for(scope, -ECANCELED);
}

void scope_child_ended(gyre_scope *scope, gyre_task *task)
{
    ASSERT(scope->children_ > 0);
    list_remove(&task->member);
    task->scope = NULL;
    task->home = NULL;
    if (task->has_handle)
        list_append(scope_list(scope->handles_), &task->member);
    scope_note_result(scope, task->result);
    scope->children_--;
    if (scope->children_ == 0 && scope->closing_ && scope->owner_ != NULL)
        task_wake(scope->owner_);
}

void scope_free_handles(gyre_scope *scope)
{
    struct list *link;

    while ((link = list_take_first(scope_list(scope->handles_))) != NULL) {
        gyre_task *task = CONTAINER_OF(link, gyre_task, member);

        ASSERT_API(
            task->joiner == NULL,
            "a scope was closed while one of its tasks was being joined");
        task_free(task);
    }
}

/* ---- open and close ------------------------------------------------------ */

void gyre_scope_open(gyre_scope *scope, const gyre_scope_options *options)
{
    gyre_task *task = task_running();
    gyre_scope *parent = task->scope;

    scope_init(scope, parent->loop_);
    scope->parent_ = parent;
    scope->owner_ = task;
    scope->cancelled_ = parent->cancelled_;
    list_append(scope_list(parent->scopes_), scope_list(scope->link_));
    scope_move_member(scope, task);
    if (options == NULL)
        return;
    ASSERT_API(options->size == 0 || options->size == sizeof *options,
               "gyre_scope_options.size is not that of this library");
    scope->policy_ = (uint8_t)options->on_error;
    if (options->deadline_ns != 0)
        gyre_scope_set_deadline(scope, options->deadline_ns);
}

int gyre_scope_close(gyre_scope *scope)
{
    gyre_task *task = task_running();

    ASSERT_API(scope->owner_ == task, "a scope is closed by its opener");
    ASSERT_API(task->scope == scope,
               "scopes close in the reverse order of opening");
    scope->closing_ = true;
    /* Again, if somebody spawned after the last child had ended. */
    while (scope->children_ > 0)
        task_wait(task, NULL);
    ASSERT(list_is_empty(scope_list(scope->scopes_)));
    scope_free_handles(scope);
    gyre_timer_stop(&scope->timer_);
    scope_move_member(scope->parent_, task);
    ASSERT(list_is_empty(scope_list(scope->members_))); /* I10 */
    list_remove(scope_list(scope->link_));
    scope->owner_ = NULL;
    if (scope->error_ != 0)
        return scope->error_;
    return scope->overdue_ ? -ETIME : 0;
}

int gyre_scope_run(const gyre_scope_options *options,
                   int (*fn)(gyre_scope *scope, void *arg), void *arg)
{
    gyre_scope scope;
    int result, err;

    gyre_scope_open(&scope, options);
    result = fn(&scope, arg);
    scope_note_result(&scope, result);
    err = gyre_scope_close(&scope);
    return err != 0 ? err : result;
}

/* ---- deadlines and questions --------------------------------------------- */

uint64_t gyre_scope_deadline(const gyre_scope *scope)
{
    uint64_t deadline = GYRE_NEVER;

    for (; scope != NULL; scope = scope->parent_)
        if (scope->deadline_ns_ < deadline)
            deadline = scope->deadline_ns_;
    return deadline;
}

void gyre_scope_set_deadline(gyre_scope *scope, uint64_t deadline_ns)
{
    loop_assert_owner(scope->loop_);
    if (deadline_ns >= gyre_scope_deadline(scope))
        return;
    scope->deadline_ns_ = deadline_ns;
    if (scope->cancelled_ != 0)
        return;
    if (deadline_ns <= loop_clock(scope->loop_))
        scope_overdue(&scope->timer_, 0);
    else
        gyre_timer_reset(&scope->timer_, deadline_ns);
}

int gyre_scope_cancelled(const gyre_scope *scope)
{
    return scope->cancelled_;
}

int gyre_scope_error(const gyre_scope *scope)
{
    return scope->error_;
}

gyre_scope *gyre_scope_current(void)
{
    gyre_task *task = gyre_task_current();

    return task == NULL ? NULL : task->scope;
}
