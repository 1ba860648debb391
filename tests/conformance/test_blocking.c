/* SPDX-License-Identifier: MIT */
/*
 * The threads on which functions block: how many, who waits for them and who
 * is refused, how long they stay, and loops that share them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/patient.h"
#include "stage.h"

/* Functions stay at a gate until it is opened. */
static struct {
    atomic_uint inside, most, passed;
    atomic_bool open;
} gate;

static int pass_gate(void *arg)
{
    unsigned inside = atomic_fetch_add(&gate.inside, 1) + 1;
    unsigned most = atomic_load(&gate.most);

    (void)arg;
    CHECK_NE(gettid(), getpid()); /* this would be the loop's own thread */
    while (inside > most &&
           !atomic_compare_exchange_weak(&gate.most, &most, inside))
        ;
    while (!atomic_load(&gate.open))
        sched_yield();
    atomic_fetch_sub(&gate.inside, 1);
    atomic_fetch_add(&gate.passed, 1);
    return 7;
}

static int return_five(void *arg)
{
    (void)arg;
    return 5;
}

static void start(gyre_loop *loop, struct call *call, int (*function)(void *),
                  void *arg)
{
    memset(call, 0, sizeof *call);
    gyre_op_call(&call->op, function, arg);
    call_start(loop, call);
}

/* Start so many calls and turn until so many are at the gate. */
static void fill_gate(gyre_loop *loop, struct call *calls, unsigned count,
                      unsigned inside)
{
    for (unsigned i = 0; i < count; i++)
        start(loop, &calls[i], pass_gate, NULL);
    do
        stage_turn(loop);
    while (atomic_load(&gate.inside) < inside);
}

static gyre_loop *loop_with(gyre_loop_options options)
{
    gyre_loop *loop;

    options.entries = 64;
    CHECK_OK(gyre_loop_create(&loop, &options));
    return loop;
}

static gyre_blocking_stats stats_of(const gyre_loop *loop)
{
    gyre_blocking_stats stats = { .size = sizeof stats };

    gyre_loop_get_blocking_stats(loop, &stats);
    return stats;
}

/* ---- how many ------------------------------------------------------------ */

KERNEL_TEST2(L9_no_more_functions_run_than_there_may_be_threads)
{
    enum { CALLS = 40 };
    gyre_loop *loop =
        loop_with((gyre_loop_options){ .blocking_threads_max = 3 });
    struct call calls[CALLS];

    fill_gate(loop, calls, CALLS, 3);
    CHECK_EQ(stats_of(loop).threads, 3u);
    CHECK_EQ(stats_of(loop).idle, 0u);
    CHECK_EQ(stats_of(loop).queued, (unsigned)CALLS - 3);
    atomic_store(&gate.open, true);
    for (int i = 0; i < CALLS; i++)
        CHECK_EQ(call_wait(loop, &calls[i]), 7);
    CHECK_EQ(atomic_load(&gate.most), 3u);
    CHECK_EQ(stats_of(loop).made, 3u);
    CHECK_EQ(stats_of(loop).taken, (uint64_t)CALLS);
    CHECK_EQ(stats_of(loop).queued, 0u);
    gyre_loop_destroy(loop);
}

KERNEL_TEST2(L9_one_call_after_another_needs_one_thread)
{
    gyre_loop *loop = stage_open(8);
    struct call call;

    CHECK_EQ(stats_of(loop).threads, 0u);
    CHECK_EQ(stats_of(loop).threads_max, 8u);
    for (unsigned i = 0; i < 300; i++) {
        start(loop, &call, return_five, NULL);
        CHECK_EQ(call_wait(loop, &call), 5);
    }
    CHECK_EQ(stats_of(loop).made, 1u);
    CHECK_EQ(stats_of(loop).taken, 300u);
    gyre_loop_destroy(loop);
}

KERNEL_TEST2(L9_idle_threads_leave_to_the_last_and_come_back)
{
    gyre_loop *loop = loop_with((gyre_loop_options){ .blocking_idle_ms = 1 });
    struct call calls[3];

    for (unsigned round = 1; round <= 2; round++) {
        atomic_store(&gate.open, false);
        fill_gate(loop, calls, 3, 3);
        CHECK_EQ(stats_of(loop).threads, 3u);
        atomic_store(&gate.open, true);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(call_wait(loop, &calls[i]), 7);
        while (stats_of(loop).threads > 0)
            (void)poll(NULL, 0, 1);
        CHECK_EQ(stats_of(loop).made, 3u * round);
    }
    gyre_loop_destroy(loop);
}

/* The one that has worked last is called first; if each had its turn, none
 * would ever be idle for so long. */
KERNEL_TEST2(L9_with_little_to_do_few_threads_stay)
{
    gyre_loop *loop = loop_with((gyre_loop_options){ .blocking_idle_ms = 60 });
    struct call calls[4];

    fill_gate(loop, calls, 4, 4);
    atomic_store(&gate.open, true);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(call_wait(loop, &calls[i]), 7);
    CHECK_EQ(stats_of(loop).made, 4u);
    while (stats_of(loop).threads > 1) {
        start(loop, &calls[0], return_five, NULL);
        CHECK_EQ(call_wait(loop, &calls[0]), 5);
        (void)poll(NULL, 0, 2);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST2(L9_the_longest_wait_is_told)
{
    gyre_loop *loop =
        loop_with((gyre_loop_options){ .blocking_threads_max = 1 });
    struct call calls[2];

    fill_gate(loop, calls, 2, 1);
    while (stats_of(loop).wait_max_ns < 20 * GYRE_MS)
        (void)poll(NULL, 0, 5);
    atomic_store(&gate.open, true);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(call_wait(loop, &calls[i]), 7);
    CHECK_GE(stats_of(loop).wait_max_ns, 20 * GYRE_MS);
    gyre_loop_destroy(loop);
}

/* ---- who is refused ------------------------------------------------------ */

KERNEL_TEST2(L9_J5_a_call_too_many_is_refused_and_an_op_of_files_waits)
{
    gyre_loop *loop = loop_with((gyre_loop_options){ .blocking_threads_max = 1,
                                                     .blocking_queue_max = 2 });
    int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct call calls[3], more, listing;
    char entries[4096];

    CHECK_GE(fd, 0);
    fill_gate(loop, calls, 3, 1);
    start(loop, &more, return_five, NULL);
    CHECK_ERR(call_wait(loop, &more), -EAGAIN);
    CHECK_EQ(stats_of(loop).refused, 1u);
    memset(&listing, 0, sizeof listing);
    gyre_op_getdents(&listing.op, fd, entries, sizeof entries);
    call_start(loop, &listing);
    stage_turn(loop);
    CHECK_EQ(listing.lasts, 0u);
    CHECK_EQ(stats_of(loop).queued, 3u);

    /* Who is taken out of the queue makes room. */
    CHECK_OK(gyre_op_cancel(&calls[2].op));
    CHECK_ERR(call_wait(loop, &calls[2]), -ECANCELED);
    start(loop, &more, return_five, NULL);
    stage_turn(loop);
    CHECK_EQ(more.lasts, 0u);
    atomic_store(&gate.open, true);
    CHECK_EQ(call_wait(loop, &calls[0]), 7);
    CHECK_EQ(call_wait(loop, &calls[1]), 7);
    CHECK_GT(call_wait(loop, &listing), 0);
    CHECK_EQ(call_wait(loop, &more), 5);
    CHECK_EQ(stats_of(loop).refused, 1u);
    CHECK_OK(close(fd));
    gyre_loop_destroy(loop);
}

/* Whether they have been taken already or not. */
KERNEL_TEST2(L9_J5_what_threads_are_free_for_is_not_refused)
{
    enum { CALLS = 8 };
    gyre_loop *loop = loop_with((gyre_loop_options){ .blocking_threads_max = 4,
                                                     .blocking_queue_max = 1 });
    struct call calls[CALLS];

    for (unsigned round = 0; round < 20; round++) {
        unsigned refused = 0;

        atomic_store(&gate.open, false);
        for (unsigned i = 0; i < CALLS; i++)
            start(loop, &calls[i], pass_gate, NULL);
        stage_turn(loop);
        atomic_store(&gate.open, true);
        for (unsigned i = 0; i < CALLS; i++)
            refused += call_wait(loop, &calls[i]) == -EAGAIN;
        CHECK_EQ(refused, CALLS - 5u);
    }
    CHECK_EQ(stats_of(loop).refused, 60u);
    gyre_loop_destroy(loop);
}

static int calls_in_a_row(void *arg)
{
    struct call *calls = arg;
    gyre_loop *loop = gyre_loop_current();

    for (unsigned i = 0; i < 2; i++)
        start(loop, &calls[i], pass_gate, NULL);
    CHECK_ERR(gyre_call_blocking(return_five, NULL), -EAGAIN);
    atomic_store(&gate.open, true);
    while (calls[0].lasts + calls[1].lasts < 2)
        CHECK_OK(gyre_yield());
    CHECK_EQ(gyre_call_blocking(return_five, NULL), 5);
    return 0;
}

KERNEL_TEST2(L9_J5_a_task_is_told_that_its_call_was_one_too_many)
{
    gyre_loop_options loop = { .blocking_threads_max = 1,
                               .blocking_queue_max = 1 };
    gyre_run_options options = { .loop = &loop };
    struct call calls[2];

    CHECK_OK(gyre_run(&options, calls_in_a_row, calls));
}

/* ---- loops that share ---------------------------------------------------- */

static gyre_blocking_pool *pool_of(unsigned threads)
{
    gyre_blocking_pool_options options = { .threads_max = threads };
    gyre_blocking_pool *pool;

    CHECK_OK(gyre_blocking_pool_create(&pool, &options));
    return pool;
}

KERNEL_TEST2(L9_loops_that_share_are_bounded_together)
{
    enum { CALLS = 10 };
    gyre_blocking_pool *pool = pool_of(2);
    gyre_loop *a = loop_with((gyre_loop_options){ .blocking_pool = pool });
    gyre_loop *b = loop_with((gyre_loop_options){ .blocking_pool = pool });
    gyre_blocking_stats stats = { .size = sizeof stats };
    gyre_loop_options got = { .size = sizeof got };
    struct call of_a[CALLS], of_b[CALLS];

    gyre_loop_get_options(a, &got);
    CHECK(got.blocking_pool == pool);
    CHECK_EQ(got.blocking_threads_max, 0u);
    CHECK_EQ(stats_of(b).threads_max, 2u);
    fill_gate(a, of_a, CALLS, 1);
    fill_gate(b, of_b, CALLS, 2);
    gyre_blocking_pool_get_stats(pool, &stats);
    CHECK_EQ(stats.threads, 2u);
    CHECK_EQ(stats.queued, 2u * CALLS - 2);
    atomic_store(&gate.open, true);
    for (int i = 0; i < CALLS; i++)
        CHECK_EQ(call_wait(b, &of_b[i]), 7);
    for (int i = 0; i < CALLS; i++)
        CHECK_EQ(call_wait(a, &of_a[i]), 7);
    CHECK_EQ(atomic_load(&gate.most), 2u);
    CHECK_EQ(stats_of(a).taken, 2u * CALLS);
    gyre_loop_destroy(a);
    gyre_loop_destroy(b);
    gyre_blocking_pool_destroy(pool);
}

static char order[32];
static atomic_uint ordered;

static int note_order(void *arg)
{
    order[atomic_fetch_add(&ordered, 1)] = *(const char *)arg;
    return 0;
}

KERNEL_TEST2(L9_loops_that_share_have_their_turns)
{
    enum { CALLS = 6 };
    gyre_blocking_pool *pool = pool_of(1);
    gyre_loop *a = loop_with((gyre_loop_options){ .blocking_pool = pool });
    gyre_loop *b = loop_with((gyre_loop_options){ .blocking_pool = pool });
    struct call first, of_a[CALLS], of_b[CALLS];

    fill_gate(a, &first, 1, 1);
    for (int i = 0; i < CALLS; i++)
        start(a, &of_a[i], note_order, (void *)(uintptr_t) "a");
    stage_turn(a);
    for (int i = 0; i < CALLS; i++)
        start(b, &of_b[i], note_order, (void *)(uintptr_t) "b");
    stage_turn(b);
    atomic_store(&gate.open, true);
    CHECK_EQ(call_wait(a, &first), 7);
    for (int i = 0; i < CALLS; i++)
        CHECK_OK(call_wait(a, &of_a[i]));
    for (int i = 0; i < CALLS; i++)
        CHECK_OK(call_wait(b, &of_b[i]));
    CHECK_STR_EQ(order, "abababababab");
    gyre_loop_destroy(a);
    gyre_loop_destroy(b);
    gyre_blocking_pool_destroy(pool);
}

KERNEL_TEST2(L9_a_loop_that_ends_takes_out_what_is_queued_and_no_more)
{
    gyre_blocking_pool *pool = pool_of(1);
    gyre_loop *a = loop_with((gyre_loop_options){ .blocking_pool = pool });
    gyre_loop *b = loop_with((gyre_loop_options){ .blocking_pool = pool });
    struct call of_a[2], of_b[3];

    fill_gate(a, of_a, 2, 1);
    for (int i = 0; i < 3; i++)
        start(b, &of_b[i], return_five, NULL);
    stage_turn(b);
    CHECK_EQ(stats_of(a).queued, 4u);
    CHECK_OK(gyre_op_cancel(&of_b[1].op));
    CHECK_ERR(call_wait(b, &of_b[1]), -ECANCELED);
    CHECK_EQ(stats_of(a).queued, 3u);
    gyre_loop_destroy(b); /* while the other's work runs */
    CHECK_ERR(of_b[0].result.res, -ECANCELED);
    CHECK_ERR(of_b[2].result.res, -ECANCELED);
    CHECK_EQ(stats_of(a).queued, 1u);
    CHECK_EQ(atomic_load(&gate.inside), 1u);
    gyre_blocking_pool_destroy(pool); /* a loop has it still */
    atomic_store(&gate.open, true);
    CHECK_EQ(call_wait(a, &of_a[0]), 7);
    CHECK_EQ(call_wait(a, &of_a[1]), 7);
    gyre_loop_destroy(a);
}

static void *open_gate(void *arg)
{
    (void)arg;
    (void)poll(NULL, 0, 20); /* as long as the loop is about to end */
    atomic_store(&gate.open, true);
    return NULL;
}

KERNEL_TEST2(L9_the_end_of_a_loop_waits_for_what_runs)
{
    gyre_blocking_pool *pool = pool_of(2);
    gyre_loop *loop = loop_with((gyre_loop_options){ .blocking_pool = pool });
    struct call calls[2];
    pthread_t opener;

    fill_gate(loop, calls, 2, 2);
    CHECK_EQ(pthread_create(&opener, NULL, open_gate, NULL), 0);
    gyre_loop_destroy(loop);
    CHECK_EQ(atomic_load(&gate.passed), 2u);
    CHECK_EQ(calls[0].result.res + calls[1].result.res, 14);
    CHECK_EQ(pthread_join(opener, NULL), 0);
    gyre_blocking_pool_destroy(pool);
}

static int add_one(void *arg)
{
    return ++*(int *)arg;
}

/* One of some loops, on a thread of its own. */
static void *loop_of_many(void *arg)
{
    enum { CALLS = 8 };
    unsigned rounds = 200 / test_scale() + 1;
    gyre_loop *loop = loop_with((gyre_loop_options){ .blocking_pool = arg });
    struct call calls[CALLS];
    int numbers[CALLS] = { 0 };

    for (unsigned round = 1; round <= rounds; round++) {
        for (int i = 0; i < CALLS; i++)
            start(loop, &calls[i], add_one, &numbers[i]);
        for (int i = 0; i < CALLS; i++)
            CHECK_EQ(call_wait(loop, &calls[i]), (int)round);
    }
    gyre_loop_destroy(loop);
    return NULL;
}

KERNEL_TEST2(L9_many_loops_on_threads_of_their_own_share)
{
    enum { LOOPS = 4 };
    gyre_blocking_pool *pool = pool_of(3);
    gyre_blocking_stats stats = { .size = sizeof stats };
    pthread_t threads[LOOPS];

    for (int i = 0; i < LOOPS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, loop_of_many, pool), 0);
    for (int i = 0; i < LOOPS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    gyre_blocking_pool_get_stats(pool, &stats);
    CHECK_EQ(stats.taken, (200u / test_scale() + 1) * 8 * LOOPS);
    CHECK_LE(stats.made, 3u);
    CHECK_EQ(stats.queued, 0u);
    gyre_blocking_pool_destroy(pool);
}

/* ---- refusals and failures ----------------------------------------------- */

TEST(L9_E8_a_pool_that_cannot_be_is_refused_by_name)
{
    gyre_blocking_pool_options many = { .threads_max = 1025 };
    gyre_blocking_pool_options other = { .size = 3 };
    gyre_blocking_pool *pool;

    CHECK_ERR(gyre_blocking_pool_create(&pool, &many), -EINVAL);
    CHECK_STR_HAS(gyre_loop_create_error(), "threads_max");
    CHECK_ERR(gyre_blocking_pool_create(&pool, &other), -EINVAL);
    CHECK_STR_HAS(gyre_loop_create_error(), "size");
    CHECK_OK(gyre_blocking_pool_create(&pool, NULL));
    CHECK_STR_EQ(gyre_loop_create_error(), "");
    gyre_blocking_pool_destroy(pool);
    gyre_blocking_pool_destroy(NULL);
}

KERNEL_TEST2(L9_E8_the_numbers_of_a_shared_pool_are_its_own)
{
    gyre_blocking_pool *pool = pool_of(2);
    gyre_loop_options options = { .blocking_pool = pool,
                                  .blocking_idle_ms = 5 };
    gyre_loop *loop;

    CHECK_ERR(gyre_loop_create(&loop, &options), -EINVAL);
    CHECK_STR_HAS(gyre_loop_create_error(), "blocking_pool");
    /* The environment speaks of what is left open only. */
    CHECK_OK(setenv("GYRE_LOOP", "blocking_threads_max=3", 1));
    options.blocking_idle_ms = 0;
    CHECK_OK(gyre_loop_create(&loop, &options));
    CHECK_EQ(stats_of(loop).threads_max, 2u);
    gyre_loop_destroy(loop);
    gyre_blocking_pool_destroy(pool);
}

static void share_and_call(void)
{
    gyre_blocking_pool *pool;
    gyre_loop *loop;
    struct call call;

    if (gyre_blocking_pool_create(&pool, NULL) < 0)
        return;
    if (gyre_loop_create(&loop,
                         &(gyre_loop_options){ .blocking_pool = pool }) == 0) {
        start(loop, &call, return_five, NULL);
        (void)call_wait(loop, &call);
        gyre_loop_destroy(loop);
    }
    gyre_blocking_pool_destroy(pool);
}

KERNEL_TEST2(L9_without_memory_nothing_of_a_pool_is_left)
{
    CHECK_GT(for_each_failure(share_and_call), 2);
}

KERNEL_TEST2(L9_the_child_of_a_fork_gives_up_a_pool_of_its_parent)
{
    gyre_blocking_pool *pool = pool_of(2);
    gyre_loop *loop = loop_with((gyre_loop_options){ .blocking_pool = pool });
    struct call call;
    int status;
    pid_t child;

    start(loop, &call, return_five, NULL);
    CHECK_EQ(call_wait(loop, &call), 5);
    gyre_loop_destroy(loop);
    child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        gyre_blocking_pool_destroy(pool);
        _exit(3);
    }
    CHECK_EQ(patient_waitpid(child, &status), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    gyre_blocking_pool_destroy(pool);
}
