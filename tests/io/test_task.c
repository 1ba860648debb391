/* SPDX-License-Identifier: MIT */
/*
 * Tasks as their users see them: spawn, join, yield, sleep, and what a wait is
 * ended by. On every kernel.
 */
#include <errno.h>
#include <gyre/clock.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/world.h"

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * GYRE_SECOND + (uint64_t)t.tv_nsec;
}

/* ---- deadlines ----------------------------------------------------------- */

static int deadline_inside(void *arg)
{
    uint64_t before = now_ns(), deadline = gyre_deadline_in(GYRE_SECOND);

    (void)arg;
    CHECK_GE(deadline, before + GYRE_SECOND);
    CHECK_LE(deadline, now_ns() + GYRE_SECOND);
    return 0;
}

KERNEL_TEST2(F12_a_deadline_is_made_of_a_delay_from_now_and_never_wraps)
{
    must_run(deadline_inside, NULL);
    CHECK_OK(deadline_inside(NULL)); /* outside of any loop, too */
    CHECK_EQ(gyre_deadline_in(GYRE_NEVER), GYRE_NEVER);
    CHECK_EQ(gyre_deadline_in(GYRE_NEVER - now_ns()), GYRE_NEVER);
}

/* ---- spawn and join ------------------------------------------------------ */

static int begun;

static int square(void *arg)
{
    int n = *(int *)arg;

    begun++;
    for (int i = 0; i < n % 5; i++)
        CHECK_OK(gyre_yield());
    return n * n;
}

static int join_many(void *arg)
{
    enum { COUNT = 100 };
    int numbers[COUNT];
    gyre_task *tasks[COUNT];

    (void)arg;
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = i;
        CHECK_OK(gyre_spawn_with(gyre_scope_current(), NULL, square,
                                 &numbers[i], &tasks[i]));
    }
    CHECK_EQ(begun, 0); /* a spawn runs nothing */
    for (int i = COUNT - 1; i >= 0; i--) {
        int result = -1;

        CHECK_OK(gyre_join(tasks[i], &result));
        CHECK_EQ(result, i * i);
    }
    return 0;
}

KERNEL_TEST(K1_K2_K5_a_task_hands_its_result_to_who_joins_it)
{
    must_run(join_many, NULL);
}

static unsigned ran;

static int count_run(void *arg)
{
    (void)arg;
    ran++;
    return 0;
}

static int spawn_waves(void *arg)
{
    (void)arg;
    for (int wave = 0; wave < 20; wave++) {
        for (int i = 0; i < 100; i++)
            CHECK_OK(gyre_spawn(gyre_scope_current(), count_run, NULL));
        CHECK_OK(gyre_yield());
        CHECK_EQ(ran, (unsigned)(wave + 1) * 100);
    }
    return 0;
}

/* The census after the body sees a stack that was not given back. */
KERNEL_TEST(K4_a_detached_task_is_forgotten_when_it_returns)
{
    must_run(spawn_waves, NULL);
    CHECK_EQ(ran, 2000u);
}

static char order[16];
static unsigned order_length;

static int letters(void *arg)
{
    for (int i = 0; i < 3; i++) {
        order[order_length++] = *(const char *)arg;
        CHECK_OK(gyre_yield());
    }
    return 0;
}

static int spawn_letters(void *arg)
{
    static char names[] = "abc";

    (void)arg;
    CHECK_OK(gyre_spawn(gyre_scope_current(), letters, &names[0]));
    CHECK_OK(gyre_spawn(gyre_scope_current(), letters, &names[1]));
    CHECK_OK(gyre_spawn(gyre_scope_current(), letters, &names[2]));
    return 0;
}

KERNEL_TEST(K6_yield_lets_each_ready_task_run_in_turn)
{
    must_run(spawn_letters, NULL);
    CHECK_STR_EQ(order, "abcabcabc");
}

static int join_cancelled_child(void *arg)
{
    gyre_sleep(GYRE_NEVER / 2);
    return *(int *)arg;
}

struct joining {
    gyre_task *target;
    int first;
};

static int join_in_scope(gyre_scope *scope, void *arg)
{
    struct joining *joining = arg;

    gyre_scope_set_deadline(scope, now_ns() + GYRE_MS);
    joining->first = gyre_join(joining->target, NULL);
    return 0;
}

static int join_gives_up(void *arg)
{
    struct joining joining;
    gyre_scope inner;
    int seven = 7;

    (void)arg;
    gyre_scope_open(&inner, NULL);
    CHECK_OK(gyre_spawn_with(&inner, NULL, join_cancelled_child, &seven,
                             &joining.target));
    CHECK_ERR(gyre_scope_run(NULL, join_in_scope, &joining), -ETIME);
    CHECK_ERR(joining.first, -ETIME);
    gyre_scope_cancel(&inner);
    /* A handle that nobody joins any more goes with its scope. */
    CHECK_OK(gyre_scope_close(&inner));
    return 0;
}

KERNEL_TEST(K5_a_join_that_is_cancelled_leaves_the_handle)
{
    must_run(join_gives_up, NULL);
}

/* ---- sleeping
 * ---------------------------------------------------------------- */

static int sleep_units(void *arg)
{
    static const uint64_t delays[] = { 0,       1,          999, 20 * GYRE_US,
                                       GYRE_MS, 3 * GYRE_MS };

    (void)arg;
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        uint64_t before = now_ns();

        CHECK_OK(gyre_sleep(delays[i]));
        CHECK_GE(now_ns(), before + delays[i]);
    }
    return 0;
}

KERNEL_TEST(F3_F15_F16_F17_sleep_returns_0_and_never_early)
{
    must_run(sleep_units, NULL);
}

static int change_delay(void *arg)
{
    gyre_delay *delay = arg;

    CHECK_OK(gyre_delay_set(delay, 1000, GYRE_SECONDS));
    return 0;
}

static int sleep_for_a_changed_delay(void *arg)
{
    gyre_delay delay;
    uint64_t before = now_ns();

    (void)arg;
    CHECK_OK(gyre_delay_set(&delay, 2, GYRE_MILLISECONDS));
    CHECK_OK(gyre_spawn(gyre_scope_current(), change_delay, &delay));
    CHECK_OK(gyre_sleep_for(delay));
    CHECK_EQ(delay.ns, 1000 * GYRE_SECOND);
    CHECK_GE(now_ns(), before + 2 * GYRE_MS);
    return 0;
}

KERNEL_TEST(F19_a_wait_keeps_the_delay_that_it_began_with)
{
    must_run(sleep_for_a_changed_delay, NULL);
}

static int sleeper(void *arg)
{
    int *result = arg;

    *result = gyre_sleep(1000 * GYRE_SECOND);
    CHECK_ERR(gyre_sleep(0), *result); /* and so does each later call */
    CHECK_ERR(gyre_yield(), *result);
    CHECK_ERR(gyre_cancelled(), *result);
    return 0;
}

static int end_sleeps(void *arg)
{
    gyre_scope_options soon = { .deadline_ns = now_ns() + GYRE_MS };
    gyre_scope scope;
    int cancelled = 0, overdue = 0;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, sleeper, &cancelled));
    CHECK_OK(gyre_yield());
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(cancelled, -ECANCELED);

    gyre_scope_open(&scope, &soon);
    CHECK_OK(gyre_spawn(&scope, sleeper, &overdue));
    CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    CHECK_ERR(overdue, -ETIME);
    return 0;
}

KERNEL_TEST(F16_F17_a_sleep_is_ended_by_cancel_and_by_deadline)
{
    must_run(end_sleeps, NULL);
}

static int clock_sleeper(void *arg)
{
    int *result = arg;
    struct timespec time;

    CHECK_OK(clock_gettime(CLOCK_MONOTONIC, &time));
    time.tv_nsec += 20000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    *result = gyre_sleep_until_clock(CLOCK_MONOTONIC, time);
    return 0;
}

/* The request has ended, and nobody has looked, when it is asked to end. */
static int cancel_a_sleep_that_is_over(void *arg)
{
    gyre_scope scope;
    uint64_t begin;
    int result = 1;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, clock_sleeper, &result));
    CHECK_OK(gyre_sleep(GYRE_MS)); /* its request is handed over */
    begin = now_ns();
    while (now_ns() - begin < 40 * GYRE_MS)
        continue;
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    if (result != 0)
        CHECK_ERR(result, -ECANCELED);
    return 0;
}

KERNEL_TEST(F16_F17_a_sleep_that_is_over_is_not_overdue_when_cancelled)
{
    must_run(cancel_a_sleep_that_is_over, NULL);
}

/* ---- the right task wakes
 * ---------------------------------------------------- */

enum { PIPES = 50 };

static struct {
    int fds[PIPES][2];
    int woken[PIPES];
    int last;
} pipes;

static int pipe_reader(void *arg)
{
    int i = *(int *)arg;
    char byte;

    CHECK_EQ(gyre_read(pipes.fds[i][0], &byte, 1, GYRE_CURRENT_POSITION), 1);
    CHECK_EQ(byte, (char)i);
    pipes.woken[i]++;
    pipes.last = i;
    return 0;
}

static int wake_each_alone(void *arg)
{
    int numbers[PIPES];
    gyre_task *tasks[PIPES];

    (void)arg;
    for (int i = 0; i < PIPES; i++) {
        numbers[i] = i;
        CHECK_OK(pipe(pipes.fds[i]));
        CHECK_OK(gyre_spawn_with(gyre_scope_current(), NULL, pipe_reader,
                                 &numbers[i], &tasks[i]));
    }
    for (int step = 0; step < PIPES; step++) {
        int i = step * 7 % PIPES;
        char byte = (char)i;

        CHECK_EQ(gyre_write(pipes.fds[i][1], &byte, 1, GYRE_CURRENT_POSITION),
                 1);
        CHECK_OK(gyre_join(tasks[i], NULL));
        CHECK_EQ(pipes.last, i);
        for (int j = 0, sum = 0; j < PIPES; j++) {
            sum += pipes.woken[j];
            CHECK(j < PIPES - 1 || sum == step + 1);
        }
        CHECK_OK(gyre_close(pipes.fds[i][0]));
        CHECK_OK(gyre_close(pipes.fds[i][1]));
    }
    return 0;
}

/* I8: one completion, one wake, of that task. */
KERNEL_TEST(E16_a_completion_wakes_exactly_the_task_that_waits_for_it)
{
    must_run(wake_each_alone, NULL);
}

/* ---- stacks -------------------------------------------------------------- */

static __attribute__((noinline)) size_t dig(unsigned depth)
{
    char frame[256];
    size_t below;

    use_all(frame);
    below = depth == 0 ? gyre_stack_left() : dig(depth - 1);
    use_all(frame);
    return below;
}

static int measure_stack(void *arg)
{
    size_t here = gyre_stack_left();
    size_t below = dig(50);

    (void)arg;
    CHECK_GT(here, (size_t)32 * 1024);
    CHECK_LT(below, here - 50 * 256);
    CHECK_OK(gyre_yield());
    CHECK_EQ(gyre_stack_left(), here);
    return 0;
}

KERNEL_TEST2(K13_a_task_can_tell_how_much_stack_is_left)
{
    CHECK_EQ(gyre_stack_left(), SIZE_MAX);
    must_run(measure_stack, NULL);
}

/* ---- both tiers
 * ---------------------------------------------------------------- */

static int note_order(void *arg)
{
    CHECK_STR_EQ(gyre_task_name(gyre_task_current()), "named");
    *(int *)arg += 1;
    CHECK_OK(gyre_sleep(GYRE_MS));
    *(int *)arg += 10;
    return 0;
}

static void spawn_from_callback(gyre_timer *timer, int status)
{
    gyre_task_options options = { .name = "named" };
    gyre_task *task;

    CHECK_OK(status);
    CHECK(gyre_task_current() == NULL);
    CHECK_OK(gyre_spawn_with(gyre_loop_scope(timer->loop_), &options,
                             note_order, timer->user, &task));
}

KERNEL_TEST(K1_a_callback_can_spawn_a_task)
{
    gyre_timer timer;
    gyre_loop *loop;
    int sum = 0;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK(gyre_loop_scope(loop) != NULL);
    gyre_timer_init(&timer, loop, spawn_from_callback, &sum);
    gyre_timer_start_after(&timer, GYRE_MS);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(sum, 11);
    gyre_loop_destroy(loop);
}

static int recv_for_ever(void *arg)
{
    int *pair = arg;
    char buffer[64];

    CHECK_ERR(gyre_recv(pair[0], buffer, sizeof buffer, 0), -ECANCELED);
    CHECK_OK(gyre_close(pair[0])); /* works also when cancelled */
    return 0;
}

KERNEL_TEST(G7_L10_destroying_a_loop_ends_its_tasks_and_their_ops)
{
    gyre_loop *loop;
    int pair[2];

    pair_open(pair);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_spawn(gyre_loop_scope(loop), recv_for_ever, pair));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    gyre_loop_destroy(loop);
    CHECK_OK(close(pair[1]));
}

static int stop_me(void *arg)
{
    (void)arg;
    gyre_loop_stop(gyre_loop_current());
    CHECK_ERR(gyre_sleep(1000 * GYRE_SECOND), -ECANCELED);
    return 3;
}

KERNEL_TEST2(L2_stopping_the_loop_of_a_run_cancels_its_tasks)
{
    CHECK_EQ(run(stop_me, NULL), 3);
}

/* ---- failures
 * ------------------------------------------------------------------ */

static int fail_spawns(void *arg)
{
    gyre_loop *loop = gyre_loop_current();
    bool failed = false;

    (void)arg;
    /* Enough to need another slab, whose mapping is made to fail. */
    for (int i = 0; i < 600 && !failed; i++) {
        int err;

        alloc_fail_nth(1);
        err = gyre_spawn(gyre_loop_scope(loop), count_run, NULL);
        failed = alloc_did_fail();
        CHECK_ERR(err, failed ? -ENOMEM : 0);
        alloc_fail_nth(0);
    }
    CHECK(failed);
    CHECK_OK(gyre_spawn(gyre_loop_scope(loop), count_run, NULL));
    return 0;
}

KERNEL_TEST2(K1_a_spawn_without_memory_says_so_and_the_next_works)
{
    must_run(fail_spawns, NULL);
    CHECK_GT(ran, 0u);
}

static void run_small(void)
{
    int result = gyre_run(NULL, count_run, NULL);

    CHECK(result == 0 || result == -ENOMEM);
}

KERNEL_TEST2(K1_a_run_survives_the_failure_of_each_allocation)
{
    CHECK_GE(for_each_failure(run_small), 3);
}

static int yield_outside(void)
{
    return gyre_yield();
}

TEST_PANICS(K1_a_call_that_waits_panics_outside_of_tasks, "inside a task")
{
    yield_outside();
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

TEST_PANICS(K1_a_spawn_without_a_scope_panics, "gyre_engine_scope()")
{
    CHECK_OK(gyre_spawn(gyre_scope_current(), do_nothing, NULL));
}

static int join_itself(void *arg)
{
    (void)arg;
    return gyre_join(gyre_task_current(), NULL);
}

TEST_PANICS(K5_a_task_that_joins_itself_panics, "cannot join itself")
{
    run(join_itself, NULL);
}

static int leave_scope_open(void *arg)
{
    static gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    return 0;
}

TEST_PANICS(K1_a_task_that_leaves_a_scope_open_panics, "still open")
{
    run(leave_scope_open, NULL);
}

static gyre_task *tied[2];

static int join_other(void *arg)
{
    return gyre_join(tied[*(int *)arg], NULL);
}

static int deadlock(void *arg)
{
    static int zero = 0, one = 1;
    gyre_scope *scope = gyre_scope_current();

    (void)arg;
    CHECK_OK(gyre_spawn_with(scope, NULL, join_other, &one, &tied[0]));
    CHECK_OK(gyre_spawn_with(scope, NULL, join_other, &zero, &tied[1]));
    return 0;
}

TEST_PANICS(K5_tasks_that_wait_for_each_other_are_told_of, "deadlock")
{
    run(deadlock, NULL);
}

/* ---- a loop that comes to another thread --------------------------------- */

static int yield_some(void *arg)
{
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_yield());
    CHECK_OK(gyre_sleep(GYRE_MS));
    *(bool *)arg = true;
    return 0;
}

static int run_another_loop(void *arg)
{
    CHECK_OK(gyre_loop_run(arg, GYRE_RUN_UNTIL_DONE));
    gyre_loop_destroy(arg);
    return 0;
}

static void *run_in_thread(void *arg)
{
    must_run(run_another_loop, arg);
    return NULL;
}

/* ThreadSanitizer follows who is whose host. */
KERNEL_TEST2(K1_a_task_of_another_thread_may_run_a_loop_with_tasks)
{
    bool done = false;
    gyre_loop *loop;
    pthread_t thread;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_spawn(gyre_loop_scope(loop), yield_some, &done));
    CHECK_EQ(pthread_create(&thread, NULL, run_in_thread, loop), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(done);
}
