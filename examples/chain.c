/* SPDX-License-Identifier: MIT */
/*
 * chain.c - requests that the kernel runs one after the other
 *
 * A record is written, made durable, and its file closed, by one submission: no
 * turn of the loop lies between them. Then a read under a limit of time.
 *
 *     chain FILE
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/gyre.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int save(const char *path, const char *text)
{
    int fd = gyre_open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    gyre_op ops[3];
    gyre_result results[3];
    /* Hard: the file is closed even if it could not be saved. */
    gyre_chain_link links[] = { { .op = &ops[0], .hard = true },
                                { .op = &ops[1], .hard = true },
                                { .op = &ops[2] } };

    if (fd < 0)
        return fd;
    gyre_op_write(&ops[0], fd, text, (uint32_t)strlen(text), 0);
    gyre_op_fsync(&ops[1], fd, true);
    gyre_op_close(&ops[2], fd);
    return gyre_chain_run(links, 3, 0, results);
}

/* One byte, if there is one within 10 ms. */
static int read_in_time(int fd)
{
    gyre_op read;
    gyre_timeout_op limit;
    gyre_result results[2];
    gyre_chain_link links[] = { { .op = &read }, { .op = &limit.op } };
    char byte;

    gyre_op_read(&read, fd, &byte, 1, GYRE_CURRENT_POSITION);
    gyre_timeout_op_link(&limit, 10 * GYRE_MS, 0);
    return gyre_chain_run(links, 2, 0, results);
}

static int run(void *arg)
{
    int fds[2], err = save(arg, "a record\n");

    printf("chain: saved: %s\n", err == 0 ? "yes" : gyre_strerror(err));
    if (pipe(fds) < 0)
        return -errno;
    err = read_in_time(fds[0]);
    printf("chain: read: %s\n", err == -ETIME ? "not in time" : "there");
    gyre_close(fds[0]);
    gyre_close(fds[1]);
    return err == -ETIME ? 0 : err;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: chain FILE\n", stderr);
        return 2;
    }
    return gyre_run(NULL, run, argv[1]) == 0 ? 0 : 1;
}
