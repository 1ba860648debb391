/* SPDX-License-Identifier: MIT */
/*
 * queue.c - tasks that may begin anywhere, in order of spawning
 *
 * A list under a spinlock, held for a few instructions: no bound, no allocation
 * and nothing to prove. Its engine takes the oldest, one at a time and only
 * when it is about to run it, so that the rest can be had by others; a thief
 * takes the older half.
 *
 * `count` is written under the lock, and read without by who looks whether
 * there is anything at all. Written and read in sequential consistency, for it
 * is one half of going to sleep: see idle.c.
 */
#include "engine/engine.h"

static void queue_add(struct queue *queue, uint32_t n)
{
    atomic_store(&queue->count,
                 atomic_load_explicit(&queue->count, memory_order_relaxed) + n);
}

void queue_push_all(struct queue *queue, gyre_work *first)
{
    gyre_work *last = first;
    uint32_t n = 1;

    for (; last->next_ != NULL; last = last->next_)
        n++;
    gyre_spin_lock(&queue->lock);
    if (queue->last != NULL)
        queue->last->next_ = first;
    else
        queue->first = first;
    queue->last = last;
    queue_add(queue, n);
    gyre_spin_unlock(&queue->lock);
}

void queue_push(struct queue *queue, gyre_work *work)
{
    work->next_ = NULL;
    queue_push_all(queue, work);
}

gyre_work *queue_take_half(struct queue *queue, uint32_t limit, uint32_t *taken)
{
    gyre_work *first = NULL;
    uint32_t n = 0;

    *taken = 0;
    if (queue_count(queue) == 0)
        return NULL;
    gyre_spin_lock(&queue->lock);
    n = (atomic_load_explicit(&queue->count, memory_order_relaxed) + 1) / 2;
    if (n > limit)
        n = limit;
    first = queue->first;
    for (uint32_t i = 0; i < n; i++) {
        gyre_work *last = queue->first;

        ASSERT(last != NULL);
        queue->first = last->next_;
        if (i + 1 == n)
            last->next_ = NULL;
    }
    if (queue->first == NULL)
        queue->last = NULL;
    queue_add(queue, -n);
    gyre_spin_unlock(&queue->lock);
    *taken = n;
    return n == 0 ? NULL : first;
}

gyre_work *queue_take(struct queue *queue)
{
    uint32_t taken;

    return queue_take_half(queue, 1, &taken);
}
