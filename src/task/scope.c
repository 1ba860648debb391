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
 * one word; a scope opened under a cancelled one begins cancelled (I9). It
 * passes over shields and what is below them. Only a scope whose deadline is
 * earlier than all above it has a timer.
 */
#include <errno.h>
#include <string.h>

#include "loop/loop.h"
#include "task/branch.h"
#include "task/outside.h"
#include "task/task.h"
#include "task/wish.h"

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
    scope->wish_deadline_ns_ = GYRE_NEVER;
    list_init(scope_list(scope->link_));
    list_init(scope_list(scope->scopes_));
    list_init(scope_list(scope->members_));
    list_init(scope_list(scope->handles_));
    list_init(scope_list(scope->spawners_));
    list_init(scope_list(scope->branches_));
    gyre_timer_init(&scope->timer_, loop, scope_overdue, NULL);
}

static void scope_move_member(gyre_scope *scope, gyre_task *task)
{
    list_remove(&task->member);
    scope_add_member(scope, task);
}

/* ---- cancel -------------------------------------------------------------- */

static void cancel_wait_of(gyre_task *task)
{
    void (*cancel_wait)(gyre_task *) = task->cancel_wait;

    task->cancel_wait = NULL;
    if (cancel_wait != NULL)
        cancel_wait(task);
}

static void scope_cancel_members(gyre_scope *scope, int reason)
{
    struct list *members = scope_list(scope->members_);

    scope->cancelled_ = reason;
    for (struct list *at = members->next; at != members; at = at->next)
        cancel_wait_of(CONTAINER_OF(at, gyre_task, member));
    if (UNLIKELY(!list_is_empty(scope_list(scope->branches_))))
        branches_cancel(scope, reason);
}

/* The next scope of the tree below `top`, parents first. Without recursion, for
 * scopes may be nested deeper than a task's stack is. */
gyre_scope *scope_after(gyre_scope *scope, const gyre_scope *top, bool enter)
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
        bool enter = at->cancelled_ == 0 && (at == scope || !at->shield_);

        if (enter)
            scope_cancel_members(at, reason);
        ASSERT(at->cancelled_ != 0 || at->shield_); /* I9 */
        at = scope_after(at, scope, enter);
    }
}

void gyre_scope_cancel(gyre_scope *scope)
{
    if (UNLIKELY(loop_owner(scope->loop_) != loop_thread()))
        wish_cancel(scope);
    else
        scope_cancel_for(scope, -ECANCELED);
}

void gyre_task_cancel(gyre_task *task)
{
    if (task->books != NULL && task != task_self &&
        loop_owner(task->books->loop) != loop_thread())
        wish_cancel_task(task);
    else
        scope_cancel_task(task);
}

void scope_cancel_task(gyre_task *task)
{
    if (task->branch != NULL) {
        branch_cancel_task(task->branch);
        return;
    }
    loop_assert_owner(task->tasks->loop);
    if (task->finished || task->cancelled != 0)
        return;
    task->cancelled = -ECANCELED;
    if (task->scope == task->home) {
        if (task->home->cancelled_ == 0)
            cancel_wait_of(task);
        return;
    }
    for (gyre_scope *own = task->scope;; own = own->parent_) {
        if (own->parent_ != task->home)
            continue;
        if (!own->shield_)
            scope_cancel_for(own, -ECANCELED);
        return;
    }
}

/* ---- children ------------------------------------------------------------ */

void scope_note_error(gyre_scope *scope, int error, const gyre_failure *failure)
{
    if (scope->error_ != 0)
        return;
    scope->error_ = error;
    scope->failure_ = *failure;
    if (scope->policy_ == GYRE_ERROR_CANCELS)
        scope_cancel_for(scope, -ECANCELED);
}

void scope_note_result(gyre_scope *scope, const gyre_task *task, int result)
{
    gyre_failure failure;

    if (result >= 0 || scope->error_ != 0)
        return;
    if (result_is_cancel(result) &&
        (scope->cancelled_ != 0 || task->cancelled != 0))
        return;
    failure = failure_of(task, result);
    scope_note_error(scope, result, &failure);
}

void scope_free_handles(gyre_scope *scope)
{
    struct list *link;

    while ((link = list_take_first(scope_list(scope->handles_))) != NULL) {
        gyre_task *task = CONTAINER_OF(link, gyre_task, member);

        ASSERT_API(
            task->ended == NULL || task->joiner == NULL,
            "a scope was closed while one of its tasks was being joined");
        task_free(task);
    }
}

/* ---- open and close ------------------------------------------------------ */

void scope_apply(gyre_scope *scope, const gyre_scope_options *options)
{
    ASSERT_API(options->size == 0 || options->size == sizeof *options,
               "gyre_scope_options.size is not that of this library");
    ASSERT_API(!options->shield || options->deadline_ns != 0,
               "a shield needs a deadline_ns of its own, if need be "
               "GYRE_NEVER");
    scope->policy_ = (uint8_t)options->on_error;
    scope->max_tasks_ = options->max_tasks;
    scope->when_full_ = (uint8_t)options->when_full;
    scope->shield_ = options->shield;
    if (scope->shield_)
        scope->cancelled_ = 0;
    if (options->deadline_ns != 0)
        gyre_scope_set_deadline(scope, options->deadline_ns);
}

void gyre_scope_open(gyre_scope *scope, const gyre_scope_options *options)
{
    gyre_task *task = task_running();
    gyre_scope *parent = task->scope;

    scope_init(scope, parent->loop_);
    scope->parent_ = parent;
    scope->owner_ = task;
    scope->cancelled_ = task_cancelled(task);
    list_append(scope_list(parent->scopes_), scope_list(scope->link_));
    scope_move_member(scope, task);
    if (options != NULL)
        scope_apply(scope, options);
}

/* A deferred function may spawn, or defer once more. */
void scope_empty(gyre_scope *scope, gyre_task *task)
{
    gyre_deferred *deferred;

    for (;;) {
        while (scope_is_busy(scope)) {
            scope->closing_ = true;
            task_wait(task, NULL, "children", scope);
        }
        deferred = scope->deferred_;
        if (deferred == NULL)
            return;
        scope->deferred_ = deferred->next_;
        deferred->fn_(deferred->arg_);
    }
}

int scope_end(gyre_scope *scope)
{
    ASSERT(list_is_empty(scope_list(scope->scopes_)));
    ASSERT(list_is_empty(scope_list(scope->branches_))); /* I10 */
    ASSERT_API(list_is_empty(scope_list(scope->spawners_)),
               "a scope was closed while a task waited to spawn into it");
    scope_free_handles(scope);
    gyre_timer_stop(&scope->timer_);
    ASSERT(list_is_empty(scope_list(scope->members_))); /* I10 */
    list_remove(scope_list(scope->link_));
    scope->owner_ = NULL;
    if (scope->error_ != 0)
        return scope->error_;
    return scope->overdue_ ? -ETIME : 0;
}

int gyre_scope_close(gyre_scope *scope)
{
    gyre_task *task;
    int err;

    if (UNLIKELY(scope->opener_ != NULL))
        return outside_close(scope);
    task = task_running();
    ASSERT_API(scope->owner_ == task, "a scope is closed by its opener");
    ASSERT_API(task->scope == scope,
               "scopes close in the reverse order of opening");
    scope_empty(scope, task);
    scope_move_member(scope->parent_, task);
    err = scope_end(scope);
    if (scope->error_ != 0)
        task->failure = scope->failure_;
    return err;
}

int gyre_scope_run(const gyre_scope_options *options,
                   int (*fn)(gyre_scope *scope, void *arg), void *arg)
{
    gyre_scope scope;
    int result, err;

    gyre_scope_open(&scope, options);
    result = fn(&scope, arg);
    scope_note_result(&scope, task_running(), result);
    err = gyre_scope_close(&scope);
    return err != 0 ? err : result;
}

/* ---- deferred functions -------------------------------------------------- */

void gyre_scope_defer(gyre_scope *scope, gyre_deferred *deferred,
                      void (*fn)(void *arg), void *arg)
{
    loop_assert_owner(scope->loop_);
    ASSERT_API(scope->parent_ != NULL,
               "a loop's outermost scope is closed by no task, so nothing can "
               "be deferred to its close");
    deferred->fn_ = fn;
    deferred->arg_ = arg;
    deferred->next_ = scope->deferred_;
    scope->deferred_ = deferred;
}

bool gyre_scope_undefer(gyre_scope *scope, gyre_deferred *deferred)
{
    loop_assert_owner(scope->loop_);
    for (gyre_deferred **at = &scope->deferred_; *at != NULL;
         at = &(*at)->next_) {
        if (*at == deferred) {
            *at = deferred->next_;
            return true;
        }
    }
    return false;
}

/* ---- deadlines and questions --------------------------------------------- */

uint64_t gyre_scope_deadline(const gyre_scope *scope)
{
    uint64_t deadline = GYRE_NEVER;

    for (; scope != NULL; scope = scope->parent_) {
        if (scope->deadline_ns_ < deadline)
            deadline = scope->deadline_ns_;
        if (scope->shield_)
            break;
    }
    return deadline;
}

void gyre_scope_set_deadline(gyre_scope *scope, uint64_t deadline_ns)
{
    ASSERT_API(scope->parent_ != NULL,
               "a loop's outermost scope has no deadline: open one below it");
    if (UNLIKELY(loop_owner(scope->loop_) != loop_thread()))
        wish_deadline(scope, deadline_ns);
    else
        scope_tighten(scope, deadline_ns);
}

void scope_tighten(gyre_scope *scope, uint64_t deadline_ns)
{
    const struct tasks *tasks = scope->loop_->tasks;

    if (deadline_ns >= gyre_scope_deadline(scope))
        return;
    scope->deadline_ns_ = deadline_ns;
    if (scope->cancelled_ != 0)
        return;
    if (UNLIKELY(census_get(&tasks->away) > 0))
        branches_tighten(scope, deadline_ns);
    if (deadline_ns <= loop_clock(scope->loop_))
        scope_overdue(&scope->timer_, 0);
    else
        gyre_timer_reset(&scope->timer_, deadline_ns);
}

void scope_look_at_deadlines(gyre_scope *scope)
{
    uint64_t now_ns = loop_clock(scope->loop_);

    for (; scope != NULL; scope = scope->parent_) {
        if (scope->deadline_ns_ <= now_ns && scope->cancelled_ == 0) {
            gyre_timer_stop(&scope->timer_);
            scope_overdue(&scope->timer_, 0);
        }
        if (scope->shield_)
            break;
    }
}

int gyre_scope_cancelled(const gyre_scope *scope)
{
    return scope->cancelled_;
}

int gyre_scope_error(const gyre_scope *scope)
{
    return scope->error_;
}

void gyre_scope_failure(const gyre_scope *scope, gyre_failure *failure)
{
    *failure = scope->failure_;
}

gyre_scope *gyre_scope_current(void)
{
    gyre_task *task = gyre_task_current();

    return task == NULL ? NULL : task->scope;
}
