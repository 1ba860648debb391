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
 *
 * Linux tells the receiver of a file its slot only if it has chosen it. So this
 * user_data has the slot in it, counted from one, and less of the use.
 *
 *   63       45 44     24 23        4 3      0
 *   | use      | slot    | place     | tag    |
 */
#include <errno.h>
#include <gyre/message.h>
#include <string.h>

#include "base/alloc.h"
#include "kernel/post.h"
#include "loop/fill/fill.h"
#include "loop/loop.h"
#include "loop/table.h"

#define PLACE_SHIFT 4
#define USE_SHIFT 32
#define PLACES_FIRST 8U
#define FILE_SLOT_SHIFT 24
#define FILE_USE_SHIFT 45
#define PLACES_MAX (1U << (FILE_SLOT_SHIFT - PLACE_SHIFT))
#define FILE_SLOT_MAX ((1U << (FILE_USE_SHIFT - FILE_SLOT_SHIFT)) - 1)

_Static_assert(GYRE_SLOTS_MAX <= FILE_SLOT_MAX, "each slot has a number");

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

static struct place *place_at(const gyre_loop *loop, uint64_t place)
{
    struct receivers *receivers = loop->receivers;

    if (receivers == NULL || place >= receivers->size)
        return NULL;
    return &receivers->places[place];
}

static struct place *place_of(const gyre_loop *loop, uint64_t id)
{
    return place_at(loop, (uint32_t)id >> PLACE_SHIFT);
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

static void data_arrived(gyre_loop *loop, const struct io_uring_cqe *cqe)
{
    struct place *place = place_of(loop, cqe->user_data);

    /* I11 */
    if (place == NULL || place->receiver == NULL || loop->closing ||
        place->receiver->id_ != cqe->user_data)
        return;
    loop->called++;
    place->receiver->got_(place->receiver, cqe->res);
}

/* What the user_data says of a file's receiver, whatever its slot. */
static uint64_t file_name(uint64_t id, uint32_t slot)
{
    uint64_t place = (uint32_t)id >> PLACE_SHIFT;

    return id >> USE_SHIFT << FILE_USE_SHIFT |
           (uint64_t)slot << FILE_SLOT_SHIFT | place << PLACE_SHIFT |
           KERNEL_TAG_FILE;
}

static void file_arrived(gyre_loop *loop, const struct io_uring_cqe *cqe)
{
    uint64_t name = cqe->user_data;
    struct place *place =
        place_at(loop, (name & (RING_BIT(FILE_SLOT_SHIFT) - 1)) >> PLACE_SHIFT);
    uint32_t index = (uint32_t)(name >> FILE_SLOT_SHIFT) & FILE_SLOT_MAX;
    uint32_t slot = index != 0 ? index - 1 : (uint32_t)cqe->res;

    if (loop->closing)
        return; /* the table ends with it */
    /* I11 */
    if (place == NULL || place->receiver == NULL ||
        place->receiver->got_slot_ == NULL ||
        file_name(place->receiver->id_, index) != name) {
        table_reject(loop, slot);
        return;
    }
    table_note_passed(loop, slot);
    loop->called++;
    place->receiver->got_slot_(place->receiver, gyre_slot_handle(slot));
}

void message_arrived(gyre_loop *loop, const struct io_uring_cqe *cqe)
{
    if ((cqe->user_data & KERNEL_TAG_MASK) == KERNEL_TAG_FILE)
        file_arrived(loop, cqe);
    else
        data_arrived(loop, cqe);
}

void gyre_receiver_take_slots(gyre_receiver *receiver,
                              gyre_receiver_slot_fn *got)
{
    ASSERT_API(receiver->loop_ != NULL, "the receiver is not open");
    loop_assert_owner(receiver->loop_);
    receiver->got_slot_ = got;
}

void message_end(gyre_loop *loop)
{
    struct receivers *receivers = loop->receivers;

    /* A close that comes later finds no loop, rather than one that is gone. */
    for (uint32_t i = 0; receivers != NULL && i < receivers->size; i++)
        if (receivers->places[i].receiver != NULL)
            receivers->places[i].receiver->loop_ = NULL;
    alloc_free(receivers);
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

void gyre_op_message_slot(gyre_op *op, gyre_address to, int handle,
                          uint32_t slot)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_MSG_RING, -1, NULL, 0, 0);
    bool any = slot == GYRE_SLOT_ANY;

    sqe->fd = to.id != 0 ? to.loop : -1;
    sqe->addr = IORING_MSG_SEND_FD;
    /* What no table has, no table has. */
    sqe->addr3 = gyre_is_slot(handle) ? gyre_slot_number(handle) : UINT32_MAX;
    if (slot >= GYRE_SLOTS_MAX && !any)
        slot = GYRE_SLOTS_MAX;
    sqe->file_index = any ? IORING_FILE_INDEX_ALLOC : slot + 1;
    sqe->off = file_name(to.id, any || slot == GYRE_SLOTS_MAX ? 0 : slot + 1);
}

static bool message_is_named(const struct io_uring_sqe *sqe)
{
    uint64_t tag = sqe->addr == IORING_MSG_SEND_FD ? KERNEL_TAG_FILE
                                                   : KERNEL_TAG_MESSAGE;

    return (sqe->off & KERNEL_TAG_MASK) == tag;
}

/* I11: what comes to a loop of ours without a receiver's name would be taken
 * for the answer to some request. */
void message_begin(gyre_loop *loop, gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);

    (void)loop;
    ASSERT_API(message_is_named(sqe) || kernel_kind_at(sqe->fd) == KERNEL_NONE,
               "a message to a loop needs the address of a receiver: use "
               "gyre_op_message()");
}

int32_t message_pass(gyre_op *op, int32_t res)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);

    if (sqe->opcode != IORING_OP_MSG_RING || res < 0)
        return res;
    return kernel_give_away(sqe->fd, res, sqe->file_index, sqe->off);
}

int gyre_message_post(gyre_address to, int32_t value)
{
    return kernel_post_to(to.id != 0 ? to.loop : -1, to.id, value, 0);
}
