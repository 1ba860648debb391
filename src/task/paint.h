/* SPDX-License-Identifier: MIT */
/*
 * paint.h - how deep a stack was used: a pattern that frames write over
 *
 * A stack that is measured is filled before its task begins; what is left of
 * the pattern, counted from the bottom, is what the task never touched. (It may
 * have skipped some of it: a frame that is not written to leaves no trace.) On
 * the next use only what was written over is painted again. The painting is in
 * stack_get().
 */
#ifndef TASK_PAINT_H
#define TASK_PAINT_H

#include "task/stack.h"

/* Bytes from the bottom that were not touched. Only of a painted stack. */
size_t stack_untouched(const struct stack *stack);

static inline bool stack_is_painted(const struct stack *stack)
{
    return stack->painted != 0;
}

#endif
