/* SPDX-License-Identifier: MIT */
/*
 * From sample to sample: what is a stall, and for how long it lasts.
 */
#include "runner/test.h"
#include "task/stall.h"

#define MS GYRE_MS

static const struct loop_pulse runs = { .called = 5, .runs = true };
static const struct loop_pulse runs_on = { .called = 6, .runs = true };
static const struct loop_pulse sleeps = { .called = 5, .enters = 1 };

static enum slice_news look(struct slice *slice, const struct loop_pulse *pulse,
                            uint64_t elapsed_ns)
{
    return slice_look(slice, pulse, elapsed_ns, 100 * MS);
}

TEST(U6_a_slice_stalls_when_samples_see_it_for_the_whole_threshold)
{
    struct slice slice = { 0 };

    /* What passed before the first sample is not its own. */
    CHECK_EQ(look(&slice, &runs, 1000 * MS), SLICE_NEW);
    CHECK_EQ(look(&slice, &runs, 60 * MS), SLICE_GOES_ON);
    CHECK_EQ(look(&slice, &runs, 39 * MS), SLICE_GOES_ON);
    CHECK_EQ(look(&slice, &runs, 1 * MS), SLICE_STALLS);
    CHECK_EQ(slice.held_ns, 100 * MS);
    CHECK_EQ(look(&slice, &runs, 500 * MS), SLICE_GOES_ON);
    CHECK_EQ(look(&slice, &runs_on, 10 * MS), SLICE_ENDED);
    CHECK_EQ(slice.held_ns, 610 * MS);
    CHECK_EQ(look(&slice, &runs_on, 10 * MS), SLICE_NEW);
    CHECK_EQ(slice.held_ns, 0u);
}

TEST(U6_slices_that_change_between_samples_do_not_add_up)
{
    struct slice slice = { 0 };

    for (unsigned i = 0; i < 10; i++)
        CHECK_EQ(look(&slice, i % 2 == 0 ? &runs : &runs_on, 90 * MS),
                 SLICE_NEW);
}

TEST(U6_a_loop_inside_the_kernel_does_not_stall)
{
    struct slice slice = { 0 };

    for (unsigned i = 0; i < 10; i++)
        CHECK_EQ(look(&slice, &sleeps, 90 * MS), SLICE_NEW);
    /* And one that goes to sleep has ended its slice. */
    CHECK_EQ(look(&slice, &runs, 90 * MS), SLICE_NEW);
    CHECK_EQ(look(&slice, &runs, 100 * MS), SLICE_STALLS);
    CHECK_EQ(look(&slice, &sleeps, 1 * MS), SLICE_ENDED);
    CHECK_EQ(look(&slice, &sleeps, 1000 * MS), SLICE_NEW);
}

TEST(U6_time_in_which_the_process_was_stopped_does_not_count)
{
    /* On time, or a little late: all of it. */
    CHECK_EQ(slice_elapsed(25 * MS, 0, 25 * MS), 25 * MS);
    CHECK_EQ(slice_elapsed(50 * MS, 25 * MS, 25 * MS), 50 * MS);
    /* An hour in a debugger is one sample more. */
    CHECK_EQ(slice_elapsed(3600025 * MS, 3600000 * MS, 25 * MS), 50 * MS);
}
