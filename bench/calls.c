/* SPDX-License-Identifier: MIT */
/*
 * calls.c - system calls for each operation, of whomever
 *
 * Linux has a tracepoint where each system call begins, and counts for us how
 * often a process and what it starts pass it, whatever language it is in. That
 * makes each call slower, so it is done in a sample of its own. It needs
 * tracefs and the right to use it: root, as a rule.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

static bool counting; /* in the next child */
static int counter = -1;

/* Where tracefs is mounted, now and formerly. */
static const char *const id_files[] = {
    "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
    "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
};

static int tracepoint(uint64_t *id)
{
    int err = -ENOENT;

    for (unsigned i = 0; i < 2 && err < 0; i++) {
        FILE *file = fopen(id_files[i], "re");
        unsigned long long number;

        if (file == NULL) {
            err = -errno;
            continue;
        }
        err = fscanf(file, "%llu", &number) == 1 ? 0 : -EIO;
        fclose(file);
        *id = number;
    }
    return err;
}

int calls_of(int64_t pid)
{
    struct perf_event_attr attr = { .size = sizeof attr,
                                    .type = PERF_TYPE_TRACEPOINT,
                                    .inherit = 1 };
    uint64_t id = 0;
    int err = tracepoint(&id);
    int fd;

    if (err < 0)
        return err;
    attr.config = id;
    fd = (int)syscall(SYS_perf_event_open, &attr, (pid_t)pid, -1, -1,
                      PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int calls_begin(void)
{
    if (!counting)
        return 0;
    counter = calls_of(0);
    return counter < 0 ? counter : 0;
}

bool calls_are_counted(void)
{
    return counter >= 0;
}

uint64_t calls_so_far(void)
{
    uint64_t count = 0;

    if (counter >= 0 && read(counter, &count, sizeof count) != sizeof count)
        return 0;
    return count;
}

int count_calls(const struct bench_case *of, uint64_t ns, struct series *series)
{
    int err;

    if (of->in_bytes)
        return 0;
    err = calls_of(0);
    if (err < 0)
        return err;
    close(err);
    counting = true;
    for (unsigned i = 0; i < of->count; i++) {
        struct sample sample;

        if (series[i].count > 0 &&
            take_one(of, &of->contenders[i], ns, &sample) == 0 &&
            sample.calls != CALLS_UNKNOWN)
            series[i].calls = (double)sample.calls / (double)sample.ops;
    }
    counting = false;
    return 0;
}
