/* SPDX-License-Identifier: MIT */
/*
 * Memory from the user's own allocator, and memory that a task owns. In this
 * program, as nothing here allocates before a test has begun.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "runner/test.h"

#define KIB ((size_t)1024)

/* ---- an allocator -------------------------------------------------------- */

/* Counts what it gives, and fails the n-th time. From several threads: the
 * emulated kernel's allocate, too. */
struct heap {
    atomic_size_t pieces;
    atomic_size_t bytes;
    atomic_long given;
    atomic_long fail_at;
};

static void *heap_allocate(void *user, size_t align, size_t size)
{
    struct heap *heap = user;
    void *memory;

    CHECK(align >= 16 && (align & (align - 1)) == 0);
    if (atomic_fetch_add(&heap->given, 1) + 1 == atomic_load(&heap->fail_at))
        return NULL;
    memory = aligned_alloc(align, (size + align - 1) & ~(align - 1));
    CHECK(memory != NULL);
    memset(memory, 0xEE, size); /* to be zeroed by whoever promises it */
    atomic_fetch_add(&heap->pieces, 1);
    atomic_fetch_add(&heap->bytes, size);
    return memory;
}

static void heap_release(void *user, void *memory, size_t size)
{
    struct heap *heap = user;

    memset(memory, 0xDD, size);
    free(memory);
    atomic_fetch_sub(&heap->pieces, 1);
    atomic_fetch_sub(&heap->bytes, size);
}

static void use_heap(struct heap *heap)
{
    const gyre_allocator allocator = { heap_allocate, heap_release, heap };

    CHECK_OK(gyre_set_allocator(&allocator));
}

TEST(K7_what_comes_from_an_own_allocator_is_zeroed_aligned_and_given_back)
{
    static struct heap heap;

    use_heap(&heap);
    for (size_t align = 1; align <= 4096; align *= 2) {
        unsigned char *memory = alloc_aligned(align, 100);

        CHECK(memory != NULL);
        CHECK_EQ((uintptr_t)memory % align, 0);
        for (int i = 0; i < 100; i++)
            CHECK_EQ(memory[i], 0);
        memset(memory, 0xFF, 100);
        CHECK_GE(atomic_load(&heap.bytes), 100);
        alloc_free(memory);
        CHECK_EQ(atomic_load(&heap.bytes), 0);
    }
    CHECK(alloc_zeroed(SIZE_MAX / 2, 3) == NULL);
    CHECK(alloc_zeroed(1, SIZE_MAX - 3) == NULL);
    CHECK(alloc_aligned(64, SIZE_MAX - 100) == NULL);
    alloc_free(NULL);
    alloc_fail_nth(1);
    CHECK(alloc_zeroed(1, 1) == NULL);
    alloc_fail_nth(0);
    CHECK_EQ(atomic_load(&heap.pieces), 0);
}

TEST(K7_an_allocator_is_set_once_and_before_anything_is_allocated)
{
    static struct heap heap;
    const gyre_allocator allocator = { heap_allocate, heap_release, &heap };

    use_heap(&heap);
    CHECK_ERR(gyre_set_allocator(&allocator), -EBUSY);
}

TEST(K7_an_allocator_after_the_first_allocation_is_refused)
{
    static struct heap heap;
    const gyre_allocator allocator = { heap_allocate, heap_release, &heap };

    alloc_free(alloc_zeroed(1, 1));
    CHECK_ERR(gyre_set_allocator(&allocator), -EBUSY);
    alloc_free(alloc_zeroed(1, 1));
    CHECK_EQ(atomic_load(&heap.given), 0);
}

static void *give_crooked(void *user, size_t align, size_t size)
{
    (void)align, (void)size;
    return (char *)user + 1;
}

TEST_PANICS(K7_memory_that_is_not_aligned_is_refused, "not aligned as asked")
{
    static char bytes[64];

    CHECK_OK(gyre_set_allocator(
        &(gyre_allocator){ give_crooked, heap_release, bytes }));
    (void)!alloc_zeroed(1, 1);
}

/* ---- under a whole run --------------------------------------------------- */

/* A call of each kind: some allocate in the emulated kernel. */
static int child(void *arg)
{
    const int *pipes = arg;
    char *memory = gyre_task_alloc(100);
    ssize_t n;

    if (memory == NULL)
        return -ENOMEM;
    n = gyre_write(pipes[1], "x", 1, UINT64_MAX);
    if (n == 1)
        n = gyre_read(pipes[0], memory, 1, UINT64_MAX);
    return n < 0 ? (int)n : 0;
}

static int parent(void *arg)
{
    int err = 0;

    for (int i = 0; err == 0 && i < 100; i++)
        err = gyre_spawn(gyre_scope_current(), child, arg);
    return err != 0 ? err : gyre_yield();
}

static int run_all(void)
{
    int pipes[2];
    int err;

    CHECK_EQ(pipe(pipes), 0);
    err =
        gyre_run(&(gyre_run_options){ .measure_stacks = true }, parent, pipes);
    CHECK_EQ(close(pipes[0]), 0);
    CHECK_EQ(close(pipes[1]), 0);
    return err;
}

KERNEL_TEST(K7_an_own_allocator_sees_every_allocation_and_gets_all_back)
{
    static struct heap heap;

    use_heap(&heap);
    CHECK_OK(run_all());
    CHECK_GT(atomic_load(&heap.given), 100);
    CHECK_EQ(atomic_load(&heap.pieces), 0);
    CHECK_EQ(atomic_load(&heap.bytes), 0);
}

KERNEL_TEST2(K7_an_allocator_that_is_exhausted_leaves_nothing_behind)
{
    static struct heap heap;
    long n = 0;
    long failed = 0;
    int err;

    use_heap(&heap);
    do {
        /* All of the first ones; of the 100 tasks, that are alike, some. */
        n += n < 40 || test_scale() == 1 ? 1 : 13;
        atomic_store(&heap.given, 0);
        atomic_store(&heap.fail_at, n);
        err = run_all();
        CHECK(err == 0 || err == -ENOMEM);
        failed += err == -ENOMEM;
        CHECK_EQ(atomic_load(&heap.pieces), 0);
        CHECK_EQ(atomic_load(&heap.bytes), 0);
    } while (atomic_load(&heap.given) >= n);
    CHECK_GT(failed, 3);
    CHECK_OK(err);
}

/* ---- memory of a task ---------------------------------------------------- */

static int cut(void *arg)
{
    unsigned char *pieces[200];
    size_t size = 1;

    (void)arg;
    for (size_t i = 0; i < 200; i++) {
        size = size * 7 % 2039;
        pieces[i] = gyre_task_alloc(size);
        CHECK(pieces[i] != NULL);
        CHECK_EQ((uintptr_t)pieces[i] % 16, 0);
        for (size_t j = 0; j < size; j++)
            CHECK_EQ(pieces[i][j], 0);
        memset(pieces[i], (int)i, size);
        if (i % 50 == 0)
            CHECK_OK(gyre_yield());
    }
    size = 1;
    for (size_t i = 0; i < 200; i++) {
        size = size * 7 % 2039;
        for (size_t j = 0; j < size; j++)
            CHECK_EQ(pieces[i][j], i);
    }
    CHECK(gyre_task_alloc(0) != NULL);
    CHECK(gyre_task_alloc(0) != gyre_task_alloc(0));
    CHECK(gyre_task_alloc(SIZE_MAX) == NULL);
    CHECK(gyre_task_alloc(SIZE_MAX - 20) == NULL);
    return 0;
}

TEST(K7_pieces_of_a_tasks_memory_are_zeroed_aligned_and_apart)
{
    CHECK_OK(
        gyre_run(&(gyre_run_options){ .stack_size = 256 * KIB }, cut, NULL));
}

static size_t live(const struct heap *heap)
{
    return atomic_load(&heap->bytes);
}

static int hold(void *arg)
{
    const struct heap *heap = arg;
    size_t before = live(heap);

    CHECK(gyre_task_alloc(20) != NULL);
    CHECK(gyre_task_alloc(20) != NULL);
    CHECK_LE(live(heap) - before, 1100);
    CHECK_GE(live(heap) - before, 40);
    CHECK(gyre_task_alloc(50000) != NULL);
    CHECK_GE(live(heap) - before, 50000);
    /* The small one is still being cut. */
    before = live(heap);
    CHECK(gyre_task_alloc(100) != NULL);
    CHECK_EQ(live(heap), before);
    return 0;
}

static int hold_and_join(void *arg)
{
    size_t before = live(arg);
    gyre_task *task;

    CHECK_OK(gyre_spawn_with(gyre_scope_current(), NULL, hold, arg, &task));
    CHECK_EQ(live(arg), before);
    CHECK_OK(gyre_yield());
    /* It has returned, and is not yet joined. */
    CHECK_EQ(live(arg), before);
    CHECK_OK(gyre_join(task, NULL));
    return 0;
}

KERNEL_TEST2(K7_a_tasks_memory_is_given_back_when_it_returns)
{
    static struct heap heap;

    use_heap(&heap); /* which another engine would use meanwhile */
    CHECK_OK(
        gyre_run(&(gyre_run_options){ .engines = 1 }, hold_and_join, &heap));
    CHECK_EQ(live(&heap), 0);
}

TEST_PANICS(K7_memory_of_a_task_is_for_tasks, "inside a task")
{
    (void)!gyre_task_alloc(1);
}
