/* SPDX-License-Identifier: MIT */
/*
 * table.h - what the loop's own files tell the table of registered files
 *
 * Nothing of it is on the path of a loop that has no table.
 */
#ifndef LOOP_TABLE_H
#define LOOP_TABLE_H

#include "loop/loop.h"

/* A completion, maybe not the last, of an op of a loop that has a table. */
void table_note(gyre_loop *loop, const gyre_op *op, int32_t res);

/* Another loop has put a file into a slot. */
void table_note_passed(gyre_loop *loop, uint32_t slot);

/* The same, and nobody wants it: the slot is emptied, unless the loop has used
 * it itself. */
void table_reject(gyre_loop *loop, uint32_t slot);

/* An op on a slot was started. */
void table_count_op(gyre_loop *loop);

/* With the loop; the kernel has let go of its side. */
void table_free(gyre_loop *loop);

#endif
