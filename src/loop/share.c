/* SPDX-License-Identifier: MIT */
/*
 * share.c - a loop that changes its thread, and one to which others submit
 *
 * One thread at a time has the loop's books: its owner. When the owner of a
 * `shared` loop goes to sleep in the kernel, it lays them open: until it has
 * come back they are whoever's who holds the lock. Such a thread puts its op on
 * the books and its request into the queue, and submits that; the owner is not
 * woken for it. It sleeps having nothing to submit, so nobody's batch is cut by
 * another's enter, and takes the lock before it touches anything again.
 *
 * What is more than a request for the queue (a close, an op of a chain, one of
 * which the loop does a part) is handed over as ever, and so is what comes
 * while the owner is awake: it is about to look. tests/model/test_share.c is
 * the model of this.
 */
#include <errno.h>
#include <pthread.h>

#include "base/alloc.h"
#include "loop/start.h"

struct loop_share {
    pthread_mutex_t lock;
    bool open; /* under the lock: the owner sleeps */
};

int share_create(gyre_loop *loop)
{
    loop->share = alloc_zeroed(1, sizeof *loop->share);
    if (loop->share == NULL)
        return -ENOMEM;
    pthread_mutex_init(&loop->share->lock, NULL);
    return 0;
}

void share_free(gyre_loop *loop)
{
    if (loop->share != NULL)
        pthread_mutex_destroy(&loop->share->lock);
    alloc_free(loop->share);
}

static void share_set(gyre_loop *loop, bool open)
{
    pthread_mutex_lock(&loop->share->lock);
    loop->share->open = open;
    pthread_mutex_unlock(&loop->share->lock);
}

void share_open(gyre_loop *loop)
{
    share_set(loop, true);
}

void share_close(gyre_loop *loop)
{
    share_set(loop, false);
}

/* ---- other threads ------------------------------------------------------- */

/* Does it go into the SQ as it is? Where this Linux lacks something of some
 * requests, each has to be looked at. */
static bool goes_to_queue(struct kernel *kernel, gyre_op *op)
{
    uint8_t route = op_route(kernel, op);
    struct io_uring_sqe copy;

    if (route != KERNEL_ROUTE_LOOK)
        return route == KERNEL_ROUTE_SQ;
    copy = *gyre_op_sqe(op);
    return kernel->class->look(kernel, &copy) == KERNEL_ROUTE_SQ;
}

/* Is it a request for the queue and nothing else? */
static bool is_plain(const gyre_loop *loop, gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);
    const struct op_info *info = &op_table[sqe->opcode];

    return (sqe->flags & SPECIAL_FLAGS) == 0 && info->begin == NULL &&
           !info->cancels && sqe->opcode != IORING_OP_CLOSE &&
           goes_to_queue(loop->kernel, op);
}

/* The lock is held. Does nothing wait that is the owner's to go first? */
static bool may_submit(const gyre_loop *loop)
{
    const struct sq *sq = &loop->kernel->sq;

    return loop->share->open && loop->backlog.first == NULL &&
           loop->cancels == NULL && loop->ended.first == NULL &&
           !loop->draining && loop_may_fly(loop) &&
           (loop->kernel->sq_thread ? sq_room(sq) >= 2 : sq_used(sq) == 0);
}

/* False: the owner has to do the rest. */
static bool submit(gyre_loop *loop)
{
    struct kernel *kernel = loop->kernel;
    unsigned count = kernel->sq_thread ? sq_unpublished(&kernel->sq)
                                       : sq_used(&kernel->sq);
    int taken;

    if (count == 0)
        return false; /* it has ended: there is no memory for it */
    sq_publish(&kernel->sq);
    taken = kernel->class->submit_for(kernel, count);
    if (taken > 0)
        counter_add(&loop->submitted, (unsigned)taken);
    counter_add(&loop->shared_ops, 1);
    return taken == (int)count;
}

bool share_start(gyre_loop *loop, gyre_op *op)
{
    bool may, done = true;

    if (!is_plain(loop, op))
        return false;
    pthread_mutex_lock(&loop->share->lock);
    may = may_submit(loop);
    if (may) {
        loop_enqueue(loop, op);
        loop_flush(loop);
        done = submit(loop);
    }
    pthread_mutex_unlock(&loop->share->lock);
    if (!done)
        loop->kernel->class->wake(loop->kernel);
    return may;
}

/* ---- another owner ------------------------------------------------------- */

int gyre_loop_hand_over(gyre_loop *loop)
{
    const struct kernel_class *class = loop->kernel->class;
    int err = 0;

    loop_assert_owner(loop);
    ASSERT_API(!loop->turning, "a loop is handed over outside of its turn");
    if (!loop->movable)
        return -EOPNOTSUPP;
    if (loop->tasks != NULL || loop->watch != NULL || loop->stalls != NULL ||
        loop->hosted)
        return -EBUSY;
    if (loop->attached)
        err = class->detach(loop->kernel, counter_get(&loop->in_flight) > 0);
    if (err < 0)
        return err;
    loop->attached = false;
    atomic_store_explicit(&loop->owner, NULL, memory_order_relaxed);
    return 0;
}

int gyre_loop_take_over(gyre_loop *loop)
{
    ASSERT_API(loop_owner(loop) == NULL || loop_owner(loop) == loop_thread(),
               "the loop has another owner, who has not handed it over");
    return loop_attach(loop);
}
