/* SPDX-License-Identifier: MIT */
/*
 * group.h - a group of buffers from the inside
 *
 * A group has `count` places, numbered; a place's number is what the kernel
 * calls a buffer by. A place is free, or in the ring, between its head and its
 * tail; so there are never more entries in the ring than places: the tail never
 * runs over the head. When the kernel is through with a buffer, its place is
 * free, and gets another from the pool.
 *
 *   pool ------> place ------> queue of a receiver ------> slice ------> pool
 *       refill       completion                taken            released
 *
 * The queue's links, and what part of a buffer was received, lie in the pool's
 * table. An incremental buffer is in the ring and on a queue at the same time;
 * then both hold it.
 */
#ifndef MEM_GROUP_H
#define MEM_GROUP_H

#include <gyre/buffers.h>

#include "base/list.h"
#include "loop/loop.h"
#include "mem/pool.h"

struct place {
    char *buffer;  /* NULL: none, until the next refill */
    uint32_t next; /* free: 1 + another; 0: none */
    uint16_t position;
    bool with_kernel;
    bool queued; /* incremental: its buffer is on a queue, too */
};

/* What one receiver has received and not taken, in order: numbers of the pool.
 */
struct group_queue {
    uint32_t first; /* 1 + buffer; 0: none */
    uint32_t last;
    uint64_t bytes;
};

struct gyre_buffer_group {
    gyre_loop *loop;
    gyre_pool *pool;
    struct io_uring_buf_ring *ring; /* shared with the kernel */
    struct place *places;
    uint16_t *order; /* which place is at a position of the ring */
    uint32_t count;
    uint32_t buffer_size;
    uint32_t free; /* 1 + the first free place */
    uint32_t with_kernel;
    uint32_t users;  /* open iterators */
    uint32_t queued; /* buffers on their queues */
    uint16_t id;
    uint16_t tail;
    bool incremental;
    bool refill_ready;
    gyre_work refill;
    struct pool_waiter waiter;
    struct list dry;
    uint32_t waiting;
    uint64_t dry_count;
    void (*again)(struct list *link); /* what ends a wait on `dry` */
};

/* A completion with IORING_CQE_F_BUFFER: what it brought goes to the queue. */
void mem_group_receive(gyre_buffer_group *group, struct group_queue *queue,
                       gyre_result result);

/* Take the first piece; false: there is none. */
bool mem_group_take(gyre_buffer_group *group, struct group_queue *queue,
                    gyre_slice *slice);

/* Put a link on the list of those who wait for buffers: `again` is called once
 * there are some. True; false: there are some already. */
bool mem_group_wait(gyre_buffer_group *group, struct list *link,
                    void (*again)(struct list *link));
void mem_group_unwait(gyre_buffer_group *group, struct list *link);

#endif
