/* SPDX-License-Identifier: MIT */
/*
 * Registered memory that several loops have, and pieces of more than a
 * gigabyte.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/world.h"
#include "loop/loop.h"
#include "ring/feature.h"

enum { PIECE = 1 << 20 };

static _Alignas(4096) char memory[3][PIECE];
static gyre_loop *first, *loop;
static int32_t last_res;
static unsigned gone;

static void note(gyre_op *op, gyre_result result)
{
    (void)op;
    last_res = result.res;
}

static void note_gone(void *user)
{
    gone += *(unsigned *)user;
}

static int32_t perform(gyre_op *op)
{
    gyre_op_start(loop, op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    return last_res;
}

static gyre_buffers_stats look(const gyre_loop *at)
{
    gyre_buffers_stats stats = { .size = sizeof stats };

    gyre_buffers_get_stats(at, &stats);
    return stats;
}

/* What this process has pinned, in KiB, as Linux counts it. */
static long pinned(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[200];
    long kib = -1;

    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmPin: %ld", &kib) == 1)
            break;
    CHECK_EQ(fclose(status), 0);
    CHECK_GE(kib, 0);
    return kib;
}

/* Can this Linux clone tables at all? From 6.12 on. */
static bool can_clone(void)
{
    return loop->kernel->ring_fd >= 0 &&
           (loop->kernel->features & IORING_FEAT_MIN_TIMEOUT) != 0;
}

static int file_open(void)
{
    int fd = open(file_make("file", 200000), O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0);
    return fd;
}

static void must_read_fixed(int fd, char *at, unsigned index, int32_t wanted)
{
    gyre_op op;

    gyre_op_read_fixed(&op, fd, at, 100, 7, index);
    CHECK_EQ(perform(&op), wanted);
    for (int i = 0; i < wanted; i++)
        CHECK_EQ((unsigned char)at[i], (unsigned)(7 + i) % 251);
}

static unsigned must_register(gyre_loop *at, unsigned i)
{
    int index = gyre_buffers_register(at, memory[i], PIECE);

    CHECK_GE(index, 0);
    return (unsigned)index;
}

/* ---- one thread ---------------------------------------------------------- */

KERNEL_TEST(I2_a_clone_locks_nothing_again)
{
    unsigned index, other;
    int fd = file_open();
    long before;

    CHECK_OK(gyre_loop_create(&first, NULL));
    (void)must_register(first, 0);
    index = must_register(first, 1);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    before = pinned();
    CHECK_OK(gyre_buffers_clone(loop, first));
    CHECK_EQ(look(loop).count, 2u);
    CHECK_EQ(look(loop).with_kernel, 2u);
    CHECK_EQ(look(loop).shared, can_clone() ? 2u : 0u);
    if (can_clone())
        CHECK_EQ(pinned(), before);
    else if (loop->kernel->ring_fd >= 0)
        CHECK_GE(pinned(), before + 2 * PIECE / 1024);
    must_read_fixed(fd, memory[1], index, 100);
    /* What it registers, changes and gives up itself is its own. */
    other = must_register(loop, 2);
    must_read_fixed(fd, memory[2], other, 100);
    CHECK_OK(
        gyre_buffers_update(loop, index, memory[2] + 4096, 4096, NULL, NULL));
    must_read_fixed(fd, memory[1], index, -EFAULT);
    CHECK_EQ(look(loop).shared, can_clone() ? 1u : 0u);
    CHECK_OK(gyre_buffers_unregister(loop, 0, NULL, NULL));
    CHECK_EQ(look(loop).shared, 0u);
    CHECK_EQ(look(first).count, 2u);
    gyre_loop_destroy(loop);
    loop = first;
    must_read_fixed(fd, memory[1], index, 100);
    gyre_loop_destroy(first);
    CHECK_OK(close(fd));
}

/* Linux does not tell, and the loop finds out. */
KERNEL_TEST(I2_a_cloned_piece_is_gone_when_nothing_can_use_it)
{
    unsigned one = 1, ten = 10, index, second;
    struct iovec part = { memory[1], 10 };
    gyre_op op, vector;
    int fds[2], others[2];
    bool cloned;

    CHECK_OK(pipe2(fds, O_CLOEXEC));
    CHECK_OK(pipe2(others, O_CLOEXEC));
    CHECK_OK(gyre_loop_create(&first, NULL));
    index = must_register(first, 0);
    second = must_register(first, 1);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_buffers_clone(loop, first));
    gyre_op_read_fixed(&op, fds[0], memory[0], 10, GYRE_CURRENT_POSITION,
                       index);
    gyre_op_start(loop, &op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_OK(gyre_buffers_unregister(loop, index, note_gone, &one));
    CHECK_OK(gyre_buffers_unregister(loop, second, note_gone, &ten));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_EQ(gone % 10, 0u);
    CHECK_EQ(write(fds[1], "hello", 5), 5);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(gone, 11u);
    CHECK_MEM_EQ(memory[0], "hello", 5);
    /* A vector may lead anywhere. */
    gone = 0;
    gyre_op_readv(&vector, others[0], &part, 1, GYRE_CURRENT_POSITION);
    gyre_op_start(loop, &vector, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    gyre_loop_destroy(first);
    CHECK_OK(gyre_loop_create(&first, NULL));
    (void)must_register(first, 0);
    CHECK_OK(gyre_buffers_clone(loop, first));
    cloned = look(loop).shared == 1; /* 6.13 */
    CHECK_OK(gyre_buffers_unregister(loop, 0, note_gone, &one));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_EQ(gone, cloned ? 0u : gone);
    CHECK_EQ(write(others[1], "x", 1), 1);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(gone, 1u);
    gyre_loop_destroy(loop);
    gyre_loop_destroy(first);
    pair_close(fds);
    pair_close(others);
}

/* ---- several threads ----------------------------------------------------- */

static gyre_shared_buffers *shared;
static bool may_clone;

static void *adopt_elsewhere(void *arg)
{
    unsigned index = *(unsigned *)arg, own;
    int fd = open(file_make("other", 200000), O_RDWR | O_CLOEXEC);
    long before;

    CHECK(fd >= 0);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    before = pinned();
    CHECK_OK(gyre_buffers_adopt(loop, shared));
    CHECK_EQ(look(loop).count, 2u);
    CHECK_EQ(look(loop).shared, may_clone && can_clone() ? 2u : 0u);
    if (may_clone && can_clone())
        CHECK_EQ(pinned(), before);
    must_read_fixed(fd, memory[1], index, 100);
    CHECK_ERR(gyre_buffers_adopt(loop, shared), -EBUSY);
    /* To what it has of its own it comes besides. */
    CHECK_OK(gyre_buffers_unregister(loop, 0, NULL, NULL));
    CHECK_OK(gyre_buffers_unregister(loop, index, NULL, NULL));
    for (own = 0; own < 3;)
        own = must_register(loop, 2);
    for (unsigned i = 0; i < 3; i++)
        CHECK_OK(gyre_buffers_unregister(loop, i, NULL, NULL));
    CHECK_OK(gyre_buffers_adopt(loop, shared));
    CHECK_EQ(look(loop).count, 3u);
    must_read_fixed(fd, memory[1], index, 100);
    must_read_fixed(fd, memory[2], own, 100);
    must_read_fixed(fd, memory[2], 1, -EFAULT);
    gyre_loop_destroy(loop);
    CHECK_OK(close(fd));
    return NULL;
}

static void share_with_a_thread(void)
{
    pthread_t thread;
    unsigned index;
    long before;

    before = pinned();
    CHECK_OK(gyre_loop_create(&first, NULL));
    (void)must_register(first, 0);
    CHECK_EQ(must_register(first, 2), 1u);
    index = must_register(first, 1);
    CHECK_OK(gyre_buffers_unregister(first, 1, NULL, NULL));
    CHECK_OK(gyre_buffers_share(first, &shared));
    CHECK_EQ(pthread_create(&thread, NULL, adopt_elsewhere, &index), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    /* It outlives the loop that it comes from. */
    gyre_loop_destroy(first);
    CHECK_EQ(pthread_create(&thread, NULL, adopt_elsewhere, &index), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    gyre_shared_buffers_destroy(shared);
    gyre_shared_buffers_destroy(NULL);
    for (int i = 0; i < 1000 && pinned() != before; i++)
        CHECK_EQ(usleep(10000), 0); /* Linux lets go when it gets round to it */
    CHECK_EQ(pinned(), before);
}

KERNEL_TEST(I2_what_is_shared_is_locked_once_for_all_threads)
{
    may_clone = true;
    share_with_a_thread();
}

KERNEL_TEST_ON(I2_or_by_each_where_linux_cannot_share, TEST_URING)
{
    CHECK_EQ(ring_features_restrict("clone_buffers"), 0u);
    share_with_a_thread();
    CHECK_EQ(ring_features_restrict("registered_buffers"), 0u);
    share_with_a_thread();
    CHECK_EQ(ring_features_restrict(NULL), 0u);
}

KERNEL_TEST(I2_nothing_is_shared_of_a_loop_that_has_nothing)
{
    CHECK_OK(gyre_loop_create(&first, NULL));
    CHECK_OK(gyre_buffers_share(first, &shared));
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_buffers_adopt(loop, shared));
    CHECK_OK(gyre_buffers_clone(loop, first));
    CHECK_EQ(look(loop).count, 0u);
    (void)must_register(loop, 0);
    gyre_shared_buffers_destroy(shared);
    gyre_loop_destroy(loop);
    gyre_loop_destroy(first);
}

KERNEL_TEST2(I2_no_memory_for_a_share_is_told_and_nothing_is_registered)
{
    for (long nth = 1;; nth++) {
        bool failed;
        int err;

        CHECK_OK(gyre_loop_create(&first, NULL));
        (void)must_register(first, 0);
        (void)must_register(first, 1);
        CHECK_OK(gyre_loop_create(&loop, NULL));
        shared = NULL;
        alloc_fail_nth(nth);
        err = gyre_buffers_share(first, &shared);
        if (err == 0)
            err = gyre_buffers_adopt(loop, shared);
        failed = alloc_did_fail();
        alloc_fail_nth(0);
        if (err < 0)
            CHECK_ERR(err, -ENOMEM);
        CHECK_EQ(look(loop).count, err < 0 ? 0u : 2u);
        gyre_shared_buffers_destroy(shared);
        gyre_loop_destroy(loop);
        gyre_loop_destroy(first);
        if (!failed)
            break;
        CHECK_LT(nth, 100);
    }
}

/* ---- much ---------------------------------------------------------------- */

enum { MUCH = 3 << 20 };
#define GIB ((size_t)1 << 30)

/* A gigabyte and a bit of addresses, of which all but the ends lead to the same
 * three megabytes. */
static char *much_open(void)
{
    int fd = memfd_create("much", MFD_CLOEXEC);
    char *much = mmap(NULL, GIB + MUCH, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(fd >= 0);
    CHECK(much != MAP_FAILED);
    CHECK_OK(ftruncate(fd, MUCH));
    for (size_t at = 0; at < GIB + MUCH; at += MUCH) {
        size_t some = GIB + MUCH - at < MUCH ? GIB + MUCH - at : MUCH;

        CHECK(mmap(much + at, some, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED);
    }
    CHECK_OK(close(fd));
    return much;
}

static uint64_t fixed_count(void)
{
    gyre_loop_stats stats = { .size = sizeof stats };

    gyre_loop_get_stats(loop, &stats);
    return stats.fixed;
}

static void use_much(char *much, unsigned index, int fd)
{
    bool whole = look(loop).with_kernel == 1;
    uint64_t before = fixed_count();
    gyre_op op;

    must_read_fixed(fd, much + 5, index, 100);
    must_read_fixed(fd, much + GIB - 50, index, 100);
    must_read_fixed(fd, much + GIB + MUCH - 100, index, 100);
    must_read_fixed(fd, much + GIB + MUCH - 99, index, -EFAULT);
    before = fixed_count();
    gyre_op_read(&op, fd, much + GIB, 100, 0);
    CHECK_EQ(perform(&op), 100);
    CHECK_EQ(fixed_count(), before + 1);
    gyre_op_read(&op, fd, much + GIB - 50, 100, 0);
    CHECK_EQ(perform(&op), 100);
    CHECK_EQ(fixed_count(), before + 1 + whole);
}

KERNEL_TEST2(I2_B5_more_than_a_gigabyte_is_registered_in_parts)
{
    unsigned one = 1, ten = 10;
    char *much = much_open();
    int fd = file_open();
    int index;

    if (test_on_valgrind())
        test_skip("valgrind has no room for it");
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_ERR(gyre_buffers_register(loop, much, ((size_t)1 << 40) + 1),
              -EINVAL);
    index = gyre_buffers_register(loop, much, GIB + MUCH);
    CHECK_GE(index, 0);
    CHECK_EQ(look(loop).count, 1u);
    CHECK_EQ(look(loop).in_parts + look(loop).with_kernel, 1u);
    CHECK_EQ(look(loop).bytes_with_kernel, GIB + MUCH);
    use_much(much, (unsigned)index, fd);
    /* Its parts are not pieces. */
    CHECK_ERR(gyre_buffers_unregister(loop, (unsigned)index + 1, NULL, NULL),
              -EINVAL);
    CHECK_OK(gyre_loop_create(&first, NULL));
    CHECK_OK(gyre_buffers_clone(first, loop));
    CHECK_EQ(look(first).bytes_with_kernel, GIB + MUCH);
    CHECK_EQ(look(first).count, 1u);
    /* Smaller, larger, gone. */
    CHECK_OK(gyre_buffers_update(loop, (unsigned)index, memory[0], PIECE,
                                 note_gone, &one));
    CHECK_EQ(look(loop).bytes_with_kernel, (uint64_t)PIECE);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(gone, 1u);
    CHECK_OK(gyre_buffers_update(loop, (unsigned)index, much, GIB + MUCH, NULL,
                                 NULL));
    gyre_loop_destroy(first);
    use_much(much, (unsigned)index, fd);
    CHECK_OK(munmap(much + GIB, MUCH));
    CHECK_ERR(gyre_buffers_update(loop, (unsigned)index, much, GIB + MUCH, NULL,
                                  NULL),
              -EFAULT);
    CHECK_OK(gyre_buffers_unregister(loop, (unsigned)index, note_gone, &ten));
    CHECK_EQ(look(loop).count, 0u);
    CHECK_EQ(look(loop).bytes_with_kernel, 0u);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(gone, 11u);
    gyre_loop_destroy(loop);
    CHECK_OK(munmap(much, GIB));
    CHECK_OK(close(fd));
}
