/* SPDX-License-Identifier: MIT */
/*
 * Engines begin, on the CPUs and with the names that were asked for; or they do
 * not, with a sentence, and nothing is left behind.
 */
#include <gyre/stall.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fault.h"
#include "engine/crew.h"

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- how many ------------------------------------------------------------ */

static int count_engines(void *arg)
{
    (void)arg;
    return (int)gyre_engines_count(gyre_engines_current());
}

static int engines_with(const char *text)
{
    CHECK_OK(setenv("GYRE_ENGINES", text, 1));
    return gyre_run(NULL, count_engines, NULL);
}

TEST(L3_the_environment_says_how_many_engines)
{
    const gyre_run_options two = { .engines = 2 };
    cpu_set_t cpus;

    CHECK_OK(unsetenv("GYRE_ENGINES"));
    CHECK_EQ(gyre_run(NULL, count_engines, NULL), 1);
    CHECK_EQ(engines_with("3"), 3);
    CHECK_EQ(engines_with(""), 1);
    CHECK_EQ(gyre_run(&two, count_engines, NULL), 2);
    CHECK_OK(sched_getaffinity(0, sizeof cpus, &cpus));
    CHECK_EQ(engines_with("all"), CPU_COUNT(&cpus));
}

TEST(L3_no_number_in_the_environment_is_refused_with_a_sentence)
{
    static const char *const texts[] = { "0",    "x",          "2x", "-1",
                                         "1025", "4294967298", "ALL" };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK_ERR(engines_with(texts[i]), -EINVAL);
        CHECK_STR_HAS(gyre_loop_create_error(), "GYRE_ENGINES");
    }
}

TEST(L3_more_engines_than_there_can_be_are_refused_with_a_sentence)
{
    const gyre_run_options options = { .engines = 1025 };
    gyre_engines *engines;

    CHECK_ERR(gyre_run(&options, do_nothing, NULL), -EINVAL);
    CHECK_STR_HAS(gyre_loop_create_error(), "gyre_run_options.engines");
    CHECK_ERR(gyre_engines_create(&engines, &options), -EINVAL);
}

/* ---- where --------------------------------------------------------------- */

/* The CPUs the process may use; how many, at most `max`. */
static unsigned list_cpus(unsigned *list, unsigned max)
{
    cpu_set_t cpus;
    unsigned n = 0;

    CHECK_OK(sched_getaffinity(0, sizeof cpus, &cpus));
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && n < max; cpu++)
        if (CPU_ISSET(cpu, &cpus))
            list[n++] = cpu;
    return n;
}

struct places {
    unsigned cpus[2];
    unsigned count;
    atomic_uint seen;
};

static void check_bound_to(unsigned cpu)
{
    cpu_set_t cpus;

    CHECK_OK(sched_getaffinity(0, sizeof cpus, &cpus));
    CHECK_EQ(CPU_COUNT(&cpus), 1);
    CHECK(CPU_ISSET(cpu, &cpus));
    CHECK_EQ(sched_getcpu(), (int)cpu);
}

static int look_at_cpu(void *arg)
{
    struct places *places = arg;
    unsigned engine = (unsigned)gyre_engine_current();
    unsigned cpu = places->cpus[engine % places->count];
    gyre_engine_stats stats = { .size = sizeof stats };

    check_bound_to(cpu);
    gyre_engine_get_stats(gyre_engines_current(), engine, &stats);
    CHECK_EQ(stats.cpu, (int)cpu);
    atomic_fetch_add(&places->seen, 1);
    return 0;
}

static int look_on_all(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_all(&scope, NULL, look_at_cpu, arg, NULL));
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(L13_engines_run_on_the_cpus_they_are_given)
{
    struct places places = { .seen = 0 };
    gyre_run_options options = { .engines = 3, .cpus = places.cpus };
    cpu_set_t before, after;

    places.count = options.cpu_count = list_cpus(places.cpus, 2);
    CHECK_OK(sched_getaffinity(0, sizeof before, &before));
    CHECK_OK(gyre_run(&options, look_on_all, &places));
    CHECK_EQ(places.seen, 3);
    /* The caller's thread was lent. */
    CHECK_OK(sched_getaffinity(0, sizeof after, &after));
    CHECK(CPU_EQUAL(&before, &after));
}

static int look_at_own_cpus(void *arg)
{
    cpu_set_t cpus;

    CHECK_OK(sched_getaffinity(0, sizeof cpus, &cpus));
    CHECK(CPU_EQUAL(&cpus, (const cpu_set_t *)arg));
    return 0;
}

static int block_and_look(void *arg)
{
    return gyre_call_blocking(look_at_own_cpus, arg);
}

static int block_on_all(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_all(&scope, NULL, block_and_look, arg, NULL));
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(L9_L13_what_blocks_may_use_all_cpus)
{
    unsigned cpu[2];
    gyre_run_options options = { .cpus = cpu, .cpu_count = 1 };
    cpu_set_t before;

    if (list_cpus(cpu, 2) < 2)
        TEST_SKIP("this process may use one CPU");
    CHECK_OK(sched_getaffinity(0, sizeof before, &before));
    for (options.engines = 1; options.engines <= 2; options.engines++)
        CHECK_OK(gyre_run(&options, block_on_all, &before));
}

/* Who watches an engine is not kept from it by what the engine runs. */
struct watched {
    cpu_set_t cpus; /* the watcher's */
    atomic_bool told;
};

static void note_watcher(void *user, const gyre_stall *stall)
{
    struct watched *watched = user;

    (void)stall;
    if (!atomic_load(&watched->told))
        CHECK_OK(sched_getaffinity(0, sizeof watched->cpus, &watched->cpus));
    atomic_store(&watched->told, true);
}

static int stall_until_told(void *arg)
{
    struct watched *watched = arg;
    const gyre_stall_options options = { .threshold_ns = GYRE_MS,
                                         .report = note_watcher,
                                         .user = watched };

    CHECK_OK(gyre_loop_watch_stalls(gyre_loop_current(), &options));
    CHECK_OK(gyre_yield()); /* the slice begins when it is watched */
    while (!atomic_load(&watched->told))
        sched_yield();
    gyre_loop_unwatch_stalls(gyre_loop_current());
    return 0;
}

static int stall_on_last(void *arg)
{
    gyre_engines *set = gyre_engines_current();
    gyre_task_options there = {
        .where = set == NULL ? GYRE_HERE
                             : GYRE_ENGINE((int)gyre_engines_count(set) - 1)
    };
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, &there, stall_until_told, arg, NULL));
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(L13_who_watches_for_stalls_may_use_all_cpus)
{
    unsigned cpu[2];
    gyre_run_options options = { .cpus = cpu, .cpu_count = 1 };
    cpu_set_t before;

    if (list_cpus(cpu, 2) < 2)
        TEST_SKIP("this process may use one CPU");
    CHECK_OK(sched_getaffinity(0, sizeof before, &before));
    for (options.engines = 1; options.engines <= 2; options.engines++) {
        struct watched watched = { .told = false };

        CHECK_OK(gyre_run(&options, stall_on_last, &watched));
        CHECK(CPU_EQUAL(&before, &watched.cpus));
    }
}

static void refuse_cpu(unsigned first, unsigned second, const char *named)
{
    const unsigned cpus[] = { first, second };
    const gyre_run_options options = { .engines = 2,
                                       .cpu_count = 2,
                                       .cpus = cpus };
    gyre_engines *engines;

    CHECK_ERR(gyre_run(&options, do_nothing, NULL), -EINVAL);
    CHECK_STR_HAS(gyre_loop_create_error(), named);
    CHECK_ERR(gyre_engines_create(&engines, &options), -EINVAL);
    CHECK_STR_HAS(gyre_loop_create_error(), named);
}

KERNEL_TEST2(L13_a_cpu_that_is_not_there_is_refused_and_named)
{
    unsigned cpu = 0;

    CHECK_EQ(list_cpus(&cpu, 1), 1);
    refuse_cpu(cpu, 1023, "CPU 1023");
    refuse_cpu(1022, cpu, "CPU 1022");
    refuse_cpu(cpu, 100000, "CPU 100000");
}

TEST(L13_each_cpu_is_each_that_the_process_may_use)
{
    const gyre_run_options options = { .engines = GYRE_EACH_CPU };
    cpu_set_t one;
    unsigned cpu = 0;

    CHECK_EQ(list_cpus(&cpu, 1), 1);
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK_OK(sched_setaffinity(0, sizeof one, &one));
    CHECK_EQ(gyre_run(&options, count_engines, NULL), 1);
}

/* ---- their names --------------------------------------------------------- */

struct names {
    char of[3][16];
};

static int look_at_name(void *arg)
{
    struct names *names = arg;
    int engine = gyre_engine_current();

    CHECK_OK(pthread_getname_np(pthread_self(), names->of[engine], 16));
    return 0;
}

static int look_at_names(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_all(&scope, NULL, look_at_name, arg, NULL));
    return gyre_scope_close(&scope);
}

TEST(L3_threads_of_engines_have_names)
{
    gyre_run_options options = { .engines = 3 };
    struct names names;
    char own[16];

    CHECK_OK(pthread_getname_np(pthread_self(), own, sizeof own));
    CHECK_OK(gyre_run(&options, look_at_names, &names));
    CHECK_STR_EQ(names.of[0], own);
    CHECK_STR_EQ(names.of[1], "gyre-1");
    CHECK_STR_EQ(names.of[2], "gyre-2");
    options.name = "a name too long for Linux";
    CHECK_OK(gyre_run(&options, look_at_names, &names));
    CHECK_STR_EQ(names.of[1], "a name too-1");
}

/* ---- what fails ---------------------------------------------------------- */

static const gyre_run_options three = { .engines = 3 };

static void run_without_memory(void)
{
    int err = gyre_run(&three, do_nothing, NULL);

    if (err < 0) {
        CHECK_ERR(err, -ENOMEM);
        CHECK_STR_HAS(gyre_loop_create_error(), "no memory");
    }
}

KERNEL_TEST(L3_a_run_on_engines_survives_each_failed_allocation)
{
    CHECK_GT(for_each_failure(run_without_memory), 3);
}

static void create_without_memory(void)
{
    gyre_engines *engines;
    int err = gyre_engines_create(&engines, &three);

    if (err == 0)
        gyre_engines_destroy(engines);
    else
        CHECK_ERR(err, -ENOMEM);
}

KERNEL_TEST2(L3_engines_survive_each_failed_allocation)
{
    CHECK_GT(for_each_failure(create_without_memory), 3);
}

KERNEL_TEST2(L3_without_a_thread_there_are_no_engines_and_a_sentence)
{
    gyre_engines *engines;

    fault_nth(FAULT_ENGINE, 1, -EAGAIN);
    CHECK_OK(gyre_run(NULL, do_nothing, NULL)); /* it needs none */
    if (gyre_run(&three, do_nothing, NULL) == 0)
        TEST_SKIP("this build plants no faults");
    for (long n = 1; n <= 2; n++) {
        fault_nth(FAULT_ENGINE, n, -EAGAIN);
        CHECK_ERR(gyre_run(&three, do_nothing, NULL), -EAGAIN);
        CHECK_STR_HAS(gyre_loop_create_error(), "ulimit -u");
    }
    for (long n = 1; n <= 3; n++) {
        fault_nth(FAULT_ENGINE, n, -EAGAIN);
        CHECK_ERR(gyre_engines_create(&engines, &three), -EAGAIN);
    }
    CHECK_OK(gyre_run(&three, do_nothing, NULL));
}

/* By Linux: as nobody, since root may have any number. */
KERNEL_TEST2(L3_where_the_user_has_no_thread_left_there_are_no_engines)
{
    struct rlimit before, one;
    gyre_engines *engines;

    if (getuid() == 0 && (setgid(64337) != 0 || setuid(64337) != 0))
        TEST_SKIP("cannot stop being root");
    CHECK_OK(getrlimit(RLIMIT_NPROC, &before));
    one = before;
    one.rlim_cur = 1;
    CHECK_OK(setrlimit(RLIMIT_NPROC, &one));
    if (gyre_engines_create(&engines, &three) == 0)
        TEST_SKIP("this machine does not hold users to RLIMIT_NPROC");
    CHECK_STR_HAS(gyre_loop_create_error(), "ulimit -u");
    CHECK_ERR(gyre_engines_create(&engines, &three), -EAGAIN);
    CHECK_ERR(gyre_run(&three, do_nothing, NULL), -EAGAIN);
    CHECK_STR_HAS(gyre_loop_create_error(), "ulimit -u");
    CHECK_OK(setrlimit(RLIMIT_NPROC, &before));
    CHECK_OK(gyre_run(&three, do_nothing, NULL));
}

/* Let one file more be opened, and one more ..., until it gets through. */
KERNEL_TEST(L3_without_descriptors_there_are_no_engines_and_a_sentence)
{
    struct rlimit before, limit;
    unsigned refused = 0;
    int err;

    if (test_on_valgrind())
        TEST_SKIP("valgrind has descriptors of its own");
    CHECK_OK(gyre_run(NULL, do_nothing, NULL)); /* the kernel is chosen */
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &before));
    limit = before;
    for (limit.rlim_cur = 3;; limit.rlim_cur++) {
        CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
        err = gyre_run(&three, do_nothing, NULL);
        if (err == 0)
            break;
        CHECK_ERR(err, -EMFILE);
        CHECK_STR_HAS(gyre_loop_create_error(), "ulimit -n");
        refused++;
    }
    CHECK_GE(refused, 3);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &before));
}

/* ---- again and again ----------------------------------------------------- */

KERNEL_TEST2(L3_engines_come_and_go_and_leave_nothing)
{
    for (int i = 0; i < 20; i++) {
        gyre_engines *engines;

        CHECK_OK(gyre_engines_create(&engines, &three));
        CHECK_EQ(gyre_engines_count(engines), 3);
        gyre_engines_destroy(engines);
        CHECK_OK(gyre_run(&three, do_nothing, NULL));
    }
}

static void *run_on_two(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        CHECK_EQ(
            gyre_run(&(gyre_run_options){ .engines = 2 }, count_engines, NULL),
            2);
    CHECK_EQ(gyre_engine_current(), -1);
    return NULL;
}

KERNEL_TEST2(L3_several_threads_have_engines_of_their_own)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CHECK_OK(pthread_create(&threads[i], NULL, run_on_two, NULL));
    for (int i = 0; i < 4; i++)
        CHECK_OK(pthread_join(threads[i], NULL));
}

static int run_inside(void *arg)
{
    gyre_engines *own = gyre_engines_current();
    gyre_loop *loop = gyre_loop_current();
    int number = gyre_engine_current();

    CHECK_EQ(gyre_run(&three, count_engines, arg), 3);
    CHECK(gyre_engines_current() == own);
    CHECK(gyre_loop_current() == loop);
    CHECK_EQ(gyre_engine_current(), number);
    CHECK_OK(gyre_sleep(GYRE_MS));
    return 0;
}

static int run_inside_each(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_all(&scope, NULL, run_inside, arg, NULL));
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(L3_L15_a_task_may_have_engines_of_its_own)
{
    run_on_engines(2, run_inside_each, NULL);
}

/* ---- what watches them --------------------------------------------------- */

static void refuse_watch(uint64_t stall_ns, int error, const char *named)
{
    for (unsigned engines = 1; engines <= 2; engines++) {
        gyre_run_options options = { .engines = engines, .stall_ns = stall_ns };

        CHECK_ERR(gyre_run(&options, do_nothing, NULL), error);
        CHECK_STR_HAS(gyre_loop_create_error(), "stall_ns");
        CHECK_STR_HAS(gyre_loop_create_error(), named);
    }
}

TEST(L3_U6_why_stalls_cannot_be_watched_is_said)
{
    gyre_loop *loop;

    refuse_watch(1, -ERANGE, "less than 1 ms");
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_dump_on_signal(loop, SIGURG, 2));
    refuse_watch(GYRE_SECOND, -EBUSY, "SIGURG");
    gyre_loop_destroy(loop);
}
