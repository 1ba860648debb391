/* SPDX-License-Identifier: MIT */
/*
 * A CQ that grows before it overflows.
 */
#include <errno.h>
#include <gyre/op_file.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/uring/uring.h"
#include "kernel/uring_test.h"
#include "loop/loop.h"
#include "ring/feature.h"

#define MANY 500

/* Only deferring rings grow. */
#define DEFERRING_TEST(name) KERNEL_TEST_ON(name, TEST_URING)

static const gyre_ring_options growing = { .cq_entries_max = 1024 };

/* Skips where Linux's rings do not grow: below 6.13, or a rung below DEFER. */
static struct kernel *open_growing(unsigned entries, unsigned cq_entries)
{
    const char *why = NULL;
    struct kernel_options options = { .entries = entries,
                                      .cq_entries = cq_entries,
                                      .ring = growing,
                                      .why = &why };
    struct kernel *kernel;
    int err = uring_open(&kernel, &options);

    if (err == -EOPNOTSUPP) {
        CHECK_STR_HAS(why, "cq_entries_max");
        TEST_SKIP("rings do not grow here");
    }
    CHECK_OK(err);
    CHECK_OK(kernel->class->attach(kernel));
    return kernel;
}

DEFERRING_TEST(A17_what_lies_in_the_queues_is_still_there_after_growing)
{
    struct kernel *kernel = open_growing(8, 8);
    struct io_uring_cqe cqe;

    for (uint64_t id = 1; id <= 4; id++)
        put_nop(kernel, id);
    CHECK_EQ(enter(kernel, 4, 0, KERNEL_NO_WAIT), 4);
    /* These are written, and Linux has not taken them. */
    for (uint64_t id = 5; id <= 7; id++)
        put_nop(kernel, id);
    CHECK_EQ(kernel->class->grow(kernel, 9), 16u);
    CHECK_EQ(kernel->cq.entries, 16u);
    CHECK_EQ(sq_used(&kernel->sq), 3u);
    CHECK_EQ(enter(kernel, 3, 0, KERNEL_NO_WAIT), 3);
    for (uint64_t id = 1; id <= 7; id++) {
        CHECK(take(kernel, &cqe));
        CHECK_EQ(cqe.user_data, id << 4);
    }
    check_nop_works(kernel);
    kernel->class->destroy(kernel);
}

DEFERRING_TEST(A17_growth_ends_where_it_was_told_to)
{
    struct kernel *kernel = open_growing(8, 8);

    CHECK_EQ(kernel->class->grow(kernel, 100), 128u);
    CHECK_EQ(kernel->class->grow(kernel, 5000), UINT64_MAX);
    CHECK_EQ(kernel->cq.entries, 1024u);
    check_nop_works(kernel);
    kernel->class->destroy(kernel);
}

DEFERRING_TEST(A17_growing_without_memory_for_the_mapping_takes_the_old_place)
{
    for (long n = 1; n <= 2; n++) {
        struct kernel *kernel = open_growing(8, 8);

        alloc_fail_nth(n);
        CHECK_EQ(kernel->class->grow(kernel, 9), 16u);
        CHECK(alloc_did_fail());
        alloc_fail_nth(0);
        check_nop_works(kernel);
        kernel->class->destroy(kernel);
    }
}

RING_TEST(A17_growth_is_refused_where_it_is_not)
{
    const char *why = NULL;
    struct kernel_options options = { .entries = 4,
                                      .ring = growing,
                                      .why = &why };
    struct kernel *kernel;

    CHECK_EQ(ring_features_restrict("resize"), 0u);
    CHECK_ERR(uring_open(&kernel, &options), -EOPNOTSUPP);
    CHECK_STR_HAS(why, "cq_entries_max");
    options.ring.best_effort = true;
    CHECK_OK(uring_open(&kernel, &options));
    CHECK_EQ(kernel->ring.cq_entries_max, 0u);
    kernel->class->destroy(kernel);
}

RING_TEST(A17_a_bound_that_is_no_power_of_two_is_refused)
{
    gyre_loop_options options = { .ring.cq_entries_max = 1000 };
    gyre_loop *loop;

    CHECK_ERR(gyre_loop_create(&loop, &options), -EINVAL);
    CHECK_STR_HAS(gyre_loop_create_error(), "cq_entries_max");
    options.ring.cq_entries_max = 1 << 17;
    CHECK_ERR(gyre_loop_create(&loop, &options), -EINVAL);
}

/* ---- in a loop ----------------------------------------------------------- */

static void count(gyre_op *op, gyre_result result)
{
    unsigned *counted = op->user;

    CHECK_EQ(result.res, 8);
    ++*counted;
}

/* MANY reads that all end at once; the loop's statistics. */
static gyre_loop_stats burst(const gyre_loop_options *options,
                             gyre_loop_options *got)
{
    gyre_op *ops = alloc_zeroed(MANY, sizeof *ops);
    gyre_loop_stats stats = { .size = sizeof stats };
    int fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    const uint64_t all = MANY;
    unsigned counted = 0;
    uint64_t value;
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, options));
    for (unsigned i = 0; i < MANY; i++) {
        gyre_op_read(&ops[i], fd, &value, sizeof value, GYRE_CURRENT_POSITION);
        gyre_op_start(loop, &ops[i], count, &counted);
    }
    while (gyre_loop_get_stats(loop, &stats), stats.in_flight < MANY)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_EQ(write(fd, &all, sizeof all), 8);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(counted, MANY);
    gyre_loop_get_stats(loop, &stats);
    *got = (gyre_loop_options){ .size = sizeof *got };
    gyre_loop_get_options(loop, got);
    gyre_loop_destroy(loop);
    close(fd);
    alloc_free(ops);
    return stats;
}

DEFERRING_TEST(A17_a_cq_that_grows_does_not_overflow)
{
    gyre_loop_options options = { .entries = 8,
                                  .cq_entries = 8,
                                  .ring = growing };
    gyre_loop_options got;
    gyre_loop_stats stats;

    options.ring.best_effort = true;
    stats = burst(&options, &got);
    if (got.ring.cq_entries_max == 0)
        TEST_SKIP("rings do not grow here");
    CHECK_EQ(stats.overflows, 0u);
    CHECK_EQ(got.cq_entries, 512u);
}

DEFERRING_TEST(A17_a_cq_that_may_not_grow_stays_as_it_is)
{
    gyre_loop_options options = { .entries = 8, .cq_entries = 8 };
    gyre_loop_options got;

    burst(&options, &got);
    CHECK_EQ(got.cq_entries, 8u);
}
