/* SPDX-License-Identifier: MIT */
/*
 * All, all settled, race: everybody runs, everybody has ended, and the call
 * says who was first. With the workloads of tinyCoro's when_all at their sizes,
 * and at ten times those.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "sync/lab.h"

/* ---- results ------------------------------------------------------------- */

/* Yields so often, then returns this; a cancel ends it with that. */
struct plan {
    unsigned yields;
    int result;
    bool deaf; /* to cancels */
    int ran;
};

static int follow(void *arg)
{
    struct plan *plan = arg;

    plan->ran++;
    for (unsigned i = 0; i < plan->yields; i++) {
        int err = gyre_yield();

        if (err < 0 && !plan->deaf)
            return err;
    }
    return plan->result;
}

enum { BRANCHES = 4 };

static void branches_make(gyre_branch *branches, struct plan *plans)
{
    for (unsigned i = 0; i < BRANCHES; i++) {
        plans[i].ran = 0;
        branches[i] = (gyre_branch){ .fn = follow, .arg = &plans[i] };
    }
}

static int all_results(void *arg)
{
    gyre_branch branches[BRANCHES];
    struct plan good[BRANCHES] = { { 3, 5 }, { 0, 6 }, { 9, 7 }, { 1, 0 } };
    struct plan bad[BRANCHES] = {
        { 9, 5 }, { 3, -EIO }, { 5, -EPIPE }, { 7, 4, true }
    };

    (void)arg;
    branches_make(branches, good);
    CHECK_OK(gyre_all(branches, BRANCHES));
    for (unsigned i = 0; i < BRANCHES; i++)
        CHECK_EQ(branches[i].result, good[i].result);
    CHECK_OK(gyre_all_settled(branches, BRANCHES));
    CHECK_OK(gyre_all(NULL, 0));

    branches_make(branches, bad);
    CHECK_ERR(gyre_all(branches, BRANCHES), -EIO);
    CHECK_ERR(branches[0].result, -ECANCELED);
    CHECK_ERR(branches[1].result, -EIO);
    CHECK_ERR(branches[2].result, -ECANCELED);
    CHECK_EQ(branches[3].result, 4);

    branches_make(branches, bad);
    CHECK_ERR(gyre_all_settled(branches, BRANCHES), -EIO);
    CHECK_EQ(branches[0].result, 5);
    CHECK_ERR(branches[2].result, -EPIPE);
    CHECK_OK(gyre_cancelled()); /* the caller is not */
    return 0;
}

TEST(K10_all_have_results_and_the_first_error_is_told)
{
    must_run(all_results, NULL);
}

static int race_results(void *arg)
{
    gyre_branch branches[BRANCHES];
    struct plan won[BRANCHES] = {
        { 2, -EIO }, { 5, 7 }, { 6, 8 }, { 9, 9, true }
    };
    struct plan lost[BRANCHES] = {
        { 4, -EIO }, { 2, -EPIPE }, { 3, -ENOENT }, { 9, -EBADF }
    };

    (void)arg;
    branches_make(branches, won);
    CHECK_EQ(gyre_race(branches, BRANCHES), 1);
    CHECK_ERR(branches[0].result, -EIO); /* an error does not win */
    CHECK_EQ(branches[1].result, 7);
    CHECK_ERR(branches[2].result, -ECANCELED);
    CHECK_EQ(branches[3].result, 9); /* it was awaited */

    branches_make(branches, lost);
    CHECK_ERR(gyre_race(branches, BRANCHES), -EPIPE);
    for (unsigned i = 0; i < BRANCHES; i++)
        CHECK_ERR(branches[i].result, lost[i].result);
    return 0;
}

TEST(K9_R6_a_race_is_won_by_the_first_success)
{
    must_run(race_results, NULL);
}

/* ---- cancel from above --------------------------------------------------- */

struct call {
    int (*fn)(gyre_branch *branches, unsigned count);
    gyre_branch *branches;
    int result;
};

static int make_call(void *arg)
{
    struct call *call = arg;

    call->result = call->fn(call->branches, BRANCHES);
    return 0;
}

static int (*const calls[])(gyre_branch *, unsigned) = { gyre_all,
                                                         gyre_all_settled,
                                                         gyre_race };

static int cancelled(void *arg)
{
    gyre_branch branches[BRANCHES];
    struct plan plans[BRANCHES] = {
        { 100, 1 }, { 100, 2 }, { 100, 3 }, { 100 }
    };
    bool before = arg != NULL;

    for (unsigned i = 0; i < 3; i++) {
        struct call call = { calls[i], branches, 1 };
        gyre_scope scope;

        branches_make(branches, plans);
        gyre_scope_open(&scope, NULL);
        must_spawn(&scope, make_call, &call);
        if (!before)
            let_others_run();
        gyre_scope_cancel(&scope);
        CHECK_OK(gyre_scope_close(&scope));
        CHECK_ERR(call.result, -ECANCELED);
        for (unsigned j = 0; j < BRANCHES; j++) {
            CHECK_EQ(plans[j].ran, 1); /* each runs, to release what it owns */
            CHECK_ERR(branches[j].result, -ECANCELED);
        }
    }
    return 0;
}

TEST(K9_K10_R8_a_cancel_reaches_all_branches)
{
    must_run(cancelled, NULL);
}

TEST(K10_R1_in_a_cancelled_scope_each_branch_runs_too)
{
    must_run(cancelled, (void *)1);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return gyre_sleep(1000 * GYRE_SECOND);
}

static int overdue(void *arg)
{
    for (unsigned i = 0; i < 3; i++) {
        gyre_scope_options options = {
            .deadline_ns = gyre_loop_update_now(gyre_loop_current()) + GYRE_MS
        };
        gyre_branch branches[2] = { { .fn = sleep_long },
                                    { .fn = sleep_long } };
        gyre_scope scope;

        (void)arg;
        gyre_scope_open(&scope, &options);
        CHECK_ERR(calls[i](branches, 2), -ETIME);
        CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    }
    return 0;
}

KERNEL_TEST2(K10_R3_a_deadline_ends_them_all)
{
    must_run(overdue, NULL);
}

/* ---- where an error comes from ------------------------------------------- */

static int named_failure(void *arg)
{
    (void)arg;
    return GYRE_FAIL(-EPROTO, "no such branch");
}

static int failure_goes_up(void *arg)
{
    gyre_branch branch = { .fn = named_failure, .name = "twig" };
    gyre_failure failure;

    (void)arg;
    CHECK_ERR(gyre_all(&branch, 1), -EPROTO);
    gyre_task_failure(&failure);
    CHECK_ERR(failure.error, -EPROTO);
    CHECK_STR_EQ(failure.task, "twig");
    return 0;
}

TEST(K8_K10_the_failure_of_a_branch_comes_up_with_its_name)
{
    must_run(failure_goes_up, NULL);
}

/* ---- nobody can start ---------------------------------------------------- */

static int starve(void *arg)
{
    gyre_run_options none = { .max_tasks = 3, .when_full = GYRE_FULL_REFUSES };

    (void)arg;
    for (unsigned i = 0; i < 3; i++) {
        gyre_branch branches[BRANCHES];
        struct plan plans[BRANCHES] = {
            { 3, 1 }, { 3, 2 }, { 3, 3 }, { 3, 4 }
        };

        branches_make(branches, plans);
        CHECK_OK(gyre_loop_set_max_tasks(gyre_loop_current(), none.max_tasks,
                                         none.when_full));
        CHECK_ERR(calls[i](branches, BRANCHES), -EAGAIN);
        for (unsigned j = 0; j < BRANCHES; j++) {
            CHECK_EQ(plans[j].ran, j < 2);
            CHECK_ERR(branches[j].result, -ECANCELED);
        }
    }
    return 0;
}

/* The first task is one of the loop's three. */
TEST(K10_if_one_cannot_start_none_is_left_running)
{
    CHECK_OK(gyre_run(&(gyre_run_options){ .engines = 1 }, starve, NULL));
}

static int all_once(void *arg)
{
    gyre_branch branches[BRANCHES];
    struct plan plans[BRANCHES] = { { 1, 0 }, { 1, 0 }, { 1, 0 }, { 1, 0 } };
    int err;

    (void)arg;
    branches_make(branches, plans);
    err = gyre_all(branches, BRANCHES);
    if (err == -ENOMEM)
        for (unsigned i = 0; i < BRANCHES; i++)
            CHECK_ERR(branches[i].result, -ECANCELED);
    return err;
}

static void all_without_memory(void)
{
    int err = gyre_run(NULL, all_once, NULL);

    CHECK(err == 0 || err < 0);
}

TEST(K10_without_memory_for_a_stack_nothing_is_lost)
{
    CHECK_GE(for_each_failure(all_without_memory), 2);
}

static int race_of_none(void *arg)
{
    return gyre_race(arg, 0);
}

TEST_PANICS(K9_a_race_without_runners_panics, "nobody runs")
{
    must_run(race_of_none, NULL);
}

/* ---- workloads of tinyCoro ----------------------------------------------- */

struct node {
    int depth;
};

static int nest(void *arg)
{
    struct node *node = arg;
    struct node below = { node->depth - 1 };
    gyre_branch branches[2] = { { .fn = nest, .arg = &below },
                                { .fn = nest, .arg = &below } };

    if (node->depth == 0)
        return 1;
    CHECK_OK(gyre_all(branches, 2));
    return branches[0].result + branches[1].result;
}

static void nest_run(int depth)
{
    gyre_run_options small = { .stack_size = 32768 };
    struct node top = { depth };

    while (test_tasks(1u << top.depth) != 1u << top.depth)
        top.depth--;
    CHECK_EQ(gyre_run(&small, nest, &top), 1 << top.depth);
}

TEST(K10_nested_calls_up_to_a_tree_of_13_levels)
{
    static const int depths[] = { 1, 4, 8, 10, 13 };

    for (unsigned i = 0; i < 5; i++)
        nest_run(depths[i]);
}

TEST(K10_nested_calls_tenfold)
{
    nest_run(test_scale() == 1 ? 16 : 14);
}

struct range {
    unsigned count;
    bool locked;
    gyre_mutex mutex;
    uint64_t sum;
};

struct step {
    struct range *range;
    int number;
};

static int add_one(void *arg)
{
    struct step *step = arg;
    struct range *range = step->range;

    if (range->locked) {
        CHECK_OK(gyre_mutex_lock(&range->mutex));
        if (step->number % 16 == 0)
            CHECK_OK(gyre_yield()); /* the others come, and wait */
    }
    range->sum += (uint64_t)step->number;
    if (range->locked)
        gyre_mutex_unlock(&range->mutex);
    return step->number;
}

static int range_all(void *arg)
{
    struct range *range = arg;
    gyre_branch *branches = calloc(range->count, sizeof *branches);
    struct step *steps = calloc(range->count, sizeof *steps);

    for (unsigned i = 0; i < range->count; i++) {
        steps[i] = (struct step){ range, (int)i };
        branches[i] = (gyre_branch){ .fn = add_one, .arg = &steps[i] };
    }
    CHECK_OK(gyre_all(branches, range->count));
    for (unsigned i = 0; i < range->count; i++)
        CHECK_EQ(branches[i].result, (int)i);
    CHECK_EQ(range->sum, (uint64_t)range->count * (range->count - 1) / 2);
    free(branches);
    free(steps);
    return 0;
}

static void range_run(unsigned count, bool locked)
{
    gyre_run_options small = { .stack_size = 32768 };
    struct range range = { .count = count,
                           .locked = locked,
                           .mutex = GYRE_MUTEX_INIT };

    CHECK_OK(gyre_run(&small, range_all, &range));
}

TEST(K10_ranges_of_1_to_10000)
{
    static const unsigned counts[] = { 1, 4, 10, 100, 1000, 10000 };

    for (unsigned i = 0; i < 6; i++)
        range_run(test_tasks(counts[i]), false);
}

TEST(K10_M3_ranges_that_share_a_mutex)
{
    static const unsigned counts[] = { 1, 4, 10, 100, 1000, 10000 };

    for (unsigned i = 0; i < 6; i++)
        range_run(test_tasks(counts[i]), true);
}

TEST(K10_ranges_tenfold)
{
    range_run(test_tasks(100000 / test_scale()), false);
}

TEST(K10_M3_ranges_that_share_a_mutex_tenfold)
{
    range_run(test_tasks(100000 / test_scale()), true);
}

/* Trees in ranges: some branches call all themselves, some only add. */
static int hybrid_branch(void *arg)
{
    struct step *step = arg;
    struct node node = { step->number % 5 };

    return step->number % 2 != 0 ? nest(&node) : add_one(step);
}

static int hybrid(void *arg)
{
    enum { COUNT = 400 };
    static struct step steps[COUNT];
    static gyre_branch branches[COUNT];
    struct range range = { .locked = true, .mutex = GYRE_MUTEX_INIT };

    (void)arg;
    for (int i = 0; i < COUNT; i++) {
        steps[i] = (struct step){ &range, i };
        branches[i] = (gyre_branch){ .fn = hybrid_branch, .arg = &steps[i] };
    }
    CHECK_OK(gyre_all_settled(branches, COUNT));
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(branches[i].result, i % 2 != 0 ? 1 << i % 5 : i);
    CHECK_EQ(range.sum, (uint64_t)COUNT / 2 * (COUNT - 2) / 2);
    return 0;
}

TEST(K10_trees_and_ranges_mixed)
{
    must_run(hybrid, NULL);
}
