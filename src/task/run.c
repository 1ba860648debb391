/* SPDX-License-Identifier: MIT */
/*
 * run.c - tasks on a loop: their beginning and their end
 *
 * A loop that never sees a task knows nothing of this room: what tasks need is
 * made by the first spawn, hangs on the loop, and is ended by it through one
 * pointer. All tasks of a loop descend from its root scope, which closes with
 * the loop.
 */
#include <errno.h>

#include "base/alloc.h"
#include "kernel/fault.h"
#include "kernel/proc.h"
#include "loop/loop.h"
#include "task/ask.h"
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

/* Until no task is left, or somebody stops the loop. */
int tasks_run(struct tasks *tasks)
{
    for (;;) {
        int err = gyre_loop_run(tasks->loop, GYRE_RUN_UNTIL_DONE);

        if (err == 0 && !tasks_are_gone(tasks))
            err = wait_for_others(tasks);
        else if (err == 0)
            return 0;
        if (err != 0)
            return err;
    }
}

void tasks_begin_end(struct tasks *tasks)
{
    tasks->ending = true;
    scope_cancel_for(&tasks->root, -ECANCELED);
}

void tasks_turn_to_end(struct tasks *tasks)
{
    int err = loop_is_done(tasks->loop)
                  ? wait_for_others(tasks)
                  : gyre_loop_run(tasks->loop, GYRE_RUN_ONCE);

    ASSERT_API(err >= 0, "the kernel refuses to finish what tasks wait for");
    (void)err;
}

void tasks_finish(struct tasks *tasks)
{
    gyre_timer stuck;

    tasks_begin_end(tasks);
    stuck_watch(tasks->loop, &stuck);
    while (!tasks_are_gone(tasks))
        tasks_turn_to_end(tasks);
    gyre_timer_stop(&stuck);
    asks_answer_all(tasks->loop);
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
    thread_get_cpus(&tasks->cpus);
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

int tasks_prepare(gyre_loop *loop, const gyre_run_options *options)
{
    int err = tasks_of(loop) == NULL ? -ENOMEM : 0;

    if (err == 0 && options->stack_size != 0)
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
