/* SPDX-License-Identifier: MIT */
/*
 * Each program fails at each place where it can: the first, the second, ...
 * allocation, then op, then spawn. Whatever fails, the program's result is that
 * error, or 0 if its entry says that it copes, and nothing is left: no op,
 * timer, task, descriptor, nor anything that it counted as acquired. What is
 * destroyed checks that nobody waits for it.
 *
 * Allocations fail in a whole run, from the making of the loop to its end. Ops
 * and spawns fail by base/fault.h, in builds with GYRE_VERIFY, on a loop that
 * survives each of them.
 */
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "awaits/programs.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "loop/loop.h"
#include "task/task.h"

enum { FAILURES_MAX = 2000 };

/* ---- the programs' tools ------------------------------------------------- */

static void close_held(void *arg)
{
    struct held *held = arg;

    CHECK_OK(gyre_close(held->fd));
}

int hold(struct stage *stage, gyre_scope *scope, int fd)
{
    struct held *held = &stage->held[stage->held_count];

    if (fd < 0)
        return fd;
    CHECK_LT(stage->held_count, (unsigned)PROGRAM_HELD);
    stage->held_count++;
    held->fd = fd;
    gyre_scope_defer(scope, &held->deferred, close_held, held);
    return fd;
}

int spawn_some(gyre_scope *scope, int (*fn)(void *stage), struct stage *stage,
               unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        int err = gyre_spawn(scope, fn, stage);

        if (err < 0)
            return err;
    }
    return 0;
}

/* ---- one performance ----------------------------------------------------- */

static struct stage stage;

static void stage_up(const struct program *program)
{
    stage = (struct stage){ .program = program };
    for (int i = 0; i < PROGRAM_FDS; i++)
        stage.fds[i] = -1;
    if (program->set_up != NULL)
        program->set_up(&stage);
}

static void stage_down(void)
{
    for (int i = 0; i < PROGRAM_FDS; i++)
        if (stage.fds[i] >= 0)
            CHECK_OK(close(stage.fds[i]));
    CHECK_EQ(stage.live, 0u);
}

static int stage_main(void *arg)
{
    const struct program *program = arg;

    return gyre_scope_run(&program->options, program->main, &stage);
}

static unsigned count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void census(const gyre_loop *loop)
{
    gyre_loop_stats stats = { .size = sizeof stats };
    const struct tasks *tasks = loop->tasks;

    gyre_loop_get_stats(loop, &stats);
    CHECK_EQ(stats.ready, 0u);
    CHECK_EQ(stats.queued, 0u);
    CHECK_EQ(stats.in_flight, 0u);
    CHECK_EQ(stats.timers, 0u);
    CHECK_EQ(tasks->alive, 0u);
    CHECK_EQ(tasks->outside, 0u);
}

/* ---- allocations --------------------------------------------------------- */

/* The whole run; false: there was no n-th allocation. */
static bool run_without(const struct program *program, long n)
{
    unsigned fds = count_fds();
    bool failed;
    int result;

    stage_up(program);
    alloc_fail_nth(n);
    result = gyre_run(NULL, stage_main, (void *)(uintptr_t)program);
    failed = alloc_did_fail();
    alloc_fail_nth(0);
    /* Some memory can be done without. */
    if (result != 0 && (result != -ENOMEM || !failed))
        FAIL("%s, without allocation number %ld: got %s", program->name, n,
             gyre_error_name(result));
    stage_down();
    CHECK_EQ(count_fds(), fds);
    return failed;
}

static void fail_allocations(const struct program *program)
{
    long n = 1;

    while (run_without(program, n))
        CHECK_LT(n++, FAILURES_MAX);
    CHECK_GE(n - 1, 3); /* the loop's own at least */
}

/* ---- ops and spawns ------------------------------------------------------ */

struct first {
    const struct program *program;
    int result;
};

static int first_main(void *arg)
{
    struct first *first = arg;

    first->result = stage_main((void *)(uintptr_t)first->program);
    return 0;
}

static int perform(const struct program *program, gyre_loop *loop)
{
    struct first first = { .program = program };

    CHECK_OK(gyre_spawn(gyre_loop_scope(loop), first_main, &first));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    return first.result;
}

static bool copes(const struct program *program, int error)
{
    for (int i = 0; i < COPES_MAX; i++)
        if (program->copes[i] == error)
            return true;
    /* Most interruptions never get so far: the loop starts the op again. */
    return error == -EINTR;
}

static void judge(const struct program *program, enum fault_kind kind, long n,
                  int error, int result)
{
    bool failed = fault_happened(kind);

    if (failed ? result == error ||
                     (result == 0 && kind == FAULT_OP && copes(program, error))
               : result == 0)
        return;
    FAIL("%s, whose %s number %ld failed with %s: got %s", program->name,
         kind == FAULT_OP ? "op" : "spawn", failed ? n : 0,
         gyre_error_name(error), gyre_error_name(result));
}

/* How many could be made to fail. */
static long fail_each(const struct program *program, gyre_loop *loop,
                      enum fault_kind kind, int error)
{
    bool failed = true;
    long n = 0;

    while (failed) {
        unsigned fds = count_fds();
        int result;

        CHECK_LT(++n, FAILURES_MAX);
        stage_up(program);
        /* The first spawn is that of the program's first task. */
        fault_nth(kind, n + (kind == FAULT_SPAWN), error);
        result = perform(program, loop);
        failed = fault_happened(kind);
        judge(program, kind, n, error, result);
        fault_nth(kind, 0, 0);
        census(loop);
        stage_down();
        CHECK_EQ(count_fds(), fds);
    }
    return n - 1;
}

static void ignore(gyre_timer *timer, int status)
{
    (void)timer, (void)status;
}

/* On which the program has run, and which has slept: kernels open what they
 * need for that when they first do. */
static gyre_loop *warm_loop(const struct program *program)
{
    gyre_timer timer;
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK(gyre_loop_scope(loop) != NULL);
    gyre_timer_init(&timer, loop, ignore, NULL);
    gyre_timer_start_after(&timer, 400 * GYRE_US * test_scale());
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    stage_up(program);
    CHECK_OK(perform(program, loop));
    stage_down();
    return loop;
}

static void fail_everything(const struct program *program)
{
    static const int errors[] = { -EIO, -ENOMEM, -EINTR, -ECANCELED };
    size_t next = test_on_valgrind() ? sizeof errors / sizeof *errors : 1;
    gyre_loop *loop;

    fail_allocations(program);
#ifndef GYRE_VERIFY
    return;
#endif
    loop = warm_loop(program);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i += next)
        CHECK_GE(fail_each(program, loop, FAULT_OP, errors[i]),
                 (long)program->ops);
    CHECK_GE(fail_each(program, loop, FAULT_SPAWN, -ENOMEM),
             (long)program->spawns);
    gyre_loop_destroy(loop);
}

#define EACH_FAILURE(name)                                                     \
    extern const struct program program_##name;                                \
    KERNEL_TEST(R2_R8_##name##_survives_each_failure)                          \
    {                                                                          \
        fail_everything(&program_##name);                                      \
    }

PROGRAMS(EACH_FAILURE)
