/* SPDX-License-Identifier: MIT */
/*
 * dispose.c - giving back what a completion made and nobody wants
 */
#include <gyre/op_cancel.h>
#include <gyre/op_file.h>
#include <gyre/op_slot.h>

#include "loop/loop.h"
#include "loop/optable.h"

/* It may have been given back with its table. */
static void empty_slot(gyre_loop *loop, uint32_t slot)
{
    int nothing = GYRE_SLOT_EMPTY;
    int done = gyre_slots_set(loop, slot, &nothing, 1);

    (void)done;
}

/* It is new, so nothing is on it, and its close does not wait. */
static void close_now(gyre_loop *loop, int fd)
{
    gyre_op close;

    gyre_op_close(&close, fd);
    (void)loop_try(loop, &close);
}

void gyre_op_dispose(gyre_op *op, gyre_result result)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);
    const struct op_info *info = &op_table[sqe->opcode];

    if (result.res < 0 || (!info->opens && !info->opens_pair))
        return;
    loop_assert_owner(op->loop_);
    if (info->opens_pair && sqe->file_index == 0) {
        const int *pair = (const int *)(uintptr_t)sqe->addr;

        close_now(op->loop_, pair[0]);
        close_now(op->loop_, pair[1]);
    } else if (info->opens && sqe->file_index == 0) {
        close_now(op->loop_, result.res);
    } else if (info->opens) {
        empty_slot(op->loop_, gyre_slot_number(gyre_op_slot(op, result)));
    }
}
