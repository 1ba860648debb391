/* SPDX-License-Identifier: MIT */
/*
 * chain.c - a task waits for all ops of a chain
 */
#include <errno.h>
#include <gyre/chain.h>

#include "io/call.h"

struct chain_wait {
    gyre_task *task;
    const gyre_chain_link *links;
    gyre_result *results;
    unsigned count;
    unsigned left;
    unsigned first; /* none before it is left, nearly */
};

/* They end in order, nearly. */
static unsigned index_of(struct chain_wait *wait, const gyre_op *op)
{
    unsigned i = wait->first;

    while (wait->links[i].op != op)
        i = i + 1 < wait->count ? i + 1 : 0;
    if (i == wait->first && i + 1 < wait->count)
        wait->first++;
    return i;
}

static void chain_done(gyre_op *op, gyre_result result)
{
    struct chain_wait *wait = op->user;

    if (!gyre_result_is_last(result))
        return;
    wait->results[index_of(wait, op)] = result;
    if (--wait->left == 0)
        task_wake(wait->task);
}

static void chain_cancel(gyre_task *task)
{
    const struct chain_wait *wait = task->waits_for;

    for (unsigned i = 0; i < wait->count; i++)
        (void)gyre_op_cancel(wait->links[i].op); /* or it has ended */
}

static bool is_limit(const gyre_op *op)
{
    return gyre_op_sqe((gyre_op *)(uintptr_t)op)->opcode ==
           IORING_OP_LINK_TIMEOUT;
}

/* What broke the chain; *at is the op whose error it is. */
static int chain_error(const struct chain_wait *wait, unsigned *at)
{
    int error = 0;

    for (unsigned i = 0; i < wait->count; i++) {
        int res = wait->results[i].res;
        bool limit = is_limit(wait->links[i].op);

        if (res >= 0 || (limit && res != -ETIME))
            continue;
        if (error == 0 || error == -ECANCELED) {
            error = res;
            *at = i;
        }
    }
    return error;
}

int gyre_chain_run(gyre_chain_link *links, unsigned count, unsigned flags,
                   gyre_result *results)
{
    gyre_task *task = task_running();
    struct chain_wait wait = { .task = task,
                               .links = links,
                               .results = results,
                               .count = count,
                               .left = count };
    unsigned at = 0;
    int error = task_cancelled(task);

    for (unsigned i = 0; i < count; i++) {
        links[i].done = chain_done;
        links[i].user = &wait;
    }
    if (error == 0)
        error = gyre_chain_start(task->tasks->loop, links, count, flags);
    if (error != 0)
        return error;
    task->waits_for = &wait;
    task_wait(task, chain_cancel, "chain", links[0].op);
    error = chain_error(&wait, &at);
    if (error < 0)
        task_note_failure(task, links[at].op, error);
    if (error == -ECANCELED && task_cancelled(task) != 0)
        error = task_cancelled(task);
    return error;
}
