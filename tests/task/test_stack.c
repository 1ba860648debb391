/* SPDX-License-Identifier: MIT */
/*
 * The pool of stacks: what it hands out, in which order, what it costs, and
 * what happens to whoever runs over the end - on each kind of guard.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/memory.h"
#include "runner/test.h"
#include "task/stack.h"
#include "task/switch.h"

#define KIB ((size_t)1024)

static struct stack *must_get(struct stack_pool *pool)
{
    struct stack *stack = stack_get(pool);

    CHECK(stack != NULL);
    return stack;
}

static void touch(const char *address)
{
    *(volatile char *)(uintptr_t)address = 1;
}

/* Does a child that writes there die of it? */
static bool is_deadly(const char *address)
{
    int status = 0;
    pid_t child;

    test_quiet();
    child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer may have its own opinion */
        touch(address);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

/* A line of /proc/self/maps is an entry of vm.max_map_count. */
static size_t count_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    size_t count = 0;

    CHECK(maps != NULL);
    for (int c = getc(maps); c != EOF; c = getc(maps))
        count += c == '\n';
    fclose(maps);
    return count;
}

static size_t resident_bytes(void)
{
    FILE *statm = fopen("/proc/self/statm", "re");
    size_t pages = 0;

    CHECK(statm != NULL);
    CHECK_EQ(fscanf(statm, "%*u %zu", &pages), 1);
    fclose(statm);
    return pages * memory_page_size();
}

/* Pages of a stack that hold memory. */
static size_t count_resident(const struct stack *stack)
{
    unsigned char resident[64];
    size_t pages = stack->size / memory_page_size();
    size_t count = 0;

    CHECK_LE(pages, sizeof resident);
    CHECK_EQ(mincore(stack->bottom, stack->size, resident), 0);
    for (size_t i = 0; i < pages; i++)
        count += resident[i] & 1;
    return count;
}

static bool has_markers(void)
{
    return memory_guard_best() == MEMORY_GUARD_MARKER;
}

TEST(K13_stacks_are_whole_pages_apart_and_aligned)
{
    struct stack_pool pool;
    struct stack *a;
    struct stack *b;

    stack_pool_init(&pool, 20 * KIB + 1, 0);
    a = must_get(&pool);
    b = must_get(&pool);
    CHECK_GE(a->size, 20 * KIB + 1);
    CHECK_EQ(a->size % memory_page_size(), 0U);
    CHECK_EQ((uintptr_t)a->bottom % memory_page_size(), 0U);
    CHECK_GE((size_t)labs(a->bottom - b->bottom), a->size + 64 * KIB);
    CHECK(stack_holds(a, a->bottom) && stack_holds(a, a->top - 1));
    CHECK(!stack_holds(a, a->bottom - 1));
    CHECK(!stack_holds(a, a->bottom + a->size));
    memset(a->bottom, 1, a->size);
    memset(b->bottom, 2, b->size);
    CHECK_EQ(a->bottom[a->size - 1], 1);
    stack_put(&pool, a);
    stack_put(&pool, b);
    stack_pool_deinit(&pool);
}

TEST(K13_U2_a_pool_knows_the_addresses_in_its_stacks_that_are_not_idle)
{
    struct stack_pool pool;
    struct stack *first, *second;

    stack_pool_init(&pool, 0, 0);
    first = must_get(&pool);
    second = must_get(&pool);
    CHECK(stack_pool_has(&pool, first->bottom));
    CHECK(stack_pool_has(&pool, first->bottom + first->size - 1));
    CHECK(!stack_pool_has(&pool, first->bottom - 1));
    CHECK(stack_pool_has(&pool, second->bottom));
    CHECK(!stack_pool_has(&pool, second->bottom + second->size + 64 * KIB));
    CHECK(!stack_pool_has(&pool, &pool));
    stack_put(&pool, first);
    CHECK(!stack_pool_has(&pool, first->bottom));
    CHECK(stack_pool_has(&pool, second->bottom));
    stack_put(&pool, second);
    stack_pool_deinit(&pool);
}

TEST(K13_zero_asks_for_the_default_of_64_KiB)
{
    struct stack_pool pool;
    struct stack *stack;

    stack_pool_init(&pool, 0, 0);
    stack = must_get(&pool);
    CHECK_EQ(stack->size, 64 * KIB);
    stack_put(&pool, stack);
    stack_pool_deinit(&pool);
}

TEST(K13_large_stacks_come_in_small_slabs)
{
    struct stack_pool pool;
    struct stack *a;
    struct stack *b;

    stack_pool_init(&pool, STACK_SIZE_MAX, 0);
    CHECK_EQ(pool.standard->per_slab, 1U);
    a = must_get(&pool);
    b = must_get(&pool);
    touch(a->bottom);
    touch(b->top - 1);
    stack_put(&pool, a);
    stack_put(&pool, b);
    stack_pool_deinit(&pool);

    stack_pool_init(&pool, 1024 * KIB, 0);
    CHECK_GT(pool.standard->per_slab, 1U);
    CHECK_LE(pool.standard->per_slab * pool.standard->size, STACK_SLAB_BYTES);
    a = must_get(&pool);
    touch(a->bottom);
    stack_put(&pool, a);
    stack_pool_deinit(&pool);
}

TEST_PANICS(K13_a_stack_below_16_KiB_is_refused, "at least 16 KiB")
{
    struct stack_pool pool;

    stack_pool_init(&pool, 16 * KIB - 1, 0);
}

TEST(K13_the_reserved_top_is_aligned_and_cut_from_the_stack)
{
    struct stack_pool pool;
    struct stack *stack;
    char *end;
    char *block;

    stack_pool_init(&pool, 0, 0);
    stack = must_get(&pool);
    end = stack->top;
    block = stack_reserve_top(stack, 300);
    CHECK_EQ((uintptr_t)block % 64, 0U);
    CHECK_LE(block + 300, end);
    CHECK_LT(end - (block + 300), 64);
    CHECK(stack->top == block);
    stack_put(&pool, stack);
    CHECK(must_get(&pool) == stack);
    CHECK(stack->top == end);
    stack_put(&pool, stack);
    stack_pool_deinit(&pool);
}

TEST(K13_the_stack_put_last_is_got_first)
{
    struct stack_pool pool;
    struct stack *stacks[5];

    stack_pool_init(&pool, 0, 0);
    for (size_t i = 0; i < 5; i++)
        stacks[i] = must_get(&pool);
    for (size_t i = 0; i < 5; i++)
        stack_put(&pool, stacks[i]);
    for (size_t i = 5; i-- > 0;)
        CHECK(must_get(&pool) == stacks[i]);
    CHECK_EQ(stack_pool_used(&pool), 5U);
    for (size_t i = 0; i < 5; i++)
        stack_put(&pool, stacks[i]);
    stack_pool_deinit(&pool);
}

TEST(K13_idle_stacks_beyond_those_kept_give_their_pages_back)
{
    struct stack_pool pool;
    struct stack *stacks[5];

    stack_pool_init(&pool, 0, 2 * 64 * KIB);
    for (size_t i = 0; i < 5; i++) {
        stacks[i] = must_get(&pool);
        memset(stacks[i]->bottom, (int)i + 1, stacks[i]->size);
    }
    for (size_t i = 0; i < 5; i++)
        stack_put(&pool, stacks[i]);
    CHECK_EQ(pool.standard->warm_count, 2U);
    CHECK_EQ(pool.standard->cold_count, 3U);
    /* 0, 1 and 2 have been idle for longest. */
    for (size_t i = 0; i < 5; i++) {
        size_t pages = stacks[i]->size / memory_page_size();

        CHECK_EQ(count_resident(stacks[i]), i < 3 ? 0 : pages);
    }
    /* Warm ones go first, and a guard outlives what it guards. */
    CHECK(must_get(&pool) == stacks[4]);
    CHECK(must_get(&pool) == stacks[3]);
    CHECK(must_get(&pool) == stacks[2]);
    if (stacks[2]->guard != MEMORY_GUARD_NONE)
        CHECK(is_deadly(stacks[2]->bottom - 1));
    for (size_t i = 2; i < 5; i++)
        stack_put(&pool, stacks[i]);
    stack_pool_deinit(&pool);
}

static void check_guard(enum memory_guard kind, const char *name)
{
    struct stack_pool pool;
    struct stack *first;
    struct stack *second;

    memory_guard_restrict(kind, 0);
    stack_pool_init(&pool, 0, 0);
    CHECK_STR_EQ(stack_guard_name(&pool), name);
    first = must_get(&pool);
    second = must_get(&pool);
    CHECK_EQ(first->guard, (unsigned)kind);
    CHECK_STR_EQ(stack_guard_name(&pool), name);
    CHECK(!is_deadly(first->bottom));
    CHECK(is_deadly(first->bottom - 1));
    CHECK(is_deadly(first->bottom - 64 * KIB));
    CHECK(is_deadly(second->bottom - 1));
    CHECK(is_deadly(second->bottom - 64 * KIB));
    stack_put(&pool, first);
    stack_put(&pool, second);
    stack_pool_deinit(&pool);
}

TEST(K13_a_marker_below_a_stack_kills_who_touches_it)
{
    if (!has_markers())
        TEST_SKIP("no MADV_GUARD_INSTALL: Linux before 6.13, or emulated");
    check_guard(MEMORY_GUARD_MARKER, "MADV_GUARD_INSTALL");
}

TEST(K13_a_protected_page_below_a_stack_kills_who_touches_it)
{
    check_guard(MEMORY_GUARD_PROTECT, "mprotect");
}

static struct context thread_context;
static struct context task_context;

static __attribute__((noinline)) unsigned fall(unsigned depth)
{
    volatile char frame[512];

    frame[0] = (char)depth;
    return depth == 0 ? 0 : fall(depth - 1) + (unsigned)frame[0];
}

static void fall_for_ever(void *arg)
{
    *(unsigned *)arg = fall(*(unsigned *)arg);
    context_exit(&task_context, &thread_context);
}

static const char *guard_end;

static void tell_where(int signal, siginfo_t *info, void *context)
{
    const char *at = info->si_addr;

    (void)signal, (void)context;
    _exit(at < guard_end && at >= guard_end - STACK_GUARD_SIZE ? 42 : 1);
}

/* What touches a guard ends the process with 42, or 1 if it was elsewhere. */
static void watch_guard(const struct stack *stack)
{
    static char room[64 * KIB];
    stack_t other = { .ss_sp = room, .ss_size = sizeof room };
    struct sigaction action = { .sa_sigaction = tell_where,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK };

    guard_end = stack->bottom;
    CHECK_OK(sigaltstack(&other, NULL));
    CHECK_OK(sigaction(SIGSEGV, &action, NULL));
}

/* With a neighbour below, whose memory would be next. */
TEST(K13_endless_recursion_ends_at_the_guard)
{
    unsigned depth = 1000000;
    struct stack_pool pool;
    struct stack *neighbour, *stack;
    int status = 0;
    pid_t child;

    stack_pool_init(&pool, 0, 0);
    context_init_thread(&thread_context);
    neighbour = must_get(&pool);
    stack = must_get(&pool);
    CHECK_EQ(stack->bottom - neighbour->bottom,
             (ptrdiff_t)(STACK_GUARD_SIZE + stack->size));
    if (stack->guard == MEMORY_GUARD_NONE)
        TEST_SKIP("no guard to be had");
    child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        watch_guard(stack);
        context_make(&task_context, stack, fall_for_ever, &depth);
        context_switch(&thread_context, &task_context);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
    stack_put(&pool, stack);
    stack_put(&pool, neighbour);
    stack_pool_deinit(&pool);
}

TEST(K13_the_kernel_stops_at_a_guard_with_EFAULT)
{
    struct stack_pool pool;
    struct stack *stack;
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    CHECK_GE(fd, 0);
    stack_pool_init(&pool, 0, 0);
    stack = must_get(&pool);
    if (stack->guard == MEMORY_GUARD_NONE)
        TEST_SKIP("no guard to be had");
    CHECK_EQ(read(fd, stack->bottom - 16, 16), -1);
    CHECK_EQ(errno, EFAULT);
    CHECK_EQ(read(fd, stack->bottom, 16), 16);
    CHECK_EQ(close(fd), 0);
    stack_put(&pool, stack);
    stack_pool_deinit(&pool);
}

TEST(K13_without_a_guard_a_canary_lives_below_the_stack)
{
    struct stack_pool pool;
    struct stack *first;
    struct stack *second;

    memory_guard_restrict(MEMORY_GUARD_NONE, 0);
    stack_pool_init(&pool, 0, 0);
    CHECK_STR_EQ(stack_guard_name(&pool), "canary");
    first = must_get(&pool);
    second = must_get(&pool);
    memset(first->bottom, 0xff, first->size);
    memset(second->bottom, 0xff, second->size);
    CHECK(stack_canary_lives(first));
    CHECK(stack_canary_lives(second));
    stack_check(first, "fine");
    /* The overflow goes into slack, not into the neighbour. */
    first->bottom[-1] ^= 1;
    second->bottom[-64] ^= 1;
    CHECK(!stack_canary_lives(first));
    CHECK(!stack_canary_lives(second));
    CHECK_EQ((unsigned char)first->bottom[first->size - 1], 0xff);
    first->bottom[-1] ^= 1;
    second->bottom[-64] ^= 1;
    stack_put(&pool, first);
    stack_put(&pool, second);
    stack_pool_deinit(&pool);
}

TEST_PANICS(K13_a_canary_names_the_task_that_ran_over_its_stack,
            "task 'client' ran over its 64 KiB stack")
{
    struct stack_pool pool;
    struct stack *stack;

    memory_guard_restrict(MEMORY_GUARD_NONE, 0);
    stack_pool_init(&pool, 0, 0);
    stack = must_get(&pool);
    touch(stack->bottom - 8);
    stack_check(stack, "client");
}

TEST_PANICS(K13_no_stack_goes_back_with_a_dead_canary, "ran over its 64 KiB")
{
    struct stack_pool pool;
    struct stack *stack;

    memory_guard_restrict(MEMORY_GUARD_NONE, 0);
    stack_pool_init(&pool, 0, 0);
    stack = must_get(&pool);
    touch(stack->bottom - 1);
    stack_put(&pool, stack);
}

TEST(K13_protected_pages_are_used_while_their_budget_lasts)
{
    struct stack_pool pool;
    struct stack *stacks[5];

    memory_guard_restrict(MEMORY_GUARD_PROTECT, 3);
    for (unsigned round = 0; round < 3; round++) {
        stack_pool_init(&pool, 0, 0);
        CHECK_STR_EQ(stack_guard_name(&pool), "mprotect");
        for (size_t i = 0; i < 5; i++)
            stacks[i] = must_get(&pool);
        CHECK_EQ(stacks[0]->guard, MEMORY_GUARD_PROTECT);
        CHECK_EQ(stacks[2]->guard, MEMORY_GUARD_PROTECT);
        CHECK_EQ(stacks[3]->guard, MEMORY_GUARD_NONE);
        CHECK_EQ(stacks[4]->guard, MEMORY_GUARD_NONE);
        CHECK_STR_EQ(stack_guard_name(&pool), "canary");
        for (size_t i = 0; i < 5; i++)
            stack_put(&pool, stacks[i]);
        /* The next round finds the budget whole. */
        stack_pool_deinit(&pool);
    }
}

TEST(K13_protected_pages_leave_half_of_max_map_count_to_others)
{
    enum { STACKS = 20000 };
    unsigned count = STACKS / test_scale();
    struct stack **stacks = alloc_zeroed(STACKS, sizeof(struct stack *));
    size_t before = count_mappings();
    struct stack_pool pool;
    size_t guarded = 0;

    CHECK(stacks != NULL);
    memory_guard_restrict(MEMORY_GUARD_PROTECT, 0);
    stack_pool_init(&pool, STACK_SIZE_MIN, 0);
    for (size_t i = 0; i < count; i++) {
        stacks[i] = must_get(&pool);
        guarded += stacks[i]->guard == MEMORY_GUARD_PROTECT;
    }
    CHECK_GE(guarded, count < 10000 ? count : 10000U);
    if (test_scale() == 1)
        CHECK_LT(guarded, (size_t)STACKS);
    CHECK_LE(count_mappings() - before, 2 * guarded + 100);
    for (size_t i = 0; i < count; i++)
        stack_put(&pool, stacks[i]);
    stack_pool_deinit(&pool);
    alloc_free(stacks);
}

/* Many: 100,000, fewer where each is watched by a tool. */
static unsigned many_stacks(void)
{
    return 100000 / test_scale();
}

/* Tools keep a shadow of the memory they watch, which is memory, too. */
static bool is_watched_by_a_tool(void)
{
#if GYRE_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return GYRE_ASAN || GYRE_TSAN;
#endif
}

TEST(K13_a_hundred_thousand_guarded_stacks_cost_a_page_each_and_few_mappings)
{
    unsigned count = many_stacks();
    struct stack **stacks = alloc_zeroed(count, sizeof(struct stack *));
    size_t mappings = count_mappings();
    size_t resident;
    struct stack_pool pool;

    CHECK(stacks != NULL);
    memset(stacks, 0, count * sizeof(struct stack *));
    stack_pool_init(&pool, 0, 0);
    resident = resident_bytes();
    for (size_t i = 0; i < count; i++) {
        stacks[i] = must_get(&pool);
        touch(stack_reserve_top(stacks[i], 512));
        if (has_markers())
            CHECK_EQ(stacks[i]->guard, MEMORY_GUARD_MARKER);
    }
    resident = resident_bytes() - resident;
    if (has_markers() && !is_watched_by_a_tool()) {
        /* 4.2 KiB where a page is 4 KiB. */
        CHECK_LE(resident / count, memory_page_size() + 204);
        CHECK_LE(count_mappings() - mappings, count / STACKS_PER_SLAB + 10);
    }
    for (size_t i = 0; i < count; i++)
        stack_put(&pool, stacks[i]);
    CHECK_EQ(pool.standard->warm_count + pool.standard->cold_count, count);
    stack_pool_deinit(&pool);
    if (!is_watched_by_a_tool())
        CHECK_LE(count_mappings(), mappings + 10);
    alloc_free(stacks);
}

/* More than a slab, so that two slabs can fail to come. */
static void get_three_hundred(void)
{
    struct stack *stacks[300];
    struct stack_pool pool;
    size_t count = 0;

    stack_pool_init(&pool, STACK_SIZE_MIN, 0);
    while (count < 300) {
        struct stack *stack = stack_get(&pool);

        if (stack == NULL)
            break;
        stacks[count++] = stack;
    }
    CHECK_EQ(stack_pool_used(&pool), count);
    if (count < 300) {
        /* Not for ever: the next try is a new one. */
        struct stack *stack = stack_get(&pool);

        CHECK(stack != NULL);
        stack_put(&pool, stack);
    }
    for (size_t i = 0; i < count; i++)
        stack_put(&pool, stacks[i]);
    stack_pool_deinit(&pool);
}

TEST(K13_without_memory_there_is_no_stack_and_nothing_is_lost)
{
    /* Two slabs, each an allocation and a mapping. */
    CHECK_EQ(for_each_failure(get_three_hundred), 4);
}

TEST_PANICS(K13_a_stack_is_put_back_once, "does not hold")
{
    struct stack_pool pool;
    struct stack *a;

    stack_pool_init(&pool, 0, 0);
    a = must_get(&pool);
    (void)must_get(&pool);
    stack_put(&pool, a);
    stack_put(&pool, a);
}

TEST_PANICS(K13_a_pool_does_not_end_under_a_running_task, "does not hold")
{
    struct stack_pool pool;

    stack_pool_init(&pool, 0, 0);
    (void)must_get(&pool);
    stack_pool_deinit(&pool);
}
