/* SPDX-License-Identifier: MIT */
/*
 * lines FILE... - counts the lines of many files at once, a task for each
 *
 * Files that cannot be read are told of, and do not stop the others: the
 * scope's policy is to go on.
 */
#include <fcntl.h>
#include <gyre/gyre.h>
#include <stdio.h>
#include <stdlib.h>

struct file {
    const char *path;
    unsigned long lines;
    int error;
};

static int count_fd(struct file *file, int fd)
{
    char buffer[16384];
    uint64_t at = 0;
    ssize_t n;

    while ((n = gyre_read(fd, buffer, sizeof buffer, at)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            file->lines += buffer[i] == '\n';
        at += (uint64_t)n;
    }
    return (int)n;
}

static int count(void *arg)
{
    struct file *file = arg;
    int fd = gyre_open(file->path, O_RDONLY, 0);

    file->error = fd;
    if (fd < 0)
        return fd;
    file->error = count_fd(file, fd);
    gyre_close(fd);
    return file->error;
}

struct files {
    struct file *at;
    int count;
};

static int count_all(gyre_scope *scope, void *arg)
{
    struct files *files = arg;

    for (int i = 0; i < files->count; i++) {
        int err = gyre_spawn(scope, count, &files->at[i]);

        if (err != 0)
            return err;
    }
    return 0;
}

static int run(void *arg)
{
    gyre_scope_options options = { .on_error = GYRE_ERROR_CONTINUES };

    return gyre_scope_run(&options, count_all, arg);
}

int main(int argc, char **argv)
{
    struct files files = { .count = argc - 1 };
    int err;

    files.at = calloc((size_t)argc, sizeof *files.at);
    if (files.at == NULL)
        return 1;
    for (int i = 0; i < files.count; i++)
        files.at[i].path = argv[i + 1];
    err = gyre_run(NULL, run, &files);
    for (int i = 0; i < files.count; i++)
        if (files.at[i].error < 0)
            fprintf(stderr, "lines: %s: %s\n", files.at[i].path,
                    gyre_strerror(files.at[i].error));
        else
            printf("%8lu %s\n", files.at[i].lines, files.at[i].path);
    free(files.at);
    return err < 0;
}
