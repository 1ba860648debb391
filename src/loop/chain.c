/* SPDX-License-Identifier: MIT */
/*
 * chain.c - chains: started whole, ended one by one
 *
 * How each op of a chain gets its one last completion (I1):
 *
 *   its CQE      as any op's. In a quiet chain the CQE of one op says that
 *                those before it have succeeded in silence; and if it is not
 *                the last one's, that it has failed and silenced the rest.
 *   not begun    a chain that the kernel does not have ends as a whole: one of
 *                its ops is cancelled, there is no memory for it.
 *   cut          enter() took a part (Linux had no memory for the next): what
 *                is left in the SQ would begin a chain of its own, so it is
 *                overwritten, and its ops end here.
 *   alone        and silent: enter() took it, and no CQE has come.
 *
 * The kernel does not find, to cancel it, an op that has not begun. So answers
 * to cancels in a chain come back here, and while one who was asked to end has
 * not, it is asked again after a while.
 */
#include "loop/chain.h"

#include <errno.h>
#include <gyre/op_chain.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "kernel/restrict.h"
#include "loop/start.h"
#include "loop/table.h"

#define CHAINS_FIRST 16U
#define AGAIN_FIRST_NS GYRE_MS
#define AGAIN_MAX_NS (64 * GYRE_MS)
#define NUMBER_SHIFT 4 /* in the user_data of a cancel, above the tag */

/* ---- records ------------------------------------------------------------- */

static struct chains *chains_of(gyre_loop *loop)
{
    struct chains *chains = loop->chains;

    if (LIKELY(chains != NULL))
        return chains;
    chains = alloc_zeroed(1, sizeof *chains);
    if (chains == NULL)
        return NULL;
    list_init(&chains->silent);
    loop->chains = chains;
    return chains;
}

/* At most half of the numbers are in use, so a free one is near. */
static bool chains_grow(struct chains *chains)
{
    uint32_t size = chains->size == 0 ? CHAINS_FIRST : 2 * chains->size;
    struct chain **at;

    if (chains->used < chains->size / 2)
        return true;
    at = alloc_zeroed(size, sizeof *at);
    if (at == NULL)
        return false;
    if (chains->size > 0)
        memcpy(at, chains->at, chains->size * sizeof *at);
    alloc_free(chains->at);
    chains->at = at;
    chains->size = size;
    return true;
}

static void chain_enter(struct chains *chains, struct chain *chain)
{
    uint32_t number = chains->next & (chains->size - 1);

    while (chains->at[number] != NULL)
        number = (number + 1) & (chains->size - 1);
    chains->at[number] = chain;
    chains->used++;
    chains->next = number + 1;
    chain->number = number;
}

static void ask_again(gyre_timer *timer, int status);

struct chain *chain_create(gyre_loop *loop, uint32_t count)
{
    struct chains *chains = chains_of(loop);
    struct chain *chain;

    if (chains == NULL || !chains_grow(chains))
        return NULL;
    chain = alloc_zeroed(1, sizeof *chain + count * sizeof chain->members[0]);
    if (chain == NULL)
        return NULL;
    chain->loop = loop;
    chain->count = count;
    chain->left = count;
    chain->again_ns = AGAIN_FIRST_NS;
    list_init(&chain->silent);
    gyre_timer_init(&chain->again, loop, ask_again, NULL);
    chain_enter(chains, chain);
    return chain;
}

/* Nobody is left: there is nothing to ask again. And nobody looks: free it. */
static void chain_look(struct chain *chain)
{
    struct chains *chains = chain->loop->chains;

    if (chain->left > 0)
        return;
    gyre_timer_stop(&chain->again);
    if (chain->pins > 0)
        return;
    chains->at[chain->number] = NULL;
    chains->used--;
    alloc_free(chain);
}

static void chain_unpin(struct chain *chain)
{
    ASSERT(chain->pins > 0);
    chain->pins--;
    chain_look(chain);
}

void chains_destroy(gyre_loop *loop)
{
    struct chains *chains = loop->chains;

    if (chains == NULL)
        return;
    /* Those that wait for answers to cancels, which do not come any more. */
    for (uint32_t i = 0; i < chains->size; i++) {
        ASSERT(chains->at[i] == NULL || chains->at[i]->left == 0); /* I1 */
        alloc_free(chains->at[i]);
    }
    alloc_free(chains->at);
    alloc_free(chains);
}

struct chain *chain_of(const gyre_op *op)
{
    struct chain *chain = op->loop_->chains->at[op->position_];

    ASSERT((op->flags_ & OP_CHAINED) != 0 && chain->left > 0);
    return chain;
}

/* They end in order, nearly. */
static uint32_t chain_find(struct chain *chain, const gyre_op *op)
{
    uint32_t at = chain->first;

    while (chain->members[at].op == NULL)
        at++;
    chain->first = at;
    while (chain->members[at].op != op) {
        at++;
        ASSERT(at < chain->count);
    }
    return at;
}

static bool is_limit(const gyre_op *op)
{
    return gyre_op_sqe((gyre_op *)(uintptr_t)op)->opcode ==
           IORING_OP_LINK_TIMEOUT;
}

bool chain_is_beside(const gyre_op *op)
{
    return chain_of(op)->side;
}

gyre_op *chain_last(const gyre_op *op)
{
    struct chain *chain = chain_of(op);

    return chain->members[chain->count - 1].op;
}

uint32_t chain_position(const gyre_op *op)
{
    struct chain *chain = chain_of(op);

    return chain->position + chain_find(chain, op);
}

/* ---- ending -------------------------------------------------------------- */

/* The op is about to have its last completion. */
static void chain_strike(struct chain *chain, uint32_t at)
{
    if (list_is_linked(&chain->silent)) {
        list_remove(&chain->silent);
        chain->loop->silent--;
    }
    chain->members[at].op = NULL;
    chain->left--;
}

void chain_leave(gyre_op *op)
{
    struct chain *chain = chain_of(op);

    chain_strike(chain, chain_find(chain, op));
    chain_look(chain);
}

/* Its callback may do anything: the caller has the record pinned. */
static void chain_end(struct chain *chain, uint32_t at, int32_t res,
                      uint32_t flags)
{
    gyre_op *op = chain->members[at].op;

    if (op == NULL || op->state_ != OP_FLYING)
        return; /* cut off, it is called back by itself */
    chain_strike(chain, at);
    loop_finish_flying(chain->loop, op, res, flags);
}

/* What a CQE of a quiet chain says of the ops before it and behind it. Linked
 * timeouts there guard the last op alone. */
static void chain_end_silent(struct chain *chain, uint32_t from, uint32_t to,
                             int32_t res)
{
    for (uint32_t i = from; i < to; i++) {
        const gyre_op *op = chain->members[i].op;

        if (UNLIKELY(chain->loop->table != NULL) && op != NULL && res == 0)
            table_note(chain->loop, op, res);
        chain_end(chain, i, res, GYRE_CQE_SKIP);
    }
}

void chain_complete(gyre_loop *loop, gyre_op *op, int32_t res, uint32_t flags)
{
    struct chain *chain = chain_of(op);
    uint32_t at = chain_find(chain, op);
    bool speaks = chain->quiet && !is_limit(op);
    uint32_t last = chain->count - 1;

    (void)loop;
    if (speaks && last > 0 && is_limit(chain->members[last].op))
        last--;
    chain->pins++;
    if (speaks)
        chain_end_silent(chain, 0, at, 0);
    chain_end(chain, at, res, flags);
    if (speaks && at < last)
        chain_end_silent(chain, at + 1, chain->count, -ECANCELED);
    chain_unpin(chain);
}

void chain_end_queued(gyre_op *op, int result)
{
    struct chain *chain = chain_of(op);

    for (uint32_t i = 0; i < chain->count; i++) {
        ASSERT(chain->members[i].op->state_ == OP_QUEUED);
        loop_end_op(chain->loop, chain->members[i].op, result);
    }
}

/* An op of which the kernel took nothing; it is called back in phase five. */
static void end_cut(gyre_loop *loop, gyre_op *op)
{
    if ((op->flags_ & OP_ON_CANCELS) != 0)
        op_head_remove(&loop->cancels, op);
    else
        op_head_remove(&loop->slots[op->slot_].flying, op);
    op->flags_ &= (uint8_t)~OP_ON_CANCELS;
    counter_sub(&loop->in_flight, 1);
    counter_add(&loop->queued, 1);
    op->state_ = OP_ENDED;
    op->result_ = -ECANCELED;
    op_list_append(&loop->ended, op);
}

static void chain_mend(struct chain *chain, uint32_t head)
{
    struct sq *sq = &chain->loop->kernel->sq;
    uint32_t taken = head - chain->position;

    if (chain->side || chain->members[chain->count - 1].op == NULL ||
        chain->members[chain->count - 1].op->state_ != OP_FLYING ||
        taken == 0 || taken >= chain->count)
        return;
    for (uint32_t i = taken; i < chain->count; i++) {
        *sq_at(sq, chain->position + i) = (struct io_uring_sqe){
            .opcode = IORING_OP_NOP,
            .fd = -1,
            .user_data = KERNEL_TAG_CANCEL,
        };
        end_cut(chain->loop, chain->members[i].op);
    }
}

/* The kernel reads the SQ in enter() alone, so what it left can be changed. */
void chains_mend(gyre_loop *loop)
{
    const struct sq *sq = &loop->kernel->sq;
    uint32_t head = sq->filled - sq_used(sq);

    for (uint32_t i = 0; loop->chains != NULL && i < loop->chains->size; i++)
        if (loop->chains->at[i] != NULL && loop->chains->at[i]->left > 0)
            chain_mend(loop->chains->at[i], head);
}

void chains_settle(gyre_loop *loop)
{
    struct kernel *kernel = loop->kernel;
    struct list *silent = &loop->chains->silent;
    struct list *next;

    if (cq_ready(&kernel->cq) > 0 ||
        (sq_flags(&kernel->sq) & IORING_SQ_CQ_OVERFLOW) != 0)
        return;
    for (struct list *at = silent->next; at != silent; at = next) {
        struct chain *chain = CONTAINER_OF(at, struct chain, silent);

        next = at->next;
        if (gyre_op_state(chain->members[0].op) != GYRE_OP_IN_FLIGHT)
            return; /* it is in the SQ yet, and so are those behind it */
        chain->pins++;
        chain_end(chain, 0, 0, GYRE_CQE_SKIP);
        chain_unpin(chain);
    }
}

/* ---- cancels ------------------------------------------------------------- */

void chain_fill_cancel(struct io_uring_sqe *sqe, const gyre_op *target)
{
    struct chain *chain = chain_of(target);
    uint32_t at = chain_find(chain, target);

    sqe->user_data |= ((uint64_t)chain->number + 1) << NUMBER_SHIFT;
    /* Nobody finds a linked timeout; it ends with what it guards. */
    if (is_limit(target) && chain->members[at - 1].op != NULL)
        sqe->addr = op_user_data(chain->members[at - 1].op);
}

void chain_cancel_sent(const gyre_op *target)
{
    chain_of(target)->pins++;
}

/* Was an op asked to end that has not? */
static bool chain_is_asked(const struct chain *chain)
{
    for (uint32_t i = chain->first; i < chain->count; i++)
        if (chain->members[i].op != NULL &&
            (chain->members[i].op->flags_ & OP_CANCEL_ASKED) != 0)
            return true;
    return false;
}

static void chain_cancel_again(struct chain *chain)
{
    for (uint32_t i = 0; i < chain->count; i++) {
        gyre_op *op = chain->members[i].op;

        if (op != NULL && op->state_ == OP_FLYING &&
            (op->flags_ & (OP_CANCEL_ASKED | OP_ON_CANCELS)) == OP_CANCEL_ASKED)
            op_to_cancels(chain->loop, op);
    }
}

static void ask_again(gyre_timer *timer, int status)
{
    (void)status;
    chain_cancel_again(CONTAINER_OF(timer, struct chain, again));
}

void chain_cancel_answered(gyre_loop *loop, uint64_t user_data)
{
    struct chain *chain = loop->chains->at[(user_data >> NUMBER_SHIFT) - 1];

    if (chain->left > 0 && !gyre_timer_is_armed(&chain->again) &&
        chain_is_asked(chain)) {
        loop_timer_start(&chain->again, loop_clock(loop) + chain->again_ns);
        if (chain->again_ns < AGAIN_MAX_NS)
            chain->again_ns *= 2;
    }
    chain_unpin(chain);
}

void chains_cancel_again(gyre_loop *loop)
{
    for (uint32_t i = 0; loop->chains != NULL && i < loop->chains->size; i++)
        if (loop->chains->at[i] != NULL)
            chain_cancel_again(loop->chains->at[i]);
}

/* ---- starting ------------------------------------------------------------ */

/* What the loop itself does of a request, it cannot do in a chain: count
 * completions, find what a cancel may mean, give a timeout another clock. */
static bool is_of_loop(const struct io_uring_sqe *sqe)
{
    return (sqe->opcode == IORING_OP_TIMEOUT && sqe->off != 0 &&
            (sqe->timeout_flags & IORING_TIMEOUT_MULTISHOT) == 0) ||
           (sqe->opcode == IORING_OP_ASYNC_CANCEL && sqe->cancel_flags != 0) ||
           (sqe->opcode == IORING_OP_TIMEOUT_REMOVE &&
            (sqe->timeout_flags & IORING_TIMEOUT_CLOCK_MASK) != 0);
}

/* Would something be lost if its result was not told? */
static bool must_tell(const struct io_uring_sqe *sqe)
{
    return (sqe->flags & IOSQE_BUFFER_SELECT) != 0 ||
           (op_table[sqe->opcode].opens &&
            (sqe->file_index == 0 ||
             sqe->file_index == IORING_FILE_INDEX_ALLOC));
}

/* Is the i-th op one that may stand there in a quiet chain? */
static bool may_be_quiet(const gyre_chain_link *links, unsigned i,
                         unsigned count)
{
    if (i + 1 == count)
        return true;
    if (links[i].hard || is_limit(links[i].op))
        return false;
    return (i + 2 == count && is_limit(links[i + 1].op)) ||
           !must_tell(gyre_op_sqe(links[i].op));
}

static int links_check(const gyre_chain_link *links, unsigned count,
                       unsigned flags)
{
    bool quiet = (flags & GYRE_CHAIN_QUIET) != 0;

    if (count == 0 || (flags & ~(unsigned)GYRE_CHAIN_QUIET) != 0)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        bool limit = is_limit(links[i].op);

        if (limit && (i == 0 || is_limit(links[i - 1].op)))
            return -EINVAL;
        if (quiet && !may_be_quiet(links, i, count))
            return -EINVAL;
        /* Of one that an earlier op keeps from beginning Linux tells two
         * ends, and of the first that it is the last. */
        if (i > 0 && op_table[gyre_op_sqe(links[i].op)->opcode].notifies)
            return -EINVAL;
        if ((gyre_op_sqe(links[i].op)->flags & IOSQE_CQE_SKIP_SUCCESS) != 0 ||
            is_of_loop(gyre_op_sqe(links[i].op)))
            return -EINVAL;
    }
    return 0;
}

/* Is the descriptor of an op being closed, or closed by the chain under others?
 */
static int links_check_closes(gyre_loop *loop, const gyre_chain_link *links,
                              unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        gyre_op *op = links[i].op;
        bool must_wait;

        op->flags_ &= OP_TARGET_SIDE;
        slot_choose(loop, op);
        must_wait = slot_must_wait(loop, op);
        if (slot_is_closing(loop, op))
            return -EBADF;
        if (must_wait)
            return -EBUSY;
    }
    return 0;
}

static uint8_t link_flag(const gyre_chain_link *links, unsigned i,
                         unsigned count)
{
    if (i + 1 == count)
        return 0;
    return links[i].hard ? IOSQE_IO_HARDLINK : IOSQE_IO_LINK;
}

/* 0, or why the kernel may not be asked for a member with its link. */
static int links_permitted(const struct kernel *kernel,
                           const gyre_chain_link *links, unsigned i,
                           unsigned count)
{
    struct io_uring_sqe sqe = *gyre_op_sqe(links[i].op);

    sqe.flags |= link_flag(links, i, count);
    return restriction_refuses(kernel->restriction, &sqe);
}

/* Who executes it, the ring or the co-processor? */
static int links_route(gyre_loop *loop, const gyre_chain_link *links,
                       unsigned count, bool *side)
{
    struct kernel *kernel = loop->kernel;

    *side = false;
    for (unsigned i = 0; i < count; i++) {
        struct io_uring_sqe sqe = *gyre_op_sqe(links[i].op);
        uint8_t route = op_route(kernel, links[i].op);

        if (route == KERNEL_ROUTE_LOOK)
            route = (uint8_t)kernel->class->look(kernel, &sqe);
        if (route == KERNEL_ROUTE_REFUSED || route == KERNEL_ROUTE_BIG)
            return -EOPNOTSUPP;
        if (UNLIKELY(kernel->restriction != NULL)) {
            int err = links_permitted(kernel, links, i, count);

            if (err != 0)
                return err;
        }
        *side |= route == KERNEL_ROUTE_SIDE || route == KERNEL_ROUTE_REPEAT ||
                 route == KERNEL_ROUTE_EXPORT;
    }
    for (unsigned i = 0; *side && i < count; i++)
        if (!kernel->class->side_has(kernel, gyre_op_sqe(links[i].op)))
            return -EOPNOTSUPP;
    return 0;
}

static int links_refusal(gyre_loop *loop, const gyre_chain_link *links,
                         unsigned count, unsigned flags, bool *side)
{
    int err = links_check(links, count, flags);

    if (err == 0 &&
        (count > loop->kernel->sq.entries || count > loop->in_flight_max ||
         (loop->kernel->batch_max != 0 && count > loop->kernel->batch_max)))
        err = -E2BIG;
    if (err == 0)
        err = links_check_closes(loop, links, count);
    if (err == 0)
        err = links_route(loop, links, count, side);
    if (err == 0)
        err = fault_take(FAULT_OP);
    return err == -EINTR ? 0 : err; /* the fault that is no error here */
}

static void chain_fill(struct chain *chain, const gyre_chain_link *links)
{
    gyre_loop *loop = chain->loop;

    for (unsigned i = 0; i < chain->count; i++) {
        gyre_op *op = links[i].op;

        op->done_ = links[i].done;
        op->user = links[i].user;
        op_enlist(loop, op);
        op_hide_nothing(op);
        op->flags_ |= OP_CHAINED;
        op->position_ = chain->number;
        chain->members[i].op = op;
        chain->members[i].links = link_flag(links, i, chain->count);
        loop->others_cancel |= op_table[gyre_op_sqe(op)->opcode].cancels;
        chain->drains |= (gyre_op_sqe(op)->flags & IOSQE_IO_DRAIN) != 0;
        slot_enter(loop, op);
        op_queue(loop, op);
    }
}

int gyre_chain_start(gyre_loop *loop, const gyre_chain_link *links,
                     unsigned count, unsigned flags)
{
    struct chain *chain;
    bool side;
    int err;

    loop_assert_owner(loop);
    for (unsigned i = 0; i < count; i++)
        ASSERT_API(links[i].op->state_ == OP_IDLE,
                   "an op of the chain is already started");
    err = links_refusal(loop, links, count, flags, &side);
    if (err != 0)
        return err;
    chain = chain_create(loop, count);
    if (chain == NULL)
        return -ENOMEM;
    chain->side = side;
    chain->quiet = (flags & GYRE_CHAIN_QUIET) != 0;
    chain_fill(chain, links);
    return 0;
}
