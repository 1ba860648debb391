/* SPDX-License-Identifier: MIT */
/*
 * instructions.c - user-space instructions for each operation
 *
 * A virtual machine often has no counter of instructions, callgrind has: this
 * program runs itself under it twice, the second time for twice as many
 * operations, and the difference is what the operations cost, without start,
 * warm-up and end. The kernel's instructions are not among them, and what peers
 * execute in programs of their own is not counted.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

int take_for_callgrind(const struct bench_case *of, unsigned contender,
                       uint64_t ops)
{
    struct budget budget = { .ops = ops };
    struct sample sample = { .calls = CALLS_UNKNOWN, .pid = getpid() };
    int err = take_sample(of, &of->contenders[contender], &budget, &sample);

    if (err == 0)
        printf("%llu %lld\n", (unsigned long long)sample.ops,
               (long long)sample.pid);
    return err;
}

struct count {
    unsigned long long ops;
    unsigned long long instructions;
};

/* The sum that callgrind wrote down for a process. */
static int read_total(const char *directory, long long pid,
                      unsigned long long *total)
{
    char path[PATH_MAX];
    char line[256];
    int err = -ENODATA;
    FILE *file;

    snprintf(path, sizeof path, "%s/%lld", directory, pid);
    file = fopen(path, "re");
    if (file == NULL)
        return -errno;
    while (err != 0 && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "totals: %llu", total) == 1 ||
            sscanf(line, "summary: %llu", total) == 1)
            err = 0;
    fclose(file);
    return err;
}

static _Noreturn void exec_valgrind(const char *directory,
                                    const struct bench *bench, const char *what,
                                    int to)
{
    char self[PATH_MAX];
    char out[PATH_MAX];
    char engines[16];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);

    if (size < 0)
        _exit(126);
    self[size] = '\0';
    snprintf(out, sizeof out, "--callgrind-out-file=%s/%%p", directory);
    snprintf(engines, sizeof engines, "%u", bench_engines);
    dup2(to, STDOUT_FILENO);
    execlp("valgrind", "valgrind", "-q", "--tool=callgrind", out, self, "bench",
           bench->name, "--take", what, bench->engines ? "--engines" : NULL,
           engines, (char *)NULL);
    _exit(127);
}

/* Run `what` under valgrind in `directory`. */
static int run_valgrind(const char *directory, const struct bench *bench,
                        const char *what, struct count *count)
{
    char text[128] = "";
    long long worker;
    int ends[2];
    int status;
    pid_t pid;
    ssize_t size;

    if (pipe(ends) != 0)
        return -errno;
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        exec_valgrind(directory, bench, what, ends[1]);
    close(ends[1]);
    size = pid < 0 ? 0 : read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    if (pid < 0)
        return -EAGAIN;
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return -ENOENT;
    if (size <= 0 || sscanf(text, "%llu %lld", &count->ops, &worker) != 2)
        return -ENODATA;
    return read_total(directory, worker, &count->instructions);
}

static void remove_directory(const char *directory)
{
    DIR *open = opendir(directory);
    struct dirent *entry;

    while (open != NULL && (entry = readdir(open)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(open), entry->d_name, 0);
    if (open != NULL)
        closedir(open);
    rmdir(directory);
}

static int count_one(const struct bench *bench, unsigned case_index,
                     unsigned contender, const char *directory, double *result)
{
    struct count counts[2];
    char what[64];

    for (unsigned i = 0; i < 2; i++) {
        int err;

        snprintf(what, sizeof what, "%u,%u,%llu", case_index, contender,
                 (unsigned long long)bench->instruction_ops * (i + 1));
        err = run_valgrind(directory, bench, what, &counts[i]);
        if (err < 0)
            return err;
    }
    if (counts[1].ops <= counts[0].ops)
        return -ENODATA;
    *result = (double)(counts[1].instructions - counts[0].instructions) /
              (double)(counts[1].ops - counts[0].ops);
    return 0;
}

int count_instructions(const struct bench *bench, unsigned case_index,
                       const struct bench_case *of, struct series *series)
{
    char directory[] = "/tmp/gyre-bench-XXXXXX";
    int err = 0;

    if (bench->instruction_ops == 0 || of->in_bytes)
        return 0;
    if (mkdtemp(directory) == NULL)
        return -errno;
    for (unsigned i = 0; i < of->count && err != -ENOENT; i++)
        if (series[i].count > 0 && of->contenders[i].take != NULL &&
            of->contenders[i].peer == NULL && !of->contenders[i].uncounted)
            err = count_one(bench, case_index, i, directory,
                            &series[i].instructions);
    remove_directory(directory);
    return err == -ENOENT ? err : 0;
}
