/* SPDX-License-Identifier: MIT */
/*
 * chain.c - links, linked timeouts, drains
 *
 * A request with IO_LINK or IO_HARDLINK is followed by another of its chain.
 * A chain is taken whole, and copied, before its first request begins; the end
 * of one lets the next begin:
 *
 *   chain_take()  take, look at each        LINKED, or doomed
 *   chain_close() the first one begins      NEW
 *   chain_go_on() it has ended: the next begins, or all the rest end
 *
 * What a request's end sets off waits on `later` until this enter() has taken
 * its SQEs. So the order of CQEs is Linux's, where that is task work; and a
 * long chain of requests that end at once needs no long stack.
 *
 * If one of a chain is refused when it is taken, nothing of the chain is done.
 *
 * A linked timeout leaves the chain and belongs to the request before it: it
 * is armed when that has begun and waits, and ends with it.
 *
 * A drain begins when all before it have ended, and what comes behind it waits
 * on `drained`, in Linux's ways: the first that waits there begins when nothing
 * is left that has begun, and with it all behind it up to the next drain. One
 * in the middle of a chain makes drains of the whole chain and of what follows
 * it. What is refused waits for nobody.
 */
#include <errno.h>

#include "kernel/emu/internal.h"

#define LINKS (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)

void chain_init(struct emu *emu)
{
    list_init(&emu->later);
    list_init(&emu->drained);
}

static bool is_limit(const struct request *r)
{
    return r->sqe.opcode == IORING_OP_LINK_TIMEOUT;
}

static bool is_quiet(const struct request *r)
{
    return (r->sqe.flags & IOSQE_CQE_SKIP_SUCCESS) != 0;
}

/* ---- what the end of a request sets off ---------------------------------- */

static void begin_later(struct emu *emu, struct request *r)
{
    ASSERT(r->place == EMU_LINKED);
    r->place = EMU_LATER;
    r->begins = true;
    list_append(&emu->later, &r->link);
}

static void end_later(struct emu *emu, struct request *r, int result,
                      bool silent)
{
    ASSERT(r->place == EMU_LINKED);
    r->place = EMU_LATER;
    r->begins = false;
    r->silent = silent;
    r->result = result;
    list_append(&emu->later, &r->link);
}

/* The request ends, and with it the timeout that guarded it. */
static void limit_end(struct emu *emu, struct request *limit, bool silent)
{
    if (limit->place == EMU_TIMING) {
        timeout_leave(emu, limit);
        request_let_go(emu, limit);
        limit->place = EMU_LINKED;
    }
    limit->limit = NULL;
    end_later(emu, limit, -ECANCELED, silent);
}

/* Nothing of the rest is done. */
static void end_rest(struct emu *emu, struct request *r, bool silent)
{
    while (r != NULL) {
        struct request *next = r->next;
        struct request *limit = r->limit;

        r->next = NULL;
        r->limit = NULL;
        end_later(emu, r, r->doomed ? r->result : -ECANCELED, silent);
        if (limit != NULL)
            limit_end(emu, limit, silent);
        r = next;
    }
}

/* A request of a chain has ended, and its own CQE is about to be posted. One
 * that was to be silent and fails silences the rest. */
void chain_go_on(struct emu *emu, struct request *r, bool failed)
{
    bool hard = (r->sqe.flags & IOSQE_IO_HARDLINK) != 0 && !r->doomed;
    struct request *limit = r->limit;
    struct request *next = r->next;

    r->limit = NULL;
    r->next = NULL;
    if (limit != NULL)
        limit_end(emu, limit, is_quiet(limit));
    if (next == NULL)
        return;
    if (failed && !hard)
        end_rest(emu, next, is_quiet(r));
    else
        begin_later(emu, next);
}

/* ---- linked timeouts ----------------------------------------------------- */

int chain_limit_check(const struct io_uring_sqe *sqe)
{
    return sqe->off != 0 ? -EINVAL : timeout_check(sqe);
}

/* In a chain it is armed instead of begun. */
int chain_limit_begin(struct emu *emu, struct request *r)
{
    (void)emu;
    (void)r;
    return -EINVAL;
}

/* What runs on a thread cannot be stopped: the timeout says so, as Linux's. */
void chain_limit_passed(struct emu *emu, struct request *limit)
{
    struct request *r = limit->limit;
    struct list ended;
    bool taken;

    ASSERT(r->limit == limit);
    r->limit = NULL;
    limit->limit = NULL;
    list_init(&ended);
    taken = cancel_take(emu, r, &ended);
    request_complete(emu, limit, taken ? -ETIME : -EALREADY);
    cancel_end(emu, &ended);
}

/* ---- beginning ----------------------------------------------------------- */

static void chain_begin(struct emu *emu, struct request *r)
{
    struct request *limit = r->limit;

    r->place = EMU_NEW;
    if (r->doomed)
        request_complete(emu, r, r->result);
    else
        request_start(emu, r);
    /* If it has ended, the timeout's end is on `later`. */
    if (limit != NULL && limit->place == EMU_LINKED)
        timeout_arm_limit(emu, limit);
}

static void chain_count_one(struct emu *emu, struct request *r)
{
    r->counted = true;
    emu->unfinished++;
}

static void chain_count(struct emu *emu, struct request *r)
{
    for (; r != NULL; r = r->next) {
        chain_count_one(emu, r);
        if (r->limit != NULL)
            chain_count_one(emu, r->limit);
    }
}

static void chain_launch(struct emu *emu, struct request *r)
{
    chain_count(emu, r);
    chain_begin(emu, r);
}

/* Those that may go begin on `later`, and until then they count: what is behind
 * them waits, as on Linux, where that is task work. */
static void chain_run_drained(struct emu *emu)
{
    bool drain = true;

    while (!list_is_empty(&emu->drained)) {
        struct request *r =
            CONTAINER_OF(emu->drained.next, struct request, link);

        if ((drain || r->drains) && emu->unfinished != 0)
            return;
        drain = r->drains;
        list_remove(&r->link);
        chain_count(emu, r);
        begin_later(emu, r);
    }
}

static void chain_submit(struct emu *emu, struct request *r)
{
    bool drains = r->drains;

    if (r->doomed || !emu->draining) {
        chain_launch(emu, r);
        return;
    }
    list_append(&emu->drained, &r->link);
    chain_run_drained(emu);
    if (!drains && list_is_empty(&emu->drained))
        emu->draining = false;
}

void chain_run_later(struct emu *emu)
{
    for (;;) {
        struct list *link = list_take_first(&emu->later);
        struct request *r;

        if (link == NULL) {
            if (LIKELY(list_is_empty(&emu->drained)) || emu->unfinished != 0)
                return;
            chain_run_drained(emu);
            continue;
        }
        r = CONTAINER_OF(link, struct request, link);
        if (r->begins)
            chain_begin(emu, r);
        else
            request_post(emu, r, r->result, r->silent);
    }
}

/* ---- taking -------------------------------------------------------------- */

/* Linux's drains count CQEs, so they do not go together with silence. */
static int drain_refusal(struct emu *emu, struct request *r)
{
    struct request *first = emu->chain_first;

    if (is_quiet(r))
        emu->drain_refused = true;
    if (first == NULL) {
        r->drains = emu->drain_next;
        emu->drain_next = false;
    }
    if ((r->sqe.flags & IOSQE_IO_DRAIN) == 0)
        return 0;
    if (emu->drain_refused)
        return -EOPNOTSUPP;
    emu->draining = true;
    if (first == NULL)
        r->drains = true;
    else
        first->drains = emu->drain_next = true;
    return 0;
}

/* Look at a request of a chain, and copy what its caller may take back: 0, or
 * why there will be no such chain. */
static int member_refusal(struct emu *emu, struct request *r)
{
    int error = request_flags_refusal(&r->sqe);

    if (error == 0)
        error = drain_refusal(emu, r);
    if (error == 0)
        error = request_refusal(&r->sqe);
    if (error != 0)
        return error;
    r->op = op_find(r->sqe.opcode);
    if (is_limit(r) && (emu->chain_last == NULL || is_limit(emu->chain_last)))
        return -EINVAL;
    if (r->op->keep != NULL) {
        error = r->op->keep(r);
        r->copied = error == 0;
    }
    if (error == 0 && is_limit(r))
        error = timeout_ready_limit(emu, r);
    return error;
}

static void doom(struct request *r, int error)
{
    r->doomed = true;
    r->result = error;
}

static void chain_append(struct emu *emu, struct request *r)
{
    int error = member_refusal(emu, r);

    r->place = EMU_LINKED;
    if (error != 0)
        doom(r, error);
    if (emu->chain_first == NULL)
        emu->chain_first = r;
    else
        emu->chain_last->next = r;
    if (error != 0 && !emu->chain_first->doomed)
        doom(emu->chain_first, -ECANCELED);
    emu->chain_last = r;
}

/* Give each linked timeout to what it guards. */
static void chain_take_limits(struct request *r)
{
    for (; r != NULL; r = r->next) {
        struct request *limit = r->next;

        if (limit == NULL || !is_limit(limit) || limit->doomed)
            continue;
        r->next = limit->next;
        limit->next = NULL;
        r->limit = limit;
        limit->limit = r;
    }
}

void chain_close(struct emu *emu)
{
    struct request *first = emu->chain_first;

    if (LIKELY(first == NULL))
        return;
    emu->chain_first = NULL;
    emu->chain_last = NULL;
    chain_take_limits(first);
    chain_submit(emu, first);
}

void chain_take(struct emu *emu, struct request *r)
{
    const uint8_t special = LINKS | IOSQE_IO_DRAIN | IOSQE_CQE_SKIP_SUCCESS;

    if (LIKELY((r->sqe.flags & special) == 0 && emu->chain_first == NULL &&
               !emu->draining && list_is_empty(&emu->drained))) {
        chain_count_one(emu, r);
        request_start(emu, r);
        return;
    }
    chain_append(emu, r);
    if ((r->sqe.flags & LINKS) == 0)
        chain_close(emu);
}
