/* SPDX-License-Identifier: MIT */
/*
 * poll.c - NOP, and POLL_ADD once
 *
 * The result of a poll is the events that were found. Errors and hang-ups, also
 * of one half (POLLRDHUP), are always watched for, as on Linux's ring.
 */
#include <errno.h>
#include <poll.h>

#include "kernel/emu/internal.h"

int nop_check(const struct io_uring_sqe *sqe)
{
    return (sqe->nop_flags & ~IORING_NOP_INJECT_RESULT) != 0 ? -EINVAL : 0;
}

int nop_attempt(struct request *r)
{
    int32_t result = (int32_t)r->sqe.len;

    if ((r->sqe.nop_flags & IORING_NOP_INJECT_RESULT) == 0)
        return 0;
    /* Numbers that mean something else in here are no results of Linux's. */
    return result <= EMU_TAKEN ? -EINVAL : result;
}

bool poll_ready(int fd, short events)
{
    struct pollfd entry = { .fd = fd, .events = events };

    return poll(&entry, 1, 0) > 0;
}

int poll_check(const struct io_uring_sqe *sqe)
{
    return sqe->buf_index != 0 || sqe->off != 0 || sqe->addr != 0 ||
                   sqe->len != 0
               ? -EINVAL
               : 0;
}

int poll_attempt(struct request *r)
{
    short wanted = (short)((r->sqe.poll32_events & 0xffff) | POLLRDHUP);
    struct pollfd entry = { .fd = r->sqe.fd, .events = wanted };
    int found = (int)r->seen & (wanted | POLLERR | POLLHUP);

    if (found != 0)
        return found;
    if (r->sqe.fd < 0)
        return -EBADF;
    if (poll(&entry, 1, 0) < 0)
        return -errno;
    if ((entry.revents & POLLNVAL) != 0)
        return -EBADF;
    return entry.revents != 0 ? entry.revents : EMU_WAIT;
}
