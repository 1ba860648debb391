/* SPDX-License-Identifier: MIT */
/*
 * signal_stack.c - sigaltstack(2)
 *
 * A handler may need much: the address sanitizer's prints a report.
 */
#include "kernel/signal_stack.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "base/assert.h"
#include "kernel/memory.h"

#define STACK_BYTES ((size_t)128 * 1024)

static _Thread_local struct {
    void *memory;
    unsigned users;
} thread_stack;

static bool set_stack(void)
{
    stack_t stack;

    if (sigaltstack(NULL, &stack) != 0 || (stack.ss_flags & SS_DISABLE) == 0)
        return false;
    stack =
        (stack_t){ .ss_sp = memory_map(STACK_BYTES), .ss_size = STACK_BYTES };
    if (stack.ss_sp == NULL)
        return false;
    if (sigaltstack(&stack, NULL) != 0) {
        memory_unmap(stack.ss_sp, STACK_BYTES);
        return false;
    }
    thread_stack.memory = stack.ss_sp;
    return true;
}

bool signal_stack_begin(void)
{
    int saved_errno = errno;
    bool is_set;

    is_set = thread_stack.users > 0 || set_stack();
    thread_stack.users += is_set;
    errno = saved_errno;
    return is_set;
}

void signal_stack_end(void)
{
    int saved_errno = errno;
    stack_t stack;

    ASSERT(thread_stack.users > 0);
    if (--thread_stack.users > 0)
        return;
    /* Unless somebody has set his own instead. */
    if (sigaltstack(NULL, &stack) == 0 && stack.ss_sp == thread_stack.memory) {
        stack.ss_flags = SS_DISABLE;
        (void)sigaltstack(&stack, NULL);
    }
    memory_unmap(thread_stack.memory, STACK_BYTES);
    thread_stack.memory = NULL;
    errno = saved_errno;
}
