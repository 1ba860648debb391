/* SPDX-License-Identifier: MIT */
/*
 * local.c - values for a task and all below it
 *
 * A binding lies in its maker's frame, on the list of the scope that ends with
 * that frame: the task's innermost, if it has opened one, else the task itself.
 * Children cannot outlive the scope they are in, so whatever is found on the
 * way up is still there.
 */
#include "loop/loop.h"
#include "task/branch.h"
#include "task/task.h"

void gyre_local_bind(gyre_local *local, const void *key, void *value)
{
    gyre_task *task = task_running();
    gyre_local **list = task->scope == task->home ? &task->locals
                                                  : &task->scope->locals_;

    ASSERT_API(key != NULL, "a key is an address of the caller's");
    local->key_ = key;
    local->value_ = value;
    local->next_ = *list;
    /* Tasks below may look from other engines. */
    __atomic_store_n(list, local, __ATOMIC_RELEASE);
}

static const gyre_local *find(gyre_local *const *list, const void *key)
{
    const gyre_local *local = __atomic_load_n(list, __ATOMIC_ACQUIRE);

    while (local != NULL && local->key_ != key)
        local = local->next_;
    return local;
}

void *gyre_local_get(const void *key)
{
    const gyre_task *task = task_running();
    const gyre_scope *scope = task->scope;
    const gyre_local *found = NULL;

    while (found == NULL && task != NULL) {
        for (; found == NULL && scope != task->home; scope = scope->parent_)
            found = find(&scope->locals_, key);
        if (found == NULL)
            found = find(&task->locals, key);
        if (task->branch != NULL)
            scope = task->branch->trunk;
        task = scope->owner_;
    }
    return found == NULL ? NULL : found->value_;
}
