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
#include <gyre/sandbox.h>

#include "base/alloc.h"
#include "kernel/fault.h"
#include "kernel/proc.h"
#include "loop/loop.h"
#include "task/measure.h"
#include "task/task.h"

#define DEADLOCK                                                               \
    "deadlock: tasks wait, and nothing is in flight that could wake them"

#define PATIENCE_MOST_NS (60 * GYRE_SECOND)

uint64_t task_patience_ns = 100 * GYRE_MS;

static void patience_ends(gyre_timer *timer, int status)
{
    (void)status;
    *(bool *)timer->user = true;
}

/* Wait for a post, but not for ever; true: nothing came. */
static bool nothing_comes(gyre_loop *loop, uint64_t patience_ns, int *err)
{
    bool ended = false;
    gyre_timer patience;

    gyre_timer_init(&patience, loop, patience_ends, &ended);
    gyre_timer_start(&patience, loop_clock(loop) + patience_ns);
    *err = gyre_loop_run(loop, GYRE_RUN_ONCE);
    gyre_timer_stop(&patience);
    return ended && *err == 0 && loop_is_done(loop);
}

/*
 * Tasks wait and nothing is in flight in this loop. Those that wait for what is
 * shared with other threads may be woken by one, and the loop sleeps until it
 * is posted to. If there is no such thread, nobody ever will. Look for threads
 * first and for what they posted then: the last of them may just have ended,
 * and this may have been the last thing it did. All that only when nothing came
 * for a while, and then less and less often: to look for threads costs more
 * than to be woken by one.
 */
static int wait_for_others(struct tasks *tasks)
{
    uint64_t patience_ns = task_patience_ns;
    int err;

    ASSERT_API(tasks->outside > 0, DEADLOCK);
    while (nothing_comes(tasks->loop, patience_ns, &err) &&
           tasks->outside > 0) {
        bool others = proc_has_other_threads();

        ASSERT_API(others || loop_has_posted(tasks->loop), DEADLOCK);
        if (patience_ns < PATIENCE_MOST_NS)
            patience_ns += patience_ns + GYRE_MS;
    }
    return err;
}

/* Cancel everything and turn until no task is left. */
static void tasks_finish(struct tasks *tasks)
{
    gyre_timer stuck;

    tasks->ending = true;
    scope_cancel_for(&tasks->root, -ECANCELED);
    stuck_watch(tasks->loop, &stuck);
    while (tasks->root.children_ > 0) {
        int err = loop_is_done(tasks->loop)
                      ? wait_for_others(tasks)
                      : gyre_loop_run(tasks->loop, GYRE_RUN_ONCE);

        ASSERT_API(err >= 0,
                   "the kernel refuses to finish what tasks wait for");
    }
    gyre_timer_stop(&stuck);
    scope_free_handles(&tasks->root);
}

static void tasks_end(gyre_loop *loop)
{
    struct tasks *tasks = loop->tasks;

    tasks_finish(tasks);
    stack_pool_deinit(&tasks->stacks);
    measure_end(tasks->kinds);
    if (tasks->has_fault_stack)
        fault_end_thread();
    loop->tasks = NULL;
    loop->tasks_attach = NULL;
    loop->tasks_end = NULL;
    alloc_free(tasks);
}

/* The loop has come to the thread on which its tasks will run. */
static void tasks_attach(gyre_loop *loop)
{
    struct tasks *tasks = loop->tasks;

    /* Unless one of them asked for it, and the host waits for him. */
    if (task_self == NULL || task_self->tasks != tasks)
        context_init_thread(&tasks->host);
    tasks->has_fault_stack = fault_begin_thread();
}

static struct tasks *tasks_create(gyre_loop *loop)
{
    struct tasks *tasks = alloc_zeroed(1, sizeof *tasks);

    if (tasks == NULL)
        return NULL;
    tasks->loop = loop;
    context_init_thread(&tasks->host);
    stack_pool_init(&tasks->stacks, 0, 0);
    scope_init(&tasks->root, loop);
    list_init(&tasks->spawners);
    tasks->root.policy_ = GYRE_ERROR_CONTINUES;
    loop->tasks = tasks;
    loop->tasks_attach = tasks_attach;
    loop->tasks_end = tasks_end;
    if (loop->attached)
        tasks_attach(loop);
    return tasks;
}

struct tasks *tasks_of(gyre_loop *loop)
{
    loop_assert_owner(loop);
    return loop->tasks != NULL ? loop->tasks : tasks_create(loop);
}

gyre_scope *gyre_loop_scope(gyre_loop *loop)
{
    struct tasks *tasks = tasks_of(loop);

    return tasks == NULL ? NULL : &tasks->root;
}

int gyre_loop_set_max_tasks(gyre_loop *loop, uint32_t max,
                            gyre_full_policy when_full)
{
    struct tasks *tasks = tasks_of(loop);

    if (tasks == NULL)
        return -ENOMEM;
    tasks->max_tasks = max;
    tasks->when_full = (uint8_t)when_full;
    bound_raised(tasks);
    return 0;
}

/* ---- their stacks -------------------------------------------------------- */

int gyre_loop_set_stack_size(gyre_loop *loop, size_t size)
{
    struct tasks *tasks = tasks_of(loop);

    if (tasks == NULL)
        return -ENOMEM;
    if (!stack_size_is_valid(size))
        return -EINVAL;
    stack_pool_set_size(&tasks->stacks, size);
    return 0;
}

int gyre_loop_set_stack_allocator(gyre_loop *loop,
                                  const gyre_stack_allocator *allocator)
{
    struct tasks *tasks = tasks_of(loop);

    if (tasks == NULL)
        return -ENOMEM;
    if (tasks->stacks.mapped > 0)
        return -EBUSY;
    stack_pool_set_source(&tasks->stacks, allocator);
    return 0;
}

void gyre_loop_get_stack_stats(const gyre_loop *loop, gyre_stack_stats *stats)
{
    const struct tasks *tasks = loop->tasks;

    loop_assert_owner(loop);
    *stats = (gyre_stack_stats){ 0 };
    if (tasks != NULL)
        stack_pool_count(&tasks->stacks, stats);
}

/* ---- the shortest way ---------------------------------------------------- */

/* The first task of a run: what it does, and what came of it. */
struct first {
    gyre_task_fn *fn;
    void *arg;
    gyre_failure failure;
    int result;
    bool finished;
};

static int first_main(void *arg)
{
    struct first *first = arg;

    first->result = first->fn(first->arg);
    if (first->result < 0)
        first->failure = failure_of(task_running(), first->result);
    first->finished = true;
    return first->result;
}

/* Until no task is left, or somebody stops the loop. */
static int run_tasks(gyre_loop *loop, struct tasks *tasks)
{
    for (;;) {
        int err = gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE);

        if (err == 0 && tasks->root.children_ > 0)
            err = wait_for_others(tasks);
        else if (err == 0)
            return 0;
        if (err != 0)
            return err;
    }
}

static int prepare(gyre_loop *loop, const gyre_run_options *options)
{
    int err = 0;

    if (options->stack_size != 0)
        err = gyre_loop_set_stack_size(loop, options->stack_size);
    if (err == 0 && options->stacks != NULL)
        err = gyre_loop_set_stack_allocator(loop, options->stacks);
    if (err == 0 && options->measure_stacks)
        err = gyre_loop_measure_stacks(loop);
    if (err == 0 && options->max_tasks != 0)
        err = gyre_loop_set_max_tasks(loop, options->max_tasks,
                                      options->when_full);
    return err;
}

/* The first task and all it leaves behind, on a loop made for it. */
static int run_on(gyre_loop *loop, const gyre_run_options *options,
                  struct first *first)
{
    gyre_scope *root;
    int err = prepare(loop, options);

    if (err < 0)
        return err;
    root = gyre_loop_scope(loop);
    if (root == NULL)
        return -ENOMEM;
    if (options->sandbox != NULL)
        err = gyre_sandbox(options->sandbox);
    if (err < 0)
        return err;
    err = gyre_spawn(root, first_main, first);
    if (err < 0)
        return err;
    err = run_tasks(loop, loop->tasks);
    if (err < 0)
        return err;
    /* Stopped: the tasks that are left hear of it as a cancel. */
    tasks_finish(loop->tasks);
    ASSERT(first->finished);
    return first->result;
}

int gyre_run(const gyre_run_options *options, gyre_task_fn *fn, void *arg)
{
    struct first first = { .fn = fn, .arg = arg };
    gyre_loop_options loop_options = { 0 };
    gyre_run_options o = { 0 };
    gyre_loop *loop;
    int result;

    if (options != NULL) {
        ASSERT_API(options->size == 0 || options->size == sizeof *options,
                   "gyre_run_options.size is not that of this library");
        o = *options;
    }
    if (o.loop != NULL)
        loop_options = *o.loop;
    if (o.sandbox != NULL)
        loop_options.ring.restrictable = true;
    result = gyre_loop_create(&loop, &loop_options);
    if (result >= 0) {
        result = run_on(loop, &o, &first);
        gyre_loop_destroy(loop);
    }
    /* It may have failed before there was a task to say where. */
    if (result < 0 && first.failure.error == 0)
        first.failure = (gyre_failure){ .error = result, .fd = -1 };
    if (o.failure != NULL)
        *o.failure = first.failure;
    return result;
}
