/* SPDX-License-Identifier: MIT */
/*
 * failure.c - where an error comes from
 *
 * Each failed op leaves its name and descriptor with the task; GYRE_FAIL()
 * leaves a place in the source. When a task returns the same error, that is
 * taken for its origin, and goes up with it.
 */
#include <gyre/error.h>
#include <stdarg.h>
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

/* A text that goes on where it was cut, as far as its length is concerned. */
struct text {
    char *at;
    size_t room;
    int length;
};

static __attribute__((format(printf, 2, 3))) void add(struct text *text,
                                                      const char *format, ...)
{
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = (size_t)vsnprintf(text->at, text->room, format, arguments);
    va_end(arguments);
    text->length += (int)length;
    if (length > text->room)
        length = text->room;
    text->room -= length;
    text->at += length;
}

int gyre_failure_text(const gyre_failure *failure, char *text, size_t size)
{
    struct text out = { .at = text, .room = size };

    if (failure->file != NULL)
        add(&out, "%s (%s:%d, %s): ",
            failure->text != NULL ? failure->text : "failed", failure->file,
            failure->line, failure->function);
    if (failure->call != NULL && failure->fd >= 0)
        add(&out, "%s on fd %d: ", failure->call, failure->fd);
    else if (failure->call != NULL)
        add(&out, "%s: ", failure->call);
    add(&out, "%s", gyre_strerror(failure->error));
    if (failure->task[0] != '\0')
        add(&out, " (task '%s')", failure->task);
    return out.length;
}
