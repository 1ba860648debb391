/* SPDX-License-Identifier: MIT */
/*
 * match.c - cancels that say what to end, not which op
 *
 * Linux could look for itself, but it knows nothing of the backlog and of what
 * is executed beside it, it finds the loop's own watches too, and versions
 * before 6.6 lack some keys. So the loop looks, in its books, at the moment of
 * the start: every op that it finds was started before and has not ended.
 *
 * Of a request for one op, the kernel that has the target gives the answer: the
 * request is sent to it with the target's name for a key. The name lies in a
 * word that a cancel does not use (op_disguise()).
 */
#include <errno.h>
#include <gyre/op_cancel.h>

#include "loop/slot.h"

#define KNOWN                                                                  \
    (GYRE_MATCH_ALL | GYRE_MATCH_FD | GYRE_MATCH_ANY | GYRE_MATCH_FIXED |      \
     GYRE_MATCH_OP | GYRE_MATCH_OPCODE)
#define WORD_TARGET 7

struct search {
    gyre_loop *loop;
    uint32_t flags;
    int fd;
    uint8_t opcode;
    uint64_t user_data;
    const gyre_op *self; /* the op that asks; NULL: a call */
};

/* What is to be done with an op that was found; true: look no further. */
typedef bool found_fn(struct search *search, gyre_op *op, void *arg);

static int search_check(uint32_t flags)
{
    const uint32_t keys = GYRE_MATCH_FD | GYRE_MATCH_OPCODE;

    if ((flags & ~(uint32_t)KNOWN) != 0 ||
        ((flags & GYRE_MATCH_ANY) != 0 && (flags & keys) != 0))
        return -EINVAL;
    return 0;
}

static bool is_for_many(const struct search *search)
{
    return (search->flags & (GYRE_MATCH_ALL | GYRE_MATCH_ANY)) != 0;
}

/* Of the descriptor, handle or registered file; SLOT_OTHER: it is none. */
static uint32_t search_slot(const struct search *search)
{
    if (search->fd < 0)
        return SLOT_OTHER;
    return (search->flags & GYRE_MATCH_FIXED) != 0
               ? slot_of_file((uint32_t)search->fd)
               : slot_of(search->fd);
}

static bool is_on_file(const struct search *search, const gyre_op *op)
{
    uint32_t slot = search_slot(search);

    return slot != SLOT_OTHER && op_slot(op) == slot;
}

static bool is_match(const struct search *search, const gyre_op *op)
{
    const uint32_t keys = GYRE_MATCH_FD | GYRE_MATCH_OPCODE;
    uint32_t flags = search->flags;

    if (op == search->self)
        return false;
    if ((flags & GYRE_MATCH_ANY) != 0)
        return true;
    if ((flags & GYRE_MATCH_FD) != 0 && !is_on_file(search, op))
        return false;
    if ((flags & GYRE_MATCH_OPCODE) != 0 &&
        gyre_op_sqe((gyre_op *)(uintptr_t)op)->opcode != search->opcode)
        return false;
    return op_user_data(op) == search->user_data ||
           ((flags & keys) != 0 && (flags & GYRE_MATCH_OP) == 0);
}

static bool search_list(struct search *search, gyre_op *op, found_fn *found,
                        void *arg)
{
    gyre_op *next;

    for (; op != NULL; op = next) {
        next = op->next_;
        if (!is_match(search, op))
            continue;
        next = op_after(op);
        if (found(search, op, arg))
            return true;
    }
    return false;
}

/* All that is started and has not ended. */
static void search_books(struct search *search, found_fn *found, void *arg)
{
    gyre_loop *loop = search->loop;
    uint32_t slot = search_slot(search), end = slot + 1;
    bool on_one = (search->flags & GYRE_MATCH_FD) != 0 && slot != SLOT_OTHER &&
                  slot < loop->slot_count;

    if (!on_one) {
        slot = 0;
        end = loop->slot_count;
    }
    if (search_list(search, loop->cancels, found, arg))
        return;
    for (; slot < end; slot++)
        if (search_list(search, loop->slots[slot].flying, found, arg))
            return;
    /* Of the strays, which are on no slot of theirs. */
    if (on_one && loop->strays > 0 &&
        search_list(search, loop->slots[SLOT_OTHER].flying, found, arg))
        return;
    if (!search_list(search, loop->backlog.first, found, arg))
        (void)search_list(search, loop->held.first, found, arg);
}

static bool found_one_of_many(struct search *search, gyre_op *op, void *arg)
{
    unsigned *asked = arg;

    if (gyre_op_cancel(op) == 0)
        ++*asked;
    return !is_for_many(search);
}

static bool found_the_one(struct search *search, gyre_op *op, void *arg)
{
    gyre_op **one = arg;

    (void)search;
    *one = op;
    return true;
}

gyre_op *match_find(gyre_loop *loop, uint64_t user_data)
{
    struct search search = { .loop = loop, .user_data = user_data };
    gyre_op *found = NULL;

    search_books(&search, found_the_one, &found);
    return found;
}

/* ---- a request ----------------------------------------------------------- */

/* One op is to end: 0 if that was done here, or the kernel will answer. */
static int match_one(struct search *search, gyre_op *op)
{
    gyre_op *target = NULL;

    search_books(search, found_the_one, &target);
    if (target == NULL)
        return -ENOENT;
    if (target->state_ != OP_FLYING)
        return gyre_op_cancel(target);
    op->sqe_[WORD_TARGET] = op_user_data(target);
    op->flags_ &= (uint8_t)~OP_TARGET_SIDE;
    if (op_is_beside(target))
        op->flags_ |= OP_TARGET_SIDE;
    search->loop->disguised++;
    search->loop->others_cancel = true;
    return -EINPROGRESS;
}

void match_begin(gyre_loop *loop, gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);
    struct search search = { .loop = loop,
                             .flags = sqe->cancel_flags,
                             .fd = sqe->fd,
                             .opcode = (uint8_t)sqe->len,
                             .user_data = sqe->addr,
                             .self = op };
    unsigned asked = 0;
    int result = search_check(search.flags);

    /* By name alone: Linux looks. Fields that must be zero: it says so. */
    if (search.flags == 0 || sqe->off != 0 || sqe->splice_fd_in != 0) {
        loop->others_cancel = true;
        return;
    }
    if (result == 0 && is_for_many(&search)) {
        search_books(&search, found_one_of_many, &asked);
        result = (int)asked;
    } else if (result == 0) {
        result = match_one(&search, op);
    }
    if (result != -EINPROGRESS)
        loop_end_op(loop, op, result);
}

void match_finish(gyre_op *op)
{
    op->sqe_[WORD_TARGET] = 0;
}

/* ---- calls --------------------------------------------------------------- */

static int search_init(struct search *search, gyre_loop *loop,
                       const gyre_match *match)
{
    loop_assert_owner(loop);
    *search = (struct search){
        .loop = loop,
        .flags = match->flags,
        .fd = match->fd,
        .opcode = match->opcode,
        .user_data = match->op != NULL ? op_user_data(match->op) : 0,
    };
    return search_check(match->flags);
}

int gyre_loop_cancel_matching(gyre_loop *loop, const gyre_match *match)
{
    struct search search;
    unsigned asked = 0;
    int err = search_init(&search, loop, match);

    if (err < 0)
        return err;
    search_books(&search, found_one_of_many, &asked);
    return (int)asked;
}

static void sync_passed(gyre_timer *timer, int status)
{
    ASSERT(status == 0);
    *(bool *)timer->user = true;
}

/* Those that were asked: what callbacks start meanwhile was not. */
static bool found_asked(struct search *search, gyre_op *op, void *arg)
{
    bool *any = arg;

    (void)search;
    *any = (op->flags_ & OP_CANCEL_ASKED) != 0;
    return *any;
}

/* Has one that was asked not been called back? */
static bool search_is_awaited(struct search *search)
{
    bool any = false;

    search_books(search, found_asked, &any);
    if (!any)
        (void)search_list(search, search->loop->ended.first, found_asked, &any);
    return any;
}

int gyre_loop_cancel_sync(gyre_loop *loop, const gyre_match *match,
                          uint64_t deadline_ns)
{
    struct search search;
    unsigned asked = 0;
    bool passed = false, stopped = false;
    gyre_timer timer;
    gyre_op *one = NULL;
    int err = search_init(&search, loop, match);

    if (err < 0)
        return err;
    if (loop->turning)
        return -EDEADLK;
    if (!is_for_many(&search)) {
        search_books(&search, found_the_one, &one);
        if (one == NULL)
            return -ENOENT;
        search.flags = 0; /* from here on by its name */
        search.user_data = op_user_data(one);
    }
    search_books(&search, found_one_of_many, &asked);
    if (!search_is_awaited(&search) && asked == 0)
        return -ENOENT;
    gyre_timer_init(&timer, loop, sync_passed, &passed);
    if (deadline_ns != GYRE_NEVER)
        gyre_timer_start(&timer, deadline_ns);
    while (err >= 0 && !passed && search_is_awaited(&search)) {
        err = gyre_loop_run(loop, GYRE_RUN_ONCE);
        stopped |= err == 1;
    }
    gyre_timer_stop(&timer);
    if (stopped)
        gyre_loop_stop(loop); /* it was meant for a run of the caller's */
    if (err < 0)
        return err;
    return search_is_awaited(&search) ? -ETIME : (int)asked;
}
