/* SPDX-License-Identifier: MIT */
/*
 * A task that waits hands over to the next ready task by itself. What must not
 * show: order, the bound of phase one, and who is ended when.
 */
#include <gyre/gyre.h>
#include <string.h>

#include "runner/test.h"

struct log {
    char text[64];
    unsigned length;
    gyre_loop *loop;
    bool done;
};

struct who {
    struct log *log;
    char name;
    unsigned yields;
};

static void note(struct log *log, char what)
{
    if (log->length < sizeof log->text - 1)
        log->text[log->length++] = what;
}

static int chatter(void *arg)
{
    struct who *who = arg;

    for (unsigned i = 0; i < who->yields; i++) {
        note(who->log, who->name);
        gyre_yield();
    }
    note(who->log, who->name);
    return 0;
}

static struct log *posted_log;

static void posted(gyre_work *work)
{
    (void)work;
    note(posted_log, '.');
}

KERNEL_TEST(K6_tasks_and_work_run_in_the_order_they_became_ready)
{
    struct log log = { .length = 0 };
    struct who a = { &log, 'a', 2 }, b = { &log, 'b', 1 }, c = { &log, 'c', 2 };
    gyre_work work;

    posted_log = &log;
    CHECK_EQ(gyre_loop_create(&log.loop, NULL), 0);
    gyre_scope *scope = gyre_loop_scope(log.loop);

    CHECK_EQ(gyre_spawn(scope, chatter, &a), 0);
    CHECK_EQ(gyre_spawn(scope, chatter, &b), 0);
    gyre_loop_post(log.loop, &work, posted);
    CHECK_EQ(gyre_spawn(scope, chatter, &c), 0);
    CHECK_EQ(gyre_loop_run(log.loop, GYRE_RUN_UNTIL_DONE), 0);
    /* The posted work is taken when the turn begins, behind the spawned. */
    CHECK_STR_EQ(log.text, "abc.abcac");
    gyre_loop_destroy(log.loop);
}

static int yield_until_done(void *arg)
{
    struct log *log = arg;

    while (!log->done)
        gyre_yield();
    return 0;
}

static int wait_for_nop(void *arg)
{
    struct log *log = arg;
    gyre_op op;

    gyre_op_nop(&op);
    gyre_await(&op);
    log->done = true;
    return 0;
}

/* Would last for ever if those who yield to each other were never cut. */
KERNEL_TEST(K6_J7_tasks_that_only_yield_leave_the_kernel_its_turn)
{
    struct log log = { .length = 0 };
    gyre_loop_options options = { .ready_max = 4 };

    CHECK_EQ(gyre_loop_create(&log.loop, &options), 0);
    gyre_scope *scope = gyre_loop_scope(log.loop);

    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ(gyre_spawn(scope, yield_until_done, &log), 0);
    CHECK_EQ(gyre_spawn(scope, wait_for_nop, &log), 0);
    CHECK_EQ(gyre_loop_run(log.loop, GYRE_RUN_UNTIL_DONE), 0);
    CHECK(log.done);
    gyre_loop_destroy(log.loop);
}

KERNEL_TEST(one_step_runs_one_task_and_hands_over_to_none)
{
    struct log log = { .length = 0 };
    struct who a = { &log, 'a', 1 }, b = { &log, 'b', 1 };

    CHECK_EQ(gyre_loop_create(&log.loop, NULL), 0);
    gyre_scope *scope = gyre_loop_scope(log.loop);

    CHECK_EQ(gyre_spawn(scope, chatter, &a), 0);
    CHECK_EQ(gyre_spawn(scope, chatter, &b), 0);
    for (unsigned i = 1; i <= 4; i++) {
        CHECK(gyre_loop_run_one_ready(log.loop));
        CHECK_EQ(log.length, i);
        CHECK(gyre_task_current() == NULL);
    }
    CHECK(!gyre_loop_run_one_ready(log.loop));
    CHECK_STR_EQ(log.text, "abab");
    gyre_loop_destroy(log.loop);
}

static int brief(void *arg)
{
    note(arg, gyre_task_name(gyre_task_current())[0]);
    return 0;
}

static int waiter(void *arg)
{
    gyre_yield(); /* to those that end meanwhile */
    note(arg, gyre_task_name(gyre_task_current())[0]);
    return 7;
}

/* The one that ends is the last to which was handed over, and not the one that
 * the loop began with, whose stack is in use. */
KERNEL_TEST(who_ends_after_a_handover_is_the_one_that_ran)
{
    struct log log = { .length = 0 };
    gyre_task_options first = { .name = "first" }, second = { .name = "brief" };
    gyre_task *task = NULL, *other = NULL;

    CHECK_EQ(gyre_loop_create(&log.loop, NULL), 0);
    gyre_scope *scope = gyre_loop_scope(log.loop);

    CHECK_EQ(gyre_spawn_with(scope, &first, waiter, &log, &task), 0);
    CHECK_EQ(gyre_spawn_with(scope, &second, brief, &log, &other), 0);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(gyre_spawn(scope, brief, &log), 0);
    CHECK_EQ(gyre_loop_run(log.loop, GYRE_RUN_UNTIL_DONE), 0);
    CHECK_STR_EQ(log.text, "btttf");
    gyre_loop_destroy(log.loop);
}

static int successor(void *arg)
{
    struct log *log = arg;

    return log->done ? 0
                     : gyre_spawn(gyre_loop_scope(log->loop), successor, log);
}

/* Each ends when the next is ready: they hand over to each other for ever, if
 * nothing cuts them. And who arrives puts the stack of who ended back before it
 * spawns: a chain of any length lives on two. */
KERNEL_TEST(K6_J7_K13_a_chain_of_tasks_that_end_leaves_the_kernel_its_turn)
{
    struct log log = { .length = 0 };
    gyre_loop_options options = { .ready_max = 4 };
    gyre_stack_stats stats;

    CHECK_EQ(gyre_loop_create(&log.loop, &options), 0);
    gyre_scope *scope = gyre_loop_scope(log.loop);

    CHECK_EQ(gyre_spawn(scope, successor, &log), 0);
    CHECK_EQ(gyre_spawn(scope, wait_for_nop, &log), 0);
    CHECK_EQ(gyre_loop_run(log.loop, GYRE_RUN_UNTIL_DONE), 0);
    CHECK(log.done);
    gyre_loop_get_stack_stats(log.loop, &stats);
    CHECK_EQ(stats.used, 0u);
    CHECK_LE(stats.used + stats.idle, 3u); /* and the waiter's */
    gyre_loop_destroy(log.loop);
}
