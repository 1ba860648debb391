/* SPDX-License-Identifier: MIT */
/*
 * gyre/alloc.h - where gyre's memory comes from, and memory for a task
 *
 *     static void *give(void *user, size_t align, size_t size);
 *     static void take(void *user, void *memory, size_t size);
 *
 *     gyre_set_allocator(&(gyre_allocator){ give, take, &my_heap });
 *
 * Memory.   By default gyre's objects come from malloc(). Not from here: the
 *           stacks of tasks (gyre/stack.h), and what is mapped for the kernel's
 *           queues. Nothing on the path of an op or a task allocates, but for
 *           gyre_task_alloc().
 *
 * Threads.  The functions given are called by every thread that uses gyre, and
 *           by those that gyre starts.
 *
 * Errors.   An allocation that fails is -ENOMEM of the call that needed it, and
 *           leaves nothing behind.
 */
#ifndef GYRE_ALLOC_H
#define GYRE_ALLOC_H

#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_allocator {
    /* `size` bytes at a multiple of `align`, a power of two; they need not be
     * zero. NULL: there are none. */
    void *(*allocate)(void *user, size_t align, size_t size);
    /* What allocate() gave, with the same size. */
    void (*release)(void *user, void *memory, size_t size);
    void *user;
} gyre_allocator;

/*
 * All of gyre's heap in this process comes from there; copied. 0; -EBUSY: there
 * is one already, or something was allocated before: call it first. Any thread.
 */
GYRE_API int gyre_set_allocator(const gyre_allocator *allocator);

/*
 * Memory of the running task: zeroed, aligned to 16, and given back when the
 * task's function has returned. Small pieces are cut from larger ones. NULL:
 * there is no memory. Panics outside a task.
 */
GYRE_API void *gyre_task_alloc(size_t size) GYRE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
