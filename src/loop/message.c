/* SPDX-License-Identifier: MIT */
/*
 * message.c - receivers of messages, and their addresses
 *
 * What comes from elsewhere carries a user_data that another loop, or another
 * thread, wrote. It is no pointer: it names a place in the loop's table, and
 * which use of a place was meant (I11). So a message that comes too late, or
 * was never meant for this loop, finds nobody and is dropped.
 *
 *   63            32 31            4 3      0
 *   | use of place  | place         | tag    |
 */
#include <errno.h>
#include <gyre/message.h>
#include <string.h>

#include "base/alloc.h"
#include "kernel/post.h"
#include "loop/fill/fill.h"
#include "loop/loop.h"

#define PLACE_SHIFT 4
#define USE_SHIFT 32
#define PLACES_FIRST 8U
#define PLACES_MAX (1U << (USE_SHIFT - PLACE_SHIFT))

/* Of all loops: the number by which a loop is found is used again by a later
 * one, whose places must not look like the same uses. */
static _Atomic uint32_t last_use;

struct place {
    gyre_receiver *receiver; /* NULL: free */
    uint32_t use;
};

struct receivers {
    uint32_t size;
    struct place places[];
};

static struct place *place_of(const gyre_loop *loop, uint64_t id)
{
    struct receivers *receivers = loop->receivers;
    uint64_t place = (uint32_t)id >> PLACE_SHIFT;

    if (receivers == NULL || place >= receivers->size)
        return NULL;
    return &receivers->places[place];
}

/* A free place; NULL: there is none. */
static struct place *place_find(const struct receivers *receivers)
{
    for (uint32_t i = 0; receivers != NULL && i < receivers->size; i++)
        if (receivers->places[i].receiver == NULL)
            return (struct place *)(uintptr_t)&receivers->places[i];
    return NULL;
}

static struct place *place_add(gyre_loop *loop)
{
    struct receivers *old = loop->receivers;
    uint32_t used = old != NULL ? old->size : 0;
    uint32_t size = used != 0 ? 2 * used : PLACES_FIRST;
    struct receivers *receivers;

    if (size > PLACES_MAX)
        return NULL;
    receivers =
        alloc_zeroed(1, sizeof *receivers + size * sizeof(struct place));
    if (receivers == NULL)
        return NULL;
    if (old != NULL)
        memcpy(receivers->places, old->places, used * sizeof(struct place));
    receivers->size = size;
    alloc_free(old);
    loop->receivers = receivers;
    return &receivers->places[used];
}

int gyre_receiver_open(gyre_receiver *receiver, gyre_loop *loop,
                       gyre_receiver_fn *got, void *user)
{
    struct place *place;

    loop_assert_owner(loop);
    ASSERT_API(got != NULL, "a receiver needs a function");
    place = place_find(loop->receivers);
    if (place == NULL)
        place = place_add(loop);
    if (place == NULL)
        return -ENOMEM;
    place->receiver = receiver;
    place->use = atomic_fetch_add_explicit(&last_use, 1, memory_order_relaxed) +
                 1;
    *receiver = (gyre_receiver){
        .user = user,
        .got_ = got,
        .loop_ = loop,
        .id_ = (uint64_t)place->use << USE_SHIFT |
               (uint64_t)(place - loop->receivers->places) << PLACE_SHIFT |
               KERNEL_TAG_MESSAGE,
    };
    gyre_loop_hold(loop);
    return 0;
}

void gyre_receiver_close(gyre_receiver *receiver)
{
    gyre_loop *loop = receiver->loop_;
    struct place *place;

    ASSERT_API(loop != NULL, "the receiver is not open");
    loop_assert_owner(loop);
    place = place_of(loop, receiver->id_);
    ASSERT_API(place != NULL && place->receiver == receiver,
               "the receiver is not open, or was moved");
    place->receiver = NULL;
    receiver->loop_ = NULL;
    gyre_loop_release(loop);
}

gyre_address gyre_receiver_address(const gyre_receiver *receiver)
{
    ASSERT_API(receiver->loop_ != NULL, "the receiver is not open");
    return (gyre_address){ .id = receiver->id_,
                           .loop = receiver->loop_->kernel->address };
}

void message_arrived(gyre_loop *loop, const struct io_uring_cqe *cqe)
{
    struct place *place = place_of(loop, cqe->user_data);

    /* I11 */
    if (place == NULL || place->receiver == NULL || loop->closing ||
        place->receiver->id_ != cqe->user_data)
        return;
    loop->called++;
    place->receiver->got_(place->receiver, cqe->res);
}

void message_end(gyre_loop *loop)
{
    alloc_free(loop->receivers);
    loop->receivers = NULL;
}

/* ---- sending ------------------------------------------------------------- */

void gyre_op_message(gyre_op *op, gyre_address to, int32_t value)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_MSG_RING, -1, NULL, 0, to.id);

    sqe->fd = to.id != 0 ? to.loop : -1;
    sqe->len = (uint32_t)value;
}

/* I11: what comes to a loop of ours without a receiver's name would be taken
 * for the answer to some request. */
void message_begin(gyre_loop *loop, gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);

    (void)loop;
    ASSERT_API((sqe->off & KERNEL_TAG_MASK) == KERNEL_TAG_MESSAGE ||
                   kernel_kind_at(sqe->fd) == KERNEL_NONE,
               "a message to a loop needs the address of a receiver: use "
               "gyre_op_message()");
}

int gyre_message_post(gyre_address to, int32_t value)
{
    return kernel_post_to(to.id != 0 ? to.loop : -1, to.id, value, 0);
}
