/* SPDX-License-Identifier: MIT */
/*
 * intake.c - zero-copy receive
 *
 * An area of pages is the kernel's. It hands out pieces of them, each by a
 * completion that says where it begins, and gets them back by a queue of its
 * own, which the loop fills (*refill*). A page may be out several times at
 * once.
 *
 *     area --completion--> piece --slice--> returns[page] --refill--> area
 *
 * Any thread gives back: it counts in returns[page]. Whoever counts the first
 * one puts the page on a stack, which the loop's thread takes as a whole; while
 * a page counts for something it is on one list, so one link each suffices. The
 * counter is taken down last of all, by exactly what went into the queue.
 *
 * Orderings. All of this is sequentially consistent. A giver pushes and then
 * sets `posted_now`; the work takes that away and then takes the stack: so who
 * finds it set leaves what he pushed to work that is still to look.
 * tests/model/test_intake.c is the model of this.
 *
 * A card takes from the queue when it needs to. Without one nobody does, unless
 * told to (*flush*): when half of it is full, or a receiver waits.
 */
#include "mem/intake.h"

#include <errno.h>

#include "loop/fill/fill.h"

#define TAG ((uintptr_t)1)
#define OFFSET_MASK ((UINT64_C(1) << IORING_ZCRX_AREA_SHIFT) - 1)

/* ---- slices -------------------------------------------------------------- */

gyre_pool *intake_as_pool(gyre_intake *intake)
{
    return (gyre_pool *)((uintptr_t)intake | TAG);
}

gyre_intake *intake_of_pool(gyre_pool *pool)
{
    return ((uintptr_t)pool & TAG) != 0
               ? (gyre_intake *)((uintptr_t)pool & ~TAG)
               : NULL;
}

uint32_t intake_piece(const gyre_intake *intake)
{
    return intake->piece;
}

bool gyre_intake_take(gyre_intake *intake, const gyre_op *op,
                      gyre_result result, gyre_slice *slice)
{
    uint64_t extra[2];
    char *at;

    if (result.res <= 0 || !gyre_op_extra(op, extra))
        return false;
    at = intake->area + (extra[0] & OFFSET_MASK);
    ASSERT((extra[0] & OFFSET_MASK) + (uint64_t)result.res <=
           intake->area_size);
    *slice = (gyre_slice){ at, (size_t)result.res, intake_as_pool(intake), at };
    intake->stats.out++;
    intake->stats.pieces++;
    intake->stats.bytes += (uint64_t)result.res;
    return true;
}

/* ---- giving back --------------------------------------------------------- */

static uint32_t refill_room(const gyre_intake *intake)
{
    return intake->entry_count -
           (intake->filled -
            atomic_load_explicit(intake->head, memory_order_acquire));
}

int intake_control(gyre_intake *intake, struct zcrx_ctrl *arg)
{
    arg->zcrx_id = intake->id;
    return intake->loop->kernel->class->reg(intake->loop->kernel,
                                            IORING_REGISTER_ZCRX_CTRL, arg, 0);
}

void intake_flush(gyre_intake *intake)
{
    struct zcrx_ctrl arg = { .op = ZCRX_CTRL_FLUSH_RQ };

    if (intake->flushes && refill_room(intake) < intake->entry_count)
        (void)intake_control(intake, &arg);
}

/* Of what other threads gave back: to the front of what is owed. */
static void take_returned(gyre_intake *intake)
{
    uint32_t first = atomic_exchange(&intake->returned, 0);

    while (first != 0) {
        uint32_t next = intake->links[first - 1];

        intake->links[first - 1] = intake->owed;
        intake->owed = first;
        first = next;
    }
}

static void refill_page(gyre_intake *intake, uint32_t page, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct io_uring_zcrx_rqe *entry =
            &intake->entries[intake->filled++ & (intake->entry_count - 1)];

        entry->off = intake->token | (uint64_t)page * intake->piece;
        entry->len = intake->piece;
        entry->pad_ = 0;
    }
    ASSERT_API(intake->stats.out >= count, "a piece was given back twice");
    intake->stats.out -= count;
}

bool intake_refill(gyre_intake *intake)
{
    uint32_t before = intake->filled;

    take_returned(intake);
    while (intake->owed != 0) {
        uint32_t page = intake->owed - 1;
        uint32_t next = intake->links[page];
        uint32_t room = refill_room(intake);
        uint32_t count = atomic_load(&intake->returns[page]);

        if (count > room)
            count = room;
        if (count == 0)
            break;
        refill_page(intake, page, count);
        intake->owed = next;
        if (atomic_fetch_sub(&intake->returns[page], count) != count) {
            intake->links[page] = intake->owed;
            intake->owed = page + 1;
        }
        atomic_store_explicit(intake->tail, intake->filled,
                              memory_order_release);
    }
    if (!list_is_empty(&intake->waiters) ||
        refill_room(intake) < intake->entry_count / 2)
        intake_flush(intake);
    return intake->filled != before;
}

static void tell_waiters(gyre_intake *intake)
{
    struct list told;
    struct list *link;

    if (!intake_refill(intake) || list_is_empty(&intake->waiters))
        return;
    list_init(&told);
    list_append_all(&told, &intake->waiters);
    while ((link = list_take_first(&told)) != NULL) {
        intake->stats.waiting--;
        intake->again(link);
    }
}

static void run_local(gyre_work *work)
{
    gyre_intake *intake = CONTAINER_OF(work, gyre_intake, local);

    intake->local_ready = false;
    tell_waiters(intake);
}

static void run_posted(gyre_work *work)
{
    gyre_intake *intake = CONTAINER_OF(work, gyre_intake, posted);

    atomic_store(&intake->posted_now, 0);
    tell_waiters(intake);
}

static void make_local_ready(gyre_intake *intake)
{
    if (intake->local_ready)
        return;
    intake->local_ready = true;
    intake->local.run_ = run_local;
    loop_make_ready(intake->loop, &intake->local);
}

static void push_returned(gyre_intake *intake, uint32_t page)
{
    uint32_t newest = atomic_load(&intake->returned);

    do
        intake->links[page] = newest;
    while (!atomic_compare_exchange_weak(&intake->returned, &newest, page + 1));
}

void intake_put(gyre_intake *intake, const void *memory)
{
    uint32_t page = (uint32_t)((size_t)((const char *)memory - intake->area) /
                               intake->piece);
    bool foreign = loop_owner(intake->loop) != loop_thread();

    ASSERT(page < intake->pages);
    if (foreign)
        atomic_fetch_add(&intake->givers, 1);
    if (atomic_fetch_add(&intake->returns[page], 1) == 0)
        push_returned(intake, page);
    if (!foreign)
        make_local_ready(intake);
    else if (atomic_exchange(&intake->posted_now, 1) == 0)
        gyre_loop_post(intake->loop, &intake->posted, run_posted);
    if (foreign)
        atomic_fetch_sub(&intake->givers, 1);
}

/* ---- receivers ----------------------------------------------------------- */

void intake_join(gyre_intake *intake)
{
    intake->stats.receivers++;
}

void intake_leave(gyre_intake *intake)
{
    intake->stats.receivers--;
}

void intake_refuse(gyre_intake *intake)
{
    intake->stats.receivers--;
    intake->stats.refused++;
}

int intake_wait(gyre_intake *intake, struct list *link,
                void (*again)(struct list *link))
{
    bool refilled = intake_refill(intake);

    intake->stats.dry++;
    if (refilled ||
        (intake->flushes && refill_room(intake) < intake->entry_count)) {
        intake_flush(intake);
        return 0;
    }
    if (intake->stats.out == 0)
        return -ENOMEM;
    intake->again = again;
    list_append(&intake->waiters, link);
    intake->stats.waiting++;
    return 1;
}

void intake_unwait(gyre_intake *intake, struct list *link)
{
    intake->stats.waiting--;
    list_remove(link);
}

void gyre_op_recv_zc(gyre_op *op, int fd, const gyre_intake *intake)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_RECV_ZC, fd, NULL, 0, 0);

    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->zcrx_ifq_idx = intake->id;
}
