/* SPDX-License-Identifier: MIT */
/*
 * slab.c - where stacks come from: mappings, guards, canaries
 *
 * A guard is installed when a fresh stack is got first, so that a slab costs no
 * more than is used of it. Memory of the user's own goes back as it came: its
 * guards are opened again.
 */
#include <stdint.h>

#include "base/alloc.h"
#include "task/fiber_tools.h"
#include "task/stack.h"

/* Tops a whole number of pages apart would all lie in the same few sets of the
 * first-level cache; so each begins some lines below the last. With 64 tasks
 * that takes a switch from 4.4 ns to 1.8. */
#define COLOURS 16
#define COLOUR_STEP 64

/* The highest bytes of what would be the guard, where there is none. A page of
 * its own is touched for it, the price of such a machine. */
#define CANARY_WORDS 8
#define CANARY_VALUE UINT64_C(0x6779726563616e61)

static size_t stride_of(const struct stack_pool *pool,
                        const struct stack_class *class)
{
    return pool->guard_size + class->size;
}

static size_t slab_bytes(const struct stack_pool *pool,
                         const struct stack_class *class)
{
    return class->per_slab * stride_of(pool, class);
}

static void *source_allocate(const struct stack_pool *pool, size_t size)
{
    void *memory;

    if (pool->source.allocate == NULL)
        return memory_map(size);
    if (alloc_must_fail())
        return NULL;
    memory = pool->source.allocate(pool->source.user, size);
    ASSERT_API(((uintptr_t)memory & (memory_page_size() - 1)) == 0,
               "the stack allocator gave memory that begins inside a page");
    return memory;
}

static struct stack_slab *slab_create(struct stack_pool *pool,
                                      struct stack_class *class)
{
    size_t size = slab_bytes(pool, class);
    struct stack_slab *slab = alloc_zeroed(
        1, sizeof *slab + class->per_slab * sizeof slab->stacks[0]);

    if (slab == NULL)
        return NULL;
    slab->memory = source_allocate(pool, size);
    if (slab->memory == NULL) {
        alloc_free(slab);
        return NULL;
    }
    slab->next = class->slabs;
    class->slabs = slab;
    pool->mapped += size;
    return slab;
}

/* What lies below a stack is ordinary memory again. */
static void open_guard(const struct stack_pool *pool, const struct stack *stack)
{
    memory_unguard(stack->bottom - pool->guard_size, pool->guard_size,
                   (enum memory_guard)stack->guard);
}

static void slab_destroy(struct stack_pool *pool, struct stack_class *class,
                         struct stack_slab *slab)
{
    size_t size = slab_bytes(pool, class);
    size_t protect_count = 0;

    for (size_t i = 0; i < slab->begun; i++) {
        fiber_tools_deregister(slab->stacks[i].valgrind_id);
        if (pool->source.allocate != NULL)
            open_guard(pool, &slab->stacks[i]);
        else if (slab->stacks[i].guard == MEMORY_GUARD_PROTECT)
            protect_count++;
    }
    if (pool->source.allocate == NULL) {
        memory_unmap(slab->memory, size);
        memory_guards_unmapped(protect_count);
    } else {
        pool->source.release(pool->source.user, slab->memory, size);
    }
    alloc_free(slab);
}

void slab_destroy_all(struct stack_pool *pool, struct stack_class *class)
{
    while (class->slabs != NULL) {
        struct stack_slab *slab = class->slabs;

        class->slabs = slab->next;
        slab_destroy(pool, class, slab);
    }
}

static uint64_t *canary_of(const struct stack *stack)
{
    return (uint64_t *)(void *)stack->bottom - CANARY_WORDS;
}

static void plant_canary(struct stack *stack)
{
    for (size_t i = 0; i < CANARY_WORDS; i++)
        canary_of(stack)[i] = CANARY_VALUE;
}

bool stack_canary_lives(const struct stack *stack)
{
    uint64_t difference = 0;

    for (size_t i = 0; i < CANARY_WORDS; i++)
        difference |= canary_of(stack)[i] ^ CANARY_VALUE;
    return difference == 0;
}

static bool slab_has(const struct stack_pool *pool,
                     const struct stack_class *class,
                     const struct stack_slab *slab, const char *at)
{
    size_t i = (size_t)(at - slab->memory) / stride_of(pool, class);

    return i < slab->begun && stack_holds(&slab->stacks[i], at) &&
           !list_is_linked(&slab->stacks[i].link);
}

static bool class_has(const struct stack_pool *pool,
                      const struct stack_class *class, const char *at)
{
    for (const struct stack_slab *slab = class->slabs; slab != NULL;
         slab = slab->next)
        if (at >= slab->memory && at < slab->memory + slab_bytes(pool, class))
            return slab_has(pool, class, slab, at);
    return false;
}

bool stack_pool_has(const struct stack_pool *pool, const void *address)
{
    for (unsigned i = 0; i < STACK_CLASSES; i++)
        if (class_has(pool, &pool->classes[i], address))
            return true;
    return false;
}

struct stack *slab_begin_stack(struct stack_pool *pool,
                               struct stack_class *class)
{
    struct stack_slab *slab = class->slabs;

    if (slab == NULL || slab->begun == class->per_slab)
        slab = slab_create(pool, class);
    if (slab == NULL)
        return NULL;

    char *guard = slab->memory + slab->begun * stride_of(pool, class);
    struct stack *stack = &slab->stacks[slab->begun];

    stack->bottom = guard + pool->guard_size;
    stack->size = (uint32_t) class->size;
    stack->class = class;
    stack->colour = (uint16_t)(slab->begun % COLOURS * COLOUR_STEP);
    stack->guard = (uint16_t)memory_guard(guard, pool->guard_size);
    if (stack->guard == MEMORY_GUARD_NONE)
        plant_canary(stack);
    pool->guards[stack->guard]++;
    slab->begun++;
    class->begun++;
    stack->valgrind_id = fiber_tools_register(stack->bottom, stack->size);
    return stack;
}
