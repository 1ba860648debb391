/* SPDX-License-Identifier: MIT */
/*
 * proc.c - small text files of /proc
 *
 * Read whole by one read(2), as /proc wants it; no stdio, so that it costs no
 * heap and works with few descriptors left.
 */
#include "kernel/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

int proc_read(const char *path, char *text, size_t size)
{
    int saved = errno;
    int result = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    ASSERT(size > 1);
    text[0] = '\0';
    if (fd >= 0) {
        n = read(fd, text, size - 1);
        if (n < 0)
            result = -errno;
        close(fd);
    } else {
        result = -errno;
    }
    errno = saved;
    if (n < 0)
        return result;
    if (n > 0 && text[n - 1] == '\n')
        n--;
    text[n] = '\0';
    return 0;
}

long proc_number(const char *path, long otherwise)
{
    char text[64];
    char *end;

    if (proc_read(path, text, sizeof text) != 0)
        return otherwise;
    long value = strtol(text, &end, 10);

    return end == text ? otherwise : value;
}

int proc_seccomp(void)
{
    static const char label[] = "\nSeccomp:";
    char text[4096];
    const char *line;

    if (proc_read("/proc/self/status", text, sizeof text) != 0)
        return -1;
    line = strstr(text, label);
    return line == NULL ? -1 : (int)strtol(line + sizeof label - 1, NULL, 10);
}

static unsigned long given_number(const char *name)
{
    const char *text = secure_getenv(name);

    return text == NULL ? 0 : strtoul(text, NULL, 10);
}

int proc_passed_socket(unsigned n)
{
    enum { FIRST = 3 }; /* SD_LISTEN_FDS_START */

    /* Or a parent has left the variables to us, and the sockets not. */
    if (given_number("LISTEN_PID") != (unsigned long)getpid() ||
        n >= given_number("LISTEN_FDS"))
        return -1;
    return FIRST + (int)n;
}

void proc_close_socket(int fd, const char *path)
{
    if (path != NULL)
        (void)unlink(path);
    (void)close(fd);
}

void proc_name_helper(char *name, size_t size)
{
    (void)snprintf(name, size, "gyre-w-%d", (int)gettid());
}

/* io_uring's workers are "iou-wrk-...", "iou-sqp-...". Ours have their own
 * number in their name: a thread that is made by what runs on one of them has
 * the same name, and is another. */
static bool is_helper_thread(const char *name, const char *tid)
{
    return strncmp(name, "iou-", 4) == 0 ||
           (strncmp(name, "gyre-w-", 7) == 0 && strcmp(name + 7, tid) == 0);
}

bool proc_has_threads_beside(unsigned expected)
{
    int saved = errno;
    pid_t self = gettid();
    DIR *threads = opendir("/proc/self/task");
    bool found = threads == NULL;
    struct dirent *entry;
    unsigned count = 0;

    while (!found && (entry = readdir(threads)) != NULL) {
        char path[64], name[32];

        if (entry->d_name[0] == '.' || strtol(entry->d_name, NULL, 10) == self)
            continue;
        (void)snprintf(path, sizeof path, "/proc/self/task/%.16s/comm",
                       entry->d_name);
        if (proc_read(path, name, sizeof name) == 0 &&
            !is_helper_thread(name, entry->d_name))
            found = ++count > expected;
    }
    if (threads != NULL)
        (void)closedir(threads);
    errno = saved;
    return found;
}

bool proc_has_other_threads(void)
{
    return proc_has_threads_beside(0);
}

bool proc_keeps_other_threads(void)
{
    const struct timespec moment = { .tv_nsec = 1000000 };
    int saved = errno;

    for (unsigned i = 0; proc_has_other_threads(); i++) {
        if (i == 20)
            return true;
        (void)nanosleep(&moment, NULL);
    }
    errno = saved;
    return false;
}
