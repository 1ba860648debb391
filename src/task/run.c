/* SPDX-License-Identifier: MIT */
/*
 * run.c - tasks on a loop, and the shortest way to both
 *
 * A loop that never sees a task knows nothing of this room: what tasks need is
 * made by the first spawn, hangs on the loop, and is ended by it through one
 * pointer. All tasks of a loop descend from its root scope, which closes with
 * the loop.
 */
#include <errno.h>

#include "base/alloc.h"
#include "loop/loop.h"
#include "task/task.h"

/* Cancel everything and turn until no task is left. */
static void tasks_finish(struct tasks *tasks)
{
    tasks->ending = true;
    scope_cancel_for(&tasks->root, -ECANCELED);
    while (tasks->root.children_ > 0) {
        int err = gyre_loop_run(tasks->loop, GYRE_RUN_ONCE);

        ASSERT_API(err >= 0,
                   "the kernel refuses to finish what tasks wait for");
        ASSERT_API(tasks->root.children_ == 0 || !loop_is_done(tasks->loop),
                   "deadlock: tasks wait for each other and nothing is in "
                   "flight that could wake them");
    }
    scope_free_handles(&tasks->root);
}

static void tasks_end(gyre_loop *loop)
{
    struct tasks *tasks = loop->tasks;

    tasks_finish(tasks);
    stack_pool_deinit(&tasks->stacks);
    loop->tasks = NULL;
    loop->tasks_end = NULL;
    alloc_free(tasks);
}

static struct tasks *tasks_create(gyre_loop *loop, size_t stack_size)
{
    struct tasks *tasks = alloc_zeroed(1, sizeof *tasks);

    if (tasks == NULL)
        return NULL;
    tasks->loop = loop;
    context_init_thread(&tasks->host);
    stack_pool_init(&tasks->stacks, stack_size, 0);
    scope_init(&tasks->root, loop);
    tasks->root.policy_ = GYRE_ERROR_CONTINUES;
    loop->tasks = tasks;
    loop->tasks_end = tasks_end;
    return tasks;
}

struct tasks *tasks_of(gyre_loop *loop)
{
    loop_assert_owner(loop);
    return loop->tasks != NULL ? loop->tasks : tasks_create(loop, 0);
}

gyre_scope *gyre_loop_scope(gyre_loop *loop)
{
    struct tasks *tasks = tasks_of(loop);

    return tasks == NULL ? NULL : &tasks->root;
}

int gyre_loop_set_stack_size(gyre_loop *loop, size_t size)
{
    loop_assert_owner(loop);
    if (loop->tasks != NULL)
        return -EBUSY;
    if (size < STACK_SIZE_MIN || size > STACK_SIZE_MAX)
        return -EINVAL;
    return tasks_create(loop, size) == NULL ? -ENOMEM : 0;
}

/* The first task of a run: what it does, and what came of it. */
struct first {
    gyre_task_fn *fn;
    void *arg;
    int result;
    bool finished;
};

static int first_main(void *arg)
{
    struct first *first = arg;

    first->result = first->fn(first->arg);
    first->finished = true;
    return first->result;
}

/* The first task and all it leaves behind, on a loop made for it. */
static int run_on(gyre_loop *loop, size_t stack_size, struct first *first)
{
    gyre_scope *root;
    int err = 0;

    if (stack_size != 0)
        err = gyre_loop_set_stack_size(loop, stack_size);
    if (err < 0)
        return err;
    root = gyre_loop_scope(loop);
    if (root == NULL)
        return -ENOMEM;
    err = gyre_spawn(root, first_main, first);
    if (err < 0)
        return err;
    err = gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE);
    if (err < 0)
        return err;
    ASSERT_API(err == 1 || root->children_ == 0,
               "deadlock: tasks wait, and nothing is in flight that could wake "
               "them");
    /* Stopped: the tasks that are left hear of it as a cancel. */
    tasks_finish(loop->tasks);
    ASSERT(first->finished);
    return first->result;
}

int gyre_run(const gyre_run_options *options, gyre_task_fn *fn, void *arg)
{
    struct first first = { .fn = fn, .arg = arg };
    gyre_run_options o = { 0 };
    gyre_loop *loop;
    int result;

    if (options != NULL) {
        ASSERT_API(options->size == 0 || options->size == sizeof *options,
                   "gyre_run_options.size is not that of this library");
        o = *options;
    }
    result = gyre_loop_create(&loop, o.loop);
    if (result < 0)
        return result;
    result = run_on(loop, o.stack_size, &first);
    gyre_loop_destroy(loop);
    return result;
}
