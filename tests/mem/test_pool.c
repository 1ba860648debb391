/* SPDX-License-Identifier: MIT */
/*
 * Pools: classes of sizes in one bounded mapping, who holds a buffer, giving
 * back from other threads, and what Linux may refuse.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/world.h"

static gyre_loop *loop;
static gyre_pool *pool;

static gyre_pool_stats look(void)
{
    gyre_pool_stats stats = { .size = sizeof stats };

    gyre_pool_get_stats(pool, &stats);
    return stats;
}

static void pool_up(size_t bytes_max)
{
    gyre_pool_options options = { .bytes_max = bytes_max,
                                  .pages = GYRE_PAGES_SMALL };

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_pool_create(&pool, loop, &options));
}

static void pool_down(void)
{
    gyre_pool_destroy(pool);
    gyre_loop_destroy(loop);
}

/* ---- classes ------------------------------------------------------------- */

TEST(I7_a_buffer_is_rounded_up_to_its_class_and_aligned_to_it)
{
    static const size_t sizes[][2] = {
        { 1, 256 },        { 256, 256 },        { 257, 512 },
        { 4096, 4096 },    { 5000, 8192 },      { 65536, 65536 },
        { 65537, 131072 }, { 2097152, 2097152 }
    };
    pool_up(64 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *buffer = gyre_pool_get(pool, sizes[i][0]);

        CHECK(buffer != NULL);
        CHECK_EQ((uintptr_t)buffer % sizes[i][1], 0u);
        CHECK_EQ(look().bytes, sizes[i][1]);
        memset(buffer, 1, sizes[i][0]);
        gyre_pool_put(pool, buffer);
        CHECK_EQ(look().buffers, 0u);
    }
    CHECK(gyre_pool_get(pool, 0) == NULL);
    CHECK(gyre_pool_get(pool, 2097153) == NULL);
    gyre_pool_put(pool, NULL);
    gyre_slice_release(&(gyre_slice){ 0 });
    pool_down();
}

TEST(I7_buffers_do_not_overlap_and_come_back_the_latest_first)
{
    enum { COUNT = 500 };
    unsigned char *buffers[COUNT];
    size_t size[COUNT];

    pool_up(64 << 20);
    for (unsigned i = 0; i < COUNT; i++) {
        size[i] = 100 + i * 37;
        buffers[i] = gyre_pool_get(pool, size[i]);
        CHECK(buffers[i] != NULL);
        memset(buffers[i], (int)(i % 251), size[i]);
    }
    CHECK_EQ(look().buffers, (unsigned)COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        for (size_t at = 0; at < size[i]; at += 61)
            CHECK_EQ(buffers[i][at], i % 251);
        gyre_pool_put(pool, buffers[i]);
    }
    CHECK(gyre_pool_get(pool, size[COUNT - 1]) == buffers[COUNT - 1]);
    gyre_pool_put(pool, buffers[COUNT - 1]);
    CHECK_EQ(look().buffers, 0u);
    CHECK_EQ(look().bytes, 0u);
    pool_down();
}

TEST(I7_a_pool_is_bounded_and_an_empty_slab_serves_another_class)
{
    enum { COUNT = 16 };
    char *buffers[COUNT + 1];

    pool_up(1 << 20); /* sixteen slabs of 64 KiB */
    CHECK_EQ(look().buffer_max, 65536u);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            buffers[i] = gyre_pool_get(pool, 65536);
            CHECK(buffers[i] != NULL);
        }
        CHECK(gyre_pool_get(pool, 1) == NULL);
        CHECK(gyre_pool_get(pool, 65536) == NULL);
        CHECK_EQ(look().bytes, 1u << 20);
        gyre_pool_put(pool, buffers[3]);
        for (unsigned i = 0; i < 256; i++)
            CHECK(gyre_pool_get(pool, 256) != NULL);
        CHECK(gyre_pool_get(pool, 256) == NULL);
        for (unsigned i = 0; i < 256; i++)
            gyre_pool_put(pool, buffers[3] + 256 * i);
        for (unsigned i = 0; i < COUNT; i++)
            if (i != 3)
                gyre_pool_put(pool, buffers[i]);
        CHECK_EQ(look().buffers, 0u);
    }
    CHECK_EQ(look().exhausted, 9u);
    CHECK_EQ(look().bytes_peak, 1u << 20);
    CHECK_EQ(look().bytes_held, 1u << 20);
    pool_down();
}

TEST(I7_options_out_of_range_are_refused)
{
    gyre_pool_options options = { .bytes_max = 1000 };
    gyre_buffer_group_options group = { .count = 3 };
    gyre_buffer_group *made;

    pool_up(1 << 20);
    gyre_pool_destroy(pool);
    CHECK_ERR(gyre_pool_create(&pool, loop, &options), -EINVAL);
    options = (gyre_pool_options){ .bytes_max = SIZE_MAX };
    CHECK_ERR(gyre_pool_create(&pool, loop, &options), -EINVAL);
    CHECK_OK(gyre_pool_create(&pool, loop, NULL));
    CHECK_EQ(look().bytes_max, 64u << 20);
    CHECK_ERR(gyre_buffer_group_create(&made, pool, &group), -EINVAL);
    group = (gyre_buffer_group_options){ .buffer_size = 255 };
    CHECK_ERR(gyre_buffer_group_create(&made, pool, &group), -EINVAL);
    group = (gyre_buffer_group_options){ .buffer_size = 2097153 };
    CHECK_ERR(gyre_buffer_group_create(&made, pool, &group), -EINVAL);
    group = (gyre_buffer_group_options){ .count = 65536 };
    CHECK_ERR(gyre_buffer_group_create(&made, pool, &group), -EINVAL);
    gyre_buffer_group_destroy(NULL);
    gyre_pool_destroy(NULL);
    pool_down();
}

KERNEL_TEST2(I7_I12_no_memory_at_any_place_leaves_nothing_behind)
{
    /* Making the loop fails in tests of its own. */
    for (long nth = 1;; nth++) {
        gyre_buffer_group *group;

        CHECK_OK(gyre_loop_create(&loop, NULL));
        alloc_fail_nth(nth);
        if (gyre_pool_create(&pool, loop, NULL) == 0) {
            gyre_pool_put(pool, gyre_pool_get(pool, 1000));
            if (gyre_buffer_group_create(&group, pool, NULL) == 0)
                gyre_buffer_group_destroy(group);
            gyre_pool_destroy(pool);
        }
        gyre_loop_destroy(loop);
        if (!alloc_did_fail()) {
            CHECK_GT(nth, 8);
            break;
        }
    }
    alloc_fail_nth(0);
}

/* ---- whose a buffer is --------------------------------------------------- */

TEST_PANICS(I10_giving_back_twice_panics, "given back twice")
{
    void *buffer;

    pool_up(1 << 20);
    buffer = gyre_pool_get(pool, 100);
    gyre_pool_put(pool, buffer);
    gyre_pool_put(pool, buffer);
}

TEST_PANICS(I10_giving_back_what_is_no_buffer_panics, "no buffer of the pool")
{
    char array[256];

    pool_up(1 << 20);
    gyre_pool_put(pool, array);
}

TEST_PANICS(I10_giving_back_the_middle_of_a_buffer_panics,
            "not the start of a buffer")
{
    pool_up(1 << 20);
    gyre_pool_put(pool, (char *)gyre_pool_get(pool, 1000) + 16);
}

TEST_PANICS(I10_destroying_a_pool_with_a_buffer_out_panics,
            "has not been given back")
{
    pool_up(1 << 20);
    CHECK(gyre_pool_get(pool, 1000) != NULL);
    gyre_pool_destroy(pool);
}

static int wait_elsewhere(void *arg)
{
    void *buffer;

    (void)arg;
    return gyre_pool_get_wait(pool, 1000, &buffer);
}

TEST_PANICS(I10_waiting_in_a_task_of_another_loop_panics,
            "belongs to another loop")
{
    pool_up(1 << 20);
    (void)gyre_run(NULL, wait_elsewhere, NULL);
}

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>

TEST(I10_what_was_given_back_is_poisoned_until_it_is_got_again)
{
    char *buffer;

    pool_up(1 << 20);
    buffer = gyre_pool_get(pool, 1000);
    CHECK(__asan_region_is_poisoned(buffer, 1024) == NULL);
    gyre_pool_put(pool, buffer);
    CHECK(__asan_address_is_poisoned(buffer));
    CHECK(__asan_address_is_poisoned(buffer + 1023));
    CHECK(gyre_pool_get(pool, 600) == buffer);
    CHECK(__asan_region_is_poisoned(buffer, 1024) == NULL);
    gyre_pool_put(pool, buffer);
    pool_down();
    CHECK(__asan_region_is_poisoned(buffer, 1024) == NULL);
}
#endif

/* As the kernel would do: the sanitizer does not see it. */
#ifdef GYRE_VERIFY
__attribute__((no_sanitize_address)) static void scribble(char *at)
{
    *(volatile char *)at = 1;
}

TEST_PANICS(I10_writing_to_a_buffer_that_was_given_back_is_found,
            "written to after it had been given back")
{
    char *buffer;

    pool_up(1 << 20);
    buffer = gyre_pool_get(pool, 1000);
    gyre_pool_put(pool, buffer);
    scribble(buffer + 5);
    (void)!gyre_pool_get(pool, 1000);
}
#endif

/* ---- other threads ------------------------------------------------------- */

enum { GIVERS = 3, BELT = 64 };

/* The loop's thread hands buffers out by the belt, the others give back. */
static void *_Atomic belt[BELT];
static atomic_bool over;
static atomic_uint given;

static void *giver(void *arg)
{
    unsigned at = (unsigned)(uintptr_t)arg;

    for (;;) {
        bool ending = atomic_load(&over);
        unsigned char *buffer = atomic_exchange(&belt[at++ % BELT], NULL);

        if (buffer != NULL) {
            CHECK_EQ(buffer[0], buffer[255]);
            gyre_pool_put(pool, buffer);
            atomic_fetch_add(&given, 1);
        } else if (ending && at % BELT == 0) {
            bool empty = true;

            for (unsigned i = 0; i < BELT; i++)
                empty = empty && atomic_load(&belt[i]) == NULL;
            if (empty)
                return NULL;
        }
    }
}

static int hand_out(void *arg)
{
    unsigned rounds = 60000 / test_scale();
    unsigned handed = 0;

    (void)arg;
    for (unsigned i = 0; i < rounds; i++) {
        void *buffer;
        void *expected = NULL;

        CHECK_OK(gyre_pool_get_wait(pool, 256, &buffer));
        memset(buffer, (int)(i % 256), 256);
        if (i % 5 == 0) {
            gyre_pool_put(pool, buffer);
            continue;
        }
        while (
            !atomic_compare_exchange_weak(&belt[i % BELT], &expected, buffer)) {
            expected = NULL;
            CHECK_OK(gyre_yield());
        }
        handed++;
    }
    atomic_store(&over, true);
    while (atomic_load(&given) < handed)
        CHECK_OK(gyre_yield());
    return 0;
}

/* The pool is small, so the loop's thread waits for what the others give. */
static int stress(void *arg)
{
    gyre_pool_options options = { .bytes_max = 65536,
                                  .pages = GYRE_PAGES_SMALL,
                                  .unregistered = true };
    pthread_t threads[GIVERS];
    void *kept[200];

    (void)arg;
    CHECK_OK(gyre_pool_create(&pool, gyre_loop_current(), &options));
    for (unsigned i = 0; i < 200; i++)
        kept[i] = gyre_pool_get(pool, 256);
    for (uintptr_t i = 0; i < GIVERS; i++)
        CHECK_OK(pthread_create(&threads[i], NULL, giver, (void *)(i * 7)));
    CHECK_OK(hand_out(NULL));
    for (unsigned i = 0; i < GIVERS; i++)
        CHECK_OK(pthread_join(threads[i], NULL));
    for (unsigned i = 0; i < 200; i++)
        gyre_pool_put(pool, kept[i]);
    CHECK_EQ(look().buffers, 0u);
    CHECK_EQ(look().foreign, atomic_load(&given));
    gyre_pool_destroy(pool);
    return 0;
}

KERNEL_TEST2(I9_other_threads_give_back_and_no_waiter_is_forgotten)
{
    must_run(stress, NULL);
}

static void *give_last(void *buffer)
{
    gyre_pool_put(pool, buffer);
    return NULL;
}

/* The pool may go as soon as the last buffer was found. */
KERNEL_TEST2(I9_a_pool_is_destroyed_while_its_last_giver_leaves)
{
    pthread_t thread;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    for (unsigned i = 0; i < 300 / test_scale(); i++) {
        gyre_pool_options options = { .bytes_max = 65536,
                                      .pages = GYRE_PAGES_SMALL };

        CHECK_OK(gyre_pool_create(&pool, loop, &options));
        CHECK_OK(
            pthread_create(&thread, NULL, give_last, gyre_pool_get(pool, 256)));
        while (look().buffers > 0)
            sched_yield();
        gyre_pool_destroy(pool);
        CHECK_OK(pthread_join(thread, NULL));
    }
    gyre_loop_destroy(loop);
}

/* ---- waiting ------------------------------------------------------------- */

struct queue {
    unsigned next; /* whose turn it is */
    void *buffers[8];
};

struct waiting {
    struct queue *queue;
    unsigned number;
};

static int wait_for_one(void *arg)
{
    struct waiting *waiting = arg;
    struct queue *queue = waiting->queue;

    CHECK_OK(gyre_pool_get_wait(pool, 65536, &queue->buffers[waiting->number]));
    CHECK_EQ(queue->next, waiting->number);
    queue->next++;
    return 0;
}

static int wait_in_turn(void *arg)
{
    gyre_pool_options options = { .bytes_max = 65536 };
    struct queue queue = { 0 };
    struct waiting waiting[8];
    gyre_scope scope;
    void *buffer;

    (void)arg;
    CHECK_OK(gyre_pool_create(&pool, gyre_loop_current(), &options));
    buffer = gyre_pool_get(pool, 65536);
    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < 8; i++) {
        waiting[i] = (struct waiting){ &queue, i };
        CHECK_OK(gyre_spawn(&scope, wait_for_one, &waiting[i]));
    }
    CHECK_OK(gyre_yield());
    gyre_pool_put(pool, buffer);
    for (unsigned i = 0; i < 8; i++) {
        while (queue.next == i)
            CHECK_OK(gyre_yield());
        gyre_pool_put(pool, queue.buffers[i]);
    }
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(gyre_pool_get_wait(pool, 65537, &buffer), -EINVAL);
    CHECK_ERR(gyre_pool_get_wait(pool, 0, &buffer), -EINVAL);
    gyre_pool_destroy(pool);
    return 0;
}

KERNEL_TEST2(I7_J6_tasks_wait_for_buffers_first_come_first_served)
{
    must_run(wait_in_turn, NULL);
}

/* ---- pages and limits ---------------------------------------------------- */

TEST(I8_memory_is_on_huge_pages_where_linux_gives_them)
{
    char line[256];
    bool inside = false, huge = false, found = false;
    gyre_pool_options options = { .bytes_max = 16 << 20 };
    unsigned char *buffer;
    FILE *maps;

    test_not_on_qemu_user("it takes no advice about pages");
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_pool_create(&pool, loop, &options));
    buffer = gyre_pool_get(pool, 4096);
    buffer[0] = 1;
    maps = fopen("/proc/self/smaps", "re");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (uintptr_t)buffer >= from && (uintptr_t)buffer < to;
        if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            found = true;
            huge = strstr(line, " hg") != NULL;
        }
    }
    CHECK_OK(fclose(maps));
    gyre_pool_put(pool, buffer);
    pool_down();
    if (!found || access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0)
        TEST_SKIP("this Linux has no huge pages, or does not tell");
    CHECK(huge);
}

TEST(I8_reserved_pages_are_used_or_done_without)
{
    gyre_pool_options options = { .bytes_max = 8 << 20,
                                  .pages = GYRE_PAGES_RESERVED };
    char *buffer;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_pool_create(&pool, loop, &options));
    buffer = gyre_pool_get(pool, 2 << 20);
    CHECK(buffer != NULL);
    memset(buffer, 1, 2 << 20);
    gyre_pool_put(pool, buffer);
    pool_down();
}

/* Root may lock what it likes, so the test is somebody else first. */
KERNEL_TEST(I12_what_may_not_be_locked_is_used_unregistered)
{
    struct rlimit limit = { 1 << 20, 1 << 20 }; /* rings count, too */
    gyre_buffers_stats registered = { .size = sizeof registered };
    char *buffers[8];

    CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
    if (geteuid() == 0)
        CHECK_OK(setresuid(65534, 65534, 65534));
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_pool_create(&pool, loop, NULL));
    for (unsigned i = 0; i < 8; i++) {
        buffers[i] = gyre_pool_get(pool, 2 << 20);
        CHECK(buffers[i] != NULL);
        memset(buffers[i], 1, 2 << 20);
    }
    gyre_buffers_get_stats(loop, &registered);
    if (strcmp(test_kernel(), "emu") == 0) {
        CHECK_EQ(look().refused, 0u);
        CHECK_EQ(look().registered, 16u << 20);
    } else {
        CHECK_EQ(look().refused, 8u);
        CHECK_EQ(look().registered, 0u);
        CHECK_EQ(registered.refused, 8u);
    }
    CHECK_EQ(registered.bytes_with_kernel, look().registered);
    for (unsigned i = 0; i < 8; i++)
        gyre_pool_put(pool, buffers[i]);
    pool_down();
}
