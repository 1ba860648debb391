/* SPDX-License-Identifier: MIT */
/*
 * failure.c - where an error comes from
 *
 * Each failed op leaves its name and descriptor with the task; GYRE_FAIL()
 * leaves a place in the source. When a task returns the same error, that is
 * taken for its origin, and goes up with it.
 */
#include <gyre/error.h>
#include <stdio.h>
#include <string.h>

#include "loop/loop.h"
#include "ring/abi.h"
#include "task/task.h"

void task_note_failure(gyre_task *task, const gyre_op *op, int error)
{
    const struct io_uring_sqe *sqe = (const struct io_uring_sqe *)op->sqe_;

    task->failure = (gyre_failure){
        .error = error,
        .fd = sqe->fd,
        .call = gyre_op_name(op),
    };
}

int gyre_fail_at(int error, const char *text, const char *file, int line,
                 const char *function)
{
    gyre_task *task = task_running();

    ASSERT_API(error < 0, "a failure is a negative error");
    /* The call that failed is still the one that is meant. */
    if (task->failure.error != error)
        task->failure = (gyre_failure){ .error = error, .fd = -1 };
    task->failure.text = text;
    task->failure.file = file;
    task->failure.line = line;
    task->failure.function = function;
    return error;
}

gyre_failure failure_of(const gyre_task *task, int error)
{
    gyre_failure failure = { .error = error, .fd = -1 };

    if (task->failure.error == error)
        failure = task->failure;
    if (failure.task[0] == '\0')
        (void)snprintf(failure.task, sizeof failure.task, "%s", task->name);
    return failure;
}

void gyre_task_failure(gyre_failure *failure)
{
    gyre_task *task = task_running();

    *failure = (gyre_failure){ 0 };
    if (task->failure.error != 0)
        *failure = failure_of(task, task->failure.error);
}

int gyre_failure_text(const gyre_failure *failure, char *text, size_t size)
{
    char call[48] = "", place[160] = "", where[48] = "";

    if (failure->call != NULL && failure->fd >= 0)
        (void)snprintf(call, sizeof call, "%s on fd %d: ", failure->call,
                       failure->fd);
    else if (failure->call != NULL)
        (void)snprintf(call, sizeof call, "%s: ", failure->call);
    if (failure->file != NULL)
        (void)snprintf(place, sizeof place, "%s (%s:%d, %s): ",
                       failure->text != NULL ? failure->text : "failed",
                       failure->file, failure->line, failure->function);
    if (failure->task[0] != '\0')
        (void)snprintf(where, sizeof where, " (task '%s')", failure->task);
    return snprintf(text, size, "%s%s%s%s", place, call,
                    gyre_strerror(failure->error), where);
}
