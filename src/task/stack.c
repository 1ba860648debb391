/* SPDX-License-Identifier: MIT */
/*
 * stack.c - slabs, and the two lists of idle stacks
 *
 * A stack is fresh (never got), used, warm or cold. stack_get() takes from
 * warm, cold, fresh, in this order; its guard is installed when a fresh stack
 * is got first, so that a slab costs no more than is used of it.
 *
 *     fresh ---> used <---> warm
 *                  ^          |  more than `keep` of them
 *                  +-- cold <-+
 *
 * Nothing is known of how deep a stack was used. So a warm one keeps all it
 * ever touched, and a cold one keeps nothing: what idle stacks can hold is
 * bounded by `keep` times their size, and a program whose tasks come and go
 * makes no system call for it.
 */
#include "task/stack.h"

#include "base/alloc.h"
#include "task/fiber_tools.h"

/* Tops a whole number of pages apart would all lie in the same few sets of the
 * first-level cache; so each begins some lines below the last. With 64 tasks
 * that takes a switch from 4.4 ns to 1.8. */
#define COLOURS 16
#define COLOUR_STEP 64

/* The highest bytes of what would be the guard, where there is none. A page of
 * its own is touched for it, the price of such a machine. */
#define CANARY_WORDS 8
#define CANARY_VALUE UINT64_C(0x6779726563616e61)

struct stack_slab {
    struct stack_slab *next;
    char *memory;
    uint16_t begun; /* stacks[] from here on are fresh */
    uint16_t protect_count;
    struct stack stacks[];
};

static size_t round_to_pages(size_t size)
{
    size_t mask = memory_page_size() - 1;

    return (size + mask) & ~mask;
}

static size_t stride_of(const struct stack_pool *pool)
{
    return pool->guard_size + pool->stack_size;
}

static size_t slab_bytes(const struct stack_pool *pool)
{
    return pool->per_slab * stride_of(pool);
}

/* As many as a full slab has, or as fit in its bytes, but one at least. */
static unsigned stacks_per_slab(const struct stack_pool *pool)
{
    size_t count = STACK_SLAB_BYTES / stride_of(pool);

    if (count > STACKS_PER_SLAB)
        return STACKS_PER_SLAB;
    return count > 0 ? (unsigned)count : 1;
}

void stack_pool_init(struct stack_pool *pool, size_t size, size_t keep)
{
    if (size == 0)
        size = STACK_SIZE_DEFAULT;
    ASSERT_API(size >= STACK_SIZE_MIN, "a stack has at least 16 KiB");
    ASSERT_API(size <= STACK_SIZE_MAX, "a stack has at most 1 GiB");

    *pool = (struct stack_pool){
        .stack_size = round_to_pages(size),
        .guard_size = round_to_pages(STACK_GUARD_SIZE),
        .keep = keep > 0 ? keep : STACK_KEEP_DEFAULT,
        .weakest = MEMORY_GUARD_MARKER,
        .wipe = fiber_tools_want_wipe(),
    };
    pool->per_slab = stacks_per_slab(pool);
    list_init(&pool->warm);
    list_init(&pool->cold);
}

static struct stack_slab *slab_create(struct stack_pool *pool)
{
    struct stack_slab *slab =
        alloc_zeroed(1, sizeof *slab + pool->per_slab * sizeof slab->stacks[0]);

    if (slab == NULL)
        return NULL;
    slab->memory = memory_map(slab_bytes(pool));
    if (slab->memory == NULL) {
        alloc_free(slab);
        return NULL;
    }
    slab->next = pool->slabs;
    pool->slabs = slab;
    return slab;
}

static void slab_destroy(struct stack_pool *pool, struct stack_slab *slab)
{
    for (size_t i = 0; i < slab->begun; i++)
        fiber_tools_deregister(slab->stacks[i].valgrind_id);
    memory_unmap(slab->memory, slab_bytes(pool));
    memory_guards_unmapped(slab->protect_count);
    alloc_free(slab);
}

void stack_pool_deinit(struct stack_pool *pool)
{
    ASSERT(pool->used == 0);

    while (pool->slabs != NULL) {
        struct stack_slab *slab = pool->slabs;

        pool->slabs = slab->next;
        slab_destroy(pool, slab);
    }
    *pool = (struct stack_pool){ 0 };
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

/* Make the first fresh stack of the newest slab usable. */
static struct stack *begin_fresh(struct stack_pool *pool)
{
    struct stack_slab *slab = pool->slabs;

    if (slab == NULL || slab->begun == pool->per_slab)
        slab = slab_create(pool);
    if (slab == NULL)
        return NULL;

    char *guard = slab->memory + slab->begun * stride_of(pool);
    struct stack *stack = &slab->stacks[slab->begun];

    stack->bottom = guard + pool->guard_size;
    stack->size = (uint32_t)pool->stack_size;
    stack->colour = (uint16_t)(slab->begun % COLOURS * COLOUR_STEP);
    stack->guard = (uint16_t)memory_guard(guard, pool->guard_size);
    if (stack->guard == MEMORY_GUARD_PROTECT)
        slab->protect_count++;
    else if (stack->guard == MEMORY_GUARD_NONE)
        plant_canary(stack);
    if (stack->guard < pool->weakest)
        pool->weakest = stack->guard;
    slab->begun++;
    stack->valgrind_id = fiber_tools_register(stack->bottom, stack->size);
    return stack;
}

struct stack *stack_begin(struct stack_pool *pool)
{
    struct list *link = list_take_first(&pool->cold);

    if (link == NULL)
        return begin_fresh(pool);
    pool->cold_count--;
    return CONTAINER_OF(link, struct stack, link);
}

/* The stack idle for longest gives back its pages. */
void stack_cool_one(struct stack_pool *pool)
{
    struct list *link = pool->warm.prev;
    struct stack *stack = CONTAINER_OF(link, struct stack, link);

    list_remove(link);
    pool->warm_count--;
    memory_release(stack->bottom, stack->size);
    list_prepend(&pool->cold, link);
    pool->cold_count++;
}

void stack_forget(struct stack_pool *pool, struct stack *stack)
{
    if (stack->fiber != NULL)
        fiber_tools_destroy(stack->fiber);
    stack->fiber = NULL;
    if (pool->wipe)
        fiber_tools_wipe(stack->bottom, stack->size);
}

size_t stack_bytes_left(const struct stack *stack)
{
    const char *here = __builtin_frame_address(0);

    ASSERT_API(stack_holds(stack, here), "the caller runs on another stack");
    return (size_t)(here - stack->bottom);
}

const char *stack_guard_name(const struct stack_pool *pool)
{
    enum memory_guard kind = pool->slabs != NULL ? pool->weakest
                                                 : memory_guard_best();

    return kind == MEMORY_GUARD_NONE ? "canary" : memory_guard_name(kind);
}

void stack_overrun(const struct stack *stack, const char *name)
{
    panic("task '%s' ran over its %zu KiB stack", name,
          (size_t)stack->size / 1024);
}

bool stack_pool_has(const struct stack_pool *pool, const void *address)
{
    const char *at = address;

    for (const struct stack_slab *slab = pool->slabs; slab != NULL;
         slab = slab->next)
        if (at >= slab->memory && at < slab->memory + slab_bytes(pool))
            return true;
    return false;
}
