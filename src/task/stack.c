/* SPDX-License-Identifier: MIT */
/*
 * stack.c - the classes of sizes, and the two lists of idle stacks of each
 *
 * A stack is fresh (never got), used, warm or cold. stack_get() takes from
 * warm, cold, fresh, in this order.
 *
 *     fresh ---> used <---> warm
 *                  ^          |  more than `keep` bytes of them
 *                  +-- cold <-+
 *
 * Nothing is known of how deep a stack was used. So a warm one keeps all it
 * ever touched, and counts as if it had touched all; a cold one keeps nothing.
 * A program whose tasks come and go makes no system call for it, unless its
 * stacks are larger than `keep`.
 */
#include "task/stack.h"

#include "base/alloc.h"
#include "task/fiber_tools.h"

static size_t round_to_pages(size_t size)
{
    size_t mask = memory_page_size() - 1;

    return (size + mask) & ~mask;
}

static void class_init(struct stack_class *class, size_t size,
                       size_t guard_size)
{
    size_t count = STACK_SLAB_BYTES / (size + guard_size);

    if (count > STACKS_PER_SLAB)
        count = STACKS_PER_SLAB;
    class->size = size;
    /* As many as a full slab has, or as fit in its bytes, but one at least. */
    class->per_slab = count > 0 ? (unsigned)count : 1;
    list_init(&class->warm);
    list_init(&class->cold);
}

/* The least class that has so many bytes. A page may be larger than the least
 * of all; then the first few classes are alike. */
struct stack_class *stack_class_of(struct stack_pool *pool, size_t size)
{
    struct stack_class *class = pool->classes;

    ASSERT(stack_size_is_valid(size));
    while (class->size < size)
        class ++;
    return class;
}

void stack_pool_init(struct stack_pool *pool, size_t size, size_t keep)
{
    ASSERT_API(size == 0 || size >= STACK_SIZE_MIN,
               "a stack has at least 16 KiB");
    ASSERT_API(size <= STACK_SIZE_MAX, "a stack has at most 1 GiB");

    *pool = (struct stack_pool){
        .guard_size = round_to_pages(STACK_GUARD_SIZE),
        .keep = keep > 0 ? keep : STACK_KEEP_DEFAULT,
        .wipe = fiber_tools_want_wipe(),
    };
    for (unsigned i = 0; i < STACK_CLASSES; i++)
        class_init(&pool->classes[i], round_to_pages(STACK_SIZE_MIN << i),
                   pool->guard_size);
    stack_pool_set_size(pool, size > 0 ? size : STACK_SIZE_DEFAULT);
}

void stack_pool_set_size(struct stack_pool *pool, size_t size)
{
    pool->standard = stack_class_of(pool, size);
    pool->has_own_size = pool->standard != &pool->classes[STACK_CLASS_DEFAULT];
}

void stack_pool_set_source(struct stack_pool *pool,
                           const gyre_stack_allocator *source)
{
    ASSERT(pool->mapped == 0);
    ASSERT_API(source->allocate != NULL && source->release != NULL,
               "a stack allocator needs both of its functions");
    pool->source = *source;
    pool->keep = SIZE_MAX;
}

size_t stack_pool_used(const struct stack_pool *pool)
{
    size_t used = 0;

    for (unsigned i = 0; i < STACK_CLASSES; i++)
        used += pool->classes[i].begun - pool->classes[i].warm_count -
                pool->classes[i].cold_count;
    return used;
}

void stack_pool_deinit(struct stack_pool *pool)
{
    ASSERT(stack_pool_used(pool) == 0);

    for (unsigned i = 0; i < STACK_CLASSES; i++)
        slab_destroy_all(pool, &pool->classes[i]);
    *pool = (struct stack_pool){ 0 };
}

struct stack *stack_begin(struct stack_pool *pool, struct stack_class *class)
{
    struct list *link = list_take_first(&class->cold);

    if (link == NULL)
        return slab_begin_stack(pool, class);
    class->cold_count--;
    return CONTAINER_OF(link, struct stack, link);
}

/* Of a class, the stack idle for longest gives back its pages. */
static void cool_one(struct stack_pool *pool, struct stack_class *class)
{
    struct list *link = class->warm.prev;
    struct stack *stack = CONTAINER_OF(link, struct stack, link);

    list_remove(link);
    class->warm_count--;
    pool->warm_bytes -= class->size;
    memory_release(stack->bottom, stack->size);
    stack->painted = 0;
    list_prepend(&class->cold, link);
    class->cold_count++;
}

/* Those who hold most give first: a few large stacks that are in use again and
 * again stay warm beside a flood of small ones. */
void stack_cool(struct stack_pool *pool)
{
    while (pool->warm_bytes > pool->keep) {
        struct stack_class *most = pool->classes;

        for (unsigned i = 1; i < STACK_CLASSES; i++) {
            struct stack_class *class = &pool->classes[i];

            if (class->warm_count * class->size > most->warm_count * most->size)
                most = class;
        }
        cool_one(pool, most);
    }
}

void stack_put_elsewhere(struct stack_pool *pool, struct stack *stack)
{
    struct stack_class *class = stack->class;

    list_prepend(&class->warm, &stack->link);
    class->warm_count++;
    pool->warm_bytes += class->size;
    if (UNLIKELY(pool->warm_bytes > pool->keep))
        stack_cool(pool);
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
    enum memory_guard kind = MEMORY_GUARD_NONE;

    if (pool->mapped == 0)
        kind = memory_guard_best();
    else
        while (kind < MEMORY_GUARD_MARKER && pool->guards[kind] == 0)
            kind++;
    return kind == MEMORY_GUARD_NONE ? "canary" : memory_guard_name(kind);
}

void stack_pool_count(const struct stack_pool *pool, gyre_stack_stats *stats)
{
    *stats = (gyre_stack_stats){
        .used = stack_pool_used(pool),
        .mapped_bytes = pool->mapped,
        .guards_marker = pool->guards[MEMORY_GUARD_MARKER],
        .guards_mprotect = pool->guards[MEMORY_GUARD_PROTECT],
        .guards_canary = pool->guards[MEMORY_GUARD_NONE],
    };
    for (unsigned i = 0; i < STACK_CLASSES; i++) {
        stats->idle += pool->classes[i].warm_count;
        stats->idle_without_pages += pool->classes[i].cold_count;
    }
    stats->idle += stats->idle_without_pages;
}

void stack_overrun(const struct stack *stack, const char *name)
{
    panic("task '%s' ran over its %zu KiB stack " STACK_OVERRUN_REMEDY, name,
          (size_t)stack->size / 1024);
}
