/* SPDX-License-Identifier: MIT */
/*
 * verify.c - the expensive checks, in builds with GYRE_VERIFY
 *
 * Two things. A table of live ops, so that a completion for an op that was
 * freed or moved is found before its memory is looked at. And loop_verify(),
 * which walks every list after each turn and holds it against the counters.
 */
#include "loop/slot.h"

#ifdef GYRE_VERIFY

#include <errno.h>

#include "base/alloc.h"

/* Open addressing, linear probing; a power of two, at most half full. */
struct live_table {
    const gyre_op **at;
    size_t size;
    size_t count;
};

#define LIVE_SIZE_FIRST 256U

static size_t live_hash(const struct live_table *table, const gyre_op *op)
{
    uint64_t h = (uint64_t)(uintptr_t)op >> 4;

    return (size_t)((h * UINT64_C(0x9E3779B97F4A7C15)) >> 32) &
           (table->size - 1);
}

static size_t live_find(const struct live_table *table, const gyre_op *op)
{
    size_t i = live_hash(table, op);

    while (table->at[i] != NULL && table->at[i] != op)
        i = (i + 1) & (table->size - 1);
    return i;
}

int live_create(gyre_loop *loop)
{
    struct live_table *table = alloc_zeroed(1, sizeof *table);

    if (table == NULL)
        return -ENOMEM;
    table->size = LIVE_SIZE_FIRST;
    table->at = alloc_zeroed(table->size, sizeof *table->at);
    if (table->at == NULL) {
        alloc_free(table);
        return -ENOMEM;
    }
    loop->live = table;
    return 0;
}

void live_destroy(gyre_loop *loop)
{
    ASSERT(loop->live->count == 0);
    alloc_free(loop->live->at);
    alloc_free(loop->live);
}

static void live_grow(struct live_table *table)
{
    struct live_table bigger = { .size = table->size * 2 };

    bigger.at = alloc_zeroed(bigger.size, sizeof *bigger.at);
    if (bigger.at == NULL)
        return; /* fuller is slower, not wrong, while one place is free */
    for (size_t i = 0; i < table->size; i++)
        if (table->at[i] != NULL)
            bigger.at[live_find(&bigger, table->at[i])] = table->at[i];
    bigger.count = table->count;
    alloc_free(table->at);
    *table = bigger;
}

void live_add(gyre_loop *loop, const gyre_op *op)
{
    struct live_table *table = loop->live;
    size_t i;

    if (table->count >= table->size / 2)
        live_grow(table);
    ASSERT(table->count + 1 < table->size);
    i = live_find(table, op);
    ASSERT_API(table->at[i] == NULL,
               "the op was refilled while it was started");
    table->at[i] = op;
    table->count++;
}

void live_remove(gyre_loop *loop, const gyre_op *op)
{
    struct live_table *table = loop->live;
    size_t hole = live_find(table, op);
    size_t i = hole;

    ASSERT(table->at[hole] == op);
    table->at[hole] = NULL;
    table->count--;
    /* Close the gap, so that no search stops before its op. */
    for (;;) {
        size_t home;

        i = (i + 1) & (table->size - 1);
        if (table->at[i] == NULL)
            return;
        home = live_hash(table, table->at[i]);
        if (((i - home) & (table->size - 1)) < ((i - hole) & (table->size - 1)))
            continue;
        table->at[hole] = table->at[i];
        table->at[i] = NULL;
        hole = i;
    }
}

void live_check(gyre_loop *loop, const gyre_op *op)
{
    ASSERT_API(loop->live->at[live_find(loop->live, op)] == op,
               "a completion came for an unknown op: it was freed or moved "
               "before its last completion");
}

static uint64_t count_list(const struct op_list *list, enum op_state state)
{
    uint64_t count = 0;
    const gyre_op *previous = NULL;

    for (const gyre_op *op = list->first; op != NULL; op = op->next_) {
        ASSERT(op->state_ == state);
        ASSERT(op->prev_ == previous);
        previous = op;
        count++;
    }
    ASSERT(list->last == previous);
    return count;
}

static uint64_t count_head(const gyre_op *op, bool on_cancels)
{
    uint64_t count = 0;

    for (; op != NULL; op = op->next_) {
        ASSERT(op->state_ == OP_FLYING);
        ASSERT(((op->flags_ & OP_ON_CANCELS) != 0) == on_cancels);
        count++;
    }
    return count;
}

void loop_verify(gyre_loop *loop)
{
    uint64_t queued = count_list(&loop->backlog, OP_QUEUED);
    uint64_t held = count_list(&loop->held, OP_HELD);
    uint64_t ended = count_list(&loop->ended, OP_ENDED);
    uint64_t flying = count_head(loop->cancels, true);
    uint64_t in_slots = 0;

    for (uint32_t slot = 0; slot < loop->slot_count; slot++) {
        flying += count_head(loop->slots[slot].flying, false);
        in_slots += loop->slots[slot].count;
    }
    ASSERT(queued + held + ended == counter_get(&loop->queued));
    ASSERT(flying == counter_get(&loop->in_flight));
    ASSERT(in_slots == queued + ended + flying);
    ASSERT(slot_count_strays(loop->backlog.first) +
               slot_count_strays(loop->ended.first) +
               slot_count_strays(loop->cancels) +
               slot_count_strays(loop->slots[SLOT_OTHER].flying) ==
           loop->strays);
    ASSERT(loop->live->count == queued + held + ended + flying); /* I1 */
    ASSERT(counter_get(&loop->timers) >= loop->wheel.count);
}

#else

/* An empty file is no C program. */
_Static_assert(sizeof(struct fd_slot) == 16, "a slot is small");

#endif
