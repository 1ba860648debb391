/* SPDX-License-Identifier: MIT */
/*
 * Pieces of work on all engines: each index once, whoever is free takes the
 * next, the first error ends it, and so does a cancel.
 */
#include <sched.h>
#include <string.h>

#include "engine/crew.h"

enum { ENGINES = 3, INDEXES = 1000 };

static atomic_uint done[INDEXES];
static atomic_uint calls, on[ENGINES];

static int count_each(size_t from, size_t to, void *arg)
{
    size_t grain = *(size_t *)arg;

    CHECK_LT(from, to);
    CHECK_LE(to - from, grain);
    CHECK_EQ(from % grain, 0u);
    for (size_t i = from; i < to; i++)
        atomic_fetch_add(&done[i], 1);
    atomic_fetch_add(&calls, 1);
    return 1; /* is as good as 0 */
}

/* Each index is done once, whatever the grain. */
static int all_grains(void *arg)
{
    static const size_t counts[] = { 0, 1, 2, 7, 64, INDEXES };
    static const size_t grains[] = { 1, 3, 64, INDEXES, SIZE_MAX };

    (void)arg;
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
            size_t grain = grains[g];

            memset(done, 0, sizeof done);
            atomic_store(&calls, 0);
            CHECK_OK(gyre_parallel_for(counts[c], grain, count_each, &grain));
            for (size_t i = 0; i < INDEXES; i++)
                CHECK_EQ(done[i], i < counts[c]);
            CHECK_EQ(calls, counts[c] / grain + (counts[c] % grain != 0));
        }
    }
    return 0;
}

KERNEL_TEST2(L12_each_index_is_done_once)
{
    run_on_engines(ENGINES, all_grains, NULL);
    run_on_engines(1, all_grains, NULL);
}

static int on_a_loop_of_its_own(void *arg)
{
    return all_grains(arg);
}

TEST(L12_without_engines_the_caller_does_all)
{
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_spawn(gyre_loop_scope(loop), on_a_loop_of_its_own, NULL));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    gyre_loop_destroy(loop);
    CHECK_EQ(calls, 1u);
}

static int far_pieces(size_t from, size_t to, void *arg)
{
    (void)arg;
    CHECK_EQ(from % (SIZE_MAX / 4), 0u);
    CHECK(to == SIZE_MAX || to - from == SIZE_MAX / 4);
    atomic_fetch_add(&calls, 1);
    return 0;
}

static int nothing_overflows(void *arg)
{
    (void)arg;
    CHECK_OK(gyre_parallel_for(SIZE_MAX, SIZE_MAX / 4, far_pieces, NULL));
    CHECK_EQ(calls, 5u);
    return 0;
}

TEST(L12_as_many_indexes_as_there_can_be)
{
    run_on_engines(ENGINES, nothing_overflows, NULL);
}

/* ---- on all engines ------------------------------------------------------ */

/* Goes on only when one is on each engine. */
static int meet_others(size_t from, size_t to, void *arg)
{
    atomic_uint *met = arg;

    (void)from, (void)to;
    atomic_fetch_add(&on[gyre_engine_current()], 1);
    atomic_fetch_add(met, 1);
    while (atomic_load(met) < ENGINES)
        sched_yield(); /* it holds its thread */
    return 0;
}

static int meet_on_each(void *arg)
{
    atomic_uint met = 0;

    (void)arg;
    CHECK_OK(gyre_parallel_for(ENGINES, 1, meet_others, &met));
    for (int i = 0; i < ENGINES; i++)
        CHECK_EQ(on[i], 1);
    return 0;
}

KERNEL_TEST2(L12_idle_engines_take_part)
{
    run_on_engines(ENGINES, meet_on_each, NULL);
}

/* Index 0 takes until all others are done: they are not behind it. */
static int first_is_last(size_t from, size_t to, void *arg)
{
    atomic_uint *others = arg;

    if (from > 0)
        atomic_fetch_add(others, (unsigned)(to - from));
    while (from == 0 && atomic_load(others) < INDEXES - 1)
        sched_yield();
    return 0;
}

static int uneven(void *arg)
{
    atomic_uint others = 0;

    (void)arg;
    CHECK_OK(gyre_parallel_for(INDEXES, 1, first_is_last, &others));
    return 0;
}

KERNEL_TEST2(L12_what_takes_long_delays_nobody)
{
    run_on_engines(2, uneven, NULL);
}

static int inner(size_t from, size_t to, void *arg)
{
    size_t grain = 10;

    (void)arg;
    for (size_t i = from; i < to; i++)
        CHECK_OK(gyre_parallel_for(100, grain, count_each, &grain));
    return 0;
}

static int nested(void *arg)
{
    (void)arg;
    CHECK_OK(gyre_parallel_for(6, 1, inner, NULL));
    for (size_t i = 0; i < 100; i++)
        CHECK_EQ(done[i], 6u);
    return 0;
}

KERNEL_TEST2(L12_pieces_may_be_cut_further)
{
    run_on_engines(ENGINES, nested, NULL);
}

/* The others of its engine have their turn meanwhile: this one's sleep ends. */
static int sleeper(void *arg)
{
    CHECK_OK(gyre_sleep(GYRE_MS));
    atomic_store((atomic_bool *)arg, true);
    return 0;
}

static int until_slept(size_t from, size_t to, void *arg)
{
    uint64_t end_ns = gyre_loop_update_now(gyre_loop_current()) + 50 * GYRE_US;

    (void)from, (void)to;
    if (atomic_load((atomic_bool *)arg))
        return -ENOTUNIQ; /* no more is needed */
    atomic_fetch_add(&calls, 1);
    while (gyre_loop_update_now(gyre_loop_current()) < end_ns)
        ;
    return 0;
}

static int compute_beside(void *arg)
{
    atomic_bool slept = false;
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, sleeper, &slept));
    CHECK_ERR(gyre_parallel_for(SIZE_MAX, 1, until_slept, &slept), -ENOTUNIQ);
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST2(L12_the_other_tasks_of_an_engine_have_their_turns)
{
    run_on_engines(1, compute_beside, NULL);
    CHECK_LT(calls, 200u); /* of 50 us each; some twenty are enough */
    run_on_engines(2, compute_beside, NULL);
}

/* ---- errors and cancels -------------------------------------------------- */

/* Fails on the engine that is named; on the others it waits to be cancelled. */
static int fail_on_one(size_t from, size_t to, void *arg)
{
    (void)from, (void)to;
    atomic_fetch_add(&calls, 1);
    while (atomic_load(&calls) < ENGINES)
        sched_yield(); /* one on each */
    if (gyre_engine_current() == *(int *)arg)
        return -EXFULL;
    CHECK_ERR(gyre_sleep_until(GYRE_NEVER), -ECANCELED);
    return -ECANCELED;
}

static int fail_on_each(void *arg)
{
    (void)arg;
    for (int engine = 0; engine < ENGINES; engine++) {
        atomic_store(&calls, 0);
        CHECK_ERR(gyre_parallel_for(100, 1, fail_on_one, &engine), -EXFULL);
        CHECK_EQ(calls, (unsigned)ENGINES);
        CHECK_OK(gyre_cancelled()); /* that was its own scope */
    }
    return 0;
}

KERNEL_TEST2(L12_the_first_error_cancels_the_rest)
{
    run_on_engines(ENGINES, fail_on_each, NULL);
}

static int wait_there(size_t from, size_t to, void *arg)
{
    (void)from, (void)to, (void)arg;
    atomic_fetch_add(&calls, 1);
    return gyre_sleep_until(GYRE_NEVER);
}

static int go_on(size_t from, size_t to, void *arg)
{
    (void)from, (void)to, (void)arg;
    atomic_fetch_add(&calls, 1);
    return 0;
}

static int cancelled(void *arg)
{
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(
        &scope,
        &(gyre_scope_options){
            .deadline_ns = gyre_loop_now(gyre_loop_current()) + 2 * GYRE_MS });
    CHECK_ERR(gyre_parallel_for(100, 1, wait_there, NULL), -ETIME);
    CHECK_LE(calls, (unsigned)ENGINES);
    CHECK_ERR(gyre_parallel_for(100, 1, go_on, NULL), -ETIME);
    CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    return 0;
}

/* Cancelled when a piece waits on each engine. */
static int cancel_all(void *arg)
{
    while (atomic_load(&calls) < ENGINES)
        CHECK_OK(gyre_yield());
    gyre_scope_cancel(arg);
    return 0;
}

static int cancelled_there(void *arg)
{
    gyre_scope around, scope;

    (void)arg;
    gyre_scope_open(&around, NULL);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&around, cancel_all, &scope));
    CHECK_ERR(gyre_parallel_for(100, 1, wait_there, NULL), -ECANCELED);
    CHECK_EQ(calls, (unsigned)ENGINES);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_OK(gyre_scope_close(&around));
    return 0;
}

/* Some that compute, and hear of it between two pieces. */
static int cancelled_between(void *arg)
{
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(
        &scope,
        &(gyre_scope_options){
            .deadline_ns = gyre_loop_now(gyre_loop_current()) + 2 * GYRE_MS });
    CHECK_ERR(gyre_parallel_for(SIZE_MAX, 1, go_on, NULL), -ETIME);
    CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    return 0;
}

KERNEL_TEST2(L12_a_deadline_ends_pieces_that_wait)
{
    run_on_engines(ENGINES, cancelled, NULL);
}

KERNEL_TEST2(L12_a_cancel_ends_pieces_that_wait)
{
    run_on_engines(ENGINES, cancelled_there, NULL);
}

KERNEL_TEST2(L12_a_deadline_is_heard_between_pieces)
{
    run_on_engines(1, cancelled_between, NULL);
    run_on_engines(ENGINES, cancelled_between, NULL);
}

static int bounded(void *arg)
{
    size_t grain = 10;

    (void)arg;
    CHECK_OK(gyre_parallel_for(INDEXES, grain, count_each, &grain));
    CHECK_EQ(calls, 100u);
    return 0;
}

KERNEL_TEST2(L12_J5_where_there_is_no_room_for_tasks_the_caller_does_all)
{
    for (int policy = GYRE_FULL_WAITS; policy <= GYRE_FULL_INLINE; policy++) {
        gyre_run_options options = { .engines = ENGINES,
                                     .max_tasks = 1,
                                     .when_full = (gyre_full_policy)policy };

        atomic_store(&calls, 0);
        CHECK_OK(gyre_run(&options, bounded, NULL));
    }
}

/* ---- on threads of the pool ---------------------------------------------- */

enum { THREADS = 4 };

/* Goes on only when there is one on each thread. */
static int meet_threads(size_t from, size_t to, void *arg)
{
    atomic_uint *met = arg;

    CHECK(gyre_task_current() == NULL);
    CHECK_EQ(to, from + 1);
    atomic_fetch_add(&done[from], 1);
    atomic_fetch_add(met, 1);
    while (atomic_load(met) < THREADS)
        sched_yield();
    return 0;
}

static int block_at_once(void *arg)
{
    atomic_uint met = 0;
    size_t grain = 3;

    (void)arg;
    CHECK_OK(gyre_parallel_blocking(100, 1, meet_threads, &met));
    for (size_t i = 0; i < 100; i++)
        CHECK_EQ(done[i], 1u);
    CHECK_OK(gyre_parallel_blocking(100, grain, count_each, &grain));
    CHECK_EQ(calls, 34u);
    CHECK_OK(gyre_parallel_blocking(0, 0, meet_threads, &met));
    return 0;
}

KERNEL_TEST2(L12_L9_pieces_that_block_have_the_threads_of_the_pool)
{
    gyre_loop_options loop = { .blocking_threads_max = THREADS };

    CHECK_OK(
        gyre_run(&(gyre_run_options){ .loop = &loop }, block_at_once, NULL));
}

static int fail_at_seven(size_t from, size_t to, void *arg)
{
    (void)to, (void)arg;
    atomic_fetch_add(&calls, 1);
    return from == 7 ? -EXFULL : 0;
}

/* Until somebody opens it. */
static int pass(size_t from, size_t to, void *arg)
{
    (void)from, (void)to;
    atomic_fetch_add(&calls, 1);
    while (!atomic_load((atomic_bool *)arg))
        sched_yield();
    return 0;
}

struct opening {
    gyre_scope *scope;
    atomic_bool open;
};

static int cancel_and_open(void *arg)
{
    struct opening *opening = arg;

    while (atomic_load(&calls) < 2)
        CHECK_OK(gyre_yield());
    gyre_scope_cancel(opening->scope);
    atomic_store(&opening->open, true);
    return 0;
}

static int block_and_fail(void *arg)
{
    gyre_scope around, scope;
    struct opening opening = { .scope = &scope };

    (void)arg;
    CHECK_ERR(gyre_parallel_blocking(SIZE_MAX, 1, fail_at_seven, NULL),
              -EXFULL);
    atomic_store(&calls, 0);
    gyre_scope_open(&around, NULL);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&around, cancel_and_open, &opening));
    CHECK_ERR(gyre_parallel_blocking(SIZE_MAX, 1, pass, &opening.open),
              -ECANCELED);
    CHECK_EQ(calls, 2u);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_OK(gyre_scope_close(&around));
    return 0;
}

KERNEL_TEST2(L12_L9_pieces_that_block_are_ended_by_errors_and_cancels)
{
    gyre_loop_options loop = { .blocking_threads_max = 2 };

    CHECK_OK(
        gyre_run(&(gyre_run_options){ .loop = &loop }, block_and_fail, NULL));
}

/* ---- reductions ---------------------------------------------------------- */

struct sum {
    uint64_t indexes;
    unsigned begun;
};

static void sum_begin(void *value, void *arg)
{
    (void)arg;
    *(struct sum *)value = (struct sum){ .begun = 1 };
}

static int sum_fold(void *value, size_t from, size_t to, void *arg)
{
    struct sum *sum = value;

    CHECK_EQ(sum->begun, 1u);
    if (arg != NULL && from >= *(size_t *)arg)
        return -EDOM;
    for (size_t i = from; i < to; i++)
        sum->indexes += i;
    return 0;
}

static void sum_combine(void *value, const void *other, void *arg)
{
    struct sum *sum = value;

    (void)arg;
    CHECK_EQ(((const struct sum *)other)->begun, 1u);
    sum->indexes += ((const struct sum *)other)->indexes;
}

static const gyre_reduction sums = { .size = sizeof(struct sum),
                                     .begin = sum_begin,
                                     .fold = sum_fold,
                                     .combine = sum_combine };

static int sum_up(void *arg)
{
    struct sum sum = { .indexes = 77 };
    size_t bad = 500;

    (void)arg;
    for (size_t count = 0; count <= INDEXES; count += 50) {
        CHECK_OK(gyre_parallel_reduce(count, count % 7, &sums, &sum, NULL));
        CHECK_EQ(sum.indexes, count * (count - (count > 0)) / 2);
        CHECK_EQ(sum.begun, 1u);
    }
    CHECK_ERR(gyre_parallel_reduce(INDEXES, 1, &sums, &sum, &bad), -EDOM);
    return 0;
}

KERNEL_TEST2(L12_what_all_have_found_becomes_one)
{
    run_on_engines(ENGINES, sum_up, NULL);
    run_on_engines(1, sum_up, NULL);
}

static int count_fold(void *value, size_t from, size_t to, void *arg)
{
    (void)arg;
    *(size_t *)value += to - from;
    return 0;
}

static void count_combine(void *value, const void *other, void *arg)
{
    (void)arg;
    *(size_t *)value += *(const size_t *)other;
}

static int count_from_zero(void *arg)
{
    gyre_reduction counts = { .size = sizeof(size_t),
                              .fold = count_fold,
                              .combine = count_combine };
    size_t count = 99;

    (void)arg;
    CHECK_OK(gyre_parallel_reduce(INDEXES, 3, &counts, &count, NULL));
    CHECK_EQ(count, (size_t)INDEXES);
    return 0;
}

TEST(L12_a_value_begins_as_zeros_if_nobody_says_else)
{
    run_on_engines(ENGINES, count_from_zero, NULL);
}

/* With less memory there are fewer tasks, and the same result. */
static void reduce_with_failures(void)
{
    gyre_run_options options = { .engines = 2 };
    int err = gyre_run(&options, count_from_zero, NULL);

    CHECK(err == 0 || err == -ENOMEM);
}

TEST(L12_without_memory_the_others_do_a_tasks_share)
{
    CHECK_GT(for_each_failure(reduce_with_failures), 2);
}

TEST_PANICS(L12_outside_of_tasks_it_is_refused, "inside a task")
{
    (void)gyre_parallel_for(1, 1, go_on, NULL);
}
