/* SPDX-License-Identifier: MIT */
/*
 * op_pool.c - ops that the library owns
 *
 * Places come in chunks that never move. A handle is a place's number and its
 * generation, which is odd while the op is taken and changes at each take and
 * give; so a handle of an earlier use meets another generation.
 */
#include <errno.h>
#include <gyre/op_pool.h>

#include "base/alloc.h"
#include "loop/loop.h"

enum { CHUNK = 64 };

#define NONE UINT32_MAX

struct place {
    gyre_op op;
    uint32_t number;
    uint32_t generation;
    uint32_t next_free;
};

struct gyre_op_pool {
    unsigned max;
    unsigned taken;
    unsigned made; /* places in chunks */
    uint32_t first_free;
    struct place **chunks;
};

static unsigned chunks_of(unsigned places)
{
    return (places + CHUNK - 1) / CHUNK;
}

static struct place *place_of(const gyre_op_pool *pool, uint32_t number)
{
    ASSERT(number < pool->made);
    return &pool->chunks[number / CHUNK][number % CHUNK];
}

static bool is_taken(const struct place *place)
{
    return place->generation % 2 != 0;
}

int gyre_op_pool_create(gyre_op_pool **pool_out, unsigned max)
{
    gyre_op_pool *pool;

    if (max == 0 || max > GYRE_OP_POOL_MAX)
        return -EINVAL;
    pool = alloc_zeroed(1, sizeof *pool);
    if (pool == NULL)
        return -ENOMEM;
    pool->chunks = alloc_zeroed(chunks_of(max), sizeof(struct place *));
    if (pool->chunks == NULL) {
        alloc_free(pool);
        return -ENOMEM;
    }
    pool->max = max;
    pool->first_free = NONE;
    *pool_out = pool;
    return 0;
}

void gyre_op_pool_destroy(gyre_op_pool *pool)
{
    if (pool == NULL)
        return;
    for (unsigned i = 0; i < pool->made; i++)
        ASSERT_API(gyre_op_state(&place_of(pool, i)->op) == GYRE_OP_IDLE,
                   "the pool of a started op is destroyed: destroy the loop, "
                   "or wait for the op's last completion, first");
    for (unsigned i = 0; i < chunks_of(pool->made); i++)
        alloc_free(pool->chunks[i]);
    alloc_free(pool->chunks);
    alloc_free(pool);
}

/* One more chunk of free places, the lowest number to be taken first. */
static bool pool_grow(gyre_op_pool *pool)
{
    unsigned count = pool->max - pool->made;
    struct place *chunk;

    if (count > CHUNK)
        count = CHUNK;
    if (count == 0)
        return false;
    chunk = alloc_aligned(_Alignof(struct place), CHUNK * sizeof *chunk);
    if (chunk == NULL)
        return false;
    pool->chunks[pool->made / CHUNK] = chunk;
    pool->made += count;
    for (unsigned i = count; i-- > 0;) {
        chunk[i].number = pool->made - count + i;
        chunk[i].next_free = pool->first_free;
        pool->first_free = chunk[i].number;
    }
    return true;
}

gyre_op *gyre_op_pool_take(gyre_op_pool *pool, gyre_op_handle *handle)
{
    struct place *place;

    if (pool->first_free == NONE && !pool_grow(pool))
        return NULL;
    place = place_of(pool, pool->first_free);
    ASSERT(!is_taken(place));
    pool->first_free = place->next_free;
    pool->taken++;
    place->generation++;
    gyre_op_raw(&place->op, 0);
    *handle = (gyre_op_handle)place->generation << 32 | place->number;
    return &place->op;
}

gyre_op *gyre_op_pool_find(const gyre_op_pool *pool, gyre_op_handle handle)
{
    uint32_t number = (uint32_t)handle;
    struct place *place;

    if (number >= pool->made)
        return NULL;
    place = place_of(pool, number);
    return is_taken(place) && place->generation == handle >> 32 ? &place->op
                                                                : NULL;
}

void gyre_op_pool_give(gyre_op_pool *pool, gyre_op *op)
{
    struct place *place = CONTAINER_OF(op, struct place, op);

    ASSERT_API(gyre_op_state(op) == GYRE_OP_IDLE,
               "a started op is given back: wait for its last completion");
    ASSERT_API(place->number < pool->made &&
                   place_of(pool, place->number) == place && is_taken(place),
               "an op is given back that was not taken from this pool, or was "
               "given back before");
    place->generation++;
    place->next_free = pool->first_free;
    pool->first_free = place->number;
    pool->taken--;
}

unsigned gyre_op_pool_taken(const gyre_op_pool *pool)
{
    return pool->taken;
}
