/* SPDX-License-Identifier: MIT */
/*
 * fixed.c - finding the registered memory that a buffer lies in
 *
 * Ranges are kept in order of their starts; a look-up is a look at the one
 * found last, then a binary search. Ranges that overlap are allowed, and the
 * one that begins last is found: if the buffer does not end in it, the request
 * stays plain, which is never wrong.
 */
#include "loop/fixed.h"

#include <string.h>

#include "base/assert.h"
#include "loop/optable.h"

/* How many of `order` begin at or before the address. */
static uint32_t count_before(const struct fixed_table *table, uintptr_t at)
{
    uint32_t low = 0;
    uint32_t high = table->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (table->ranges[table->order[middle]].start <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void fixed_set(struct fixed_table *table, uint32_t index, const void *memory,
               size_t size, bool with_kernel)
{
    uint32_t at;

    ASSERT(index < FIXED_MAX && size > 0 && table->ranges[index].size == 0);
    table->ranges[index] =
        (struct fixed_range){ (uintptr_t)memory, size, with_kernel };
    if (!with_kernel)
        return;
    at = count_before(table, (uintptr_t)memory);
    memmove(&table->order[at + 1], &table->order[at],
            (table->count - at) * sizeof table->order[0]);
    table->order[at] = (uint16_t)index;
    table->count++;
}

void fixed_clear(struct fixed_table *table, uint32_t index)
{
    uint32_t at = 0;

    ASSERT(index < FIXED_MAX && table->ranges[index].size > 0);
    if (table->ranges[index].with_kernel) {
        while (table->order[at] != index)
            at++;
        table->count--;
        memmove(&table->order[at], &table->order[at + 1],
                (table->count - at) * sizeof table->order[0]);
    }
    table->ranges[index] = (struct fixed_range){ 0, 0, false };
    table->last = 0;
}

static bool range_holds(const struct fixed_range *range, uint64_t address,
                        uint32_t size)
{
    return address >= range->start && address - range->start <= range->size &&
           size <= range->size - (address - range->start);
}

/* The index of a range that holds all of it; -1: there is none. */
static int find(struct fixed_table *table, uint64_t address, uint32_t size)
{
    uint32_t at = table->last;

    if (table->count == 0)
        return -1;
    if (!range_holds(&table->ranges[table->order[at]], address, size)) {
        at = count_before(table, (uintptr_t)address);
        if (at == 0 ||
            !range_holds(&table->ranges[table->order[at - 1]], address, size))
            return -1;
        at--;
        table->last = at;
    }
    return table->order[at];
}

bool fixed_apply(struct fixed_table *table, struct io_uring_sqe *sqe)
{
    const struct op_info *info = &op_table[sqe->opcode];
    int index;

    if (info->plain != 0) {
        if (sqe->buf_index < FIXED_MAX &&
            !table->ranges[sqe->buf_index].with_kernel)
            fixed_undo(table, sqe);
        return false;
    }
    if ((info->fixed == 0 && !info->fixed_flag) || sqe->len == 0 ||
        (sqe->flags & IOSQE_BUFFER_SELECT) != 0)
        return false;
    if (info->fixed_flag && (sqe->ioprio & IORING_RECVSEND_FIXED_BUF) != 0)
        return false;
    index = find(table, sqe->addr, sqe->len);
    if (index < 0)
        return false;
    sqe->buf_index = (uint16_t)index;
    if (info->fixed_flag)
        sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
    else
        sqe->opcode = info->fixed;
    return true;
}

void fixed_undo(const struct fixed_table *table, struct io_uring_sqe *sqe)
{
    uint8_t plain = op_table[sqe->opcode].plain;

    /* What is out of bounds stays, and whoever gets it says -EFAULT. */
    if (plain == 0 || sqe->buf_index >= FIXED_MAX ||
        !range_holds(&table->ranges[sqe->buf_index], sqe->addr, sqe->len))
        return;
    sqe->opcode = plain;
    sqe->buf_index = 0;
}
