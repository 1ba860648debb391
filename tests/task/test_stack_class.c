/* SPDX-License-Identifier: MIT */
/*
 * Stacks of many sizes in one pool: which size one gets, what idle ones may
 * hold together, slabs of the user's own, and paint.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/memory.h"
#include "runner/test.h"
#include "task/paint.h"
#include "task/stack.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static struct stack *must_get(struct stack_pool *pool, size_t size)
{
    struct stack *stack = stack_get_from(pool, stack_class_of(pool, size));

    CHECK(stack != NULL);
    CHECK_GE(stack->size, size);
    return stack;
}

static size_t count_resident(const struct stack *stack)
{
    static unsigned char resident[4096];
    size_t pages = stack->size / memory_page_size();
    size_t count = 0;

    CHECK_LE(pages, sizeof resident);
    CHECK_EQ(mincore(stack->bottom, stack->size, resident), 0);
    for (size_t i = 0; i < pages; i++)
        count += resident[i] & 1;
    return count;
}

/* ---- sizes --------------------------------------------------------------- */

TEST(K13_stacks_of_all_sizes_come_from_one_pool)
{
    struct stack *stacks[STACK_CLASSES];
    struct stack_pool pool;

    stack_pool_init(&pool, 0, 0);
    for (unsigned i = 0; i < STACK_CLASSES; i++) {
        size_t size = STACK_SIZE_MIN << i;

        stacks[i] = must_get(&pool, size);
        if (memory_page_size() <= STACK_SIZE_MIN)
            CHECK_EQ(stacks[i]->size, size);
        stacks[i]->bottom[0] = 1;
        stacks[i]->bottom[size - 1] = 1;
    }
    CHECK_EQ(stack_pool_used(&pool), STACK_CLASSES);
    for (unsigned i = 0; i < STACK_CLASSES; i++)
        stack_put(&pool, stacks[i]);
    /* Each went back to its own, and comes from there. */
    for (unsigned i = 0; i < STACK_CLASSES; i++)
        CHECK(must_get(&pool, STACK_SIZE_MIN << i) == stacks[i]);
    for (unsigned i = 0; i < STACK_CLASSES; i++)
        stack_put(&pool, stacks[i]);
    stack_pool_deinit(&pool);
}

TEST(K13_a_size_is_rounded_up_to_a_power_of_two)
{
    struct stack_pool pool;

    stack_pool_init(&pool, 0, 0);
    CHECK_EQ(stack_class_of(&pool, 64 * KIB)->size, 64 * KIB);
    CHECK_EQ(stack_class_of(&pool, 64 * KIB + 1)->size, 128 * KIB);
    CHECK_EQ(stack_class_of(&pool, 100 * KIB)->size, 128 * KIB);
    CHECK_EQ(stack_class_of(&pool, STACK_SIZE_MAX - 1)->size, STACK_SIZE_MAX);
    CHECK(stack_size_is_valid(STACK_SIZE_MIN));
    CHECK(!stack_size_is_valid(STACK_SIZE_MIN - 1));
    CHECK(stack_size_is_valid(STACK_SIZE_MAX));
    CHECK(!stack_size_is_valid(STACK_SIZE_MAX + 1));
    CHECK(!stack_size_is_valid(0));
    stack_pool_deinit(&pool);
}

TEST(K13_idle_stacks_of_all_sizes_share_one_bound_in_bytes)
{
    struct stack *large[3], *small[8];
    struct stack_pool pool;

    stack_pool_init(&pool, 0, 2 * MIB);
    for (unsigned i = 0; i < 3; i++)
        large[i] = must_get(&pool, MIB);
    for (unsigned i = 0; i < 8; i++)
        small[i] = must_get(&pool, 64 * KIB);
    for (unsigned i = 0; i < 3; i++)
        memset(large[i]->bottom, 1, large[i]->size);
    for (unsigned i = 0; i < 8; i++)
        memset(small[i]->bottom, 1, small[i]->size);
    for (unsigned i = 0; i < 3; i++)
        stack_put(&pool, large[i]);
    CHECK_EQ(pool.warm_bytes, 2 * MIB);
    CHECK_EQ(count_resident(large[0]), 0);
    /* The small ones come in by what the large ones, which hold most, give. */
    for (unsigned i = 0; i < 8; i++)
        stack_put(&pool, small[i]);
    CHECK_EQ(pool.warm_bytes, MIB + 8 * 64 * KIB);
    CHECK_EQ(count_resident(large[1]), 0);
    CHECK_EQ(count_resident(large[2]), large[2]->size / memory_page_size());
    CHECK_EQ(count_resident(small[0]), small[0]->size / memory_page_size());
    CHECK(must_get(&pool, MIB) == large[2]);
    CHECK_EQ(pool.warm_bytes, 8 * 64 * KIB);
    stack_put(&pool, large[2]);
    stack_pool_deinit(&pool);
}

TEST(K13_a_stack_larger_than_the_bound_keeps_no_pages_when_idle)
{
    struct stack_pool pool;
    struct stack *stack;

    stack_pool_init(&pool, 4 * MIB, MIB);
    stack = must_get(&pool, 4 * MIB);
    stack->top[-1] = 1;
    stack_put(&pool, stack);
    CHECK_EQ(pool.warm_bytes, 0);
    CHECK_EQ(count_resident(stack), 0);
    CHECK(stack_get(&pool) == stack);
    if (!test_on_valgrind()) /* to which a fresh stack is undefined */
        CHECK_EQ(stack->top[-1], 0);
    stack_put(&pool, stack);
    stack_pool_deinit(&pool);
}

/* ---- slabs of the user's own --------------------------------------------- */

struct arena {
    size_t given;
    size_t back;
    size_t count;
    bool empty;
    int flags;
};

static void *arena_allocate(void *user, size_t size)
{
    struct arena *arena = user;
    void *memory;

    CHECK_EQ(size % memory_page_size(), 0);
    if (arena->empty)
        return NULL;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                  arena->flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    arena->given += size;
    arena->count++;
    return memory;
}

/* Whoever gets memory back may use it: all of it. */
static void arena_release(void *user, void *memory, size_t size)
{
    struct arena *arena = user;

    for (size_t i = 0; i < size; i += memory_page_size())
        ((volatile char *)memory)[i] = 1;
    arena->back += size;
    CHECK_EQ(munmap(memory, size), 0);
}

static void use_arena(struct arena *arena)
{
    const gyre_stack_allocator source = { arena_allocate, arena_release,
                                          arena };
    struct stack *stacks[STACKS_PER_SLAB + 1];
    struct stack_pool pool;

    stack_pool_init(&pool, STACK_SIZE_MIN, 0);
    stack_pool_set_source(&pool, &source);
    for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
        stacks[i] = must_get(&pool, STACK_SIZE_MIN);
        stacks[i]->top[-1] = 1;
    }
    CHECK_EQ(arena->count, 2);
    CHECK_EQ(pool.mapped, arena->given);
    CHECK_EQ(arena->back, 0);
    for (size_t i = 0; i < ARRAY_SIZE(stacks); i++)
        stack_put(&pool, stacks[i]);
    stack_pool_deinit(&pool);
    CHECK_EQ(arena->back, arena->given);
}

TEST(K7_stacks_come_from_memory_of_the_users_own_and_go_back_there_unguarded)
{
    struct arena arena = { .flags = MAP_PRIVATE };

    use_arena(&arena);
    arena = (struct arena){ .flags = MAP_SHARED };
    use_arena(&arena);
    memory_guard_restrict(MEMORY_GUARD_PROTECT, 0);
    arena = (struct arena){ .flags = MAP_PRIVATE };
    use_arena(&arena);
    memory_guard_restrict(MEMORY_GUARD_PROTECT, 10);
    arena = (struct arena){ .flags = MAP_PRIVATE };
    use_arena(&arena);
}

static bool is_deadly(const char *address)
{
    int status = 0;
    pid_t child = fork();

    CHECK_GE(child, 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer may have its own opinion */
        *(volatile char *)(uintptr_t)address = 1;
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

TEST(K7_memory_of_the_users_own_is_guarded_below_each_stack)
{
    struct arena arena = { .flags = MAP_PRIVATE };
    const gyre_stack_allocator source = { arena_allocate, arena_release,
                                          &arena };
    struct stack_pool pool;
    struct stack *stack;

    test_quiet();
    stack_pool_init(&pool, 0, 0);
    stack_pool_set_source(&pool, &source);
    stack = must_get(&pool, 64 * KIB);
    if (stack->guard != MEMORY_GUARD_NONE)
        CHECK(is_deadly(stack->bottom - 1));
    CHECK(!is_deadly(stack->bottom));
    stack_put(&pool, stack);
    stack_pool_deinit(&pool);
}

TEST(K7_an_arena_that_is_empty_is_no_stack_and_later_it_has_one)
{
    struct arena arena = { .flags = MAP_PRIVATE, .empty = true };
    const gyre_stack_allocator source = { arena_allocate, arena_release,
                                          &arena };
    struct stack_pool pool;

    stack_pool_init(&pool, 0, 0);
    stack_pool_set_source(&pool, &source);
    CHECK(stack_get(&pool) == NULL);
    CHECK_EQ(stack_pool_used(&pool), 0);
    arena.empty = false;
    stack_put(&pool, must_get(&pool, 64 * KIB));
    stack_pool_deinit(&pool);
    CHECK_EQ(arena.back, arena.given);
}

static void *arena_crooked(void *user, size_t size)
{
    (void)size;
    return (char *)user + 1;
}

TEST_PANICS(K7_memory_that_begins_inside_a_page_is_refused, "inside a page")
{
    static char memory[64];
    const gyre_stack_allocator source = { arena_crooked, arena_release,
                                          memory };
    struct stack_pool pool;

    stack_pool_init(&pool, 0, 0);
    stack_pool_set_source(&pool, &source);
    (void)must_get(&pool, 64 * KIB);
}

/* ---- paint --------------------------------------------------------------- */

TEST(U7_paint_tells_how_deep_a_stack_was_touched)
{
    struct stack_pool pool;
    struct stack *stack;

    stack_pool_init(&pool, 0, 0);
    stack = stack_get(&pool);
    CHECK(stack != NULL);
    CHECK(!stack_is_painted(stack));
    memset(stack->bottom, 0, stack->size);
    stack_put(&pool, stack);

    pool.paints = true;
    CHECK(stack_get(&pool) == stack);
    CHECK(stack_is_painted(stack));
    CHECK_EQ(stack_untouched(stack), (size_t)(stack->top - stack->bottom));
    stack->bottom[20000] = 0;
    CHECK_EQ(stack_untouched(stack), 20000U);
    stack->bottom[100] = 0;
    CHECK_EQ(stack_untouched(stack), 96U);
    stack->bottom[0] = 0;
    CHECK_EQ(stack_untouched(stack), 0U);

    /* Who says how much is left needs that much less paint the next time. */
    stack->painted = 0;
    stack_put(&pool, stack);
    CHECK(stack_get(&pool) == stack);
    CHECK_EQ(stack_untouched(stack), (size_t)(stack->top - stack->bottom));
    memset(stack->bottom + 4096, 0, 8192);
    stack->painted = (uint32_t)stack_untouched(stack);
    CHECK_EQ(stack->painted, 4096U);
    stack_put(&pool, stack);
    CHECK(stack_get(&pool) == stack);
    CHECK_EQ(stack_untouched(stack), (size_t)(stack->top - stack->bottom));
    stack_put(&pool, stack);
    stack_pool_deinit(&pool);
}

TEST(U7_a_stack_that_gave_its_pages_back_is_painted_anew)
{
    struct stack_pool pool;
    struct stack *stack;

    stack_pool_init(&pool, 0, 1);
    pool.paints = true;
    stack = stack_get(&pool);
    CHECK(stack != NULL);
    stack->painted = (uint32_t)stack_untouched(stack);
    stack_put(&pool, stack);
    CHECK_EQ(pool.warm_bytes, 0);
    CHECK(stack_get(&pool) == stack);
    CHECK_EQ(stack_untouched(stack), (size_t)(stack->top - stack->bottom));
    stack_put(&pool, stack);
    stack_pool_deinit(&pool);
}
