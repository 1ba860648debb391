/* SPDX-License-Identifier: MIT */
/*
 * Who runs over his stack is told by name, and dies as he would have; other
 * faults are not claimed. Each in a process of its own.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/world.h"
#include "kernel/memory.h"
#include "runner/patient.h"
#include "task/fiber_tools.h"

#define KIB ((size_t)1024)

static char told[4096]; /* what the last child wrote to standard error */

/* Run body() in a child; how it ended. */
static int run_child(void (*body)(void))
{
    size_t length = 0;
    int status = 0;
    int pipes[2];
    ssize_t n;
    pid_t child;

    test_quiet();
    test_not_on_qemu_user("it tells itself of who dies");
    CHECK_EQ(pipe(pipes), 0);
    child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer may have its own opinion */
        signal(SIGBUS, SIG_DFL);
        CHECK_GE(dup2(pipes[1], STDERR_FILENO), 0);
        close(pipes[0]);
        close(pipes[1]);
        body();
        _exit(0);
    }
    CHECK_EQ(close(pipes[1]), 0);
    while (length < sizeof told - 1 &&
           (n = patient_read(pipes[0], told + length,
                             sizeof told - 1 - length)) > 0)
        length += (size_t)n;
    told[length] = '\0';
    CHECK_EQ(close(pipes[0]), 0);
    CHECK_EQ(patient_waitpid(child, &status), child);
    return status;
}

static bool has_guards(void)
{
    return memory_guard_best() != MEMORY_GUARD_NONE;
}

#define CHECK_DIED_OF(status, signal)                                          \
    do {                                                                       \
        CHECK(WIFSIGNALED(status));                                            \
        CHECK_EQ(WTERMSIG(status), signal);                                    \
    } while (0)

/* ---- overflows ----------------------------------------------------------- */

static __attribute__((noinline)) int fall(int depth)
{
    volatile char frame[512];

    frame[0] = (char)depth;
    use_all(frame);
    return depth == 0 ? 0 : fall(depth - 1) + frame[0];
}

static int overflow(void *arg)
{
    (void)arg;
    return fall(1 << 30);
}

static int spawn_named(void *arg)
{
    gyre_task_options options = { .name = arg, .stack_size = 128 * KIB };
    gyre_task *task;

    CHECK_OK(
        gyre_spawn_with(gyre_scope_current(), &options, overflow, NULL, &task));
    return gyre_join(task, NULL);
}

static char client[] = "client";

static void overflow_named(void)
{
    CHECK_OK(gyre_report_overflows());
    CHECK_OK(gyre_report_overflows());
    (void)gyre_run(NULL, spawn_named, client);
}

TEST(U7_an_overflow_is_told_by_name_and_dies_of_the_signal)
{
    int status;

    if (!has_guards())
        TEST_SKIP("no guard to be had");
    status = run_child(overflow_named);
    CHECK_STR_EQ(told,
                 "gyre: task 'client' ran over its 128 KiB stack (stack_size "
                 "in gyre_task_options gives it more)\n");
    CHECK_DIED_OF(status, SIGSEGV);
}

static void overflow_unasked(void)
{
    (void)gyre_run(NULL, spawn_named, client);
}

TEST(U7_nothing_is_told_unless_it_is_asked_for)
{
    int status;

    if (!has_guards())
        TEST_SKIP("no guard to be had");
    status = run_child(overflow_unasked);
    CHECK_STR_EQ(told, "");
    CHECK_DIED_OF(status, SIGSEGV);
}

static void overflow_protected(void)
{
    memory_guard_restrict(MEMORY_GUARD_PROTECT, 0);
    overflow_named();
}

TEST(U7_an_overflow_into_a_protected_page_is_told_as_well)
{
    int status = run_child(overflow_protected);

    CHECK_STR_HAS(told, "task 'client' ran over its 128 KiB");
    CHECK_DIED_OF(status, SIGSEGV);
}

static void *run_on_thread(void *arg)
{
    (void)gyre_run(NULL, spawn_named, arg);
    return NULL;
}

static void overflow_on_a_thread(void)
{
    pthread_t thread;

    CHECK_OK(gyre_report_overflows());
    CHECK_EQ(pthread_create(&thread, NULL, run_on_thread, client), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

TEST(U7_an_overflow_on_any_thread_with_a_loop_is_told)
{
    int status;

    if (!has_guards())
        TEST_SKIP("no guard to be had");
    status = run_child(overflow_on_a_thread);
    CHECK_STR_HAS(told, "task 'client' ran over its 128 KiB");
    CHECK_DIED_OF(status, SIGSEGV);
}

/* The loop is made here, with its first task, and run elsewhere. */
static void *run_loop(void *arg)
{
    (void)gyre_loop_run(arg, GYRE_RUN_UNTIL_DONE);
    return NULL;
}

static void overflow_elsewhere(void)
{
    pthread_t thread;
    gyre_loop *loop;

    CHECK_OK(gyre_report_overflows());
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_spawn(gyre_loop_scope(loop), overflow, NULL));
    CHECK_EQ(pthread_create(&thread, NULL, run_loop, loop), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

TEST(U7_the_thread_that_runs_the_loop_has_the_alternate_stack)
{
    int status;

    if (!has_guards())
        TEST_SKIP("no guard to be had");
    status = run_child(overflow_elsewhere);
    CHECK_STR_HAS(told, "task 'task' ran over its 64 KiB");
    CHECK_DIED_OF(status, SIGSEGV);
}

/* ---- what was there before ----------------------------------------------- */

static void note_signal(int number)
{
    static const char text[] = "before\n";

    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(3);
}

static void note_info(int number, siginfo_t *info, void *context)
{
    CHECK(info->si_signo == number && context != NULL);
    if (!GYRE_TSAN) /* which sets it to a number of its own */
        CHECK_EQ(errno, 77);
    note_signal(number);
}

static int set_errno_and_fall(void *arg)
{
    (void)arg;
    errno = 77;
    return fall(1 << 30);
}

static void overflow_with_handler(void)
{
    struct sigaction action = { .sa_sigaction = note_info,
                                .sa_flags = SA_SIGINFO };

    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
    CHECK_OK(gyre_report_overflows());
    (void)gyre_run(NULL, set_errno_and_fall, NULL);
}

static void overflow_with_old_handler(void)
{
    signal(SIGSEGV, note_signal);
    CHECK_OK(gyre_report_overflows());
    (void)gyre_run(NULL, set_errno_and_fall, NULL);
}

TEST(U7_the_handler_before_is_called_after_and_errno_is_as_it_was)
{
    if (!has_guards())
        TEST_SKIP("no guard to be had");
    for (int i = 0; i < 2; i++) {
        int status = run_child(i == 0 ? overflow_with_handler
                                      : overflow_with_old_handler);

        CHECK_STR_HAS(told, "64 KiB stack");
        CHECK_STR_HAS(told, "\nbefore\n");
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 3);
    }
}

static char *page;

/* As a program does that maps on demand. */
static void mend(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    CHECK(info->si_addr == page);
    CHECK_EQ(mprotect(page, memory_page_size(), PROT_READ | PROT_WRITE), 0);
}

static int touch_page(void *arg)
{
    (void)arg;
    *(volatile char *)page = 1;
    return gyre_yield();
}

static void fault_that_is_mended(void)
{
    struct sigaction action = { .sa_sigaction = mend, .sa_flags = SA_SIGINFO };

    page = mmap(NULL, memory_page_size(), PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
    CHECK_OK(gyre_report_overflows());
    CHECK_OK(gyre_run(NULL, touch_page, NULL));
    _exit(4);
}

TEST(U7_a_fault_elsewhere_goes_to_its_handler_and_may_be_mended)
{
    int status;

    if (test_on_valgrind())
        TEST_SKIP("valgrind reports bad writes, and does not resume them");
    status = run_child(fault_that_is_mended);
    CHECK_STR_EQ(told, "");
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 4);
}

/* ---- other faults -------------------------------------------------------- */

static uintptr_t low_address = 64;

static int touch_low(void *arg)
{
    (void)arg;
    *(volatile char *)*(volatile uintptr_t *)&low_address = 1;
    return 0;
}

static void fault_in_a_task(void)
{
    CHECK_OK(gyre_report_overflows());
    (void)gyre_run(NULL, touch_low, NULL);
}

static void fault_outside(void)
{
    CHECK_OK(gyre_report_overflows());
    (void)touch_low(NULL);
}

static void sent(void)
{
    CHECK_OK(gyre_report_overflows());
    raise(SIGSEGV);
}

TEST(U7_other_faults_are_not_claimed_and_end_as_before)
{
    void (*const bodies[])(void) = { fault_in_a_task, fault_outside, sent };

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        int status = run_child(bodies[i]);

        CHECK_STR_EQ(told, "");
        CHECK_DIED_OF(status, SIGSEGV);
    }
}

static void sent_and_ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    CHECK_OK(gyre_report_overflows());
    raise(SIGSEGV);
    _exit(5);
}

TEST(U7_a_signal_that_was_ignored_stays_so)
{
    int status = run_child(sent_and_ignored);

    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 5);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* The census sees what an alternate stack would leave behind. */
static void *run_and_look(void *arg)
{
    stack_t before, after;

    CHECK_EQ(sigaltstack(NULL, &before), 0);
    CHECK_OK(gyre_run(NULL, nothing, NULL));
    CHECK_EQ(sigaltstack(NULL, &after), 0);
    CHECK_EQ(after.ss_flags, before.ss_flags);
    if ((after.ss_flags & SS_DISABLE) == 0) /* else valgrind keeps it */
        CHECK(after.ss_sp == before.ss_sp);
    return arg;
}

TEST(U7_the_alternate_stack_goes_with_the_loop)
{
    pthread_t thread;

    CHECK_OK(gyre_report_overflows());
    (void)run_and_look(NULL);
    CHECK_EQ(pthread_create(&thread, NULL, run_and_look, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* ---- large frames -------------------------------------------------------- */

#if defined(GYRE_STACK_PROBES)
/* Larger than the guard, and written at its far end first: without probes the
 * write lands below the guard. */
static __attribute__((noinline)) int large_frame(int value)
{
    volatile char frame[100 * 1024];

    frame[0] = (char)value;
    use_all(frame);
    return frame[0];
}

static __attribute__((noinline)) int descend(void)
{
    volatile char frame[512];

    frame[0] = 1;
    use_all(frame);
    if (gyre_stack_left() < 12 * KIB)
        return large_frame(1);
    return descend() + frame[0];
}

static int overflow_at_once(void *arg)
{
    (void)arg;
    return descend();
}

static void overflow_by_large_frames(void)
{
    CHECK_OK(gyre_report_overflows());
    (void)gyre_run(NULL, overflow_at_once, NULL);
}
#endif

TEST(K13_frames_of_100_KiB_do_not_jump_over_the_guard)
{
#if defined(GYRE_STACK_PROBES)
    int status;

    if (!has_guards())
        TEST_SKIP("no guard to be had");
    status = run_child(overflow_by_large_frames);
    CHECK_STR_HAS(told, "ran over its 64 KiB");
    CHECK_DIED_OF(status, SIGSEGV);
#else
    TEST_SKIP("this compiler has no -fstack-clash-protection");
#endif
}
