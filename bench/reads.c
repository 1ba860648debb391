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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flight.h"

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
    struct flight flight;
    int fd;
    uint32_t random;
    char *buffers;
    gyre_op ops[READS_DEPTH_MAX];
};

static void read_done(gyre_op *op, gyre_result result);

static void start_read(struct run *run, unsigned i)
{
    gyre_op_read(&run->ops[i], run->fd, run->buffers + (size_t)i * READS_SIZE,
                 READS_SIZE, reads_next(&run->random));
    gyre_op_start(run->flight.loop, &run->ops[i], read_done, run);
}

static void read_done(gyre_op *op, gyre_result result)
{
    struct run *run = op->user;

    if (result.res != READS_SIZE)
        abort();
    if (--run->flight.left > 0)
        start_read(run, (unsigned)(op - run->ops));
}

static void begin_op(struct flight *flight, unsigned i)
{
    start_read((struct run *)flight, i);
}

static int read_task(void *arg)
{
    struct run *run = arg;
    _Alignas(READS_SIZE) char buffer[READS_SIZE]; /* as the others have it */

    do {
        if (gyre_read(run->fd, buffer, sizeof buffer,
                      reads_next(&run->random)) != READS_SIZE)
            abort();
    } while (--run->flight.left > 0);
    return 0;
}

static void begin_task(struct flight *flight, unsigned i)
{
    (void)i;
    flight_spawn(flight, read_task);
}

static int take(const struct bench_case *of, const struct budget *budget,
                struct sample *sample)
{
    struct run run = { .fd = reads_file(), .random = 1 };
    int err;

    if (run.fd < 0)
        return run.fd;
    run.buffers = aligned_alloc(READS_SIZE, (size_t)of->n * READS_SIZE);
    err = run.buffers == NULL ? -ENOMEM
                              : flight_take(&run.flight, of, budget, sample);
    free(run.buffers);
    close(run.fd);
    return err;
}

static const struct contender contenders[] = {
    { .name = "io_uring by hand", .take = reads_by_uring, .is_limit = true },
    { .name = "pread", .take = reads_by_pread },
    { .name = "gyre callbacks", .take = take, .begin = begin_op },
    { .name = "gyre tasks", .take = take, .begin = begin_task },
    { .name = "gyre callbacks on emu",
      .take = take,
      .begin = begin_op,
      .kernel = "emu" },
    { .name = "gyre tasks on emu",
      .take = take,
      .begin = begin_task,
      .kernel = "emu" },
};
#define COUNT (sizeof contenders / sizeof contenders[0])

static const struct bench_case cases[] = {
    { "depth 1", contenders, COUNT, .n = 1, .chunk = CHUNK },
    { "depth 32", contenders, COUNT, .n = 32, .chunk = CHUNK },
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
