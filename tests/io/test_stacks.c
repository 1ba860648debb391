/* SPDX-License-Identifier: MIT */
/*
 * The stacks of tasks as their users see them: sizes, memory of one's own, how
 * much of a stack was used, and what happens when there are no more.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "io/world.h"
#include "kernel/memory.h"
#include "task/fiber_tools.h"

#define KIB ((size_t)1024)

/* For who counts stacks: of one pool, with that of the first task. */
static const gyre_run_options alone = { .engines = 1 };

/* ---- sizes --------------------------------------------------------------- */

/* Touch so many bytes of the stack, and say how many were left above. */
static __attribute__((noinline)) size_t touch(size_t bytes)
{
    volatile char frame[1024];

    memset((char *)(uintptr_t)frame, 1, sizeof frame);
    use_all(frame);
    if (bytes > sizeof frame)
        return touch(bytes - sizeof frame) + (frame[0] != 1);
    return gyre_stack_left();
}

static int use_stack(void *arg)
{
    size_t size = *(size_t *)arg;

    CHECK_LE(gyre_stack_left(), size);
    CHECK_GT(gyre_stack_left(), size - 8 * KIB);
    /* Tools have bounds of their own for the depth of calls. */
    (void)touch(size < 16 * 1024 * KIB ? size / 2 : 8 * 1024 * KIB);
    return 0;
}

static int spawn_sizes(void *arg)
{
    static size_t sizes[] = { 16, 32, 64, 128, 256, 1024, 65536, 1048576 };

    (void)arg;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        gyre_task_options options = { .stack_size = sizes[i] * KIB - (i % 2) };
        gyre_task *task;

        sizes[i] *= KIB;
        if (test_scale() > 1 && i == 0)
            continue; /* the frames of tools are large */
        CHECK_OK(gyre_spawn_with(gyre_scope_current(), &options, use_stack,
                                 &sizes[i], &task));
        CHECK_OK(gyre_join(task, NULL));
    }
    return 0;
}

KERNEL_TEST2(K13_each_task_may_have_a_stack_of_its_own_size)
{
    must_run(spawn_sizes, NULL);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int spawn_wrong_sizes(void *arg)
{
    static const size_t sizes[] = { 1, 16 * KIB - 1, ((size_t)1 << 30) + 1,
                                    SIZE_MAX };

    (void)arg;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        gyre_task_options options = { .stack_size = sizes[i] };
        gyre_task *task = NULL;

        CHECK_ERR(gyre_spawn_with(gyre_scope_current(), &options, nothing, NULL,
                                  &task),
                  -EINVAL);
        CHECK(task == NULL);
    }
    return 0;
}

KERNEL_TEST2(K13_stacks_below_16_KiB_and_above_1_GiB_are_refused)
{
    must_run(spawn_wrong_sizes, NULL);
}

static int tell_left(void *arg)
{
    *(size_t *)arg = gyre_stack_left();
    return 0;
}

TEST(K13_the_loop_has_a_stack_size_for_those_who_do_not_ask)
{
    size_t left = 0;
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_ERR(gyre_loop_set_stack_size(loop, 0), -EINVAL);
    CHECK_ERR(gyre_loop_set_stack_size(loop, 100), -EINVAL);
    CHECK_ERR(gyre_loop_set_stack_size(loop, ((size_t)1 << 30) + 1), -EINVAL);
    for (size_t size = 256 * KIB; size >= 128 * KIB; size /= 2) {
        CHECK_OK(gyre_loop_set_stack_size(loop, size));
        CHECK_OK(gyre_spawn(gyre_loop_scope(loop), tell_left, &left));
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
        CHECK_LE(left, size);
        CHECK_GT(left, size - 8 * KIB);
    }
    gyre_loop_destroy(loop);
}

/* ---- memory of one's own ------------------------------------------------- */

struct arena {
    size_t slabs;
    size_t bytes;
};

static void *arena_allocate(void *user, size_t size)
{
    struct arena *arena = user;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    arena->slabs++;
    arena->bytes += size;
    return memory;
}

static void arena_release(void *user, void *memory, size_t size)
{
    struct arena *arena = user;

    CHECK_EQ(munmap(memory, size), 0);
    arena->bytes -= size;
}

static int spawn_some(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++)
        CHECK_OK(gyre_spawn(gyre_scope_current(), nothing, NULL));
    return gyre_yield();
}

KERNEL_TEST2(K7_the_stacks_of_a_run_come_from_an_allocator_of_the_users)
{
    struct arena arena = { 0, 0 };
    const gyre_stack_allocator allocator = { arena_allocate, arena_release,
                                             &arena };

    CHECK_OK(gyre_run(&(gyre_run_options){ .stacks = &allocator, .engines = 1 },
                      spawn_some, NULL));
    CHECK_EQ(arena.slabs, 2);
    CHECK_EQ(arena.bytes, 0);
}

static void *no_stack(void *user, size_t size)
{
    (void)user, (void)size;
    return NULL;
}

TEST(K7_an_allocator_without_stacks_is_no_memory_and_comes_before_the_first)
{
    struct arena arena = { 0, 0 };
    gyre_stack_allocator allocator = { no_stack, arena_release, &arena };
    gyre_loop *loop;

    CHECK_ERR(
        gyre_run(&(gyre_run_options){ .stacks = &allocator }, nothing, NULL),
        -ENOMEM);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_loop_set_stack_allocator(loop, &allocator));
    CHECK_ERR(gyre_spawn(gyre_loop_scope(loop), nothing, NULL), -ENOMEM);
    allocator.allocate = arena_allocate;
    CHECK_OK(gyre_loop_set_stack_allocator(loop, &allocator));
    CHECK_OK(gyre_spawn(gyre_loop_scope(loop), nothing, NULL));
    CHECK_ERR(gyre_loop_set_stack_allocator(loop, &allocator), -EBUSY);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    gyre_loop_destroy(loop);
    CHECK_EQ(arena.slabs, 1);
    CHECK_EQ(arena.bytes, 0);
}

/* ---- how much is used ---------------------------------------------------- */

static int go_deep(void *arg)
{
    (void)touch(*(size_t *)arg);
    return gyre_yield();
}

static gyre_stack_use found[8];
static size_t found_count;

static void find_use(const gyre_stack_use *use, void *user)
{
    CHECK(user == found);
    CHECK_LT(found_count, ARRAY_SIZE(found));
    found[found_count++] = *use;
}

static const gyre_stack_use *use_named(const char *name, gyre_task_fn *fn)
{
    for (size_t i = 0; i < found_count; i++)
        if (name == NULL
                ? found[i].fn == fn
                : found[i].name != NULL && strcmp(found[i].name, name) == 0)
            return &found[i];
    FAIL("no kind %s", name == NULL ? "of that function" : name);
}

static void spawn_deep(const char *name, size_t stack_size, size_t *bytes)
{
    gyre_task_options options = { .name = name, .stack_size = stack_size };
    gyre_task *task;
    size_t used;

    CHECK_OK(
        gyre_spawn_with(gyre_scope_current(), &options, go_deep, bytes, &task));
    used = gyre_stack_used(task);
    CHECK_GT(used, 0);
    CHECK_LT(used, 8 * KIB);
    CHECK_OK(gyre_yield());
    CHECK_GE(gyre_stack_used(task), *bytes);
    CHECK_OK(gyre_join(task, NULL));
}

static size_t depths[] = { 100 * KIB, 20 * KIB, 200 * KIB, 30 * KIB };

static void check_use(const gyre_stack_use *use, uint64_t count, size_t size,
                      size_t most_used)
{
    CHECK_EQ(use->count, count);
    CHECK_EQ(use->size, size);
    CHECK_GE(use->most_used, most_used);
    CHECK_LE(use->most_used, most_used + most_used / 2 + 16 * KIB);
    CHECK_LT(use->least_left, size);
}

static int measure(void *arg)
{
    char name[16] = "reader";
    const gyre_stack_use *use;

    (void)arg;
    CHECK_GT(gyre_stack_used(gyre_task_current()), 0);
    spawn_deep(name, 512 * KIB, &depths[0]);
    memset(name, 'x', sizeof name); /* it was held until the task's end */
    spawn_deep("reader", 256 * KIB, &depths[1]);
    spawn_deep("writer", 1024 * KIB, &depths[2]);
    spawn_deep(NULL, 0, &depths[3]);
    CHECK_EQ(gyre_stack_report(gyre_loop_current(), find_use, found), 3);
    CHECK_EQ(found_count, 3);
    use = use_named("reader", NULL);
    CHECK_EQ(use->count, 2);
    CHECK_GE(use->most_used, 100 * KIB);
    CHECK_LE(use->least_left, 236 * KIB);
    check_use(use_named("writer", NULL), 1, 1024 * KIB, 200 * KIB);
    use = use_named(NULL, go_deep);
    check_use(use, 1, 128 * KIB, 30 * KIB);
    CHECK_EQ(use->most_used + use->least_left, use->size);
    CHECK(use->name == NULL);
    return 0;
}

KERNEL_TEST2(U7_each_kind_of_task_has_the_high_water_mark_of_its_stacks)
{
    const gyre_run_options options = { .measure_stacks = true,
                                       .stack_size = 128 * KIB };

    CHECK_OK(gyre_run(&options, measure, NULL));
}

static int not_measured(void *arg)
{
    (void)arg;
    CHECK_EQ(gyre_stack_used(gyre_task_current()), 0);
    CHECK_EQ(gyre_stack_report(gyre_loop_current(), find_use, found), 0);
    /* From now on, and for those to come. */
    CHECK_OK(gyre_loop_measure_stacks(gyre_loop_current()));
    CHECK_OK(gyre_loop_measure_stacks(gyre_loop_current()));
    CHECK_EQ(gyre_stack_used(gyre_task_current()), 0);
    CHECK_OK(gyre_spawn(gyre_scope_current(), nothing, NULL));
    CHECK_OK(gyre_yield());
    CHECK_EQ(gyre_stack_report(gyre_loop_current(), find_use, found), 1);
    CHECK_EQ(use_named(NULL, nothing)->count, 1);
    return 0;
}

KERNEL_TEST2(U7_nothing_is_measured_unless_it_is_asked_for)
{
    must_run(not_measured, NULL);
}

static size_t others;

static void count_others(const gyre_stack_use *use, void *user)
{
    (void)user;
    if (use->name != NULL && strcmp(use->name, "(others)") == 0)
        others = (size_t)use->count;
}

static int name_each(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1010; i++) {
        char name[16];
        gyre_task_options options = { .name = name };
        gyre_task *task;

        snprintf(name, sizeof name, "n%d", i);
        CHECK_OK(gyre_spawn_with(gyre_scope_current(), &options, nothing, NULL,
                                 &task));
        CHECK_OK(gyre_join(task, NULL));
    }
    CHECK_EQ(gyre_stack_report(gyre_loop_current(), count_others, NULL), 1001);
    CHECK_EQ(others, 10);
    return 0;
}

TEST(U7_a_name_for_each_task_does_not_fill_the_memory)
{
    const gyre_run_options options = { .measure_stacks = true };

    CHECK_OK(gyre_run(&options, name_each, NULL));
}

static int measure_one(void *arg)
{
    (void)arg;
    if (gyre_spawn(gyre_scope_current(), nothing, NULL) == 0)
        CHECK_OK(gyre_yield());
    (void)gyre_stack_report(gyre_loop_current(), count_others, NULL);
    return 0;
}

static void run_measured(void)
{
    int err = gyre_run(&(gyre_run_options){ .measure_stacks = true },
                       measure_one, NULL);

    CHECK(err == 0 || err == -ENOMEM);
}

KERNEL_TEST2(U7_without_memory_for_a_table_nothing_is_lost)
{
    CHECK_GT(for_each_failure(run_measured), 3);
}

/* ---- how many there are -------------------------------------------------- */

static int count_stacks(void *arg)
{
    gyre_stack_stats stats;

    (void)arg;
    for (int i = 0; i < 2000; i++)
        CHECK_OK(gyre_spawn(gyre_scope_current(), nothing, NULL));
    gyre_loop_get_stack_stats(gyre_loop_current(), &stats);
    CHECK_EQ(stats.used, 2001);
    CHECK_EQ(stats.idle, 0);
    CHECK_OK(gyre_yield());
    gyre_loop_get_stack_stats(gyre_loop_current(), &stats);
    CHECK_EQ(stats.used, 1);
    CHECK_EQ(stats.idle, 2000);
    CHECK_EQ(stats.idle_without_pages, 2000 - 1024);
    CHECK_GE(stats.mapped_bytes, 2001 * 128 * KIB);
    CHECK_EQ(stats.guards_marker + stats.guards_mprotect + stats.guards_canary,
             2001);
    if (memory_guard_best() == MEMORY_GUARD_MARKER)
        CHECK_EQ(stats.guards_marker, 2001);
    return 0;
}

TEST(K13_a_loop_can_tell_how_many_stacks_it_has_and_how_they_are_guarded)
{
    CHECK_OK(gyre_run(&alone, count_stacks, NULL));
}

/* ---- deep recursion ------------------------------------------------------ */

/* A parser of nested input, say: it stops before the stack does. */
static __attribute__((noinline)) size_t descend(size_t depth)
{
    volatile char frame[300];

    frame[0] = 1;
    use_all(frame);
    if (gyre_stack_left() < 16 * KIB)
        return depth;
    return descend(depth + 1) + (frame[0] != 1);
}

static int descend_safely(void *arg)
{
    size_t depth = descend(0);

    (void)arg;
    CHECK_GT(depth, 20);
    CHECK_LT(depth, 128 * KIB / 300);
    return gyre_yield();
}

KERNEL_TEST2(K13_recursion_that_asks_how_much_is_left_ends_in_time)
{
    CHECK_OK(gyre_run(&(gyre_run_options){ .stack_size = 128 * KIB },
                      descend_safely, NULL));
}

/* ---- when there are no more ---------------------------------------------- */

/* So many bytes more than there are now, of address space or of writable
 * mappings. */
static void limit_memory(int resource, size_t bytes)
{
    unsigned long whole = 0, data = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    struct rlimit limit;

    CHECK(statm != NULL);
    CHECK_EQ(fscanf(statm, "%lu %*u %*u %*u %*u %lu", &whole, &data), 2);
    CHECK_EQ(fclose(statm), 0);
    limit.rlim_cur =
        (resource == RLIMIT_AS ? whole : data) * memory_page_size() + bytes;
    limit.rlim_max = RLIM_INFINITY;
    if (resource == RLIMIT_AS)
        CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    else
        CHECK_EQ(setrlimit(RLIMIT_DATA, &limit), 0);
}

static size_t ended;

static int wait_for_cancel(void *arg)
{
    (void)arg;
    CHECK_OK(gyre_yield());
    CHECK_ERR(gyre_sleep_until(GYRE_NEVER), -ECANCELED);
    ended++;
    return 0;
}

static int spawn_until_full(void *arg)
{
    size_t *spawned = arg;
    gyre_scope scope;
    int err = 0;

    gyre_scope_open(&scope, NULL);
    for (*spawned = 0; err == 0; *spawned += err == 0)
        err = gyre_spawn(&scope, wait_for_cancel, NULL);
    CHECK_ERR(err, -ENOMEM);
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_yield());
    CHECK_ERR(gyre_spawn(&scope, wait_for_cancel, NULL), -ENOMEM);
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(ended, *spawned);
    /* Their stacks serve others. */
    for (size_t i = 0; i < *spawned; i++)
        CHECK_OK(gyre_spawn(gyre_scope_current(), nothing, NULL));
    return gyre_yield();
}

KERNEL_TEST2(K13_without_address_space_the_tasks_there_are_go_on_and_end)
{
    size_t spawned;

    if (test_on_valgrind())
        TEST_SKIP("valgrind needs address space itself");
    limit_memory(RLIMIT_AS, 256 * 1024 * KIB);
    CHECK_OK(gyre_run(NULL, spawn_until_full, &spawned));
    /* Of the 256 MiB the loop took some; each stack with its guard 128 KiB. */
    CHECK_GE(spawned, test_scale() == 1 ? 500 : 255);
    CHECK_LE(spawned, 2048);
}

/* What overcommit refuses, it refuses to mmap(), as this limit does. */
static int limit_data_and_spawn(void *arg)
{
    /* Less than half a slab: the other half may be guards, which mprotect()
     * makes count no more. */
    limit_memory(RLIMIT_DATA, 8 * 1024 * KIB);
    return spawn_until_full(arg);
}

KERNEL_TEST2(K13_where_mapping_is_refused_the_tasks_there_are_go_on_and_end)
{
    size_t spawned;

    if (test_on_valgrind() || GYRE_TSAN)
        TEST_SKIP("the tool needs memory itself");
    CHECK_OK(gyre_run(&alone, limit_data_and_spawn, &spawned));
    /* What was left of the first slab. */
    CHECK_EQ(spawned, 255);
}

static int count_guards(void *arg)
{
    gyre_stack_stats stats;

    (void)arg;
    for (int i = 0; i < 299; i++)
        CHECK_OK(gyre_spawn(gyre_scope_current(), nothing, NULL));
    CHECK_OK(gyre_yield());
    gyre_loop_get_stack_stats(gyre_loop_current(), &stats);
    CHECK_EQ(stats.guards_mprotect, 100);
    CHECK_EQ(stats.guards_canary, 200);
    CHECK_EQ(stats.guards_marker, 0);
    return 0;
}

TEST(K13_when_guards_run_out_it_is_said_once_in_one_line)
{
    char text[1024];
    int pipes[2];
    int saved = dup(STDERR_FILENO);
    ssize_t length;

    CHECK_EQ(pipe(pipes), 0);
    memory_guard_restrict(MEMORY_GUARD_PROTECT, 100);
    CHECK_GE(dup2(pipes[1], STDERR_FILENO), 0);
    CHECK_OK(gyre_run(&alone, count_guards, NULL));
    CHECK_OK(gyre_run(&alone, count_guards, NULL));
    CHECK_GE(dup2(saved, STDERR_FILENO), 0);
    CHECK_EQ(close(saved), 0);
    CHECK_EQ(close(pipes[1]), 0);
    length = read(pipes[0], text, sizeof text - 1);
    CHECK_EQ(close(pipes[0]), 0);
    CHECK_GT(length, 0);
    text[length] = '\0';
    CHECK_STR_HAS(text, "gyre: 100 stacks have guards");
    CHECK(strchr(text, '\n') == text + length - 1);
}
