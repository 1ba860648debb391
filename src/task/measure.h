/* SPDX-License-Identifier: MIT */
/*
 * measure.h - the high-water marks of stacks, by kind of task
 *
 * On request only: a loop that does not measure has no table.
 */
#ifndef TASK_MEASURE_H
#define TASK_MEASURE_H

#include <gyre/stack.h>

struct stack;
struct stack_kinds;

void measure_end(struct stack_kinds *kinds);

/* A task's function has returned; by the task. `name` may be NULL. */
void measure_note(struct stack_kinds *kinds, struct stack *stack,
                  const char *name, gyre_task_fn *fn) __attribute__((cold));

#endif
