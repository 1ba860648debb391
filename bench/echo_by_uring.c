/* SPDX-License-Identifier: MIT */
/*
 * echo_by_uring.c - the echo server on a ring of one's own, twice
 *
 * Plain has the requests that gyre's server has, a receive and a send each
 * time: what gyre costs more than this is gyre's own. Best has all that helps:
 * direct descriptors, one multishot receive for each connection into buffers
 * that the kernel takes from a ring, sends that report only failure. Such a
 * send has been done when the enter that took it returns (the socket has room
 * for it), so its buffer goes back then.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "by_hand_uring.h"
#include "echo.h"

#define ENTRIES 1024
#define SEND UINT64_C(1) /* in user_data, beside the connection */

/* ---- plain -------------------------------------------------------------- */

struct plain {
    struct hand_ring ring;
    struct echo_job *job;
    char *buffers;
    unsigned left;
};

static char *plain_buffer(const struct plain *plain, unsigned index)
{
    return plain->buffers + (size_t)index * plain->job->size;
}

static void plain_request(struct plain *plain, unsigned index, uint8_t opcode,
                          const char *at, uint32_t size)
{
    struct io_uring_sqe *sqe = hand_sqe(&plain->ring);

    sqe->opcode = opcode;
    sqe->fd = plain->job->fds[index];
    sqe->addr = (uintptr_t)at;
    sqe->len = size;
    sqe->msg_flags = opcode == IORING_OP_SEND ? MSG_NOSIGNAL | MSG_WAITALL : 0;
    sqe->user_data = (uint64_t)index << 1 |
                     (opcode == IORING_OP_SEND ? SEND : 0);
}

static void plain_take(struct plain *plain, const struct io_uring_cqe *cqe)
{
    unsigned index = (unsigned)(cqe->user_data >> 1);

    char *buffer = plain_buffer(plain, index);
    uint32_t size = (uint32_t)cqe->res;
    const char *reply;

    if (cqe->res > 0 && (cqe->user_data & SEND) != 0) {
        plain_request(plain, index, IORING_OP_RECV, buffer, plain->job->size);
        return;
    }
    reply = cqe->res > 0 ? echo_reply(plain->job, buffer, &size) : NULL;
    if (reply == NULL) {
        plain->left--;
        return;
    }
    plain->job->requests++;
    plain_request(plain, index, IORING_OP_SEND, reply, size);
}

int serve_uring_plain(struct echo_job *job)
{
    struct plain plain = { .job = job, .left = job->count };
    int err = hand_open(&plain.ring, ENTRIES, 2 * ENTRIES);

    if (err < 0)
        return err;
    plain.buffers = malloc((size_t)job->count * job->size);
    if (plain.buffers == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < job->count; i++)
        plain_request(&plain, i, IORING_OP_RECV, plain_buffer(&plain, i),
                      job->size);
    while (plain.left > 0) {
        uint32_t ready;

        err = hand_enter(&plain.ring, 1);
        if (err < 0)
            return err;
        ready = hand_ready(&plain.ring);
        for (uint32_t i = 0; i < ready; i++)
            plain_take(&plain, hand_cqe(&plain.ring, i));
        hand_seen(&plain.ring, ready);
    }
    job->calls = plain.ring.enters;
    free(plain.buffers);
    return 0;
}

/* ---- best --------------------------------------------------------------- */

struct best {
    struct hand_ring ring;
    struct echo_job *job;
    struct io_uring_buf *supply; /* the ring of buffers */
    char *buffers;
    uint32_t mask;
    uint16_t tail;
    uint16_t used[ENTRIES]; /* lent to sends of this turn */
    unsigned used_count;
    unsigned left;
    int error;
};

static char *best_buffer(const struct best *best, uint16_t id)
{
    return best->buffers + (size_t)id * best->job->size;
}

static void supply(struct best *best, uint16_t id)
{
    struct io_uring_buf *buf = &best->supply[best->tail++ & best->mask];

    buf->addr = (uintptr_t)best_buffer(best, id);
    buf->len = best->job->size;
    buf->bid = id;
}

static void publish_supply(struct best *best)
{
    _Atomic uint16_t *tail =
        (void *)&((struct io_uring_buf_ring *)best->supply)->tail;

    atomic_store_explicit(tail, best->tail, memory_order_release);
}

static void best_recv(struct best *best, unsigned index)
{
    struct io_uring_sqe *sqe = hand_sqe(&best->ring);

    sqe->opcode = IORING_OP_RECV;
    sqe->flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->fd = (int32_t)index;
    sqe->user_data = (uint64_t)index << 1;
}

static void best_send(struct best *best, unsigned index, uint16_t id,
                      uint32_t size)
{
    const char *reply = echo_reply(best->job, best_buffer(best, id), &size);
    struct io_uring_sqe *sqe = hand_sqe(&best->ring);

    sqe->opcode = IORING_OP_SEND;
    sqe->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
    sqe->fd = (int32_t)index;
    if (reply == NULL)
        best->error = -EPROTO;
    sqe->addr = (uintptr_t)reply;
    sqe->len = size;
    sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL | MSG_DONTWAIT;
    sqe->user_data = (uint64_t)index << 1 | SEND;
    best->used[best->used_count++] = id;
}

static void best_take(struct best *best, const struct io_uring_cqe *cqe)
{
    unsigned index = (unsigned)(cqe->user_data >> 1);
    bool more = (cqe->flags & IORING_CQE_F_MORE) != 0;

    if ((cqe->user_data & SEND) != 0) {
        /* The other side has closed; its receive tells as well. */
        if (cqe->res != -EPIPE && cqe->res != -ECONNRESET)
            best->error = cqe->res < 0 ? cqe->res : -EMSGSIZE;
        return;
    }
    if (cqe->res > 0) {
        best->job->requests++;
        best_send(best, index, (uint16_t)(cqe->flags >> 16),
                  (uint32_t)cqe->res);
    } else if (cqe->res != -ENOBUFS) {
        best->left--;
        return;
    }
    if (!more)
        best_recv(best, index);
}

static int best_open(struct best *best)
{
    struct echo_job *job = best->job;
    struct io_uring_buf_reg reg = { .ring_entries = 2 * ENTRIES };
    int err = hand_open(&best->ring, ENTRIES, 4 * ENTRIES);

    if (err < 0)
        return err;
    best->mask = reg.ring_entries - 1;
    best->buffers = malloc((size_t)reg.ring_entries * job->size);
    best->supply = aligned_alloc(4096, reg.ring_entries * sizeof *best->supply);
    if (best->buffers == NULL || best->supply == NULL)
        return -ENOMEM;
    reg.ring_addr = (uintptr_t)best->supply;
    err = ring_sys_register(best->ring.real_fd, IORING_REGISTER_PBUF_RING, &reg,
                            1);
    if (err < 0)
        return err;
    for (unsigned i = 0; i < 2 * job->count; i++)
        supply(best, (uint16_t)i);
    publish_supply(best);
    return ring_sys_register(best->ring.real_fd, IORING_REGISTER_FILES,
                             (void *)(uintptr_t)job->fds, job->count);
}

/* Submit, wait, and take back what was lent to the sends. */
static int best_enter(struct best *best)
{
    int err = hand_enter(&best->ring, 1);

    for (unsigned i = 0; i < best->used_count; i++)
        supply(best, best->used[i]);
    best->used_count = 0;
    publish_supply(best);
    return err;
}

int serve_uring_best(struct echo_job *job)
{
    struct best best = { .job = job, .left = job->count };
    int err = best_open(&best);

    if (err < 0)
        return err;
    for (unsigned i = 0; i < job->count; i++)
        best_recv(&best, i);
    while (best.left > 0 && best.error == 0) {
        uint32_t ready;

        err = best_enter(&best);
        if (err < 0)
            return err;
        ready = hand_ready(&best.ring);
        if (ready > ENTRIES / 2)
            ready = ENTRIES / 2; /* each may need two SQEs */
        for (uint32_t i = 0; i < ready; i++)
            best_take(&best, hand_cqe(&best.ring, i));
        hand_seen(&best.ring, ready);
    }
    job->calls = best.ring.enters;
    return best.error;
}
