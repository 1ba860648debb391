/* SPDX-License-Identifier: MIT */
/*
 * Names, parents, the place of a spawn, and values bound to a task and what is
 * below it.
 */
#include <errno.h>
#include <string.h>

#include "io/world.h"

static const char key, other_key;

static int sees(void *arg)
{
    CHECK(gyre_local_get(&key) == arg);
    CHECK_OK(gyre_yield());
    CHECK(gyre_local_get(&key) == arg);
    return 0;
}

static int binds_for_itself(void *arg)
{
    gyre_local local, again;
    int mine, later;

    CHECK(gyre_local_get(&key) == arg);
    gyre_local_bind(&local, &key, &mine);
    CHECK(gyre_local_get(&key) == &mine);
    gyre_local_bind(&again, &key, &later);
    CHECK(gyre_local_get(&key) == &later);
    CHECK(gyre_local_get(&other_key) == NULL);
    CHECK_OK(gyre_yield());
    return 0;
}

static int bind_in_scopes(void *arg)
{
    gyre_local task_wide, wide, narrow;
    gyre_scope outer, inner;
    int root, first, second;

    (void)arg;
    CHECK(gyre_local_get(&key) == NULL);
    gyre_local_bind(&task_wide, &key, &root);
    gyre_scope_open(&outer, NULL);
    CHECK_OK(gyre_spawn(&outer, sees, &root));
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_yield());
    gyre_local_bind(&wide, &key, &first);
    CHECK_OK(gyre_spawn(&outer, sees, &first));
    CHECK_OK(gyre_spawn(&outer, binds_for_itself, &first));
    CHECK_OK(gyre_spawn(&outer, sees, &first)); /* not its sibling's */
    gyre_scope_open(&inner, NULL);
    CHECK(gyre_local_get(&key) == &first);
    gyre_local_bind(&narrow, &key, &second);
    CHECK_OK(gyre_spawn(&inner, sees, &second));
    CHECK_OK(gyre_spawn(&outer, sees, &first)); /* of the scope it lives in */
    CHECK(gyre_local_get(&key) == &second);
    CHECK_OK(gyre_scope_close(&inner));
    CHECK(gyre_local_get(&key) == &first);
    CHECK_OK(gyre_scope_close(&outer));
    CHECK(gyre_local_get(&key) == &root);
    return 0;
}

KERNEL_TEST2(R7_a_value_is_seen_by_a_task_and_what_is_below_it)
{
    must_run(bind_in_scopes, NULL);
}

static int grandchild(void *arg)
{
    CHECK(gyre_local_get(&key) == arg);
    return 0;
}

static int child_between(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, grandchild, arg));
    return gyre_scope_close(&scope);
}

static int inherit(void *arg)
{
    gyre_local local;
    gyre_scope scope;
    int value;

    (void)arg;
    gyre_local_bind(&local, &key, &value);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, child_between, &value));
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(R7_a_value_is_inherited_by_grandchildren)
{
    must_run(inherit, NULL);
}

struct family {
    gyre_task *parent;
    gyre_task *self;
};

static int look(void *arg)
{
    struct family *family = arg;

    family->self = gyre_task_current();
    CHECK_STR_EQ(gyre_task_name(family->self), "child");
    CHECK(gyre_task_parent(family->self) == family->parent);
    return 0;
}

static __attribute__((noinline)) const char *spawn_here(gyre_scope *scope,
                                                        struct family *family,
                                                        gyre_task **task)
{
    CHECK_OK(gyre_spawn_with(scope, &(gyre_task_options){ .name = "child" },
                             look, family, task));
    return (const char *)gyre_task_site(*task);
}

static int parents(void *arg)
{
    struct family family = { .parent = gyre_task_current() };
    const char *function = (const char *)(uintptr_t)spawn_here;
    gyre_scope scope;
    gyre_task *task;
    const char *site;

    (void)arg;
    CHECK(gyre_task_parent(family.parent) == NULL);
    CHECK_STR_EQ(gyre_task_name(family.parent), "task");
    gyre_scope_open(&scope, NULL);
    site = spawn_here(&scope, &family, &task);
    CHECK(gyre_task_parent(task) == family.parent);
    CHECK_OK(gyre_join(task, NULL));
    CHECK(family.self == task);
    /* An address in the function that called gyre_spawn_with(). */
    CHECK(site > function && site < function + 4096);
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(R7_a_task_knows_its_name_its_parent_and_where_it_was_made)
{
    must_run(parents, NULL);
}
