/* SPDX-License-Identifier: MIT */
/*
 * splice.c - calls that move bytes between descriptors, and pipes
 *
 * Linux does not wait for a descriptor with O_NONBLOCK here, as it does in all
 * other requests, and gyre's own sockets are such: the call waits for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/op_poll.h>
#include <gyre/splice.h>
#include <poll.h>

#include "io/call.h"

/* Until the end says that it is ready: >= 0, or an error. */
static int wait_for(int fd, unsigned events)
{
    gyre_op op;

    gyre_op_poll(&op, fd, events);
    return gyre_await(&op).res;
}

static int wait_for_both(int in, int out)
{
    int result = wait_for(in, POLLIN);

    return result < 0 ? result : wait_for(out, POLLOUT);
}

/* The op is only moved on when it said -EAGAIN, that is, when nothing was. */
static ssize_t move(gyre_op *op, int in, int out, unsigned flags)
{
    for (;;) {
        int result = gyre_await(op).res;

        if (result != -EAGAIN || (flags & SPLICE_F_NONBLOCK) != 0)
            return result;
        result = wait_for_both(in, out);
        if (result < 0)
            return result;
    }
}

ssize_t gyre_splice(int in, uint64_t in_offset, int out, uint64_t out_offset,
                    size_t size, unsigned flags)
{
    gyre_op op;

    gyre_op_splice(&op, in, in_offset, out, out_offset, bounded(size), flags);
    return move(&op, in, out, flags);
}

ssize_t gyre_tee(int in, int out, size_t size, unsigned flags)
{
    gyre_op op;

    gyre_op_tee(&op, in, out, bounded(size), flags);
    return move(&op, in, out, flags);
}

int gyre_pipe(int fds[2], int flags)
{
    gyre_op op;

    gyre_op_pipe(&op, fds, flags);
    return gyre_await(&op).res;
}
