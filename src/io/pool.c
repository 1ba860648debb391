/* SPDX-License-Identifier: MIT */
/*
 * pool.c - tasks that wait for a buffer
 *
 * Each waits on the pool's list, where whoever came first is first told that
 * something was given back, and takes it before it wakes: so a task that comes
 * later does not take it away.
 */
#include <gyre/buffers.h>

#include <errno.h>

#include "mem/pool.h"
#include "task/task.h"

struct getter {
    struct pool_waiter waiter;
    gyre_pool *pool;
    gyre_task *task;
    size_t size;
    void *buffer;
};

static void getter_ready(struct pool_waiter *waiter)
{
    struct getter *getter = CONTAINER_OF(waiter, struct getter, waiter);

    getter->buffer = gyre_pool_get(getter->pool, getter->size);
    if (getter->buffer != NULL)
        task_wake(getter->task);
    else
        pool_wait(getter->pool, &getter->waiter);
}

static void getter_leave(gyre_task *task)
{
    struct getter *getter = task->waits_for;

    pool_unwait(&getter->waiter);
    task_wake(task);
}

int gyre_pool_get_wait(gyre_pool *pool, size_t size, void **buffer)
{
    gyre_task *task = task_running();
    struct getter getter = {
        .waiter.ready = getter_ready, .pool = pool, .task = task, .size = size
    };

    ASSERT_API(pool->loop == task->tasks->loop,
               "the pool belongs to another loop");
    if (size == 0 || size > (size_t)1 << pool->slab_shift)
        return -EINVAL;
    if (task_cancelled(task) != 0)
        return task_cancelled(task);
    if (list_is_empty(&pool->waiters))
        getter.buffer = gyre_pool_get(pool, size);
    if (getter.buffer == NULL) {
        pool_wait(pool, &getter.waiter);
        task->waits_for = &getter;
        task->tasks->outside++; /* other threads give back, too */
        task_wait(task, getter_leave, "buffer", pool);
        task->tasks->outside--;
    }
    if (getter.buffer == NULL)
        return task_cancelled(task);
    *buffer = getter.buffer;
    return 0;
}
