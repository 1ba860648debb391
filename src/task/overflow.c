/* SPDX-License-Identifier: MIT */
/*
 * overflow.c - whose stack it was that ran over
 *
 * Runs in a signal handler, on the thread at fault: it reads the running task
 * and its stack, neither of which can be changing then, and puts the text
 * together by hand, as snprintf() is not for signal handlers.
 */
#include <gyre/stack.h>
#include <string.h>

#include "kernel/fault.h"
#include "task/task.h"

#define NAME_MAX_SHOWN 64U

struct text {
    char *at;
    char *end;
};

static void add(struct text *text, const char *part, size_t length_max)
{
    size_t length = strnlen(part, length_max);
    size_t room = (size_t)(text->end - text->at);

    if (length > room)
        length = room;
    memcpy(text->at, part, length);
    text->at += length;
}

static void add_number(struct text *text, size_t number)
{
    char digits[24];
    size_t first = sizeof digits;

    do
        digits[--first] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    add(text, digits + first, sizeof digits - first);
}

static size_t tell(const void *address, char *buffer, size_t size)
{
    struct text text = { buffer, buffer + size };
    const gyre_task *task = gyre_task_current();
    const char *at = address;
    const struct stack *stack;

    if (task == NULL)
        return 0;
    stack = task->stack;
    if (at >= stack->bottom ||
        at < stack->bottom - task->tasks->stacks.guard_size)
        return 0;
    add(&text, "gyre: task '", SIZE_MAX);
    add(&text, task->name, NAME_MAX_SHOWN);
    add(&text, "' ran over its ", SIZE_MAX);
    add_number(&text, stack->size / 1024);
    add(&text, " KiB stack " STACK_OVERRUN_REMEDY "\n", SIZE_MAX);
    return (size_t)(text.at - buffer);
}

int gyre_report_overflows(void)
{
    return fault_handle(tell);
}
