/* SPDX-License-Identifier: MIT */
/*
 * reads_by_hand.c - the same reads by a ring of one's own, and by pread(2)
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "by_hand_uring.h"
#include "reads.h"

#define CHUNK 4096

struct run {
    struct hand_ring ring;
    int fd;
    unsigned depth;
    uint32_t random;
    char *buffers;
};

static void put_read(struct run *run, unsigned i)
{
    struct io_uring_sqe *sqe = hand_sqe(&run->ring);

    sqe->opcode = IORING_OP_READ;
    sqe->fd = run->fd;
    sqe->addr = (uintptr_t)(run->buffers + (size_t)i * READS_SIZE);
    sqe->len = READS_SIZE;
    sqe->off = reads_next(&run->random);
    sqe->user_data = i;
}

static uint64_t uring_chunk(void *arg)
{
    struct run *run = arg;
    unsigned started = run->depth, ended = 0;

    for (unsigned i = 0; i < run->depth; i++)
        put_read(run, i);
    while (ended < CHUNK) {
        uint32_t ready;

        if (hand_enter(&run->ring, 1) < 0)
            abort();
        ready = hand_ready(&run->ring);
        for (uint32_t i = 0; i < ready; i++) {
            const struct io_uring_cqe *cqe = hand_cqe(&run->ring, i);

            if (cqe->res != READS_SIZE)
                abort();
            if (started < CHUNK) {
                put_read(run, (unsigned)cqe->user_data);
                started++;
            }
        }
        hand_seen(&run->ring, ready);
        ended += ready;
    }
    return CHUNK;
}

static uint64_t pread_chunk(void *arg)
{
    struct run *run = arg;

    for (unsigned i = 0; i < CHUNK; i++)
        if (pread(run->fd, run->buffers, READS_SIZE,
                  (off_t)reads_next(&run->random)) != READS_SIZE)
            abort();
    return CHUNK;
}

static int take(const struct bench_case *of, const struct budget *budget,
                struct sample *sample, uint64_t (*chunk)(void *arg))
{
    struct run run = { .depth = of->n, .random = 1 };
    int err = 0;

    run.fd = reads_file();
    if (run.fd < 0)
        return run.fd;
    run.buffers = aligned_alloc(READS_SIZE, (size_t)of->n * READS_SIZE);
    if (run.buffers == NULL)
        err = -ENOMEM;
    else if (chunk == uring_chunk)
        err = hand_open(&run.ring, 64, 128);
    if (err == 0) {
        measure(budget, chunk, &run, sample);
        sample->calls = chunk == uring_chunk ? run.ring.enters * sample->ops /
                                                   (sample->ops + CHUNK)
                                             : sample->ops;
    }
    free(run.buffers);
    close(run.fd);
    return err;
}

int reads_by_uring(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    return take(of, budget, sample, uring_chunk);
}

int reads_by_pread(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    return take(of, budget, sample, pread_chunk);
}
