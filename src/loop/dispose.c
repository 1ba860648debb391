/* SPDX-License-Identifier: MIT */
/*
 * dispose.c - giving back what a completion made and nobody wants
 */
#include <gyre/op_cancel.h>
#include <gyre/op_file.h>

#include "loop/loop.h"
#include "loop/optable.h"

void gyre_op_dispose(gyre_op *op, gyre_result result)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);
    gyre_op close;

    /* A result that is a slot of the ring's table is no descriptor. */
    if (result.res < 0 || !op_table[sqe->opcode].opens || sqe->file_index != 0)
        return;
    loop_assert_owner(op->loop_);
    /* It is new, so nothing is on it, and a socket's close does not wait. */
    gyre_op_close(&close, result.res);
    (void)loop_try(op->loop_, &close);
}
