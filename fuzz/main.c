/* SPDX-License-Identifier: MIT */
/*
 * main.c - differ: random programs on Linux's ring and on the emulator
 *
 * Processes take the next seeds from a counter that they share, so how many
 * there are decides nothing. One that crashes or hangs is told of with its
 * seed, and another goes on in its place.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "judge.h"
#include "options.h"

enum { JOBS_MAX = 64, LIMIT_S = 30, DIFFERENCES_MAX = 100 };

/* How a process ends that cannot go on. */
enum { HANGS = 3, IS_STUCK };

/* What one process tells the first. */
struct report {
    uint64_t seed; /* that it is at */
    unsigned step; /* where it hangs */
    uint64_t verdicts[VERDICTS];
    uint64_t muted;
    struct census census;
};

struct shared {
    _Atomic uint64_t next;
    uint64_t end;
    time_t until; /* 0: no limit */
    _Atomic unsigned differences;
    struct report reports[JOBS_MAX];
};

static struct shared *shared;
static struct report *own; /* this process's */

static time_t seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* ---- one process --------------------------------------------------------- */

static void print_difference(const struct program *program,
                             const struct difference *found)
{
    printf("  in %s\n  Linux: ", found->what);
    print_entry(program, found->linux_);
    printf("  emu:   ");
    print_entry(program, found->emu);
}

static void tell_difference(struct judge *judge, struct program *program,
                            const struct options *options)
{
    printf("DIFFERENT: seed %" PRIu64 "\n", program->seed);
    print_difference(program, &judge->difference);
    if (options->verbose) {
        program_print(program);
        print_logs(program, &judge->uring_log, &judge->emu_log);
    }
    fflush(stdout);
    if (!judge->emu_log.stuck)
        shrink(judge, program);
    if (judge->difference.what != NULL) {
        printf(" the smallest part of %" PRIu64 " that differs\n",
               program->seed);
        print_difference(program, &judge->difference);
    } else {
        printf(" the smallest part of %" PRIu64 ", which differs at times\n",
               program->seed);
    }
    program_print(program);
    print_logs(program, &judge->uring_log, &judge->emu_log);
    fflush(stdout);
}

static void run_one(struct judge *judge, uint64_t seed, struct report *report,
                    const struct options *options)
{
    static struct program program;
    enum outcome verdict;

    report->seed = seed;
    (void)alarm(LIMIT_S);
    program_generate(&program, seed);
    verdict = judge_program(judge, &program);
    report->verdicts[verdict]++;
    report->muted += (unsigned)__builtin_popcountll(judge->emu_log.muted);
    census_count(&report->census, &program, judge->emu_log.muted);
    if (verdict == DIFFERENT &&
        atomic_fetch_add(&shared->differences, 1) < DIFFERENCES_MAX) {
        (void)alarm(20 * LIMIT_S);
        tell_difference(judge, &program, options);
    }
}

static void tell_hang(int number)
{
    (void)number;
    own->step = run_step;
    _exit(HANGS);
}

static bool is_over(const struct options *options)
{
    return (shared->until != 0 && seconds_now() >= shared->until) ||
           (options->stop && atomic_load(&shared->differences) > 0);
}

static _Noreturn void work(unsigned job, const struct options *options)
{
    static struct judge judge;
    struct sigaction hang = { .sa_handler = tell_hang };
    struct sigaction ignored = { .sa_handler = SIG_IGN };
    char directory[256];

    own = &shared->reports[job];
    /* What one tells stays together. */
    setvbuf(stdout, NULL, _IOFBF, 1 << 18);
    sigaction(SIGALRM, &hang, NULL);
    sigaction(SIGPIPE, &ignored, NULL);
    snprintf(directory, sizeof directory, "%s/differ-%d", options->directory,
             (int)getpid());
    judge_prepare(&judge, directory);
    while (!is_over(options)) {
        uint64_t seed = atomic_fetch_add(&shared->next, 1);

        if (seed >= shared->end)
            break;
        run_one(&judge, seed, own, options);
        /* What is stuck in the emulator stays: begin anew. */
        if (judge.emu_log.stuck)
            _exit(IS_STUCK);
    }
    judge_finish(&judge, directory);
    exit(0);
}

/* ---- all of them --------------------------------------------------------- */

static pid_t begin(unsigned job, const struct options *options)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        work(job, options);
    if (pid < 0) {
        perror("differ: fork");
        exit(2);
    }
    return pid;
}

/* A process has ended: was that in order, or does another take its place? */
static bool goes_on(unsigned job, int status)
{
    const struct report *report = &shared->reports[job];

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == IS_STUCK)
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == HANGS)
        printf("HANGS: seed %" PRIu64 " in step %u\n", report->seed,
               report->step);
    else
        printf("DIES: seed %" PRIu64 ", by %s %d\n", report->seed,
               WIFSIGNALED(status) ? "signal" : "status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return atomic_fetch_add(&shared->differences, 1) < DIFFERENCES_MAX;
}

static void run_all(const struct options *options)
{
    pid_t pids[JOBS_MAX];
    unsigned alive = options->jobs;

    for (unsigned job = 0; job < options->jobs; job++)
        pids[job] = begin(job, options);
    while (alive > 0) {
        int status;
        pid_t pid = wait(&status);

        for (unsigned job = 0; job < options->jobs; job++) {
            if (pids[job] != pid)
                continue;
            if (goes_on(job, status))
                pids[job] = begin(job, options);
            else
                alive--;
        }
    }
}

static int tell_all(const struct options *options, time_t began)
{
    struct census sum = { .programs = 0 };
    uint64_t verdicts[VERDICTS] = { 0 }, muted = 0;
    time_t took = seconds_now() - began;
    unsigned differences = atomic_load(&shared->differences);

    for (unsigned job = 0; job < options->jobs; job++) {
        const struct report *report = &shared->reports[job];

        census_add(&sum, &report->census);
        muted += report->muted;
        for (int i = 0; i < VERDICTS; i++)
            verdicts[i] += report->verdicts[i];
    }
    census_print(&sum);
    printf("%" PRIu64 " programs from seed %" PRIu64 ": %" PRIu64
           " the same, %" PRIu64 " the same when waited for, %" PRIu64
           " on which Linux differs from itself, %" PRIu64 " DIFFERENT\n",
           sum.programs, options->seed, verdicts[SAME],
           verdicts[SAME_PATIENTLY], verdicts[UNSTEADY], verdicts[DIFFERENT]);
    printf("%" PRIu64 " requests were left out for another that waited; "
           "%ld s, %ld programs/s\n",
           muted, (long)took, (long)sum.programs / (took > 0 ? took : 1));
    if (options->check_histogram && !census_is_met(&sum))
        return 1;
    return differences > 0 ? 1 : 0;
}

/* One program, and all that there is to say about it. */
static int tell_one(const struct options *options)
{
    static struct judge judge;
    static struct program program;
    static const char *const names[VERDICTS] = { "the same",
                                                 "the same when waited for",
                                                 "Linux differs from itself",
                                                 "DIFFERENT" };
    struct sigaction ignored = { .sa_handler = SIG_IGN };
    char directory[256];
    enum outcome verdict;

    sigaction(SIGPIPE, &ignored, NULL);
    snprintf(directory, sizeof directory, "%s/differ-%d", options->directory,
             (int)getpid());
    judge_prepare(&judge, directory);
    program_generate(&program, options->seed);
    program_print(&program);
    fflush(stdout);
    verdict = judge_program(&judge, &program);
    if (options->verbose)
        print_logs(&program, &judge.uring_log, &judge.emu_log);
    printf("%s\n", names[verdict]);
    if (verdict == DIFFERENT)
        tell_difference(&judge, &program, options);
    judge_finish(&judge, directory);
    return verdict == DIFFERENT;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct options options;
    time_t began = seconds_now();

    options_read(&options, argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 1024) {
        files.rlim_cur = files.rlim_max < 1024 ? files.rlim_max : 1024;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (options.one)
        return tell_one(&options);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("differ: mmap");
        return 2;
    }
    atomic_store(&shared->next, options.seed);
    shared->end = options.programs > UINT64_MAX - options.seed
                      ? UINT64_MAX
                      : options.seed + options.programs;
    if (options.seconds != 0)
        shared->until = began + (time_t)options.seconds;
    run_all(&options);
    return tell_all(&options, began);
}
