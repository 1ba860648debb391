/* SPDX-License-Identifier: MIT */
/*
 * What does not end when a shutdown's time is up: it is named, left alone and
 * never freed. So each test does it in a process of its own, which ends without
 * a look at what is left there.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/crew.h"

enum { ENGINES = 3 };

static gyre_shutdown_report report = { .size = sizeof report };
static atomic_bool goes_on;
static atomic_uint begun;

/* In a process of its own; its standard error is what it said. */
static void in_a_process(void (*body)(unsigned), unsigned engines,
                         const char *said)
{
    int log = memfd_create("log", MFD_CLOEXEC);
    char text[2000] = "";
    int status;
    pid_t pid;

    CHECK_GE(log, 0);
    pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0) {
        int console = dup(2);

        CHECK_EQ(dup2(log, 2), 2);
        body(engines);
        CHECK_EQ(dup2(console, 2), 2);
        _exit(0);
    }
    CHECK_EQ(TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)), pid);
    CHECK_GE(pread(log, text, sizeof text - 1, 0), 0);
    CHECK_OK(close(log));
    if (status != 0)
        FAIL("status %x; it said: %s", (unsigned)status, text);
    CHECK_STR_HAS(text, said);
}

static int run(unsigned engines, gyre_task_fn *fn)
{
    static const gyre_loop_options options = { .blocking_threads_max = 2 };

    return gyre_run(&(gyre_run_options){ .engines = engines,
                                         .loop = &options,
                                         .shutdown_report = &report },
                    fn, NULL);
}

static int spawn_named(const char *name, int where, gyre_task_fn *fn)
{
    return gyre_spawn_with(gyre_loop_scope(gyre_loop_current()),
                           &(gyre_task_options){ .name = name, .where = where },
                           fn, NULL, NULL);
}

static uint64_t cancel_ns(void)
{
    return 50 * GYRE_MS * test_scale();
}

static void shut_down_soon(void)
{
    const gyre_shutdown_options options = { .drain_ns = 5 * GYRE_MS,
                                            .cancel_ns = cancel_ns() };

    gyre_engines_shutdown(NULL, &options);
}

/* ---- a function that blocks ---------------------------------------------- */

static int block(void *arg)
{
    (void)arg;
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&goes_on))
        pause();
    return 0;
}

static int call_block(void *arg)
{
    return gyre_call_blocking(block, arg);
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return gyre_sleep(GYRE_NEVER);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int leave_a_call(void *arg)
{
    bool alone = gyre_engines_count(gyre_engines_current()) == 1;

    (void)arg;
    CHECK_OK(
        spawn_named("stuck", alone ? GYRE_HERE : GYRE_ENGINE(1), call_block));
    CHECK_OK(spawn_named("sleeper", GYRE_LEAST_LOADED, sleep_for_ever));
    while (atomic_load(&begun) == 0)
        CHECK_OK(gyre_sleep(GYRE_MS));
    shut_down_soon();
    return 0;
}

static void check_stuck_call(const char *who)
{
    CHECK_EQ(report.tasks_left, 1);
    CHECK_EQ(report.ops_left, 1);
    CHECK_GE(report.drain_ns, 5 * GYRE_MS);
    CHECK_GE(report.end_ns, cancel_ns());
    CHECK_STR_HAS(report.text, who);
    CHECK_STR_HAS(report.text, ": waiting for ");
    CHECK_STR_HAS(report.text, " on CALL, in flight");
    CHECK_STR_HAS(report.text, "asked to end");
    CHECK_STR_HAS(report.text, "; spawned ");
    CHECK(strstr(report.text, "sleeper") == NULL);
}

static void call_is_left(unsigned engines)
{
    CHECK_ERR(run(engines, leave_a_call), -ETIMEDOUT);
    check_stuck_call(engines == 1 ? "engine 0: task 'stuck'"
                                  : "engine 1: task 'stuck'");
    /* Its own engine and its scope's, which has its stack. */
    CHECK_EQ(report.engines_left, engines == 1 ? 1 : 2);
    /* What is left does not keep others from living. */
    run_on_engines(engines, nothing, NULL);
}

KERNEL_TEST(L10_a_call_that_blocks_is_named_and_left)
{
    in_a_process(call_is_left, 1, "1 of 1 engines could not end in time");
    in_a_process(call_is_left, ENGINES, "2 of 3 engines could not end");
}

/* ---- a task that nobody wakes -------------------------------------------- */

static int wait_for_nothing(gyre_scope *scope, void *arg)
{
    (void)scope, (void)arg;
    return gyre_sleep(GYRE_NEVER);
}

static int hide_in_shield(void *arg)
{
    static const gyre_scope_options shield = { .shield = true,
                                               .deadline_ns = GYRE_NEVER };

    (void)arg;
    return gyre_scope_run(&shield, wait_for_nothing, NULL);
}

static int leave_many_shields(void *arg)
{
    (void)arg;
    for (int i = 0; i < 15; i++)
        CHECK_OK(spawn_named("in its shield", GYRE_HERE, hide_in_shield));
    shut_down_soon();
    return 0;
}

static void shields_are_left(unsigned engines)
{
    CHECK_ERR(run(engines, leave_many_shields), -ETIMEDOUT);
    CHECK_EQ(report.tasks_left, 15);
    CHECK_EQ(report.tasks_cancelled, 15);
    CHECK_EQ(report.engines_left, 1);
    CHECK_STR_HAS(report.text, "engine 0: task 'in its shield': waiting for ");
    CHECK_STR_HAS(report.text, " on sleep, for ever");
    CHECK_STR_HAS(report.text, "engine 0: and 5 more tasks\n");
}

KERNEL_TEST2(L10_a_shield_without_end_is_named_and_left)
{
    in_a_process(shields_are_left, 1, "15 tasks and 0 requests");
    in_a_process(shields_are_left, ENGINES, "1 of 3 engines could not end");
}

/* ---- an op of a callback ------------------------------------------------- */

static void never_called(gyre_op *op, gyre_result result)
{
    (void)op, (void)result;
    CHECK(false);
}

static int leave_an_op(void *arg)
{
    static gyre_op op;

    (void)arg;
    gyre_op_call(&op, block, NULL);
    gyre_op_start(gyre_loop_current(), &op, never_called, NULL);
    while (atomic_load(&begun) == 0)
        CHECK_OK(gyre_yield());
    shut_down_soon();
    return 0;
}

static void op_is_left(unsigned engines)
{
    CHECK_ERR(run(engines, leave_an_op), -ETIMEDOUT);
    CHECK_EQ(report.tasks_left, 0);
    CHECK_EQ(report.ops_left, 1);
    CHECK_EQ(report.engines_left, 1);
    CHECK_STR_HAS(report.text, "engine 0: ops of callbacks:\n");
    CHECK_STR_HAS(report.text, ": CALL, in flight");
}

KERNEL_TEST2(L10_an_op_that_blocks_is_named_and_left)
{
    in_a_process(op_is_left, 1, "0 tasks and 1 requests");
    in_a_process(op_is_left, 2, "1 of 2 engines could not end");
}

/* ---- a call while an engine ends ----------------------------------------- */

/* So late that the engine, which is ending already, has said what keeps it, and
 * sleeps with no other timer. */
static int hurry_then_block(void *arg)
{
    const gyre_shutdown_options options = { .cancel_ns = GYRE_MS };

    atomic_fetch_add(&begun, 1);
    usleep(1100000);
    gyre_engines_shutdown(arg, &options);
    return block(arg);
}

/* Told, and stopped before it hears: what was posted is dropped at its end. */
static int stop_when_told(void *arg)
{
    static const gyre_shutdown_options drain = { .drain_ns = GYRE_NEVER };
    static gyre_op op;

    (void)arg;
    gyre_op_call(&op, hurry_then_block, gyre_engines_current());
    gyre_op_start(gyre_loop_current(), &op, never_called, NULL);
    while (atomic_load(&begun) == 0)
        CHECK_OK(gyre_yield());
    gyre_engines_shutdown(NULL, &drain);
    gyre_loop_stop(gyre_loop_current());
    return 0;
}

static void second_call_is_heard(unsigned engines)
{
    CHECK_ERR(run(engines, stop_when_told), -ETIMEDOUT);
    CHECK_EQ(report.ops_left, 1);
    CHECK_STR_HAS(report.text, "engine 0: ops of callbacks:\n");
}

KERNEL_TEST2(L10_an_engine_that_ends_hears_of_new_times)
{
    in_a_process(second_call_is_heard, 1, "0 tasks and 1 requests");
}

/* ---- a task that holds its thread ---------------------------------------- */

static int spin(void *arg)
{
    (void)arg;
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&goes_on))
        sched_yield();
    /* Everything is still there. */
    CHECK_OK(gyre_spawn(gyre_scope_current(), nothing, NULL));
    atomic_fetch_add(&begun, 1);
    return 0;
}

static int leave_a_spinner(void *arg)
{
    (void)arg;
    CHECK_OK(spawn_named("spinner", GYRE_ENGINE(1), spin));
    while (atomic_load(&begun) == 0)
        CHECK_OK(gyre_sleep(GYRE_MS));
    for (int i = 0; i < 20; i++)
        CHECK_OK(spawn_named("queued", GYRE_ANYWHERE, nothing));
    shut_down_soon();
    return 0;
}

static void let_it_go_on(void)
{
    atomic_store(&goes_on, true);
    while (atomic_load(&begun) < 2)
        usleep(1000);
    usleep(20000); /* so that it has time to go wrong */
}

static void spinner_is_left(unsigned engines)
{
    CHECK_ERR(run(engines, leave_a_spinner), -ETIMEDOUT);
    CHECK_EQ(report.tasks_left, 1);
    CHECK_EQ(report.engines_left, engines);
    CHECK_STR_HAS(report.text, "engine 1: task 'spinner' holds its thread");
    let_it_go_on();
    run_on_engines(engines, nothing, NULL);
}

KERNEL_TEST2(L10_a_task_that_holds_its_thread_is_named_and_all_is_left)
{
    in_a_process(spinner_is_left, 2, "2 of 2 engines could not end in time");
}

/* ---- engines of a program whose threads are its own ---------------------- */

static void post_spin(gyre_work *work)
{
    (void)work;
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&goes_on))
        sched_yield();
    atomic_fetch_add(&begun, 1);
}

static void own_engines_are_left(unsigned count)
{
    static gyre_work work;
    gyre_engines *engines;

    CHECK_OK(
        gyre_engines_create(&engines, &(gyre_run_options){ .engines = count }));
    gyre_loop_post(gyre_engine_loop(engines, count - 1), &work, post_spin);
    while (atomic_load(&begun) == 0)
        usleep(100);
    gyre_engines_shutdown(engines,
                          &(gyre_shutdown_options){ .cancel_ns = cancel_ns() });
    CHECK_ERR(gyre_engines_wait(engines, &report), -ETIMEDOUT);
    CHECK_EQ(report.engines_left, count);
    CHECK_STR_HAS(report.text, "a callback holds its thread");
    /* Nobody there would answer. */
    for (unsigned n = 0; n < count; n++) {
        const gyre_task_options there = { .where = GYRE_ENGINE(n) };
        gyre_scope scope;

        CHECK_ERR(gyre_scope_open_on(engines, n, &scope, NULL), -ECANCELED);
        CHECK_ERR(gyre_block_on(engines, &there, nothing, NULL), -ECANCELED);
        CHECK_ERR(gyre_spawn(gyre_engine_scope(engines, n), nothing, NULL),
                  -ECANCELED);
    }
    let_it_go_on();
}

KERNEL_TEST2(L2_L10_engines_whose_threads_are_held_can_be_left)
{
    in_a_process(own_engines_are_left, 1, "1 of 1 engines could not end");
    in_a_process(own_engines_are_left, 2, "2 of 2 engines could not end");
}

/* The thread that waits is the one that would have to close it. */
static void open_scope_is_left(unsigned count)
{
    gyre_engines *engines;
    gyre_scope scope;

    CHECK_OK(
        gyre_engines_create(&engines, &(gyre_run_options){ .engines = count }));
    CHECK_OK(gyre_scope_open_on(engines, count - 1, &scope, NULL));
    gyre_engines_shutdown(engines,
                          &(gyre_shutdown_options){ .cancel_ns = cancel_ns() });
    CHECK_ERR(gyre_engines_wait(engines, &report), -ETIMEDOUT);
    CHECK_EQ(report.engines_left, 1);
    CHECK_EQ(report.tasks_left, 0);
    CHECK_STR_HAS(report.text, count == 1 ? "engine 0: a scope that a thread"
                                          : "engine 1: a scope that a thread");
}

KERNEL_TEST2(L10_R9_a_scope_that_a_thread_leaves_open_is_named)
{
    in_a_process(open_scope_is_left, 1, "1 of 1 engines could not end");
    in_a_process(open_scope_is_left, 2, "1 of 2 engines could not end");
}
