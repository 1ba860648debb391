/* SPDX-License-Identifier: MIT */
/*
 * table.c - the loop's table of registered files
 *
 * The table itself is the kernel's: Linux's own, or the emulator's. Here is
 * what a program is told of it: which slots are filled. Linux does not say, so
 * each completion that fills or empties one is noted.
 */
#include <gyre/op_slot.h>

#include <errno.h>

#include "base/alloc.h"
#include "loop/optable.h"
#include "loop/table.h"
#include "ring/abi_register.h"

struct table {
    uint32_t count;
    uint32_t used;
    uint64_t ops;
    uint64_t bits[]; /* filled slots */
};

static void table_fill(struct table *table, uint32_t slot)
{
    uint64_t bit = UINT64_C(1) << slot % 64;

    if (slot >= table->count || (table->bits[slot / 64] & bit) != 0)
        return;
    table->bits[slot / 64] |= bit;
    table->used++;
}

static void table_empty(struct table *table, uint32_t slot)
{
    uint64_t bit = UINT64_C(1) << slot % 64;

    if (slot >= table->count || (table->bits[slot / 64] & bit) == 0)
        return;
    table->bits[slot / 64] &= ~bit;
    table->used--;
}

/* An update has done `done` of `count`. What it failed at was emptied. */
static void table_note_update(struct table *table, uint32_t first,
                              const int *fds, uint32_t count, int done)
{
    uint32_t i = 0;

    for (; done > 0 && i < (uint32_t)done; i++) {
        if (first == GYRE_SLOT_ANY)
            table_fill(table, (uint32_t)fds[i]);
        else if (fds[i] == GYRE_SLOT_EMPTY)
            table_empty(table, first + i);
        else if (fds[i] != GYRE_SLOT_KEEP)
            table_fill(table, first + i);
    }
    if (first != GYRE_SLOT_ANY && i < count &&
        (done >= 0 || done == -EBADF || done == -EMFILE || done == -ENOMEM))
        table_empty(table, first + i);
}

void table_note(gyre_loop *loop, const gyre_op *op, int32_t res)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe((gyre_op *)(uintptr_t)op);
    uint32_t index = sqe->file_index;

    if (sqe->opcode == IORING_OP_FILES_UPDATE)
        table_note_update(loop->table, (uint32_t)sqe->off,
                          (const int *)(uintptr_t)sqe->addr, sqe->len, res);
    else if (res < 0 || index == 0)
        return;
    else if (sqe->opcode == IORING_OP_CLOSE)
        table_empty(loop->table, index - 1);
    else if (op_table[sqe->opcode].opens)
        table_fill(loop->table, index == IORING_FILE_INDEX_ALLOC ? (uint32_t)res
                                                                 : index - 1);
}

void table_count_op(gyre_loop *loop)
{
    if (loop->table != NULL)
        loop->table->ops++;
}

void table_note_passed(gyre_loop *loop, uint32_t slot)
{
    if (loop->table != NULL)
        table_fill(loop->table, slot);
}

void table_reject(gyre_loop *loop, uint32_t slot)
{
    const struct table *table = loop->table;
    int none = GYRE_SLOT_EMPTY;

    if (table != NULL && slot < table->count &&
        (table->bits[slot / 64] & UINT64_C(1) << slot % 64) == 0)
        (void)!gyre_slots_set(loop, slot, &none, 1);
}

void table_free(gyre_loop *loop)
{
    alloc_free(loop->table);
    loop->table = NULL;
}

static int table_register(gyre_loop *loop, unsigned opcode, void *arg,
                          unsigned count)
{
    return loop->kernel->class->reg(loop->kernel, opcode, arg, count);
}

int gyre_slots_create(gyre_loop *loop, uint32_t count)
{
    struct io_uring_rsrc_register asked = {
        .nr = count, .flags = IORING_RSRC_REGISTER_SPARSE
    };
    struct table *table;
    int err;

    loop_assert_owner(loop);
    if (loop->table != NULL)
        return -EBUSY;
    table = alloc_zeroed(1, sizeof *table + (size_t)(count / 64 + 1) *
                                                sizeof table->bits[0]);
    if (table == NULL)
        return -ENOMEM;
    table->count = count;
    err = loop_attach(loop);
    if (err == 0)
        err =
            table_register(loop, IORING_REGISTER_FILES2, &asked, sizeof asked);
    if (err < 0) {
        alloc_free(table);
        return err;
    }
    loop->table = table;
    return 0;
}

int gyre_slots_destroy(gyre_loop *loop)
{
    int err;

    loop_assert_owner(loop);
    if (loop->table == NULL)
        return -ENXIO;
    err = table_register(loop, IORING_UNREGISTER_FILES, NULL, 0);
    if (err == 0)
        table_free(loop);
    return err;
}

int gyre_slots_set(gyre_loop *loop, uint32_t first, const int *fds,
                   uint32_t count)
{
    struct io_uring_rsrc_update asked = { .offset = first,
                                          .data = (uintptr_t)fds };
    int done;

    loop_assert_owner(loop);
    if (loop->table == NULL)
        return -ENXIO;
    if (first == GYRE_SLOT_ANY)
        return -EINVAL;
    done = table_register(loop, IORING_REGISTER_FILES_UPDATE, &asked, count);
    table_note_update(loop->table, first, fds, count, done);
    return done;
}

int gyre_slots_set_range(gyre_loop *loop, uint32_t first, uint32_t count)
{
    struct io_uring_file_index_range range = { .off = first, .len = count };

    loop_assert_owner(loop);
    if (loop->table == NULL)
        return -ENXIO;
    return table_register(loop, IORING_REGISTER_FILE_ALLOC_RANGE, &range, 0);
}

void gyre_slots_get_stats(const gyre_loop *loop, gyre_slots_stats *stats)
{
    const struct table *table = loop->table;

    ASSERT_API(stats->size == sizeof *stats,
               "set gyre_slots_stats.size to sizeof(gyre_slots_stats)");
    loop_assert_owner(loop);
    *stats = (gyre_slots_stats){ .size = sizeof *stats,
                                 .emulated = loop->kernel->files_emulated };
    if (table == NULL)
        return;
    stats->count = table->count;
    stats->used = table->used;
    stats->ops = table->ops;
}
