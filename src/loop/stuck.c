/* SPDX-License-Identifier: MIT */
/*
 * stuck.c - what keeps a loop from ending
 *
 * A request that Linux does not give back (a read from a file server that is
 * gone, a function on the blocking pool) holds memory that is not to be freed.
 * So the end waits for it, but not in silence: what was asked to end and is
 * still in flight after a second is named, once.
 */
#include "base/notice.h"
#include "loop/loop.h"
#include "loop/slot.h"

#define SILENCE_NS GYRE_SECOND
#define NAMED_MAX 8U

static void name_op(const gyre_op *op)
{
    int fd = op_fd(op);

    if (fd >= 0)
        notice("the loop cannot end: %s on %s %d was asked to end a second ago "
               "and goes on",
               gyre_op_name(op), fd_kind(fd), fd & ~GYRE_SLOT_BIT);
    else
        notice("the loop cannot end: %s was asked to end a second ago and goes "
               "on",
               gyre_op_name(op));
}

static void name_list(const gyre_op *op, unsigned *asked)
{
    for (; op != NULL; op = op->next_)
        if ((op->flags_ & OP_CANCEL_ASKED) != 0 && ++*asked <= NAMED_MAX)
            name_op(op);
}

static void stuck_report(gyre_timer *timer, int status)
{
    gyre_loop *loop = timer->loop_;
    unsigned asked = 0;

    (void)status;
    name_list(loop->cancels, &asked);
    for (uint32_t slot = 0; slot < loop->slot_count; slot++)
        name_list(loop->slots[slot].flying, &asked);
    if (asked > NAMED_MAX)
        notice("the loop cannot end: %u more requests go on",
               asked - NAMED_MAX);
}

void stuck_watch(gyre_loop *loop, gyre_timer *timer)
{
    gyre_timer_init(timer, loop, stuck_report, NULL);
    if (counter_get(&loop->in_flight) > 0)
        gyre_timer_start(timer, loop_clock(loop) + SILENCE_NS);
}
