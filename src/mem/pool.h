/* SPDX-License-Identifier: MIT */
/*
 * pool.h - a pool from the inside
 *
 *   mapping   bytes_max, reserved at once
 *   slab      a piece of it, given to one class of sizes when first needed; an
 *             empty one can be given to another class
 *   buffer    a piece of a slab; beside it, in a table, how many hold it. Its
 *             number is its place in the mapping, in units of 256 bytes
 *
 * Who holds a buffer is a count: 0 while it is free, 1 for its receiver, more
 * when several slices share it. The last to give it back frees it: on the
 * loop's thread into its slab, on another onto the stack `returned`, from which
 * the loop's thread takes all at once.
 */
#ifndef MEM_POOL_H
#define MEM_POOL_H

#include <gyre/buffers.h>
#include <stdatomic.h>

#include "base/list.h"
#include "loop/loop.h"

enum { POOL_SHIFT_MIN = 8, POOL_SHIFT_MAX = 21 };

struct buffer {
    _Atomic uint32_t holders;
    uint32_t next;   /* 1 + the number of another; 0: none. Of those free in
                        the slab, returned, or on a receiver's queue */
    uint32_t start;  /* group.c: what was received begins here */
    uint32_t filled; /* and ends here */
};

struct slab {
    struct list link; /* of its class, while some buffer is free */
    uint32_t free;    /* 1 + the number of the first free one; 0: none */
    uint32_t virgins; /* from here on none was ever got */
    uint32_t used;
    uint32_t count;
    uint8_t shift; /* of its class; 0: it has none yet */
};

/* Somebody on the loop's thread who waits for a buffer. */
struct pool_waiter {
    struct list link;
    void (*ready)(struct pool_waiter *waiter); /* try again */
};

enum pool_wish { POOL_QUIET, POOL_WANTED, POOL_POSTED };

struct gyre_pool {
    gyre_loop *loop;
    char *memory; /* aligned to a slab */
    char *mapping;
    size_t mapping_size;
    bool mapped_huge; /* by memory_map_huge(), not by the kernel's map */
    size_t bytes_max;
    uint32_t slab_shift;
    uint32_t slab_count;
    uint32_t slabs_begun;
    struct slab *slabs;
    struct buffer *table; /* by number; mapped, so what is not used is free */
    struct list partial[POOL_SHIFT_MAX + 1]; /* slabs with free buffers */
    struct list waiters;
    gyre_work local; /* tells the waiters, in the next phase one */
    bool local_ready;
    bool registered; /* wished for */
    uint32_t groups;
    gyre_pool_stats stats;

    _Alignas(64) _Atomic uint32_t returned; /* 1 + the newest; 0: none */
    _Atomic uint32_t wish;                  /* enum pool_wish */
    _Atomic uint32_t givers;                /* inside a foreign put */
    _Atomic uint64_t foreign;
    gyre_work posted;
};

/* A buffer's number in the pool, and back. */
static inline uint32_t pool_number(const gyre_pool *pool, const void *memory)
{
    return (uint32_t)((size_t)((const char *)memory - pool->memory) >>
                      POOL_SHIFT_MIN);
}

static inline char *pool_memory(const gyre_pool *pool, uint32_t number)
{
    return pool->memory + ((size_t)number << POOL_SHIFT_MIN);
}

/* What is known of a buffer. */
static inline struct buffer *pool_buffer(const gyre_pool *pool,
                                         const void *memory)
{
    return &pool->table[pool_number(pool, memory)];
}

/* One more holder of a buffer that the caller holds. */
void pool_hold(gyre_pool *pool, void *buffer);

/* Call waiter->ready() once when a buffer may have become free. */
void pool_wait(gyre_pool *pool, struct pool_waiter *waiter);
void pool_unwait(struct pool_waiter *waiter);

#endif
