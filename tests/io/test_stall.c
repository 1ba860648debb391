/* SPDX-License-Identifier: MIT */
/*
 * The stall detector: who keeps his thread is named, and where he was; who
 * gives it back in time is not.
 *
 * Who stalls does so until he is told of, so that no test depends on how fast
 * the machine is. On a busy one any slice may become long: such a stall is
 * real, of the kind GYRE_STALL_WAITING, and not of whom the test is about.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/world.h"
#include "kernel/proc.h"
#include "task/fiber_tools.h"
#include "task/stall.h"

#define NOINLINE __attribute__((noinline))

/* ThreadSanitizer calls handlers late, with registers of before. */
#if defined(GYRE_HAVE_LIBUNWIND) && !GYRE_TSAN
#define CALLS_HAVE_NAMES 1
#else
#define CALLS_HAVE_NAMES 0
#endif

/* ---- what was told ------------------------------------------------------- */

static struct told {
    pthread_mutex_t lock;
    gyre_stall first; /* its pointers are not for use */
    gyre_stall last;  /* that has ended; likewise */
    char name[64];
    char text[2][STALL_TEXT_BYTES]; /* of the last found, the last ended */
    uint64_t untold;
} told = { .lock = PTHREAD_MUTEX_INITIALIZER };
static atomic_uint found;
static atomic_uint ended;
static atomic_uint blocked;          /* found, of that kind */
static const char *only_name = NULL; /* others do not count */

static void note(void *user, const gyre_stall *stall)
{
    CHECK_EQ(user, (void *)&told);
    if (only_name != NULL &&
        (stall->task == NULL || strcmp(stall->task, only_name) != 0))
        return;
    if (!stall->ended && stall->kind == GYRE_STALL_BLOCKED)
        atomic_fetch_add(&blocked, 1);
    pthread_mutex_lock(&told.lock);
    strcpy(told.text[stall->ended], stall->text);
    if (stall->ended) {
        told.last = *stall;
    } else {
        told.first = *stall;
        told.untold += stall->untold;
        if (stall->untold > 0)
            CHECK_STR_HAS(stall->text, " more since the last report\n");
        (void)snprintf(told.name, sizeof told.name, "%s",
                       stall->task != NULL ? stall->task : "no task");
    }
    pthread_mutex_unlock(&told.lock);
    atomic_fetch_add(stall->ended ? &ended : &found, 1);
}

static gyre_stall_options options_of(uint64_t threshold_ns)
{
    return (gyre_stall_options){ .threshold_ns = threshold_ns,
                                 .interval_ns = 1,
                                 .report = note,
                                 .user = &told };
}

static void watch(uint64_t threshold_ns)
{
    const gyre_stall_options options = options_of(threshold_ns);

    CHECK_OK(gyre_loop_watch_stalls(gyre_loop_current(), &options));
}

static gyre_stall_stats stats_here(void)
{
    gyre_stall_stats stats = { .size = sizeof stats };

    gyre_loop_get_stall_stats(gyre_loop_current(), &stats);
    return stats;
}

static void await(atomic_uint *count, unsigned wanted)
{
    while (atomic_load(count) < wanted)
        CHECK_OK(gyre_sleep(GYRE_MS));
}

static NOINLINE void spin_deep(unsigned wanted)
{
    while (atomic_load(&found) < wanted)
        ;
    __asm__ volatile(""); /* no call at its end is a jump */
}

static NOINLINE void spin(unsigned wanted)
{
    spin_deep(wanted);
    __asm__ volatile("");
}

/* Such a report has the calls, if they can be had. */
static void check_calls(const char *text)
{
    CHECK_STR_HAS(text, "#0 ");
#if CALLS_HAVE_NAMES
    CHECK_STR_HAS(text, "  #0  spin_deep");
    CHECK_STR_HAS(text, "  #1  spin");
    CHECK(strstr(text, "context_entry") == NULL);
#endif
}

/* libunwind keeps a pipe, for trying whether an address can be read. */
static int warm_up(void *arg)
{
    (void)arg;
    watch(GYRE_MS);
    spin(1);
    return 0;
}

void test_warm_up(void)
{
    must_run(warm_up, NULL);
    atomic_store(&found, 0);
    atomic_store(&ended, 0);
}

/* ---- who stalls ---------------------------------------------------------- */

static int spinner(void *arg)
{
    (void)arg;
    spin(1);
    return 0;
}

static int one_spins(void *arg)
{
    const gyre_task_options options = { .name = "spinner",
                                        .stack_size = 16384 };
    gyre_scope *scope = gyre_loop_scope(gyre_loop_current());

    (void)arg;
    only_name = "spinner";
    watch(20 * GYRE_MS);
    CHECK_OK(gyre_spawn_with(scope, &options, spinner, NULL, NULL));
    await(&ended, 1);
    CHECK_GE(stats_here().stalls, 1u);
    CHECK_GE(stats_here().longest_ns, 20 * GYRE_MS);
    CHECK_GE(stats_here().total_ns, stats_here().longest_ns);
    return 0;
}

KERNEL_TEST2(U6_a_task_that_keeps_its_thread_is_named_with_its_calls)
{
    must_run(one_spins, NULL);
    CHECK_EQ(atomic_load(&found), 1u);
    CHECK_EQ(atomic_load(&ended), 1u);
    CHECK_STR_HAS(told.text[0], "gyre: stall: task 'spinner' has held the "
                                "thread of loop ");
    CHECK_STR_HAS(told.text[0], " of processor time)\n");
    CHECK_STR_HAS(told.text[0], "\n  spawned at ");
    CHECK_STR_HAS(told.text[0], "; runs ");
    check_calls(told.text[0]);
    CHECK_STR_EQ(told.name, "spinner");
    CHECK_GE(told.first.held_ns, 20 * GYRE_MS);
    CHECK_GT(told.first.call_count, 0u);
    CHECK_STR_HAS(told.text[1], "gyre: stall: task 'spinner' held the thread");
    CHECK_STR_HAS(told.text[1], " in all, ");
    CHECK_GE(told.last.held_ns, told.first.held_ns);
    CHECK_EQ(told.last.loop_id, told.first.loop_id);
}

static int one_computes(void *arg)
{
    (void)arg;
    watch(20 * GYRE_MS);
    spin(1);
    return 0;
}

TEST(U6_who_computes_is_told_from_who_does_not)
{
    must_run(one_computes, NULL);
    /* Others may have the processor for the most part. */
    CHECK_NE(told.first.kind, GYRE_STALL_BLOCKED);
    CHECK_GT(told.first.cpu_ns, 0u);
    if (told.first.kind == GYRE_STALL_COMPUTING)
        CHECK_STR_HAS(told.text[0], ", computing (");
    else
        CHECK_STR_HAS(told.text[0], ", waiting for a processor (");
}

static NOINLINE void block(void)
{
    const struct timespec second = { .tv_sec = 1 };

    /* The signal ends it. */
    while (nanosleep(&second, NULL) == 0)
        ;
    CHECK_EQ(errno, EINTR);
}

static int one_blocks(void *arg)
{
    (void)arg;
    watch(100 * GYRE_MS);
    block();
    await(&ended, 1);
    return 0;
}

KERNEL_TEST2(U6_who_blocks_in_a_system_call_is_said_to)
{
    test_quiet();
    must_run(one_blocks, NULL);
    CHECK_EQ(told.first.kind, GYRE_STALL_BLOCKED);
    CHECK_STR_HAS(told.text[0], "task 'task' has held");
    CHECK_STR_HAS(told.text[0], ", blocked in a system call (");
    CHECK_LT(told.first.cpu_ns, told.first.held_ns / 2);
#if CALLS_HAVE_NAMES
    CHECK_STR_HAS(told.text[0], "block+0x");
#endif
}

static void spin_callback(gyre_timer *timer, int status)
{
    (void)status;
    spin(1);
    gyre_loop_stop(timer->loop_);
}

KERNEL_TEST2(U6_a_callback_is_said_to_be_one)
{
    const gyre_stall_options options = options_of(20 * GYRE_MS);
    gyre_timer timer;
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_loop_watch_stalls(loop, &options));
    gyre_timer_init(&timer, loop, spin_callback, NULL);
    gyre_timer_start(&timer, 0);
    CHECK_EQ(gyre_loop_run(loop, GYRE_RUN_FOREVER), 1);
    CHECK_STR_HAS(told.text[0], "gyre: stall: a callback has held the thread");
    CHECK_STR_EQ(told.name, "no task");
    check_calls(told.text[0]);
    gyre_loop_destroy(loop);
}

/* ---- who does not -------------------------------------------------------- */

static uint64_t clock_now(void)
{
    struct timespec now;

    CHECK_OK(clock_gettime(CLOCK_MONOTONIC, &now));
    return (uint64_t)now.tv_sec * GYRE_SECOND + (uint64_t)now.tv_nsec;
}

static void compute(uint64_t ns)
{
    uint64_t until = clock_now() + ns;

    while (clock_now() < until)
        ;
}

/* Never a sleep, but a yield now and then, and all of them in some turns. */
static int busy(void *arg)
{
    uint64_t limit = test_scale() * 300 * GYRE_MS, longest = 0;

    (void)arg;
    watch(limit);
    for (unsigned i = 0; i < 300; i++) {
        uint64_t began = clock_now();

        compute(2 * GYRE_MS);
        CHECK_OK(gyre_yield());
        if (clock_now() - began > longest)
            longest = clock_now() - began;
    }
    if (longest > limit / 2)
        TEST_SKIP("others had the processor for too long");
    CHECK_EQ(stats_here().stalls, 0u);
    return 0;
}

KERNEL_TEST2(U6_a_busy_loop_of_short_slices_does_not_stall)
{
    must_run(busy, NULL);
    CHECK_EQ(atomic_load(&found), 0u);
}

static int sleeper(void *arg)
{
    (void)arg;
    watch(40 * GYRE_MS);
    CHECK_OK(gyre_sleep(240 * GYRE_MS));
    return 0;
}

KERNEL_TEST(U6_a_loop_that_sleeps_does_not_stall)
{
    must_run(sleeper, NULL);
    CHECK_EQ(atomic_load(&blocked), 0u);
}

TEST(U6_a_loop_that_nobody_runs_does_not_stall)
{
    const gyre_stall_options options = options_of(60 * GYRE_MS);
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_loop_watch_stalls(loop, &options));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    compute(240 * GYRE_MS);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    gyre_loop_destroy(loop);
    CHECK_EQ(atomic_load(&found), 0u);
}

/* ---- how much is told ---------------------------------------------------- */

static void stall_once_more(void)
{
    uint64_t before = stats_here().stalls;

    while (stats_here().stalls == before)
        ;
    CHECK_OK(gyre_sleep(GYRE_MS));
}

static int three_stalls(void *arg)
{
    gyre_stall_options options = options_of(10 * GYRE_MS);

    (void)arg;
    options.interval_ns = 3600 * GYRE_SECOND;
    CHECK_OK(gyre_loop_watch_stalls(gyre_loop_current(), &options));
    for (unsigned i = 0; i < 3; i++)
        stall_once_more();
    CHECK_GE(stats_here().stalls, 3u);
    gyre_loop_unwatch_stalls(gyre_loop_current());
    CHECK_GE(stats_here().stalls, 3u);
    return 0;
}

TEST(U6_many_stalls_are_counted_and_one_is_told_of_in_an_interval)
{
    must_run(three_stalls, NULL);
    CHECK_EQ(atomic_load(&found), 1u);
    CHECK_EQ(atomic_load(&ended), 1u);
}

static int stalls_and_reports(void *arg)
{
    gyre_stall_options options = options_of(10 * GYRE_MS);
    uint64_t untold;

    (void)arg;
    options.interval_ns = 100 * GYRE_MS;
    CHECK_OK(gyre_loop_watch_stalls(gyre_loop_current(), &options));
    do {
        stall_once_more();
        pthread_mutex_lock(&told.lock);
        untold = told.untold;
        pthread_mutex_unlock(&told.lock);
    } while (untold == 0);
    return 0;
}

TEST(U6_a_report_says_how_many_were_not_told_of)
{
    must_run(stalls_and_reports, NULL);
}

/* ---- the signal ---------------------------------------------------------- */

static atomic_uint others;

static void on_other(int number)
{
    CHECK_EQ(number, SIGUSR2);
    atomic_fetch_add(&others, 1);
}

static int spin_by_usr2(void *arg)
{
    gyre_stall_options options = options_of(10 * GYRE_MS);

    (void)arg;
    options.signal = SIGUSR2;
    CHECK_OK(gyre_loop_watch_stalls(gyre_loop_current(), &options));
    spin(1);
    CHECK_EQ(atomic_load(&others), 1u);
    /* Nobody was asked: it is passed on, and that is all. */
    CHECK_OK(raise(SIGUSR2));
    CHECK_EQ(atomic_load(&others), 2u);
    return 0;
}

TEST(U6_the_signal_is_passed_on_and_given_back)
{
    struct sigaction before = { .sa_handler = on_other };
    struct sigaction after;

    test_quiet();
    CHECK_OK(sigaction(SIGUSR2, &before, NULL));
    must_run(spin_by_usr2, NULL);
    CHECK_OK(sigaction(SIGUSR2, NULL, &after));
    CHECK(after.sa_handler == on_other);
}

static int spin_deaf(void *arg)
{
    sigset_t set;

    (void)arg;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    watch(10 * GYRE_MS);
    CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
    spin(1);
    return 0;
}

TEST(U6_a_thread_that_takes_no_signal_is_told_of_all_the_same)
{
    stall_patience_ns = 10 * GYRE_MS;
    must_run(spin_deaf, NULL);
    CHECK_STR_HAS(told.text[0], "gyre: stall: something has held the thread");
    CHECK_STR_HAS(told.text[0], "the thread did not take the signal");
    CHECK_EQ(told.first.call_count, 0u);
}

TEST(U6_a_blocked_signal_is_let_through_while_it_is_needed)
{
    sigset_t set, after;

    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
    must_run(one_computes, NULL);
    check_calls(told.text[0]);
    CHECK_OK(pthread_sigmask(SIG_BLOCK, NULL, &after));
    CHECK_EQ(sigismember(&after, SIGURG), 1);
}

static int refusals(void *arg)
{
    gyre_loop *loop = gyre_loop_current();
    gyre_stall_options options = options_of(GYRE_MS - 1);

    (void)arg;
    CHECK_ERR(gyre_loop_watch_stalls(loop, &options), -ERANGE);
    options.threshold_ns = 3600 * GYRE_SECOND + 1;
    CHECK_ERR(gyre_loop_watch_stalls(loop, &options), -ERANGE);
    options.threshold_ns = 0;
    options.signal = SIGKILL;
    CHECK_ERR(gyre_loop_watch_stalls(loop, &options), -EINVAL);
    options.signal = 1000;
    CHECK_ERR(gyre_loop_watch_stalls(loop, &options), -EINVAL);
    options.signal = SIGUSR2;
    CHECK_OK(gyre_dump_on_signal(loop, SIGUSR2, 2));
    CHECK_ERR(gyre_loop_watch_stalls(loop, &options), -EBUSY);
    CHECK_OK(gyre_dump_on_signal(loop, 0, 2));
    CHECK_OK(gyre_loop_watch_stalls(loop, &options));
    /* Another time is another watch: its signal is free again. */
    options.signal = 0;
    CHECK_OK(gyre_loop_watch_stalls(loop, &options));
    CHECK_OK(gyre_dump_on_signal(loop, SIGUSR2, 2));
    return 0;
}

TEST(U6_what_cannot_be_is_refused)
{
    must_run(refusals, NULL);
}

/* ---- the watcher --------------------------------------------------------- */

/* Threads of gyre's own: there is no other than the watcher here. */
static unsigned watchers_now(void)
{
    DIR *threads = opendir("/proc/self/task");
    unsigned count = 0;
    struct dirent *entry;

    CHECK(threads != NULL);
    while ((entry = readdir(threads)) != NULL) {
        char path[300], name[32];

        (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm",
                       entry->d_name);
        count += entry->d_name[0] != '.' &&
                 proc_read(path, name, sizeof name) == 0 &&
                 strncmp(name, "gyre-w-", 7) == 0;
    }
    closedir(threads);
    return count;
}

/* It takes its name, and its leave, a moment later than the call returns. */
static void await_watchers(unsigned wanted)
{
    while (watchers_now() != wanted)
        (void)usleep(1000);
}

TEST(U6_one_watcher_is_there_while_a_loop_is_watched)
{
    gyre_loop *loops[2];

    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(gyre_loop_create(&loops[i], NULL));
        CHECK_OK(gyre_loop_watch_stalls(loops[i], NULL));
        await_watchers(1);
    }
    gyre_loop_unwatch_stalls(loops[0]);
    gyre_loop_unwatch_stalls(loops[0]);
    await_watchers(1);
    gyre_loop_destroy(loops[1]);
    await_watchers(0);
    CHECK_OK(gyre_loop_watch_stalls(loops[0], NULL));
    await_watchers(1);
    gyre_loop_destroy(loops[0]);
    await_watchers(0);
}

static void watch_or_not(void)
{
    gyre_loop *loop;
    int err;

    if (gyre_loop_create(&loop, NULL) < 0)
        return;
    err = gyre_loop_watch_stalls(loop, NULL);
    CHECK(err == 0 || err == -ENOMEM || err == -EAGAIN);
    await_watchers(err == 0);
    gyre_loop_destroy(loop);
    await_watchers(0);
}

TEST(U6_no_memory_and_no_thread_are_errors)
{
    CHECK_GT(for_each_failure(watch_or_not), 2);
}

/* One thread stalls, and the other's loop has nothing to do with it. */
struct side {
    uint64_t loop_id;
    uint64_t stalls;
};

static int idle_side(void *arg)
{
    struct side *side = arg;

    watch(test_scale() * 500 * GYRE_MS);
    await(&ended, 1);
    side->loop_id = gyre_loop_id(gyre_loop_current());
    side->stalls = stats_here().stalls;
    return 0;
}

static void *run_idle_side(void *arg)
{
    must_run(idle_side, arg);
    return NULL;
}

static int busy_side(void *arg)
{
    struct side *side = arg;

    watch(20 * GYRE_MS);
    spin(1);
    side->loop_id = gyre_loop_id(gyre_loop_current());
    await(&ended, 1);
    side->stalls = stats_here().stalls;
    return 0;
}

KERNEL_TEST2(U6_of_two_loops_the_one_that_stalls_is_told_of)
{
    struct side idle = { 0 }, spins = { 0 };
    pthread_t thread;

    CHECK_OK(pthread_create(&thread, NULL, run_idle_side, &idle));
    must_run(busy_side, &spins);
    CHECK_OK(pthread_join(thread, NULL));
    CHECK_EQ(told.first.loop_id, spins.loop_id);
    CHECK_GE(spins.stalls, 1u);
    CHECK_EQ(idle.stalls, 0u);
}

/* Who is told may take his time, and fork. */
static void fork_and_note(void *user, const gyre_stall *stall)
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    note(user, stall);
}

static int spin_and_leave(void *arg)
{
    gyre_stall_options options = options_of(10 * GYRE_MS);

    (void)arg;
    options.report = fork_and_note;
    CHECK_OK(gyre_loop_watch_stalls(gyre_loop_current(), &options));
    spin(1);
    return 0;
}

TEST(U6_who_is_told_may_fork)
{
    must_run(spin_and_leave, NULL);
    CHECK_EQ(atomic_load(&found), 1u);
}

static int spin_once(void *arg)
{
    (void)arg;
    watch(10 * GYRE_MS);
    spin(1);
    return 0;
}

TEST(U6_a_child_of_fork_watches_its_own_loops)
{
    gyre_loop *loop;
    pid_t pid;
    int status;

    if (GYRE_TSAN)
        TEST_SKIP("ThreadSanitizer has no threads after a fork");
    test_quiet();
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_loop_watch_stalls(loop, NULL));
    /* A thread that begins may hold a lock of the sanitizer's. */
    await_watchers(1);
    pid = fork();
    if (pid == 0) {
        must_run(spin_once, NULL);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    await_watchers(1);
    gyre_loop_destroy(loop);
}

/* ---- the shortest way ---------------------------------------------------- */

static int stall_until_counted(void *arg)
{
    (void)arg;
    stall_once_more();
    return 0;
}

/* What the run has said on standard error. */
static void run_into(char text[static STALL_TEXT_BYTES],
                     const gyre_run_options *options, gyre_task_fn *fn)
{
    FILE *file = tmpfile();
    int before = dup(2);
    size_t size;

    CHECK(file != NULL);
    CHECK_EQ(dup2(fileno(file), 2), 2);
    CHECK_OK(gyre_run(options, fn, NULL));
    CHECK_EQ(dup2(before, 2), 2);
    close(before);
    rewind(file);
    size = fread(text, 1, STALL_TEXT_BYTES - 1, file);
    text[size] = '\0';
    fclose(file);
}

KERNEL_TEST2(U6_a_run_tells_on_standard_error)
{
    const gyre_run_options options = { .stall_ns = 20 * GYRE_MS };
    char text[STALL_TEXT_BYTES];

    run_into(text, &options, stall_until_counted);
    CHECK_STR_HAS(text, "gyre: stall: task 'task' has held the thread of loop");
    CHECK(strstr(text, "engine") == NULL);
#if CALLS_HAVE_NAMES
    CHECK_STR_HAS(text, "stall_once_more");
#endif
}

TEST(U6_a_run_refuses_what_is_too_short)
{
    const gyre_run_options options = { .stall_ns = 1 };

    CHECK_ERR(gyre_run(&options, stall_until_counted, NULL), -ERANGE);
}

/* ---- engines ------------------------------------------------------------- */

static atomic_uint stalled;

static int stall_here(void *arg)
{
    (void)arg;
    stall_once_more();
    atomic_fetch_add(&stalled, 1);
    return 0;
}

static int spawn_guest(void *arg)
{
    const gyre_task_options options = { .name = "guest",
                                        .where = GYRE_ENGINE(1) };
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, &options, stall_here, NULL, NULL));
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(U6_tasks_of_each_engine_are_watched)
{
    const gyre_run_options options = { .stall_ns = 50 * GYRE_MS, .engines = 2 };
    char text[STALL_TEXT_BYTES];

    run_into(text, &options, spawn_guest);
    CHECK_EQ(atomic_load(&stalled), 1u);
    CHECK_STR_HAS(text,
                  "gyre: stall: task 'guest' has held the thread of loop ");
    CHECK_STR_HAS(text, ", engine 1, for ");
#if CALLS_HAVE_NAMES
    CHECK_STR_HAS(text, "stall_once_more");
#endif
}
