/* SPDX-License-Identifier: MIT */
/*
 * census.c - read from /proc/self what this process holds
 *
 * Mappings of the program, of shared libraries, the heap, the stack and the
 * vDSO come and go by themselves (a resolver loads libraries, say) and are not
 * counted. All others that have a name are: a ring's queues, buffers in a
 * memfd, files. They are told apart by name alone, as the kernel merges and
 * splits neighbours at will.
 */
#include "runner/census.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/runner.h"

/* Growth of anonymous memory that is no leak: the C library's own. */
enum { ANONYMOUS_ALLOWANCE = 48 * 1024 };

static void take_fds(struct census *census)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] == '.' || fd == dirfd(dir))
            continue;
        if (census->fds_count < CENSUS_FDS_MAX)
            census->fds[census->fds_count++] = fd;
    }
    closedir(dir);
}

/* Threads that Linux made for io_uring linger for seconds after the ring has
 * gone, and belong to nobody here. */
static bool is_linuxs_own(const char *thread)
{
    char path[64];
    char name[16] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", thread);
    file = fopen(path, "re");
    if (file == NULL)
        return true; /* it has just ended */
    if (fgets(name, sizeof name, file) == NULL)
        name[0] = '\0';
    fclose(file);
    return strncmp(name, "iou-", 4) == 0;
}

static void take_threads(struct census *census)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL)
        census->threads += entry->d_name[0] != '.' &&
                           !is_linuxs_own(entry->d_name);
    closedir(dir);
}

static void count_named(struct census *census, const char *name, size_t bytes)
{
    struct census_map *map = census->maps;
    struct census_map *end = map + census->maps_count;

    while (map < end && strncmp(map->name, name, CENSUS_NAME_MAX - 1) != 0)
        map++;
    if (map == end) {
        if (census->maps_count == CENSUS_MAPS_MAX)
            return;
        census->maps_count++;
        snprintf(map->name, sizeof map->name, "%s", name);
        map->bytes = 0;
    }
    map->bytes += bytes;
}

/* Sanitizers map the program itself to look up names for a report. */
static bool is_this_program(const char *name)
{
    static char path[CENSUS_NAME_MAX * 4];

    if (path[0] == '\0' &&
        readlink("/proc/self/exe", path, sizeof path - 1) < 0)
        return false;
    return strcmp(name, path) == 0;
}

static bool is_of_no_interest(const char *name)
{
    return is_this_program(name) || strstr(name, ".so") != NULL ||
           strncmp(name, "[heap", 5) == 0 || strncmp(name, "[stack", 6) == 0 ||
           strncmp(name, "[v", 2) == 0 || strstr(name, "/locale") != NULL ||
           strstr(name, "/gconv") != NULL;
}

static void count_line(struct census *census, char *line)
{
    unsigned long start, end;
    char perms[8];
    int name_at = 0;

    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %n", &start, &end, perms,
               &name_at) < 3)
        return;
    line[strcspn(line, "\n")] = '\0';
    const char *name = name_at > 0 ? line + name_at : "";
    if (*name == '\0' || strncmp(name, "[anon:", 6) == 0)
        census->anonymous += end - start;
    else if (!is_of_no_interest(name))
        count_named(census, name, end - start);
}

static void take_maps(struct census *census)
{
    FILE *file = fopen("/proc/self/maps", "re");
    char line[512];

    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL)
        count_line(census, line);
    fclose(file);
}

void census_take(struct census *census)
{
    siginfo_t info = { 0 };

    memset(census, 0, sizeof *census);
    take_fds(census);
    take_threads(census);
    take_maps(census);
    census->children = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) ==
                       0;
    census->anonymous_is_exact = getenv("GYRE_TEST_TUNED") != NULL &&
                                 !running_sanitized() && !test_on_valgrind();
}

static bool had_fd(const struct census *census, int fd)
{
    for (size_t i = 0; i < census->fds_count; i++)
        if (census->fds[i] == fd)
            return true;
    return false;
}

static size_t had_bytes(const struct census *census, const char *name)
{
    for (size_t i = 0; i < census->maps_count; i++)
        if (strcmp(census->maps[i].name, name) == 0)
            return census->maps[i].bytes;
    return 0;
}

/* Text that is cut, not overrun, when it gets long. */
struct text {
    char *next;
    size_t room;
    bool used;
};

static void text_add(struct text *text, const char *what, const char *name,
                     size_t count, const char *unit)
{
    int n = snprintf(text->next, text->room, "%s%s%s%s (%zu %s)",
                     text->used ? "; " : "", what, *name ? " " : "", name,
                     count, unit);
    size_t used = n < 0 ? 0 : (size_t)n;

    if (used >= text->room)
        used = text->room - 1;
    text->used = true;
    text->next += used;
    text->room -= used;
}

static void compare_fds(const struct census *before, const struct census *after,
                        struct text *text)
{
    for (size_t i = 0; i < after->fds_count; i++) {
        char path[64], name[256];
        int fd = after->fds[i];

        if (had_fd(before, fd))
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, name, sizeof name - 1);
        name[n < 0 ? 0 : n] = '\0';
        text_add(text, "leaked descriptor", name, (size_t)fd, "is its number");
    }
    for (size_t i = 0; i < before->fds_count; i++)
        if (!had_fd(after, before->fds[i]))
            text_add(text, "closed a descriptor not its own", "",
                     (size_t)before->fds[i], "was its number");
}

static void compare_maps(const struct census *before,
                         const struct census *after, struct text *text)
{
    for (size_t i = 0; i < after->maps_count; i++) {
        const struct census_map *map = &after->maps[i];
        size_t had = had_bytes(before, map->name);

        if (map->bytes > had)
            text_add(text, "leaked mapping", map->name, map->bytes - had,
                     "bytes");
    }
    if (after->anonymous_is_exact && before->anonymous_is_exact &&
        after->anonymous > before->anonymous + ANONYMOUS_ALLOWANCE)
        text_add(text, "leaked anonymous mappings", "",
                 after->anonymous - before->anonymous, "bytes");
}

bool census_equal(const struct census *before, const struct census *after,
                  char *text, size_t text_size)
{
    struct text out = { text, text_size, false };

    text[0] = '\0';
    compare_fds(before, after, &out);
    compare_maps(before, after, &out);
    if (after->threads > before->threads)
        text_add(&out, "leaked threads", "", after->threads - before->threads,
                 "more than before");
    if (after->children > before->children)
        text_add(&out, "leaked child processes", "", after->children,
                 "or more");
    return text[0] == '\0';
}
