/* SPDX-License-Identifier: MIT */
/*
 * Engines and what is around them: a sandbox, a fork, stacks that are measured
 * and come home, and very many tasks on their way.
 */
#include <gyre/sandbox.h>
#include <gyre/stack.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/crew.h"
#include "task/fiber_tools.h"

/* ---- a sandbox ----------------------------------------------------------- */

static int is_confined(void *arg)
{
    atomic_uint *confined = arg;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        atomic_fetch_add(confined, 1);
    return gyre_sleep(GYRE_MS);
}

static int all_are_confined(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_all(&scope, NULL, is_confined, arg, NULL));
    return gyre_scope_close(&scope);
}

/* The threads begin in the sandbox. */
static void run_confined(void)
{
    const gyre_sandbox_options sandbox = { .allow = 0 };
    const gyre_run_options options = { .engines = 3, .sandbox = &sandbox };
    atomic_uint confined = 0;

    (void)unsetenv("GYRE_LOOP");
    CHECK_OK(gyre_run(&options, all_are_confined, &confined));
    CHECK_EQ(confined, 3);
}

static void in_child(void (*fn)(void))
{
    pid_t child = fork();
    int status;

    CHECK_GE(child, 0);
    if (child == 0) {
        fn();
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

KERNEL_TEST2(L3_engines_begin_in_the_sandbox)
{
    test_not_on_qemu_user("it has no seccomp");
    if (GYRE_TSAN)
        TEST_SKIP("the tool has a thread of its own");
    if (test_on_valgrind())
        TEST_SKIP("valgrind knows no seccomp");
    in_child(run_confined);
}

/* ---- a fork -------------------------------------------------------------- */

static int count_engines(void *arg)
{
    (void)arg;
    return (int)gyre_engines_count(gyre_engines_current());
}

static void run_in_child(void)
{
    CHECK_EQ(gyre_run(&(gyre_run_options){ .engines = 2 }, count_engines, NULL),
             2);
}

static int fork_here(void *arg)
{
    in_child(run_in_child);
    CHECK_OK(gyre_sleep(GYRE_MS)); /* the parent's goes on */
    atomic_fetch_add((atomic_uint *)arg, 1);
    return 0;
}

static int fork_on_another(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), fork_here, arg, NULL));
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(L3_a_child_of_fork_has_engines_of_its_own)
{
    atomic_uint forked = 0;

    if (GYRE_TSAN)
        TEST_SKIP("the tool allows no threads in such a child");
    run_on_engines(2, fork_on_another, &forked);
    CHECK_EQ(forked, 1);
}

/* ---- stacks -------------------------------------------------------------- */

static int use_some(void *arg)
{
    CHECK_OK(gyre_yield());
    atomic_fetch_add((atomic_uint *)arg, 1);
    return 0;
}

static size_t stacks_used(void)
{
    gyre_stack_stats stats;

    gyre_loop_get_stack_stats(gyre_loop_current(), &stats);
    return stats.used;
}

/* In batches of several sizes; each batch has come home when its scope is
 * closed. */
static int send_very_many(void *arg)
{
    static const size_t sizes[] = { 0, 16384, 262144 };
    const unsigned count = test_tasks(100000 / test_scale());
    size_t before = stacks_used();
    unsigned sent = 0;
    gyre_scope scope;

    while (sent < count) {
        gyre_task_options options = { .stack_size = sizes[sent / 1000 % 3],
                                      .where = GYRE_NEXT };

        gyre_scope_open(&scope, NULL);
        for (unsigned i = 0; i < 1000 && sent < count; i++, sent++)
            CHECK_OK(gyre_spawn_with(&scope, &options, use_some, arg, NULL));
        CHECK_OK(gyre_scope_close(&scope));
        CHECK_EQ(stacks_used(), before);
    }
    CHECK_EQ(atomic_load((atomic_uint *)arg), count);
    return 0;
}

KERNEL_TEST2(L3_stacks_of_very_many_guests_come_home)
{
    atomic_uint ran = 0;

    run_on_engines(3, send_very_many, &ran);
}

static void find_guest(const gyre_stack_use *use, void *user)
{
    if (use->name != NULL && use->name[0] == 'g') {
        CHECK_EQ(use->count, 5U);
        CHECK_GT(use->most_used, 0U);
        *(bool *)user = true;
    }
}

/* Where they ran. */
static int look_at_report(void *arg)
{
    (void)gyre_stack_report(gyre_loop_current(), find_guest, arg);
    return 0;
}

static int measure_guests(void *arg)
{
    const gyre_task_options options = { .name = "guest",
                                        .where = GYRE_ENGINE(1) };
    atomic_uint ran = 0;
    gyre_scope scope;
    gyre_task *looks;

    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 5; i++)
        CHECK_OK(gyre_spawn_with(&scope, &options, use_some, &ran, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    gyre_scope_open(&scope, NULL);
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), look_at_report, arg, &looks));
    CHECK_OK(gyre_join(looks, NULL));
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(L3_U7_stacks_of_guests_are_measured_where_they_run)
{
    const gyre_run_options options = { .engines = 2, .measure_stacks = true };
    bool found = false;

    CHECK_OK(gyre_run(&options, measure_guests, &found));
    CHECK(found);
}
