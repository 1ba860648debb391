/* SPDX-License-Identifier: MIT */
/*
 * timers_by_hand.c - one TIMEOUT of io_uring for each timer
 *
 * What a program does that has no timers of its own. Linux keeps them in a list
 * that an update walks to its end, so there are far fewer of them here; the
 * contenders' names say how many.
 */
#include <errno.h>
#include <stdlib.h>

#include "by_hand_uring.h"
#include "timers.h"

#define SLOTS 256 /* entries of the SQ: a timespec lives until submission */
#define HAND_REARM_CHUNK 64

struct hand_timers {
    struct hand_ring ring;
    struct ring_timespec times[SLOTS];
    uint64_t count;
    uint64_t next;
};

static struct io_uring_sqe *timeout_sqe(struct hand_timers *timers,
                                        uint64_t deadline_ns,
                                        struct ring_timespec **time)
{
    struct hand_ring *ring = &timers->ring;

    if (hand_room(ring) == 0 && hand_enter(ring, 0) < 0)
        abort();
    *time = &timers->times[ring->filled % SLOTS];
    **time = (struct ring_timespec){
        .tv_sec = (int64_t)(deadline_ns / NS_PER_S),
        .tv_nsec = (int64_t)(deadline_ns % NS_PER_S),
    };
    return hand_sqe(ring);
}

static void insert(struct hand_timers *timers, uint64_t index,
                   uint64_t deadline_ns)
{
    struct ring_timespec *time;
    struct io_uring_sqe *sqe = timeout_sqe(timers, deadline_ns, &time);

    sqe->opcode = IORING_OP_TIMEOUT;
    sqe->fd = -1;
    sqe->addr = (uintptr_t)time;
    sqe->len = 1;
    sqe->timeout_flags = IORING_TIMEOUT_ABS;
    sqe->user_data = index;
}

static void move(struct hand_timers *timers, uint64_t index,
                 uint64_t deadline_ns)
{
    struct ring_timespec *time;
    struct io_uring_sqe *sqe = timeout_sqe(timers, deadline_ns, &time);

    sqe->opcode = IORING_OP_TIMEOUT_REMOVE;
    sqe->fd = -1;
    sqe->addr = index;
    sqe->addr2 = (uintptr_t)time;
    sqe->timeout_flags = IORING_TIMEOUT_UPDATE | IORING_TIMEOUT_ABS;
    sqe->user_data = UINT64_MAX;
}

int timers_by_hand(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample)
{
    uint64_t spread = timers_spread(budget);
    struct hand_timers timers = { .count = timers_count(of, budget,
                                                        TIMERS_HAND_DIVISOR) };
    uint64_t began, left = timers.count;
    int err = hand_open(&timers.ring, SLOTS, 65536);

    if (err < 0)
        return err;
    sample->cpu_ns = cpu_ns();
    began = wall_ns();
    for (uint64_t i = 0; i < timers.count; i++)
        insert(&timers, i, began + timers_delay(of, i, timers.count, spread));
    while (left > 0) {
        uint32_t ready;

        err = hand_enter(&timers.ring, 1);
        if (err < 0)
            return err;
        ready = hand_ready(&timers.ring);
        hand_seen(&timers.ring, ready);
        left -= ready;
    }
    sample->cpu_ns = cpu_ns() - sample->cpu_ns;
    sample->ops = timers.count;
    sample->calls = timers.ring.enters;
    return 0;
}

static uint64_t rearm_chunk(void *arg)
{
    struct hand_timers *timers = arg;
    struct hand_ring *ring = &timers->ring;
    uint64_t deadline = wall_ns() + REARM_AFTER_NS;
    uint32_t ready;

    for (unsigned i = 0; i < HAND_REARM_CHUNK; i++) {
        timers->next = (timers->next + TIMERS_STRIDE) % timers->count;
        move(timers, timers->next, deadline);
    }
    if (hand_enter(ring, HAND_REARM_CHUNK) < 0)
        abort();
    ready = hand_ready(ring);
    for (uint32_t i = 0; i < ready; i++)
        if (hand_cqe(ring, i)->res < 0)
            abort();
    hand_seen(ring, ready);
    return HAND_REARM_CHUNK;
}

int rearm_by_hand(const struct bench_case *of, const struct budget *budget,
                  struct sample *sample)
{
    struct hand_timers timers = { .count = of->n / REARM_HAND_DIVISOR };
    uint64_t began = wall_ns();
    int err = hand_open(&timers.ring, SLOTS, 1024);

    if (err < 0)
        return err;
    for (uint64_t i = 0; i < timers.count; i++)
        insert(&timers, i, began + REARM_AFTER_NS);
    if (hand_enter(&timers.ring, 0) < 0)
        return -EIO;
    measure(budget, rearm_chunk, &timers, sample);
    return 0;
}
