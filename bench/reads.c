/* SPDX-License-Identifier: MIT */
/*
 * reads.c - random reads of 4 KiB of a file that is in the page cache
 *
 * `depth` reads are in flight at a time, each at a random place, and each is
 * started again as soon as it is done. What is measured is the way to the page
 * cache and back: the disk has no part in it. By hand there are the ring and
 * the plain system call.
 */
#include "reads.h"

#include <errno.h>
#include <fcntl.h>
#include <gyre/gyre.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BLOCKS 16384U /* 64 MiB */
#define CHUNK 4096

int reads_file(void)
{
    const char *directory = getenv("TMPDIR");
    static char block[READS_SIZE];
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/gyre-reads-XXXXXX",
             directory != NULL ? directory : "/var/tmp");
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    unlink(path);
    for (unsigned i = 0; i < FILE_BLOCKS; i++) {
        memset(block, (int)i, sizeof block);
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block) {
            close(fd);
            return -ENOSPC;
        }
    }
    return fd;
}

uint64_t reads_next(uint32_t *random)
{
    *random = *random * 1664525U + 1013904223U;
    return (uint64_t)(*random >> 8) % FILE_BLOCKS * READS_SIZE;
}

struct run {
    gyre_loop *loop;
    int fd;
    unsigned depth;
    uint32_t random;
    int64_t left; /* starts to come in this chunk */
    char *buffers;
    gyre_op ops[READS_DEPTH_MAX];
};

static char *buffer_of(const struct run *run, unsigned i)
{
    return run->buffers + (size_t)i * READS_SIZE;
}

static void read_done(gyre_op *op, gyre_result result)
{
    struct run *run = op->user;

    if (result.res != READS_SIZE)
        abort();
    if (--run->left > 0) {
        gyre_op_read(op, run->fd, buffer_of(run, (unsigned)(op - run->ops)),
                     READS_SIZE, reads_next(&run->random));
        gyre_op_start(run->loop, op, read_done, run);
    }
}

static uint64_t callback_chunk(void *arg)
{
    struct run *run = arg;

    run->left = CHUNK - run->depth + 1;
    for (unsigned i = 0; i < run->depth; i++) {
        gyre_op_read(&run->ops[i], run->fd, buffer_of(run, i), READS_SIZE,
                     reads_next(&run->random));
        gyre_op_start(run->loop, &run->ops[i], read_done, run);
    }
    if (gyre_loop_run(run->loop, GYRE_RUN_UNTIL_DONE) != 0)
        abort();
    return CHUNK;
}

static int read_task(void *arg)
{
    struct run *run = arg;
    _Alignas(READS_SIZE) char buffer[READS_SIZE]; /* as the others have it */

    do {
        if (gyre_read(run->fd, buffer, sizeof buffer,
                      reads_next(&run->random)) != READS_SIZE)
            abort();
    } while (--run->left > 0);
    return 0;
}

static uint64_t task_chunk(void *arg)
{
    struct run *run = arg;

    run->left = CHUNK - run->depth + 1;
    for (unsigned i = 0; i < run->depth; i++)
        if (gyre_spawn(gyre_loop_scope(run->loop), read_task, run) != 0)
            abort();
    if (gyre_loop_run(run->loop, GYRE_RUN_UNTIL_DONE) != 0)
        abort();
    return CHUNK;
}

static int take(const struct bench_case *of, const struct budget *budget,
                struct sample *sample, uint64_t (*chunk)(void *arg))
{
    struct run run = { .depth = of->n, .random = 1 };
    gyre_loop_stats stats = { .size = sizeof stats };
    int err;

    run.fd = reads_file();
    if (run.fd < 0)
        return run.fd;
    run.buffers = aligned_alloc(READS_SIZE, (size_t)of->n * READS_SIZE);
    err = run.buffers == NULL ? -ENOMEM
                              : gyre_loop_create(&run.loop, &bench_loop);
    if (err == 0) {
        measure(budget, chunk, &run, sample);
        gyre_loop_get_stats(run.loop, &stats);
        /* Less those of the chunk that warms up. */
        sample->calls = stats.enters * sample->ops / (sample->ops + CHUNK);
        gyre_loop_destroy(run.loop);
    }
    free(run.buffers);
    close(run.fd);
    return err;
}

static int callbacks(const struct bench_case *of, const struct budget *budget,
                     struct sample *sample)
{
    return take(of, budget, sample, callback_chunk);
}

static int tasks(const struct bench_case *of, const struct budget *budget,
                 struct sample *sample)
{
    return take(of, budget, sample, task_chunk);
}

static const struct contender contenders[] = {
    { .name = "io_uring by hand", .take = reads_by_uring, .is_limit = true },
    { .name = "pread", .take = reads_by_pread },
    { .name = "gyre callbacks", .take = callbacks },
    { .name = "gyre tasks", .take = tasks },
    { .name = "gyre callbacks on emu", .take = callbacks, .kernel = "emu" },
    { .name = "gyre tasks on emu", .take = tasks, .kernel = "emu" },
};
#define COUNT (sizeof contenders / sizeof contenders[0])

static const struct bench_case cases[] = {
    { "depth 1", contenders, COUNT, .n = 1 },
    { "depth 32", contenders, COUNT, .n = 32 },
};

const struct bench bench_reads = {
    .name = "reads",
    .unit = "a read of 4 KiB from the page cache",
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .seconds = 0.04,
    .rounds = 21,
    .instruction_ops = (uint64_t)CHUNK * 4,
};
