/* SPDX-License-Identifier: MIT */
/*
 * internal.h - the inside of the scripted kernel
 *
 * kernel.c is what the loop sees, script.c what the test sees; both change the
 * same structure, on one thread. Only what wake() touches is under the lock.
 *
 * Lists grow through base/alloc.h. A request for which there is no memory is
 * not taken, and enter() says -EAGAIN, as Linux does; a CQE for which there is
 * none is a panic, since a lost CQE would make the test lie.
 */
#ifndef KERNEL_SCRIPTED_INTERNAL_H
#define KERNEL_SCRIPTED_INTERNAL_H

#include <pthread.h>

#include "base/assert.h"
#include "kernel/scripted/scripted.h"

struct scripted_request {
    struct io_uring_sqe sqe;
    bool side;
};

/* A growing array of any one type. */
struct scripted_vector {
    void *items;
    size_t count;
    size_t capacity;
};

/* One completion queue and what does not fit into it. */
struct scripted_cq {
    struct cq cq;
    _Atomic uint32_t head;
    _Atomic uint32_t tail;
    _Atomic uint32_t flags;
    struct scripted_vector waiting; /* struct io_uring_cqe, oldest first */
};

/* An answer that is given a number of times. */
struct scripted_failure {
    int err;
    unsigned times;
};

struct scripted {
    struct kernel kernel;
    _Atomic uint32_t sq_head;
    _Atomic uint32_t sq_tail;
    _Atomic uint32_t sq_flags;
    struct scripted_cq ring;
    struct scripted_cq side;
    struct scripted_vector pending; /* struct scripted_request */
    struct scripted_vector seen;    /* struct io_uring_sqe */

    enum scripted_cancel cancel;
    scripted_policy_fn *policy;
    void *policy_arg;
    scripted_sleep_fn *on_sleep;
    void *on_sleep_arg;
    struct scripted_failure enter_failure;
    struct scripted_failure side_failure;
    unsigned take_limit;
    int attach_error;
    int32_t try_result;
    bool attached;
    bool defer;
    bool busy;
    bool sleeps_for_true;
    pthread_t owner;

    uint64_t now_ns;
    uint64_t random;
    uint64_t enters;
    uint64_t sleeps;
    uint64_t slept_until;
    uint64_t internals;

    pthread_mutex_t lock; /* of the rest */
    pthread_cond_t rung;
    bool woken;
    bool readable;
    uint64_t wakes;
};

extern const struct kernel_class scripted_class;

/* Room for one more item of `size` bytes at the end, zeroed; NULL without
 * memory. */
void *scripted_vector_add(struct scripted_vector *vector, size_t size);

bool scripted_cq_init(struct scripted_cq *queue, unsigned entries);

/* Take one request: from the SQ, or by side(). False without memory. */
bool scripted_take(struct scripted *s, const struct io_uring_sqe *sqe,
                   bool side);
/* Move what waits into the queues, and set the SQ's flags. */
void scripted_flush(struct scripted *s);

static inline struct scripted_request *scripted_request(
    const struct scripted *s, unsigned index)
{
    ASSERT_API(index < s->pending.count, "no request has this index");
    return (struct scripted_request *)s->pending.items + index;
}

#endif
