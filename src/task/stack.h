/* SPDX-License-Identifier: MIT */
/*
 * stack.h - stacks for tasks, from a pool
 *
 * A pool belongs to one loop and one thread, and holds stacks of one size. They
 * come in slabs of up to STACKS_PER_SLAB, one mapping each:
 *
 *     | guard | stack 0 | guard | stack 1 | guard | stack 2 | ...
 *
 * Stacks grow down, each into its own guard of at least 64 KiB, more than any
 * frame that does not probe its pages can jump over. What a stack's owner needs
 * to know of it lies in an array beside the slab, not in the stack, so that an
 * idle stack need not hold a single page.
 *
 * Memory.   A stack costs address space until it is touched, then whole pages.
 *           The control block of a task goes to stack_reserve_top(): with a
 *           shallow task it shares the one touched page.
 *
 * Reuse.    Last in, first out: the stack got is the one put last, whose top is
 *           still in the cache. At most `keep` idle stacks keep their pages;
 *           put one more, and the one idle for longest gives all of its pages
 *           back. Slabs stay mapped until the pool ends.
 *
 * Guards.   See kernel/memory.h. Where none can be had, a canary below the
 *           stack is checked by stack_check() and stack_put(); the 64 KiB meant
 *           for the guard are then slack that takes the overflow.
 *
 * A pool for each size class, and a getter that chooses, can stand above this
 * one day; nothing here knows of other sizes.
 */
#ifndef TASK_STACK_H
#define TASK_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/list.h"
#include "kernel/memory.h"

#define STACK_SIZE_DEFAULT ((size_t)64 * 1024)
#define STACK_SIZE_MIN ((size_t)16 * 1024)
#define STACK_SIZE_MAX ((size_t)1 << 30)
#define STACK_GUARD_SIZE ((size_t)64 * 1024)
#define STACK_KEEP_DEFAULT 1024U
#define STACK_RESERVE_ALIGN ((size_t)64)
#define STACKS_PER_SLAB 256U /* fewer, if they would take more than this: */
#define STACK_SLAB_BYTES ((size_t)64 * 1024 * 1024)

struct stack {
    struct list link; /* on the pool's warm or cold, while idle */
    char *bottom;     /* the lowest byte; the guard ends here */
    char *top;        /* one past the highest byte not reserved */
    void *fiber;      /* for fiber_tools.h; NULL without a context */
    uint32_t size;    /* usable bytes, including what was reserved */
    uint16_t guard;   /* enum memory_guard */
    uint16_t colour;  /* bytes above the first top, see stack.c */
    unsigned valgrind_id;
};

struct stack_slab;

struct stack_pool {
    struct list warm; /* idle, pages kept; the one put last comes first */
    struct list cold; /* idle, pages given back */
    struct stack_slab *slabs; /* the newest first; only it has fresh stacks */
    size_t stack_size;        /* usable bytes of each, whole pages */
    size_t guard_size;
    unsigned per_slab; /* stacks in each */
    size_t used;       /* got and not yet put */
    size_t warm_count;
    size_t cold_count;
    size_t keep;               /* the most that warm may hold */
    enum memory_guard weakest; /* of the guards in this pool */
    bool wipe;                 /* a tool wants to hear of stacks put back */
};

/*
 * An empty pool of stacks of `size` bytes (0: the default), rounded up to whole
 * pages. Cannot fail and allocates nothing. `keep` 0 is the default.
 */
void stack_pool_init(struct stack_pool *pool, size_t size, size_t keep);

/* Unmap everything. All stacks must have been put back. */
void stack_pool_deinit(struct stack_pool *pool);

/* A stack, or NULL if there is no memory for another slab. */
static inline struct stack *stack_get(struct stack_pool *pool)
    __attribute__((warn_unused_result));

/* Give a stack back. Nobody may be running on it, or come back to it. */
static inline void stack_put(struct stack_pool *pool, struct stack *stack);

/* Does `address` point into the stack? */
static inline bool stack_holds(const struct stack *stack, const void *address)
{
    const char *end = stack->bottom + stack->size;

    return (const char *)address >= stack->bottom &&
           (const char *)address < end;
}

/*
 * Cut `size` bytes off the top of a stack that has no context yet, aligned to
 * STACK_RESERVE_ALIGN. They live as long as the stack is out of its pool, and
 * are not zeroed.
 */
static inline void *stack_reserve_top(struct stack *stack, size_t size)
{
    const size_t mask = STACK_RESERVE_ALIGN - 1;

    ASSERT(size > 0 && size <= stack->size / 2);
    stack->top -= (size + mask) & ~mask;
    ASSERT(stack_holds(stack, stack->top));
    return stack->top;
}

/* Does the address point into a stack of the pool that is not idle? */
bool stack_pool_has(const struct stack_pool *pool, const void *address);

/* How deep the caller, who must run on this stack, may still go. */
size_t stack_bytes_left(const struct stack *stack);

/* "MADV_GUARD_INSTALL", "mprotect" or "canary": the weakest in this pool, or
 * while it is empty what its first stack would get. */
const char *stack_guard_name(const struct stack_pool *pool);

/* Is what lies below a stack without a guard as it was put there? */
bool stack_canary_lives(const struct stack *stack);

_Noreturn void stack_overrun(const struct stack *stack, const char *name)
    __attribute__((cold));

/* For the scheduler, when task `name` has switched away: panic if it ran over
 * its stack where no guard could stop it. */
static inline void stack_check(const struct stack *stack, const char *name)
{
    if (UNLIKELY(stack->guard == MEMORY_GUARD_NONE) &&
        !stack_canary_lives(stack))
        stack_overrun(stack, name);
}

/* ---- what every task passes ---------------------------------------------- */

/* Where there is no warm one; NULL: nor any other. */
struct stack *stack_begin(struct stack_pool *pool) __attribute__((cold));
/* One too many is warm. */
void stack_cool_one(struct stack_pool *pool) __attribute__((cold));
/* Tell the tools that nobody lives there any more. */
void stack_forget(struct stack_pool *pool, struct stack *stack)
    __attribute__((cold));

static inline struct stack *stack_get(struct stack_pool *pool)
{
    struct list *link = list_take_first(&pool->warm);
    struct stack *stack;

    if (LIKELY(link != NULL)) {
        pool->warm_count--;
        stack = CONTAINER_OF(link, struct stack, link);
    } else {
        stack = stack_begin(pool);
        if (stack == NULL)
            return NULL;
    }
    ASSERT(stack->size == pool->stack_size && stack->fiber == NULL);
    stack->top = stack->bottom + stack->size - stack->colour;
    pool->used++;
    return stack;
}

static inline void stack_put(struct stack_pool *pool, struct stack *stack)
{
    ASSERT(pool->used > 0 && stack->size == pool->stack_size);
    ASSERT(!list_is_linked(&stack->link));
    stack_check(stack, "?");

    if (UNLIKELY(stack->fiber != NULL || pool->wipe))
        stack_forget(pool, stack);
    pool->used--;
    list_prepend(&pool->warm, &stack->link);
    if (UNLIKELY(++pool->warm_count > pool->keep))
        stack_cool_one(pool);
}

#endif
