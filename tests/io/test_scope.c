/* SPDX-License-Identifier: MIT */
/*
 * Scopes: nothing outlives them, a cancel reaches the kernel's ops, deadlines
 * only tighten, and errors come out as the policy says. On every kernel.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io/world.h"

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * GYRE_SECOND + (uint64_t)t.tv_nsec;
}

static unsigned ended;

static int end_late(void *arg)
{
    CHECK_OK(gyre_sleep((uint64_t)(uintptr_t)arg));
    ended++;
    return 0;
}

static int start_late_ones(gyre_scope *scope, void *arg)
{
    (void)arg;
    for (uintptr_t i = 0; i < 10; i++)
        CHECK_OK(gyre_spawn(scope, end_late, (void *)(i * 200000)));
    return 42;
}

static int wait_for_children(void *arg)
{
    (void)arg;
    CHECK_EQ(gyre_scope_run(NULL, start_late_ones, NULL), 42);
    CHECK_EQ(ended, 10u);
    return 0;
}

/* I10 */
KERNEL_TEST(R1_a_scope_closes_when_every_child_has_ended)
{
    must_run(wait_for_children, NULL);
}

/* ---- cancel
 * ------------------------------------------------------------------ */

struct victim {
    int pair[2];
    int result;
    char buffer[32];
};

static int recv_victim(void *arg)
{
    struct victim *victim = arg;

    victim->result = (int)gyre_recv(victim->pair[0], victim->buffer,
                                    sizeof victim->buffer, 0);
    return victim->result;
}

static int cancel_reaches_ops(void *arg)
{
    enum { COUNT = 20 };
    static struct victim victims[COUNT];
    gyre_loop_stats stats = { .size = sizeof stats };
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < COUNT; i++) {
        pair_open(victims[i].pair);
        CHECK_OK(gyre_spawn(&scope, recv_victim, &victims[i]));
    }
    CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_loop_get_stats(gyre_loop_current(), &stats);
    CHECK_EQ(stats.in_flight, (uint64_t)COUNT);
    gyre_scope_cancel(&scope);
    gyre_scope_cancel(&scope); /* as often as it likes */
    CHECK_ERR(gyre_scope_cancelled(&scope), -ECANCELED);
    CHECK_OK(gyre_scope_close(&scope)); /* being cancelled is no error */
    gyre_loop_get_stats(gyre_loop_current(), &stats);
    CHECK_EQ(stats.in_flight, 0u);
    for (int i = 0; i < COUNT; i++) {
        CHECK_ERR(victims[i].result, -ECANCELED);
        pair_close(victims[i].pair);
    }
    return 0;
}

KERNEL_TEST(G7_G8_R2_a_cancelled_scope_ends_the_kernels_ops_and_waits)
{
    must_run(cancel_reaches_ops, NULL);
}

static int never_recv(gyre_scope *scope, void *arg)
{
    char byte;

    (void)scope;
    return (int)gyre_recv(*(int *)arg, &byte, 1, 0);
}

static int nest(void *arg)
{
    struct victim *victim = arg;
    gyre_scope scopes[50];

    for (int i = 0; i < 50; i++)
        gyre_scope_open(&scopes[i], NULL);
    victim->result = gyre_scope_run(NULL, never_recv, &victim->pair[0]);
    for (int i = 49; i >= 0; i--) {
        CHECK_ERR(gyre_scope_cancelled(&scopes[i]), -ECANCELED);
        CHECK_OK(gyre_scope_close(&scopes[i]));
    }
    return 0;
}

static int cancel_goes_down(void *arg)
{
    struct victim victim = { .result = 1 };
    gyre_scope outer, late;

    (void)arg;
    pair_open(victim.pair);
    gyre_scope_open(&outer, NULL);
    CHECK_OK(gyre_spawn(&outer, nest, &victim));
    CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_scope_cancel(&outer);
    gyre_scope_open(&late, NULL); /* begins cancelled */
    CHECK_ERR(gyre_scope_cancelled(&late), -ECANCELED);
    CHECK_OK(gyre_scope_close(&late));
    CHECK_OK(gyre_scope_close(&outer));
    CHECK_ERR(victim.result, -ECANCELED);
    CHECK_OK(gyre_cancelled());
    pair_close(victim.pair);
    return 0;
}

/* I9: what is below a cancelled scope is cancelled, also what comes later. */
KERNEL_TEST(G7_G10_a_cancel_reaches_every_scope_below)
{
    must_run(cancel_goes_down, NULL);
}

static int spawned_in_cancelled(void *arg)
{
    CHECK_ERR(gyre_cancelled(), -ECANCELED);
    *(int *)arg += 1;
    return 0;
}

static int spawn_when_cancelled(void *arg)
{
    gyre_scope scope;
    int count = 0;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_spawn(&scope, spawned_in_cancelled, &count));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(count, 1);
    return 0;
}

KERNEL_TEST(R1_a_spawned_task_runs_also_in_a_cancelled_scope)
{
    must_run(spawn_when_cancelled, NULL);
}

static int send_then_cancel(void *arg)
{
    struct victim victim = { .result = 1 };
    gyre_scope scope;

    (void)arg;
    pair_open(victim.pair);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, recv_victim, &victim));
    CHECK_OK(gyre_sleep(GYRE_MS));
    /* The data is there before the cancel is: the op may win, and then its
     * result is told; or not, and then the data is still in the socket. */
    CHECK_EQ(gyre_send(victim.pair[1], "x", 1, 0), 1);
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    if (victim.result == 1) {
        CHECK_EQ(victim.buffer[0], 'x');
    } else {
        CHECK_ERR(victim.result, -ECANCELED);
        CHECK_EQ(gyre_recv(victim.pair[0], victim.buffer, 8, 0), 1);
    }
    pair_close(victim.pair);
    return 0;
}

KERNEL_TEST(G8_no_byte_is_lost_when_a_cancel_races_with_data)
{
    must_run(send_then_cancel, NULL);
}

/* ---- deadlines
 * ---------------------------------------------------------------- */

static int wait_long(gyre_scope *scope, void *arg)
{
    (void)arg;
    CHECK_LT(gyre_scope_deadline(scope), now_ns() + GYRE_SECOND);
    return gyre_sleep(1000 * GYRE_SECOND);
}

static int looser_inside(gyre_scope *scope, void *arg)
{
    gyre_scope_options loose = { .deadline_ns = now_ns() + 500 * GYRE_SECOND };

    (void)scope;
    (void)arg;
    /* The inner deadline is later: the outer one cuts, and is told of. */
    CHECK_ERR(gyre_scope_run(&loose, wait_long, NULL), -ETIME);
    return gyre_cancelled();
}

static int deadlines_tighten(void *arg)
{
    gyre_scope_options tight = { .deadline_ns = now_ns() + 3 * GYRE_MS };
    uint64_t deadline = tight.deadline_ns;

    (void)arg;
    CHECK_ERR(gyre_scope_run(&tight, looser_inside, NULL), -ETIME);
    CHECK_GE(now_ns(), deadline);
    CHECK_OK(gyre_cancelled());
    CHECK_EQ(gyre_scope_deadline(gyre_scope_current()), GYRE_NEVER);

    tight.deadline_ns = 1; /* long past */
    CHECK_ERR(gyre_scope_run(&tight, wait_long, NULL), -ETIME);
    return 0;
}

KERNEL_TEST(R3_deadlines_are_inherited_and_only_tightened)
{
    must_run(deadlines_tighten, NULL);
}

static int recv_overdue(void *arg)
{
    gyre_scope_options soon = { .deadline_ns = now_ns() + GYRE_MS };
    int pair[2];

    (void)arg;
    pair_open(pair);
    CHECK_ERR(gyre_scope_run(&soon, never_recv, &pair[0]), -ETIME);
    CHECK_EQ(gyre_send(pair[1], "y", 1, 0), 1); /* the outside goes on */
    pair_close(pair);
    return 0;
}

KERNEL_TEST(F12_a_deadline_ends_an_op_with_ETIME)
{
    must_run(recv_overdue, NULL);
}

static int quick(gyre_scope *scope, void *arg)
{
    (void)scope;
    (void)arg;
    return 5;
}

static int in_time(void *arg)
{
    gyre_scope_options later = { .deadline_ns = now_ns() + 100 * GYRE_SECOND };

    (void)arg;
    CHECK_EQ(gyre_scope_run(&later, quick, NULL), 5);
    return 0;
}

/* Had the timer stayed, the run would take 100 s. */
KERNEL_TEST(R3_a_scope_that_ends_in_time_leaves_no_timer)
{
    must_run(in_time, NULL);
}

/* ---- errors
 * ------------------------------------------------------------------- */

static int fail_with(void *arg)
{
    return -(int)(intptr_t)arg;
}

static int wait_for_cancel(void *arg)
{
    *(int *)arg = gyre_sleep(1000 * GYRE_SECOND);
    return *(int *)arg;
}

static int fail_one(gyre_scope *scope, void *arg)
{
    CHECK_OK(gyre_spawn(scope, wait_for_cancel, arg));
    CHECK_OK(gyre_spawn(scope, fail_with, (void *)(intptr_t)EIO));
    CHECK_OK(gyre_spawn(scope, fail_with, (void *)(intptr_t)EPIPE));
    return 0;
}

static int first_error_cancels(void *arg)
{
    int sibling = 0;

    (void)arg;
    CHECK_ERR(gyre_scope_run(NULL, fail_one, &sibling), -EIO);
    CHECK_ERR(sibling, -ECANCELED);
    CHECK_OK(gyre_cancelled());
    return 0;
}

KERNEL_TEST(R4_the_first_error_cancels_the_siblings)
{
    must_run(first_error_cancels, NULL);
}

static int sleep_briefly(void *arg)
{
    *(int *)arg = 1 + gyre_sleep(2 * GYRE_MS);
    return 0;
}

static int fail_beside(gyre_scope *scope, void *arg)
{
    CHECK_OK(gyre_spawn(scope, fail_with, (void *)(intptr_t)EIO));
    CHECK_OK(gyre_spawn(scope, sleep_briefly, arg));
    return 0;
}

static int errors_continue(void *arg)
{
    gyre_scope_options keep = { .on_error = GYRE_ERROR_CONTINUES };
    int sibling = 0;

    (void)arg;
    CHECK_ERR(gyre_scope_run(&keep, fail_beside, &sibling), -EIO);
    CHECK_EQ(sibling, 1);
    return 0;
}

KERNEL_TEST(R4_or_the_siblings_go_on_if_the_policy_says_so)
{
    must_run(errors_continue, NULL);
}

static int fail_itself(gyre_scope *scope, void *arg)
{
    CHECK_OK(gyre_spawn(scope, wait_for_cancel, arg));
    CHECK_OK(gyre_yield());
    return -EBADMSG;
}

static int body_error(void *arg)
{
    int sibling = 0;

    (void)arg;
    CHECK_ERR(gyre_scope_run(NULL, fail_itself, &sibling), -EBADMSG);
    CHECK_ERR(sibling, -ECANCELED);
    return 0;
}

KERNEL_TEST(R4_an_error_of_the_body_counts_as_a_childs)
{
    must_run(body_error, NULL);
}

/* ---- wrong use
 * ---------------------------------------------------------------- */

static int close_out_of_order(void *arg)
{
    gyre_scope outer, inner;

    (void)arg;
    gyre_scope_open(&outer, NULL);
    gyre_scope_open(&inner, NULL);
    return gyre_scope_close(&outer);
}

TEST_PANICS(R1_scopes_that_close_out_of_order_panic, "reverse order")
{
    run(close_out_of_order, NULL);
}

static int close_others(void *arg)
{
    return gyre_scope_close(arg);
}

static int close_by_child(void *arg)
{
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, close_others, &scope));
    return gyre_scope_close(&scope);
}

TEST_PANICS(R1_a_scope_closed_by_another_task_panics, "by its opener")
{
    run(close_by_child, NULL);
}

static int bound_the_root(void *arg)
{
    (void)arg;
    gyre_scope_set_deadline(gyre_scope_current(), now_ns() + GYRE_SECOND);
    return 0;
}

TEST_PANICS(R2_a_deadline_for_the_outermost_scope_panics, "has no deadline")
{
    (void)gyre_run(&(gyre_run_options){ .engines = 1 }, bound_the_root, NULL);
}
