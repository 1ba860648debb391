/* SPDX-License-Identifier: MIT */
/*
 * stack.h - stacks for tasks, from a pool
 *
 * A pool belongs to one loop and one thread. It holds stacks of several sizes,
 * powers of two from 16 KiB to 1 GiB, each size a class of its own. They come
 * in slabs of up to STACKS_PER_SLAB, one mapping each:
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
 * Reuse.    Last in, first out: the stack got is the one of its class put last,
 *           whose top is still in the cache. Idle stacks keep their pages as
 *           long as all of them together, by their sizes, are at most `keep`
 *           bytes; beyond it the class that holds most gives the pages of the
 *           one idle for longest back. Slabs stay mapped until the pool ends.
 *
 * Guards.   See kernel/memory.h. Where none can be had, a canary below the
 *           stack is checked by stack_check() and stack_put(); the 64 KiB meant
 *           for the guard are then slack that takes the overflow.
 *
 * Source.   Slabs are mapped, or come from a gyre_stack_allocator of the
 *           user's. Its memory is guarded as well, and opened again before it
 *           goes back; what pages it has is its own affair, so that idle stacks
 *           keep them.
 *
 * Paint.    A pool that measures fills each stack with a pattern before it is
 *           got, for paint.h to see how deep it was used.
 */
#ifndef TASK_STACK_H
#define TASK_STACK_H

#include <gyre/stack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/list.h"
#include "kernel/memory.h"

#define STACK_CLASS_DEFAULT 2U
#define STACK_SIZE_DEFAULT ((size_t)64 * 1024)
#define STACK_ORDER_MIN 14U /* log2 of the least size */
#define STACK_ORDER_MAX 30U
#define STACK_CLASSES (STACK_ORDER_MAX - STACK_ORDER_MIN + 1)
#define STACK_SIZE_MIN ((size_t)1 << STACK_ORDER_MIN)
#define STACK_SIZE_MAX ((size_t)1 << STACK_ORDER_MAX)
#define STACK_GUARD_SIZE ((size_t)64 * 1024)
#define STACK_KEEP_DEFAULT ((size_t)64 * 1024 * 1024)
#define STACK_RESERVE_ALIGN ((size_t)64)
#define STACKS_PER_SLAB 256U /* fewer, if they would take more than this: */
#define STACK_SLAB_BYTES ((size_t)64 * 1024 * 1024)

/* The end of what is said of an overflow. */
#define STACK_OVERRUN_REMEDY "(stack_size in gyre_task_options gives it more)"

struct stack_class;

struct stack {
    struct list link; /* on its class's warm or cold, while idle */
    char *bottom;     /* the lowest byte; the guard ends here */
    char *top;        /* one past the highest byte not reserved */
    void *fiber;      /* for fiber_tools.h; NULL without a context */
    uint32_t size;    /* usable bytes, including what was reserved */
    uint32_t painted; /* bytes from the bottom that hold paint */
    uint16_t colour;  /* bytes above the first top, see slab.c */
    uint16_t guard;   /* enum memory_guard */
    unsigned valgrind_id;
    struct stack_class *class;
};

struct stack_slab {
    struct stack_slab *next;
    char *memory;
    uint16_t begun; /* stacks[] from here on are fresh */
    struct stack stacks[];
};

/* Stacks of one size. */
struct stack_class {
    struct list warm; /* idle, pages kept; the one put last comes first */
    size_t warm_count;
    size_t size;      /* usable bytes of each, whole pages */
    struct list cold; /* idle, pages given back */
    size_t cold_count;
    size_t begun;             /* all but the fresh ones */
    struct stack_slab *slabs; /* the newest first; only it has fresh stacks */
    unsigned per_slab;        /* stacks in each */
};

struct stack_pool {
    struct stack_class *standard; /* of those who do not ask for a size */
    size_t warm_bytes;            /* by size, of all classes */
    size_t keep;                  /* the most that warm_bytes may be */
    bool wipe;                    /* a tool wants to hear of stacks put back */
    bool paints;                  /* stacks are painted before they are got */
    bool has_own_size;            /* standard is not the default */
    size_t guard_size;
    size_t mapped;               /* bytes of all slabs, with their guards */
    size_t guards[3];            /* stacks begun, by enum memory_guard */
    gyre_stack_allocator source; /* allocate NULL: memory_map() */
    struct stack_class classes[STACK_CLASSES];
};

static inline bool stack_size_is_valid(size_t size)
{
    return size >= STACK_SIZE_MIN && size <= STACK_SIZE_MAX;
}

/*
 * An empty pool, whose own size is `size` bytes (0: the default). Cannot fail
 * and allocates nothing. `keep` 0 is the default.
 */
void stack_pool_init(struct stack_pool *pool, size_t size, size_t keep);

/* Another size for those who ask for none, from now on; a valid one. */
void stack_pool_set_size(struct stack_pool *pool, size_t size);

/* Where slabs come from (copied); before the first stack is got. */
void stack_pool_set_source(struct stack_pool *pool,
                           const gyre_stack_allocator *source);

/* Stacks got and not yet put. */
size_t stack_pool_used(const struct stack_pool *pool);

/* Unmap everything. All stacks must have been put back. */
void stack_pool_deinit(struct stack_pool *pool);

/* The class of the least stacks that have `size` bytes, a valid size. */
struct stack_class *stack_class_of(struct stack_pool *pool, size_t size);

/* A stack of that class, or NULL if there is no memory for another slab. */
static inline struct stack *stack_get_from(struct stack_pool *pool,
                                           struct stack_class *class)
    __attribute__((warn_unused_result));

/* One of the pool's own size. */
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

void stack_pool_count(const struct stack_pool *pool, gyre_stack_stats *stats);

/* slab.c: make the first fresh stack of a class usable; NULL: no memory. */
struct stack *slab_begin_stack(struct stack_pool *pool,
                               struct stack_class *class);
void slab_destroy_all(struct stack_pool *pool, struct stack_class *class);

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
struct stack *stack_begin(struct stack_pool *pool, struct stack_class *class)
    __attribute__((cold));
/* For those of another size than the default. Its class is at a fixed place,
 * and the branch that leads here is foreseen, so that most tasks do not wait
 * for the address of theirs: 1 ns of 34. */
void stack_put_elsewhere(struct stack_pool *pool, struct stack *stack);
/* Too much is warm. */
void stack_cool(struct stack_pool *pool) __attribute__((cold));
/* Tell the tools that nobody lives there any more. */
void stack_forget(struct stack_pool *pool, struct stack *stack)
    __attribute__((cold));
/* paint.h */
void stack_paint(struct stack *stack) __attribute__((cold));

static inline struct stack *stack_get_from(struct stack_pool *pool,
                                           struct stack_class *class)
{
    struct list *link = list_take_first(&class->warm);
    struct stack *stack;

    if (LIKELY(link != NULL)) {
        class->warm_count--;
        pool->warm_bytes -= class->size;
        stack = CONTAINER_OF(link, struct stack, link);
    } else {
        stack = stack_begin(pool, class);
        if (stack == NULL)
            return NULL;
    }
    ASSERT(stack->class == class && stack->fiber == NULL);
    stack->top = stack->bottom + class->size - stack->colour;
    if (UNLIKELY(pool->paints))
        stack_paint(stack);
    return stack;
}

static inline struct stack *stack_get(struct stack_pool *pool)
{
    return stack_get_from(pool, pool->standard);
}

static inline void stack_put(struct stack_pool *pool, struct stack *stack)
{
    struct stack_class *class = &pool->classes[STACK_CLASS_DEFAULT];

    ASSERT(!list_is_linked(&stack->link));
    stack_check(stack, "?");

    if (UNLIKELY(stack->fiber != NULL || pool->wipe))
        stack_forget(pool, stack);
    if (UNLIKELY(stack->class != class)) {
        stack_put_elsewhere(pool, stack);
        return;
    }
    list_prepend(&class->warm, &stack->link);
    class->warm_count++;
    pool->warm_bytes += class->size;
    if (UNLIKELY(pool->warm_bytes > pool->keep))
        stack_cool(pool);
}

#endif
