/* SPDX-License-Identifier: MIT */
/*
 * runner.c - run the tests that registered themselves, and count
 *
 *     <program> [--list] [--kernel=NAME] [-jN] [-v] [FILTER...]
 *
 * An instance is a test on a kernel; its name is "test [kernel]". The parent
 * keeps up to N children going, waits for SIGCHLD or the nearest time-out, and
 * judges each child by its report and its exit: a test has passed only if the
 * child said so itself and then left with 0. Prints a line for each failure,
 * with what the child printed, and for each skip; the last line is
 *
 *     12 passed, 0 failed, 3 skipped
 *
 * The parent is single-threaded and touches nothing of the library under test:
 * even whether io_uring is refused here is found out in a child.
 */
#include "runner/runner.h"

#include <errno.h>
#include <ftw.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    JOBS_MAX = 64,
    TIMEOUT_S = 60,
    TIMEOUT_SCALE_MAX = 2, /* what hangs must not hold up a slow run for long */
    NAME_MAX_ = 256,
    OUTPUT_SHOWN_MAX = 16384,
};

/* From src/kernel/choose.h, where that is part of the program. */
__attribute__((weak)) const char *kernel_uring_refusal(void);

struct slot {
    const struct test *test; /* NULL: free */
    const struct test_kernel_entry *kernel;
    struct test_report *report;
    pid_t pid;
    int output;
    uint64_t deadline_ns;
    bool timed_out;
    char directory[64];
};

static struct runner {
    struct test *first;
    struct test **link; /* where the next one is appended */
    struct slot slots[JOBS_MAX];
    unsigned jobs;
    unsigned running;
    unsigned passed, failed, skipped;
    unsigned started; /* numbers scratch directories */
    bool verbose;
    bool list;
    const char *only_kernel;
    char **filters;
    int filters_count;
    struct test_report *probe; /* has the reason if io_uring is refused */
} runner = { .link = &runner.first };

void test_register(struct test *test)
{
    *runner.link = test;
    runner.link = &test->next_;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "test runner: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void print_name(const struct test *test,
                       const struct test_kernel_entry *kernel,
                       char name[NAME_MAX_])
{
    if (kernel != NULL)
        snprintf(name, NAME_MAX_, "%s [%s]", test->name, kernel->name);
    else
        snprintf(name, NAME_MAX_, "%s", test->name);
}

static bool is_wanted(const char *name)
{
    for (int i = 0; i < runner.filters_count; i++)
        if (strstr(name, runner.filters[i]) != NULL)
            return true;
    return runner.filters_count == 0;
}

/* What the child printed; its end, if it is long; nothing if that was just the
 * complaint, which has been shown. */
static void show_output(int fd, const char *complaint)
{
    static char text[OUTPUT_SHOWN_MAX];
    off_t size = lseek(fd, 0, SEEK_END);
    off_t from = size > OUTPUT_SHOWN_MAX ? size - OUTPUT_SHOWN_MAX : 0;
    ssize_t n = pread(fd, text, sizeof text, from);
    bool at_line = true;

    if (n > 0 && (size_t)n == strlen(complaint) + 1 &&
        memcmp(text, complaint, strlen(complaint)) == 0)
        return;
    if (from > 0)
        printf("    | (%lld bytes before this)\n", (long long)from);
    for (ssize_t i = 0; i < n; i++) {
        if (at_line)
            fputs("    | ", stdout);
        putchar(text[i] == '\0' ? '?' : text[i]);
        at_line = text[i] == '\n';
    }
    if (!at_line)
        putchar('\n');
}

static bool output_has(int fd, const char *text)
{
    off_t size = lseek(fd, 0, SEEK_END);
    bool has = false;

    if (size <= 0)
        return *text == '\0';
    char *all = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (all == MAP_FAILED)
        die("mmap");
    has = memmem(all, (size_t)size, text, strlen(text)) != NULL;
    munmap(all, (size_t)size);
    return has;
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* NULL if the panic was as promised, else what was wrong. */
static const char *judge_panic(const struct slot *slot, int status)
{
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        return "was to panic, and did not";
    if (!output_has(slot->output, slot->test->panic))
        return "panicked with another text";
    return NULL;
}

/* NULL if the test passed, else what was wrong. */
static const char *judge(const struct slot *slot, int status, char *text,
                         size_t size)
{
    const struct test_report *report = slot->report;

    if (slot->timed_out) {
        snprintf(text, size, "timed out");
        return text;
    }
    if (atomic_load(&report->failed))
        return report->text;
    if (slot->test->panic != NULL)
        return judge_panic(slot, status);
    if (WIFSIGNALED(status))
        snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (!atomic_load(&report->finished))
        snprintf(text, size, "ended without returning from its body, status %d",
                 WEXITSTATUS(status));
    else if (WEXITSTATUS(status) != 0)
        snprintf(text, size,
                 "returned, but the process ended with status %d "
                 "(a sanitizer's report?)",
                 WEXITSTATUS(status));
    else
        return NULL;
    return text;
}

static void count_skip(const char *name, const char *reason)
{
    runner.skipped++;
    printf("SKIP %s: %s\n", name, reason);
}

static void finish(struct slot *slot, int status)
{
    char name[NAME_MAX_], text[128];

    print_name(slot->test, slot->kernel, name);
    kill(-slot->pid, SIGKILL); /* whatever the test forked */
    if (atomic_load(&slot->report->skipped) &&
        !atomic_load(&slot->report->failed)) {
        count_skip(name, slot->report->text);
    } else {
        const char *wrong = judge(slot, status, text, sizeof text);

        if (wrong != NULL) {
            runner.failed++;
            printf("FAIL %s: %s\n", name, wrong);
            show_output(slot->output, wrong);
        } else {
            runner.passed++;
            if (runner.verbose)
                printf("ok   %s\n", name);
        }
    }
    fflush(stdout);
    close(slot->output);
    nftw(slot->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    slot->test = NULL;
    runner.running--;
}

static void reap(void)
{
    for (unsigned i = 0; i < runner.jobs; i++) {
        struct slot *slot = &runner.slots[i];
        int status;

        if (slot->test != NULL && waitpid(slot->pid, &status, WNOHANG) > 0)
            finish(slot, status);
    }
}

/* Kill what is over its time; give the time left until the next one is. */
static uint64_t expire(void)
{
    uint64_t now = now_ns();
    uint64_t left = UINT64_C(1000000000);

    for (unsigned i = 0; i < runner.jobs; i++) {
        struct slot *slot = &runner.slots[i];

        if (slot->test == NULL || slot->timed_out)
            continue;
        if (slot->deadline_ns <= now) {
            slot->timed_out = true;
            kill(-slot->pid, SIGKILL);
            kill(slot->pid, SIGKILL);
        } else if (slot->deadline_ns - now < left) {
            left = slot->deadline_ns - now;
        }
    }
    return left;
}

static void wait_for_a_child(void)
{
    sigset_t set;
    uint64_t left = expire();
    struct timespec timeout = { .tv_sec = (time_t)(left / 1000000000u),
                                .tv_nsec = (long)(left % 1000000000u) };

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigtimedwait(&set, NULL, &timeout);
    reap();
}

static struct slot *free_slot(void)
{
    while (runner.running == runner.jobs)
        wait_for_a_child();
    for (unsigned i = 0; i < runner.jobs; i++)
        if (runner.slots[i].test == NULL)
            return &runner.slots[i];
    abort();
}

static void start(const struct test *test,
                  const struct test_kernel_entry *kernel)
{
    struct slot *slot = free_slot();
    const char *tmp = getenv("TMPDIR");
    const char *limit = getenv("GYRE_TEST_TIMEOUT");
    unsigned seconds = test->timeout_s > 0 ? test->timeout_s : TIMEOUT_S;
    unsigned scale = test_scale();

    /* For who expects tests to hang (tests/faults/prove). */
    if (limit != NULL && atoi(limit) > 0 && seconds > (unsigned)atoi(limit))
        seconds = (unsigned)atoi(limit);
    memset(slot->report, 0, sizeof *slot->report);
    slot->kernel = kernel;
    slot->timed_out = false;
    if (scale > TIMEOUT_SCALE_MAX)
        scale = TIMEOUT_SCALE_MAX;
    slot->deadline_ns = now_ns() +
                        UINT64_C(1000000000) * seconds * scale * runner_busy();
    snprintf(slot->directory, sizeof slot->directory, "%s/gyre-test-%d-%u",
             tmp != NULL && strlen(tmp) < 24 ? tmp : "/tmp", (int)getpid(),
             runner.started++);
    slot->output = memfd_create("test-output", MFD_CLOEXEC);
    if (slot->output < 0)
        die("memfd_create");

    fflush(stdout);
    slot->pid = fork();
    if (slot->pid < 0)
        die("fork");
    if (slot->pid == 0)
        child_run(&(struct test_child){ .test = test,
                                        .kernel = kernel,
                                        .report = slot->report,
                                        .directory = slot->directory,
                                        .output = slot->output });
    setpgid(slot->pid, slot->pid);
    slot->test = test;
    runner.running++;
}

/* Ask in a child, for the answer may be decided once per process. */
static void probe_uring(void)
{
    pid_t pid;
    int status;

    runner.probe->text[0] = '\0';
    if (kernel_uring_refusal == NULL)
        return;
    fflush(stdout);
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        unsetenv("GYRE_KERNEL");
        unsetenv("GYRE_WITHOUT");
        const char *why = kernel_uring_refusal();
        if (why != NULL)
            snprintf(runner.probe->text, sizeof runner.probe->text, "%s", why);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) < 0)
        die("waitpid");
    if (status != 0)
        snprintf(runner.probe->text, sizeof runner.probe->text,
                 "the probe of io_uring died (status %#x)", (unsigned)status);
}

static void consider(const struct test *test,
                     const struct test_kernel_entry *kernel)
{
    char name[NAME_MAX_];

    print_name(test, kernel, name);
    if (!is_wanted(name))
        return;
    if (runner.list)
        printf("%s\n", name);
    else if (kernel != NULL && kernel->is_uring && *runner.probe->text != '\0')
        count_skip(name, runner.probe->text);
    else
        start(test, kernel);
}

static void run_all(void)
{
    for (struct test *test = runner.first; test != NULL; test = test->next_) {
        if (test->kernels == TEST_ANY)
            consider(test, NULL);
        for (size_t i = 0; i < test_kernels_count; i++) {
            const struct test_kernel_entry *kernel = &test_kernels[i];

            if ((test->kernels & kernel->bit) == 0)
                continue;
            if (runner.only_kernel != NULL
                    ? strcmp(runner.only_kernel, kernel->name) != 0
                    : kernel->is_extra)
                continue;
            consider(test, kernel);
        }
    }
    while (runner.running > 0)
        wait_for_a_child();
}

/* Two tests of one name would hide each other in every report. */
static void refuse_twins(void)
{
    for (struct test *a = runner.first; a != NULL; a = a->next_)
        for (struct test *b = a->next_; b != NULL; b = b->next_)
            if (strcmp(a->name, b->name) == 0) {
                fprintf(stderr, "%s:%u and %s:%u: two tests named %s\n",
                        a->file, a->line, b->file, b->line, a->name);
                exit(2);
            }
}

/*
 * Keep the C library from holding mappings in reserve, so that the census of
 * anonymous memory is exact. Stack caching is set at exec only. Sanitizers and
 * valgrind keep reserves of their own: there the census leaves it out.
 */
static void tune_and_restart(char **argv)
{
    if (running_sanitized() || test_on_valgrind() ||
        getenv("GYRE_TEST_TUNED") != NULL || getenv("GLIBC_TUNABLES") != NULL)
        return;
    setenv("GYRE_TEST_TUNED", "1", 1);
    setenv("GLIBC_TUNABLES",
           "glibc.pthread.stack_cache_size=0:glibc.malloc.arena_max=1:"
           "glibc.malloc.mmap_threshold=33554432",
           1);
    execv("/proc/self/exe", argv);
    unsetenv("GYRE_TEST_TUNED"); /* an emulated processor cannot */
}

static _Noreturn void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--list] [--kernel=NAME] [-jN] [-v] [FILTER...]\n"
            "Runs the tests whose name contains a FILTER; all without one.\n",
            program);
    exit(2);
}

static void parse(int argc, char **argv)
{
    const char *jobs = getenv("GYRE_TEST_JOBS");
    long wish = jobs != NULL ? atol(jobs) : sysconf(_SC_NPROCESSORS_ONLN);
    int i;

    for (i = 1; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--list") == 0)
            runner.list = true;
        else if (strcmp(argv[i], "-v") == 0)
            runner.verbose = true;
        else if (strncmp(argv[i], "--kernel=", 9) == 0)
            runner.only_kernel = argv[i] + 9;
        else if (strncmp(argv[i], "-j", 2) == 0)
            wish = atol(argv[i] + 2);
        else
            usage(argv[0]);
    }
    runner.filters = argv + i;
    runner.filters_count = argc - i;
    runner.jobs = wish < 1 ? 1 : wish > JOBS_MAX ? JOBS_MAX : (unsigned)wish;
}

int main(int argc, char **argv)
{
    sigset_t set;
    struct test_report *reports;

    parse(argc, argv);
    refuse_twins();
    if (!runner.list)
        tune_and_restart(argv);

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    reports = mmap(NULL, sizeof *reports * (JOBS_MAX + 1),
                   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (reports == MAP_FAILED)
        die("mmap");
    for (unsigned i = 0; i < JOBS_MAX; i++)
        runner.slots[i].report = &reports[i];
    runner.probe = &reports[JOBS_MAX];

    if (!runner.list)
        probe_uring();
    run_all();
    if (!runner.list)
        printf("%u passed, %u failed, %u skipped\n", runner.passed,
               runner.failed, runner.skipped);
    return runner.failed > 0;
}
