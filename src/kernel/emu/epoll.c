/* SPDX-License-Identifier: MIT */
/*
 * epoll.c - EPOLL_CTL, EPOLL_WAIT
 *
 * The program's own epoll descriptors. Changing one is a plain call, which does
 * not block; waiting on one is waiting until it is readable, which an epoll
 * tells of another.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "kernel/emu/internal.h"

int epoll_ctl_check(const struct io_uring_sqe *sqe)
{
    return sqe->buf_index != 0 || sqe->splice_fd_in != 0 ? -EINVAL : 0;
}

int epoll_ctl_keep(struct request *r)
{
    if (r->sqe.len == EPOLL_CTL_DEL)
        return 0;
    return copy_in(&r->kept.event, r->sqe.addr, sizeof r->kept.event);
}

int epoll_ctl_attempt(struct request *r)
{
    struct epoll_event *event = r->copied ? &r->kept.event
                                          : emu_pointer(r->sqe.addr);

    return emu_result(
        epoll_ctl(r->sqe.fd, (int)r->sqe.len, (int)r->sqe.off, event));
}

int epoll_wait_check(const struct io_uring_sqe *sqe)
{
    return sqe->off != 0 || sqe->rw_flags != 0 || sqe->buf_index != 0 ||
                   sqe->splice_fd_in != 0
               ? -EINVAL
               : 0;
}

int epoll_wait_attempt(struct request *r)
{
    int count = emu_result(
        epoll_wait(r->sqe.fd, emu_pointer(r->sqe.addr), (int)r->sqe.len, 0));

    return count == 0 ? EMU_WAIT : count;
}
