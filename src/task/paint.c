/* SPDX-License-Identifier: MIT */
/*
 * paint.c - the pattern, put on and looked for
 *
 * Tools that watch memory must look away: below a stack pointer they expect
 * nobody to read.
 */
#include "task/paint.h"

#include "task/fiber_tools.h"

/* Odd, so that it is no pointer, and no likely number. */
#define PAINT UINT64_C(0x9a1e7b1ed5eaf00d)

#define UNWATCHED __attribute__((noinline, no_sanitize("address", "thread")))

UNWATCHED void stack_paint(struct stack *stack)
{
    uint64_t *word = (uint64_t *)(void *)(stack->bottom + stack->painted);
    uint64_t *end = (uint64_t *)(void *)stack->top;

    /* Volatile: memset() would be watched. */
    for (; word < end; word++)
        *(volatile uint64_t *)word = PAINT;
    stack->painted = (uint32_t)(stack->top - stack->bottom);
}

UNWATCHED size_t stack_untouched(const struct stack *stack)
{
    const uint64_t *bottom = (const uint64_t *)(const void *)stack->bottom;
    size_t count = stack->size / sizeof *bottom;
    size_t i = 0;

    fiber_tools_may_read(stack->bottom, stack->size);
    while (i < count && *(const volatile uint64_t *)(bottom + i) == PAINT)
        i++;
    return i * sizeof *bottom;
}
