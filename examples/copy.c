/* SPDX-License-Identifier: MIT */
/*
 * copy FROM TO - copies a file, whose bytes never come into this program
 *
 * They go through a pipe, by splice. The copy is made under another name, gets
 * all its room first, and takes its own name when it is whole: nobody ever
 * finds half of it there.
 */
#define _GNU_SOURCE /* struct statx, AT_EMPTY_PATH */

#include <errno.h>
#include <fcntl.h>
#include <gyre/gyre.h>
#include <stdio.h>
#include <sys/stat.h>

struct copy {
    const char *from;
    const char *to;
    char part[4096]; /* its name until it is whole */
    int in;
    int out;
    int pipe[2];
    uint64_t size;
};

/* Empty the pipe of what has been put into it. */
static int take_out(struct copy *copy, ssize_t left)
{
    ssize_t n;

    for (; left > 0; left -= n) {
        n = gyre_splice(copy->pipe[0], GYRE_CURRENT_POSITION, copy->out,
                        GYRE_CURRENT_POSITION, (size_t)left, 0);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
    }
    return 0;
}

static int copy_bytes(struct copy *copy)
{
    ssize_t n;
    int err = 0;

    do {
        n = gyre_splice(copy->in, GYRE_CURRENT_POSITION, copy->pipe[1],
                        GYRE_CURRENT_POSITION, 65536, 0);
        if (n > 0)
            err = take_out(copy, n);
    } while (n > 0 && err == 0);
    return n < 0 ? (int)n : err;
}

static int copy_file(struct copy *copy)
{
    int err = copy->size == 0 ? 0 : gyre_fallocate(copy->out, 0, 0, copy->size);

    if (err < 0 && err != -EOPNOTSUPP)
        return err;
    (void)gyre_fadvise(copy->in, 0, 0, POSIX_FADV_SEQUENTIAL);
    err = copy_bytes(copy);
    if (err == 0)
        err = gyre_fsync(copy->out, false);
    return err == 0 ? gyre_rename(copy->part, copy->to) : err;
}

/* What has been opened is closed, and what is not whole removed. */
static int copy_end(struct copy *copy, int err)
{
    for (int i = 0; i < 2; i++)
        if (copy->pipe[i] >= 0)
            (void)gyre_close(copy->pipe[i]);
    if (copy->in >= 0)
        (void)gyre_close(copy->in);
    if (copy->out >= 0)
        (void)gyre_close(copy->out);
    if (copy->out >= 0 && err != 0)
        (void)gyre_unlink(copy->part);
    return err;
}

static int run(void *arg)
{
    struct copy *copy = arg;
    struct statx status;
    int err;

    copy->in = gyre_open(copy->from, O_RDONLY, 0);
    if (copy->in < 0)
        return copy->in;
    err = gyre_statx(copy->in, "", AT_EMPTY_PATH, STATX_SIZE | STATX_MODE,
                     &status);
    if (err == 0)
        err = gyre_pipe(copy->pipe, 0);
    if (err == 0) {
        copy->size = status.stx_size;
        copy->out = gyre_open(copy->part, O_WRONLY | O_CREAT | O_EXCL,
                              status.stx_mode & 0777U);
        err = copy->out < 0 ? copy->out : copy_file(copy);
    }
    return copy_end(copy, err);
}

int main(int argc, char **argv)
{
    struct copy copy = { .in = -1, .out = -1, .pipe = { -1, -1 } };
    int err, length;

    if (argc != 3) {
        fprintf(stderr, "usage: copy FROM TO\n");
        return 2;
    }
    copy.from = argv[1];
    copy.to = argv[2];
    length = snprintf(copy.part, sizeof copy.part, "%s.part", copy.to);
    err = length < (int)sizeof copy.part ? gyre_run(NULL, run, &copy)
                                         : -ENAMETOOLONG;
    if (err == 0)
        return 0;
    fprintf(stderr, "copy: %s\n", gyre_strerror(err));
    return 1;
}
