/* SPDX-License-Identifier: MIT */
/*
 * fiber_tools.h - what the checking tools have to be told about stacks
 *
 * AddressSanitizer, ThreadSanitizer and valgrind each keep a picture of the
 * stack a thread runs on, and take a switch for corruption unless told. Here
 * stands which tool is present (GYRE_ASAN, GYRE_TSAN, GYRE_VALGRIND, each 0 or
 * 1) and one function per fact to be told. Without a tool all of them are
 * empty; valgrind's are a few instructions, and are kept off the hot path.
 *
 *   - ASan keeps the locals of a task in a "fake stack" if it looks for use
 *     after return. A task that will come back must keep its own across the
 *     switch; only one that dies leaves it behind.
 *   - TSan has a handle for each flow of control, and must be told just before
 *     the stack pointer changes. A handle remembers the call stack it was left
 *     with, so that a task that ends never shares one with the next.
 *   - Memory of a stack that goes back to its pool carries the marks of frames
 *     that were never left; they are wiped.
 */
#ifndef TASK_FIBER_TOOLS_H
#define TASK_FIBER_TOOLS_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define GYRE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GYRE_ASAN 1
#endif
#endif
#ifndef GYRE_ASAN
#define GYRE_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define GYRE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GYRE_TSAN 1
#endif
#endif
#ifndef GYRE_TSAN
#define GYRE_TSAN 0
#endif

/* The sanitizers and valgrind exclude each other. */
#if !GYRE_ASAN && !GYRE_TSAN && __has_include(<valgrind/memcheck.h>)
#define GYRE_VALGRIND 1
#else
#define GYRE_VALGRIND 0
#endif

#if GYRE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if GYRE_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if GYRE_VALGRIND
#include <valgrind/memcheck.h>
#ifdef NVALGRIND /* it does not know this processor */
#undef GYRE_VALGRIND
#define GYRE_VALGRIND 0
#endif
#endif

/* A handle for a new flow of control; NULL where no tool wants one. */
static inline void *fiber_tools_create(void)
{
#if GYRE_TSAN
    return __tsan_create_fiber(0);
#else
    return NULL;
#endif
}

/* The flow's task has ended, and another one runs. */
static inline void fiber_tools_destroy(void *fiber)
{
#if GYRE_TSAN
    __tsan_destroy_fiber(fiber);
#else
    (void)fiber;
#endif
}

/* The handle of whoever calls. */
static inline void *fiber_tools_self(void)
{
#if GYRE_TSAN
    return __tsan_get_current_fiber();
#else
    return NULL;
#endif
}

/* This memory is a stack; says the number to end that with. */
static inline unsigned fiber_tools_register(void *bottom, size_t size)
{
#if GYRE_VALGRIND
    return VALGRIND_STACK_REGISTER(bottom, (char *)bottom + size - 1);
#else
    (void)bottom, (void)size;
    return 0;
#endif
}

static inline void fiber_tools_deregister(unsigned id)
{
#if GYRE_VALGRIND
    VALGRIND_STACK_DEREGISTER(id);
#else
    (void)id;
#endif
}

/* Is there a tool to be told by fiber_tools_wipe()? Of valgrind's that is
 * memcheck, and no other answers. To ask even this takes valgrind's magic
 * instructions, so ask once. */
static inline bool fiber_tools_want_wipe(void)
{
#if GYRE_VALGRIND
    char known = 0;

    return RUNNING_ON_VALGRIND != 0 &&
           VALGRIND_MAKE_MEM_DEFINED(&known, sizeof known) != 0;
#else
    return GYRE_ASAN;
#endif
}

/* Nobody lives on this stack any more: forget what was known of its bytes. */
static inline void fiber_tools_wipe(void *bottom, size_t size)
{
#if GYRE_ASAN
    __asan_unpoison_memory_region(bottom, size);
#elif GYRE_VALGRIND
    VALGRIND_MAKE_MEM_UNDEFINED(bottom, size);
#else
    (void)bottom, (void)size;
#endif
}

/* What lies on this stack will be read, whatever became of its frames. */
static inline void fiber_tools_may_read(void *bottom, size_t size)
{
#if GYRE_VALGRIND
    (void)VALGRIND_MAKE_MEM_DEFINED(bottom, size);
#else
    (void)bottom, (void)size;
#endif
}

#endif
