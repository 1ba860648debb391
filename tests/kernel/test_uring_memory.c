/* SPDX-License-Identifier: MIT */
/*
 * A ring whose queues lie in memory of gyre's own; one whose SQ is rewound.
 */
#include <errno.h>
#include <stdint.h>

#include "base/alloc.h"
#include "kernel/uring/uring.h"
#include "kernel/uring_test.h"
#include "ring/feature.h"

/* Skips where Linux takes no memory of ours. */
static struct kernel *open_huge(unsigned entries, unsigned cq_entries)
{
    const char *why = NULL;
    struct kernel_options options = { .entries = entries,
                                      .cq_entries = cq_entries,
                                      .ring.huge_pages = true,
                                      .why = &why };
    struct kernel *kernel;
    int err = uring_open(&kernel, &options);

    if (err == -EOPNOTSUPP) {
        CHECK_STR_HAS(why, "huge_pages");
        TEST_SKIP("this Linux does not take such memory");
    }
    CHECK_OK(err);
    return kernel;
}

static void check_within(const struct ring *ring, const void *from, size_t size)
{
    uintptr_t memory = (uintptr_t)ring->memory;

    CHECK_GE((uintptr_t)from, memory);
    CHECK_LE((uintptr_t)from + size, memory + ring->memory_size);
}

RING_TEST(A8_both_queues_lie_in_memory_of_our_own)
{
    static const unsigned sizes[][2] = {
        { 1, 0 }, { 8, 64 }, { 256, 1024 }, { 4096, 65536 }
    };

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct kernel *kernel = open_huge(sizes[i][0], sizes[i][1]);
        const struct ring *ring = &uring_of(kernel)->ring;

        CHECK_OK(kernel->class->attach(kernel));
        CHECK(kernel->ring.huge_pages);
        check_within(ring, kernel->sq.sqes,
                     kernel->sq.entries * sizeof(struct io_uring_sqe));
        check_within(ring, kernel->cq.cqes,
                     kernel->cq.entries * sizeof(struct io_uring_cqe));
        CHECK_EQ(kernel->sq.entries, sizes[i][0]);
        for (unsigned n = 0; n < 3 * kernel->sq.entries && n < 1000; n++)
            check_nop_works(kernel);
        kernel->class->destroy(kernel);
    }
}

RING_TEST(A8_without_memory_for_the_queues_there_is_no_ring)
{
    struct kernel_options options = { .entries = 8, .ring.huge_pages = true };
    struct kernel *kernel = open_huge(8, 0);
    int err;

    kernel->class->destroy(kernel);
    for (long n = 1;; n++) {
        alloc_fail_nth(n);
        err = uring_open(&kernel, &options);
        /* A set-up without memory is tried again, and then has it. */
        CHECK(err == 0 || err == -ENOMEM);
        if (err == 0)
            kernel->class->destroy(kernel);
        if (!alloc_did_fail())
            break;
    }
    alloc_fail_nth(0);
    CHECK_OK(err);
}

RING_TEST(A8_memory_of_our_own_is_refused_where_it_is_not)
{
    const char *why = NULL;
    struct kernel_options options = { .entries = 8,
                                      .ring.huge_pages = true,
                                      .why = &why };
    struct kernel *kernel;

    CHECK_EQ(ring_features_restrict("no_mmap"), 0u);
    CHECK_ERR(uring_open(&kernel, &options), -EOPNOTSUPP);
    CHECK_STR_HAS(why, "huge_pages");
    options.ring.best_effort = true;
    CHECK_OK(uring_open(&kernel, &options));
    CHECK(!kernel->ring.huge_pages);
    kernel->class->destroy(kernel);
}

RING_TEST(A8_A17_such_a_ring_does_not_grow)
{
    const char *why = NULL;
    struct kernel_options options = {
        .entries = 8,
        .ring = { .huge_pages = true, .cq_entries_max = 1024 },
        .why = &why,
    };
    struct kernel *kernel = open_huge(8, 0);

    kernel->class->destroy(kernel);
    CHECK_ERR(uring_open(&kernel, &options), -EOPNOTSUPP);
    CHECK_STR_HAS(why, "cq_entries_max");
    options.ring.best_effort = true;
    CHECK_OK(uring_open(&kernel, &options));
    CHECK(kernel->ring.huge_pages);
    CHECK_EQ(kernel->ring.cq_entries_max, 0u);
    kernel->class->destroy(kernel);
}

/* ---- sq_rewind ----------------------------------------------------------- */

static struct kernel *open_rewinding(unsigned entries)
{
    const char *why = NULL;
    struct kernel_options options = { .entries = entries,
                                      .ring.sq_rewind = true,
                                      .why = &why };
    struct kernel *kernel;
    int err = uring_open(&kernel, &options);

    if (err == -EOPNOTSUPP) {
        CHECK_STR_HAS(why, "sq_rewind");
        TEST_SKIP("this Linux does not rewind queues (7.0)");
    }
    CHECK_OK(err);
    CHECK_OK(kernel->class->attach(kernel));
    return kernel;
}

RING_TEST(A8_a_rewound_queue_is_used_from_its_first_place)
{
    struct kernel *kernel = open_rewinding(8);
    struct io_uring_cqe cqe;

    for (uint64_t turn = 0; turn < 20; turn++) {
        unsigned batch = 1 + (unsigned)turn % 8;

        CHECK(sq_at(&kernel->sq, kernel->sq.filled) == kernel->sq.sqes);
        for (unsigned i = 0; i < batch; i++)
            put_nop(kernel, turn * 8 + i);
        CHECK_EQ(enter(kernel, batch, 0, KERNEL_NO_WAIT), (int)batch);
        for (unsigned i = 0; i < batch; i++) {
            CHECK(take(kernel, &cqe));
            CHECK_EQ(cqe.user_data, (turn * 8 + i) << 4);
        }
    }
    kernel->class->destroy(kernel);
}

RING_TEST(A8_what_is_left_of_a_batch_moves_to_the_front)
{
    struct kernel *kernel = open_rewinding(8);
    struct io_uring_cqe cqe;

    for (uint64_t id = 0; id < 8; id++)
        put_nop(kernel, id);
    CHECK_EQ(enter(kernel, 3, 0, KERNEL_NO_WAIT), 3);
    CHECK_EQ(sq_used(&kernel->sq), 5u);
    put_nop(kernel, 8);
    CHECK_EQ(enter(kernel, 6, 0, KERNEL_NO_WAIT), 6);
    for (uint64_t id = 0; id < 9; id++) {
        CHECK(take(kernel, &cqe));
        CHECK_EQ(cqe.user_data, id << 4);
    }
    kernel->class->destroy(kernel);
}

RING_TEST(A8_rewinding_is_refused_where_it_is_not)
{
    const char *why = NULL;
    struct kernel_options options = { .entries = 8,
                                      .ring.sq_rewind = true,
                                      .why = &why };
    struct kernel *kernel;

    CHECK_EQ(ring_features_restrict("sq_rewind"), 0u);
    CHECK_ERR(uring_open(&kernel, &options), -EOPNOTSUPP);
    CHECK_STR_HAS(why, "sq_rewind");
    options.ring.best_effort = true;
    CHECK_OK(uring_open(&kernel, &options));
    CHECK(!kernel->ring.sq_rewind);
    CHECK_OK(kernel->class->attach(kernel));
    check_nop_works(kernel);
    kernel->class->destroy(kernel);
}
