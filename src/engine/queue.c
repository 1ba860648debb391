/* SPDX-License-Identifier: MIT */
/*
 * queue.c - tasks that may begin anywhere, in order of spawning
 *
 * A list under a spinlock, held for a few instructions: no bound, no allocation
 * and nothing to prove. Its engine takes one at a time and only when it is
 * about to run it, so that the rest can be had by others: the oldest once a
 * turn, that none waits for ever, else the newest, so that tasks which spawn
 * tasks go into the depth, and not all of a tree lies here. A thief takes the
 * older half, which in a tree is the larger part of the work.
 *
 * A task lies in the queue by `member`, for it has no scope before it begins.
 *
 * `count` is written under the lock, and read without by who looks whether
 * there is anything at all. Written and read in sequential consistency, for it
 * is one half of going to sleep: see idle.c.
 */
#include "engine/engine.h"

static gyre_task *link_task(struct list *link)
{
    return CONTAINER_OF(link, gyre_task, member);
}

/* Under the lock. */
static void queue_add(struct queue *queue, uint32_t n)
{
    atomic_store(&queue->count,
                 atomic_load_explicit(&queue->count, memory_order_relaxed) + n);
}

void queue_push(struct queue *queue, gyre_task *task)
{
    gyre_spin_lock(&queue->lock);
    list_append(&queue->tasks, &task->member);
    queue_add(queue, 1);
    gyre_spin_unlock(&queue->lock);
}

void queue_push_all(struct queue *queue, struct list *tasks, uint32_t n)
{
    gyre_spin_lock(&queue->lock);
    list_append_all(&queue->tasks, tasks);
    queue_add(queue, n);
    gyre_spin_unlock(&queue->lock);
}

gyre_task *queue_take(struct queue *queue, enum queue_end end)
{
    gyre_task *task = NULL;

    if (queue_count(queue) == 0)
        return NULL;
    gyre_spin_lock(&queue->lock);
    if (!list_is_empty(&queue->tasks)) {
        struct list *link = end == QUEUE_OLDEST ? queue->tasks.next
                                                : queue->tasks.prev;

        list_remove(link);
        task = link_task(link);
        queue_add(queue, (uint32_t)-1);
    }
    gyre_spin_unlock(&queue->lock);
    return task;
}

uint32_t queue_take_half(struct queue *queue, uint32_t limit,
                         struct list *tasks)
{
    uint32_t n;

    if (queue_count(queue) == 0)
        return 0;
    gyre_spin_lock(&queue->lock);
    n = (atomic_load_explicit(&queue->count, memory_order_relaxed) + 1) / 2;
    if (n > limit)
        n = limit;
    for (uint32_t i = 0; i < n; i++)
        list_append(tasks, list_take_first(&queue->tasks));
    queue_add(queue, -n);
    gyre_spin_unlock(&queue->lock);
    return n;
}
