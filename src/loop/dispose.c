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

void gyre_op_dispose(gyre_op *op, gyre_result result)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);
    gyre_op close;

    if (result.res < 0 || !op_table[sqe->opcode].opens)
        return;
    loop_assert_owner(op->loop_);
    if (sqe->file_index != 0) {
        empty_slot(op->loop_, gyre_slot_number(gyre_op_slot(op, result)));
        return;
    }
    /* It is new, so nothing is on it, and a socket's close does not wait. */
    gyre_op_close(&close, result.res);
    (void)loop_try(op->loop_, &close);
}
