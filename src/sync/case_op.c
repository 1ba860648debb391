/* SPDX-License-Identifier: MIT */
/*
 * case_op.c - an op as a case of a select
 *
 * The op's first completion claims the selection; one of several is asked to
 * end then, and what it gives besides is disposed of. If it was decided before,
 * the op has lost: it was asked to end, and its completion is counted, for the
 * select returns only after the last of them. A loser that was quicker than its
 * cancel has done what it does; of all that, only a descriptor that it made
 * would be lost, and that is closed.
 */
#include <gyre/op_file.h>
#include <gyre/op_slot.h>

#include <gyre/op_cancel.h>

#include "loop/loop.h"
#include "loop/optable.h"
#include "sync/case.h"

bool case_op_try(gyre_case *at)
{
    gyre_op *op = at->target_;
    gyre_task *task = task_running();
    int result = gyre_op_try(task->tasks->loop, op);

    if (result == -EAGAIN)
        return false;
    if (result < 0)
        task_note_failure(task, op, result);
    at->result = result;
    return true;
}

static void op_has_completed(gyre_op *op, gyre_result result)
{
    gyre_case *at = op->user;
    struct selection *selection = case_selection(at);
    bool won;

    ASSERT(case_flies(at) && selection->flying > 0);
    if (at->state_ == CASE_BEGUN)
        at->result = result.res;
    else
        gyre_op_dispose(op, result);
    at->state_ = CASE_COMPLETED;
    if (gyre_result_is_last(result)) {
        at->state_ = CASE_ENDED;
        selection->flying--;
    }
    won = wait_claim(&selection->wait, (int32_t)case_waiter(at)->index + 1);
    if (won || (selection->draining && selection->flying == 0))
        task_wake(selection->wait.task);
}

void case_op_start(gyre_case *at)
{
    struct selection *selection = case_selection(at);

    ASSERT_API((gyre_op_sqe(at->target_)->flags & IOSQE_BUFFER_SELECT) == 0,
               "a select does not tell which buffer an op has chosen: use "
               "gyre_incoming_recv(), or a callback");
    selection->flying++;
    gyre_op_start(selection->wait.task->tasks->loop, at->target_,
                  op_has_completed, at);
}

void case_op_stop(gyre_case *at)
{
    (void)gyre_op_cancel(at->target_);
}

bool case_op_is_done(const gyre_case *at)
{
    return at->kind_ == CASE_OP && at->state_ == CASE_ENDED &&
           at->result != -ECANCELED;
}

static bool has_opened(const gyre_case *at)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(at->target_);

    return at->state_ == CASE_ENDED && at->result >= 0 &&
           op_table[sqe->opcode].opens;
}

/* What it has opened: a descriptor, or a slot. */
static int opened(const gyre_case *at)
{
    const gyre_result result = { .res = at->result };

    return gyre_op_sqe(at->target_)->file_index == 0
               ? at->result
               : gyre_op_slot(at->target_, result);
}

static void close_opened(int fd)
{
    gyre_op op;

    gyre_op_close(&op, fd);
    (void)task_await_shielded(&op);
}

/* A pipe: two descriptors, or none. */
static bool has_made_pipe(const gyre_case *at)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(at->target_);

    return at->state_ == CASE_ENDED && at->result >= 0 &&
           op_table[sqe->opcode].opens_pair && sqe->file_index == 0;
}

static void close_pipe(const gyre_case *at)
{
    const int *fds = (const int *)(uintptr_t)gyre_op_sqe(at->target_)->addr;

    close_opened(fds[0]);
    close_opened(fds[1]);
}

void case_op_dispose(gyre_case *at)
{
    if (at->keep)
        return;
    if (has_made_pipe(at))
        close_pipe(at);
    else if (has_opened(at))
        close_opened(opened(at));
    else
        return;
    at->result = -ECANCELED;
}
