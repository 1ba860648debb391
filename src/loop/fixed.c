/* SPDX-License-Identifier: MIT */
/*
 * fixed.c - finding the registered memory that a buffer lies in
 *
 * Ranges are kept in order of their starts; a look-up is a look at the one
 * found last, then a binary search. Ranges that overlap are allowed, and the
 * one that begins last is found: if the buffer does not end in it, the request
 * stays plain, which is never wrong. A vector is looked up by its first part.
 */
#include "loop/fixed.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "loop/optable.h"

#define PARTS_MOST 1024U       /* UIO_MAXIOV */
#define BYTES_MOST 0x7ffff000U /* Linux moves no more by one request */

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
                        uint64_t size)
{
    return address >= range->start && address - range->start <= range->size &&
           size <= range->size - (address - range->start);
}

/* The index of a range that holds all of it; -1: there is none. */
static int find(struct fixed_table *table, uint64_t address, uint64_t size)
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

/* ---- where a request's memory lies --------------------------------------- */

/* The parts of what a request moves: its vector, or `one`. */
struct parts {
    const struct iovec *first;
    size_t count;
    struct iovec one;
    bool vector;
};

static void parts_of(struct parts *parts, const struct io_uring_sqe *sqe)
{
    uint8_t memory = op_table[sqe->opcode].memory;
    const void *at = (const void *)(uintptr_t)sqe->addr;

    if ((sqe->opcode == IORING_OP_SEND || sqe->opcode == IORING_OP_SEND_ZC) &&
        (sqe->ioprio & IORING_SEND_VECTORIZED) != 0)
        memory = OP_MEMORY_VECTOR;
    parts->vector = memory != OP_MEMORY_BYTES;
    if (memory == OP_MEMORY_BYTES) {
        parts->one = (struct iovec){ (void *)(uintptr_t)at, sqe->len };
        parts->first = &parts->one;
        parts->count = 1;
    } else if (memory == OP_MEMORY_VECTOR) {
        parts->first = at;
        parts->count = sqe->len;
    } else {
        const struct msghdr *message = at;

        parts->first = message->msg_iov;
        parts->count = message->msg_iovlen;
    }
}

/* Linux does not take an empty part of a vector, nor more than it moves by one
 * request. */
static bool range_holds_parts(const struct fixed_range *range,
                              const struct parts *parts)
{
    uint64_t room = BYTES_MOST;

    if (parts->count == 0 || parts->count > PARTS_MOST)
        return false;
    for (size_t i = 0; i < parts->count; i++) {
        const struct iovec *part = &parts->first[i];

        if (!range_holds(range, (uintptr_t)part->iov_base, part->iov_len))
            return false;
        if (!parts->vector)
            continue;
        if (part->iov_len == 0 || part->iov_len > room)
            return false;
        room -= part->iov_len;
    }
    return true;
}

static int find_parts(struct fixed_table *table, const struct parts *parts)
{
    int index;

    if (parts->count == 0)
        return -1;
    index =
        find(table, (uintptr_t)parts->first->iov_base, parts->first->iov_len);
    return index >= 0 && range_holds_parts(&table->ranges[index], parts) ? index
                                                                         : -1;
}

/* ---- requests ------------------------------------------------------------ */

static bool has(const struct fixed_table *table, uint8_t demand)
{
    return demand == OP_DEMAND_NOTHING ||
           (demand == OP_DEMAND_VECTORS ? table->vectors : table->sockets);
}

/* Is it one that can be fixed, and is not? */
static bool may_be_fixed(const struct fixed_table *table,
                         const struct io_uring_sqe *sqe)
{
    const uint16_t other_way = IORING_RECVSEND_FIXED_BUF |
                               IORING_RECV_MULTISHOT | IORING_RECVSEND_BUNDLE;
    const struct op_info *info = &op_table[sqe->opcode];

    if ((info->fixed == 0 && !info->fixed_flag) || !has(table, info->demand) ||
        (info->memory == OP_MEMORY_MESSAGE ? sqe->addr == 0 : sqe->len == 0) ||
        (sqe->flags & IOSQE_BUFFER_SELECT) != 0)
        return false;
    if (!info->fixed_flag)
        return true;
    /* Vectors of SEND_ZC came after fixed ones of SENDMSG_ZC. */
    return (sqe->ioprio & other_way) == 0 &&
           ((sqe->ioprio & IORING_SEND_VECTORIZED) == 0 ||
            (sqe->opcode == IORING_OP_SEND_ZC && table->sockets));
}

bool fixed_apply(struct fixed_table *table, struct io_uring_sqe *sqe)
{
    struct parts parts;
    int index;

    if (op_table[sqe->opcode].plain != 0 &&
        (sqe->buf_index >= FIXED_MAX ||
         (table->ranges[sqe->buf_index].with_kernel &&
          has(table, op_table[sqe->opcode].demand))))
        return false;
    if (op_table[sqe->opcode].plain != 0)
        fixed_undo(table, sqe);
    if (!may_be_fixed(table, sqe))
        return false;
    parts_of(&parts, sqe);
    index = find_parts(table, &parts);
    if (index < 0)
        return false;
    sqe->buf_index = (uint16_t)index;
    if (op_table[sqe->opcode].fixed_flag)
        sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
    else
        sqe->opcode = op_table[sqe->opcode].fixed;
    return true;
}

void fixed_undo(const struct fixed_table *table, struct io_uring_sqe *sqe)
{
    uint8_t plain = op_table[sqe->opcode].plain;
    struct parts parts;

    if (plain == 0 || sqe->buf_index >= FIXED_MAX)
        return;
    parts_of(&parts, sqe);
    /* What is out of bounds stays, and whoever gets it says -EFAULT. */
    if (!range_holds_parts(&table->ranges[sqe->buf_index], &parts))
        return;
    sqe->opcode = plain;
    sqe->buf_index = 0;
}
