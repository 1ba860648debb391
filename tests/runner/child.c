/* SPDX-License-Identifier: MIT */
/*
 * child.c - one test in a process of its own
 *
 * The order matters: first the surroundings are made the same for every test
 * (descriptors 0 to 2 and no other, signals, environment, no core file), then
 * what lives as long as the process is brought to life, then the census is
 * taken, and only then the body runs. A thread that was joined, and the workers
 * of a ring that was closed, stay in /proc for a moment: so the second census
 * is repeated until it equals the first or patience ends.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "runner/census.h"
#include "runner/runner.h"

enum { BUSY_MAX = 4 };

#define SIGNAL_OF_THE_STORM (SIGRTMAX - 3)

static const struct test_child *current;

bool test_on_valgrind(void)
{
    return RUNNING_ON_VALGRIND != 0;
}

/* It shows a program its own name by /proc/self, and forgets the other way. */
void test_not_on_qemu_user(const char *because)
{
    char path[256] = "", reason[160];

    (void)!readlink("/proc/thread-self/exe", path, sizeof path - 1);
    if (strstr(path, "/qemu-") == NULL)
        return;
    snprintf(reason, sizeof reason, "qemu-user: %s", because);
    TEST_SKIP(reason);
}

bool running_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

unsigned runner_busy(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    double load;

    if (getloadavg(&load, 1) != 1 || cpus < 1 || load < (double)cpus)
        return 1;
    load /= (double)cpus;
    return load > BUSY_MAX ? BUSY_MAX : (unsigned)load;
}

static bool running_on_tsan(void)
{
#if defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

unsigned test_scale(void)
{
    const char *wish = getenv("GYRE_TEST_SCALE");
    unsigned scale = wish != NULL ? (unsigned)strtoul(wish, NULL, 10) : 1;

    if (scale == 0 || scale > 1000)
        scale = 1;
    if (test_on_valgrind())
        scale *= 20;
    else if (running_sanitized())
        scale *= running_on_tsan() ? 12 : 4;
    return scale;
}

unsigned test_tasks(unsigned count)
{
    return running_on_tsan() && count > 500 ? 500 : count;
}

struct test_report *child_report(void)
{
    return current != NULL ? current->report : NULL;
}

void child_complain(const char *format, ...)
{
    struct test_report *report = child_report();
    char text[REPORT_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "%s\n", text);
    if (report != NULL && !atomic_exchange(&report->failed, true))
        memcpy(report->text, text, sizeof text);
}

_Noreturn void test_skip(const char *reason)
{
    struct test_report *report = child_report();

    if (report != NULL) {
        snprintf(report->text, sizeof report->text, "%s", reason);
        atomic_store(&report->skipped, true);
    }
    _exit(0);
}

const char *test_kernel(void)
{
    return current != NULL && current->kernel != NULL ? current->kernel->name
                                                      : "";
}

const char *test_directory(void)
{
    if (mkdir(current->directory, 0700) < 0 && errno != EEXIST)
        FAIL("mkdir %s: %s", current->directory, strerror(errno));
    return current->directory;
}

static void close_all_but_standard(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        int fd = atoi(entry->d_name);

        /* valgrind's own are above the limit, and it refuses to close them. */
        if (fd > STDERR_FILENO && fd != dirfd(dir) && fd < 1024)
            close(fd);
    }
    closedir(dir);
}

/* Besides what the environment takes away already. */
static void take_away(const char *features)
{
    const char *before = getenv("GYRE_WITHOUT");
    char both[512];

    if (features == NULL)
        return;
    snprintf(both, sizeof both, "%s%s%s", before != NULL ? before : "",
             before != NULL ? "," : "", features);
    setenv("GYRE_WITHOUT", both, 1);
}

static void do_nothing_at_a_signal(int signal)
{
    (void)signal;
}

/*
 * GYRE_TEST_SIGNALS=1: a signal every millisecond, whose handler is not one
 * that restarts system calls. A test that shows itself unfit for it (its own
 * calls are interrupted, not the library's) says test_quiet().
 */
void test_quiet(void)
{
    sigset_t storm;

    sigemptyset(&storm);
    sigaddset(&storm, SIGNAL_OF_THE_STORM);
    pthread_sigmask(SIG_BLOCK, &storm, NULL);
}

static void begin_signals(void)
{
    struct sigaction action = { .sa_handler = do_nothing_at_a_signal };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
                              .sigev_signo = SIGNAL_OF_THE_STORM };
    struct itimerspec every = { { 0, 1000000 }, { 0, 1000000 } };
    timer_t timer;

    if (getenv("GYRE_TEST_SIGNALS") == NULL)
        return;
    sigaction(SIGNAL_OF_THE_STORM, &action, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
        timer_settime(timer, 0, &every, NULL);
}

/* Of gyre's engine/, in the programs that have it. */
extern bool run_begins_last __attribute__((weak));

unsigned test_engines(void)
{
    const char *wish = getenv("GYRE_ENGINES");

    return wish != NULL ? (unsigned)strtoul(wish, NULL, 10) : 1;
}

/* With GYRE_ENGINES the body of gyre_run() is not on the test's own thread:
 * what is taken for granted only on one engine shows. */
static void begin_on_another_engine(void)
{
    if (test_engines() > 1 && &run_begins_last != NULL)
        run_begins_last = true;
}

static void make_surroundings(const struct test_child *child)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t none;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL); /* a shell's jobs are begun without both */
    signal(SIGQUIT, SIG_DFL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });

    dup2(null, STDIN_FILENO);
    dup2(child->output, STDOUT_FILENO);
    dup2(child->output, STDERR_FILENO);
    close_all_but_standard();
    setvbuf(stdout, NULL, _IOLBF, 0);

    begin_on_another_engine();
    if (child->kernel == NULL)
        return;
    setenv("GYRE_KERNEL", child->kernel->kernel, 1);
    take_away(child->kernel->without);
    if (child->kernel->loop != NULL)
        setenv("GYRE_LOOP", child->kernel->loop, 1);
}

static void *do_nothing(void *arg)
{
    return arg;
}

/* Threads bring helpers of the C library and of the sanitizers to life, which
 * stay: let that happen before the census. */
static void warm_up(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, do_nothing, NULL) == 0)
        pthread_join(thread, NULL);
    if (test_warm_up != NULL)
        test_warm_up();
}

/* GYRE_TEST_PATIENCE is for who knows that something stays. */
static unsigned patience_ms(void)
{
    const char *wish = getenv("GYRE_TEST_PATIENCE");

    if (wish != NULL)
        return (unsigned)strtoul(wish, NULL, 10);
    return test_scale() > 1 ? 5000 : 2000;
}

static void check_leftovers(const struct census *before)
{
    static struct census after;
    char text[REPORT_TEXT_MAX / 2];
    unsigned patience = patience_ms();

    for (unsigned ms = 0;; ms += 5) {
        census_take(&after);
        if (census_equal(before, &after, text, sizeof text))
            return;
        if (ms >= patience)
            break;
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    child_complain("%s: %s", current->test->name, text);
    _exit(1);
}

_Noreturn void child_run(const struct test_child *child)
{
    static struct census before;

    current = child;
    make_surroundings(child);
    warm_up();
    census_take(&before);
    begin_signals();
    child->test->body();
    fflush(stdout);
    check_leftovers(&before);
    atomic_store(&child->report->finished, true);

    /* exit(), not _exit(): the leak sanitizer looks now. */
    exit(0);
}
