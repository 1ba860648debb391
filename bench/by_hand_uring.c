/* SPDX-License-Identifier: MIT */
/*
 * by_hand_uring.c - setting up the hand-written ring, and NOPs on it
 */
#include "by_hand_uring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "bench.h"

#define FLAGS                                                                  \
    (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |                 \
     IORING_SETUP_NO_SQARRAY | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE)

static void *map(int fd, uint64_t offset, size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                fd, (off_t)offset);
}

static int register_descriptor(struct hand_ring *ring)
{
    struct io_uring_rsrc_update update = {
        .offset = UINT32_MAX,
        .data = (uint64_t)ring->real_fd,
    };
    int err =
        ring_sys_register(ring->real_fd, IORING_REGISTER_RING_FDS, &update, 1);

    ring->fd = (int)update.offset;
    return err == 1 ? 0 : err;
}

int hand_open(struct hand_ring *ring, unsigned entries, unsigned cq_entries)
{
    struct io_uring_params params = { .flags = FLAGS,
                                      .cq_entries = cq_entries };
    int fd = ring_sys_setup(entries, &params);
    char *memory;
    void *sqes;

    if (fd < 0)
        return fd;
    memory = map(fd, IORING_OFF_SQ_RING,
                 params.cq_off.cqes +
                     params.cq_entries * sizeof(struct io_uring_cqe));
    sqes = map(fd, IORING_OFF_SQES,
               params.sq_entries * sizeof(struct io_uring_sqe));
    if (memory == MAP_FAILED || sqes == MAP_FAILED)
        return -ENOMEM;
    *ring = (struct hand_ring){
        .sq_tail = (void *)(memory + params.sq_off.tail),
        .cq_head = (void *)(memory + params.cq_off.head),
        .cq_tail = (void *)(memory + params.cq_off.tail),
        .sqes = sqes,
        .cqes = (void *)(memory + params.cq_off.cqes),
        .sq_mask = params.sq_entries - 1,
        .cq_mask = params.cq_entries - 1,
        .real_fd = fd,
    };
    return register_descriptor(ring);
}

/* ---- NOPs --------------------------------------------------------------- */

#define NOP_CHUNK 16384

struct nops {
    struct hand_ring ring;
    unsigned batch;
};

static uint64_t nop_chunk(void *arg)
{
    struct nops *nops = arg;
    struct hand_ring *ring = &nops->ring;
    uint64_t done = 0;

    while (done < NOP_CHUNK) {
        uint32_t ready;

        for (unsigned i = 0; i < nops->batch; i++) {
            struct io_uring_sqe *sqe = hand_sqe(ring);

            sqe->opcode = IORING_OP_NOP;
            sqe->user_data = i;
        }
        if (hand_enter(ring, nops->batch) < 0)
            abort();
        ready = hand_ready(ring);
        for (uint32_t i = 0; i < ready; i++)
            if (hand_cqe(ring, i)->res < 0)
                abort();
        hand_seen(ring, ready);
        done += ready;
    }
    return done;
}

int nop_by_hand(const struct bench_case *of, const struct budget *budget,
                struct sample *sample)
{
    struct nops nops = { .batch = of->n };
    int err = hand_open(&nops.ring, 256, 1024);

    if (err < 0)
        return err;
    measure(budget, nop_chunk, &nops, sample);
    /* Less those of the chunk that warms up. */
    sample->calls = nops.ring.enters - NOP_CHUNK / nops.batch;
    return 0;
}
