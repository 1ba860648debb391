/* SPDX-License-Identifier: MIT */
/*
 * zerocopy.c - sends that read the caller's memory
 *
 * The call returns with the second completion of its op: before it the memory
 * is not the caller's. What it returns is the first's result.
 */
#include <errno.h>
#include <gyre/socket.h>

#include "io/call.h"

/* Too few bytes for the notification to be worth its cost? */
static bool is_small(size_t size, gyre_zc *zc)
{
    size_t threshold = GYRE_ZC_THRESHOLD;

    if (zc != NULL) {
        zc->copied = true;
        if (zc->threshold != 0)
            threshold = zc->threshold;
    }
    return size < threshold;
}

/* Does the socket, or a limit on locked memory, want the bytes copied? */
static bool wants_copies(int result, gyre_zc *zc)
{
    if (result != -EOPNOTSUPP && result != -ENOMEM)
        return false;
    if (zc != NULL)
        zc->copied = true;
    return true;
}

static int await_zc(gyre_op *op, gyre_zc *zc)
{
    gyre_task *task = task_running();
    gyre_result last, first;

    task->wait_first = (gyre_result){ 0, 0 };
    last = gyre_await(op);
    first = task->wait_first;
    if (gyre_result_is_last(first))
        return last.res;
    if (zc != NULL)
        zc->copied = gyre_result_copied(last);
    if (first.res == -ECANCELED && task_cancelled(task) != 0)
        first.res = task_cancelled(task);
    if (first.res < 0)
        task_note_failure(task, op, first.res);
    return first.res;
}

ssize_t gyre_send_zc(int fd, const void *buffer, size_t size, int flags,
                     gyre_zc *zc)
{
    return gyre_sendto_zc(fd, buffer, size, flags, NULL, 0, zc);
}

ssize_t gyre_sendto_zc(int fd, const void *buffer, size_t size, int flags,
                       const struct sockaddr *to, socklen_t to_size,
                       gyre_zc *zc)
{
    gyre_op op;

    if (!is_small(size, zc)) {
        int result;

        gyre_op_sendto_zc(&op, fd, buffer, size, flags, to, to_size);
        result = await_zc(&op, zc);
        if (!wants_copies(result, zc))
            return result;
    }
    return gyre_sendto(fd, buffer, size, flags, to, to_size);
}

static size_t message_size(const struct msghdr *message)
{
    size_t size = 0;

    for (size_t i = 0; i < message->msg_iovlen; i++)
        size += message->msg_iov[i].iov_len;
    return size;
}

ssize_t gyre_sendmsg_zc(int fd, const struct msghdr *message, int flags,
                        gyre_zc *zc)
{
    gyre_op op;

    if (!is_small(message_size(message), zc)) {
        int result;

        gyre_op_sendmsg_zc(&op, fd, message, flags);
        result = await_zc(&op, zc);
        if (!wants_copies(result, zc))
            return result;
    }
    return gyre_sendmsg(fd, message, flags);
}
