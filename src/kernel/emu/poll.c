/* SPDX-License-Identifier: MIT */
/*
 * poll.c - NOP, POLL_ADD, POLL_REMOVE
 *
 * The result of a poll is the events that were found. Errors and hang-ups, also
 * of one half (POLLRDHUP), are always watched for, as on Linux's ring. Polls
 * that go on are in multipoll.c.
 *
 * An update takes the poll out of its place and puts it back: it then tells
 * what is ready at that moment, as it did when it was new.
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
    uint32_t known = IORING_POLL_ADD_MULTI;
    bool multishot = (sqe->len & IORING_POLL_ADD_MULTI) != 0;

    /* Linux names a flag for level-triggered polls, and refuses it. */
    if (sqe->buf_index != 0 || sqe->off != 0 || sqe->addr != 0 ||
        (sqe->len & ~known) != 0)
        return -EINVAL;
    return multishot && (sqe->flags & IOSQE_CQE_SKIP_SUCCESS) != 0 ? -EINVAL
                                                                   : 0;
}

uint32_t poll_wanted(const struct request *r)
{
    return (r->sqe.poll32_events & 0xffff) | POLLRDHUP;
}

int poll_attempt(struct request *r)
{
    uint32_t wanted = poll_wanted(r);
    struct pollfd entry = { .fd = r->sqe.fd, .events = (short)wanted };
    uint32_t found = r->seen & (wanted | POLLERR | POLLHUP);

    if (found != 0)
        return (int)found;
    if (r->sqe.fd < 0)
        return -EBADF;
    if (poll(&entry, 1, 0) < 0)
        return -errno;
    if ((entry.revents & POLLNVAL) != 0)
        return -EBADF;
    return entry.revents != 0 ? entry.revents : EMU_WAIT;
}

static bool poll_is_multishot(const struct request *r)
{
    return (r->sqe.len & IORING_POLL_ADD_MULTI) != 0;
}

int poll_begin(struct emu *emu, struct request *r)
{
    return poll_is_multishot(r) ? multipoll_begin(emu, r) : poll_attempt(r);
}

int poll_remove_check(const struct io_uring_sqe *sqe)
{
    uint32_t flags = sqe->len;
    uint32_t known = IORING_POLL_UPDATE_EVENTS | IORING_POLL_UPDATE_USER_DATA |
                     IORING_POLL_ADD_MULTI;

    if (sqe->buf_index != 0 || sqe->splice_fd_in != 0 ||
        (flags & ~known) != 0 || flags == IORING_POLL_ADD_MULTI)
        return -EINVAL;
    if ((flags & IORING_POLL_UPDATE_USER_DATA) == 0 && sqe->off != 0)
        return -EINVAL;
    if ((flags & IORING_POLL_UPDATE_EVENTS) == 0 && sqe->poll32_events != 0)
        return -EINVAL;
    return 0;
}

static struct request *poll_find(struct emu *emu, uint64_t user_data)
{
    struct list *bucket = request_bucket(emu, user_data);

    for (struct list *at = bucket->next; at != bucket; at = at->next) {
        struct request *r = CONTAINER_OF(at, struct request, hash);

        if (r->sqe.user_data == user_data &&
            r->sqe.opcode == IORING_OP_POLL_ADD)
            return r;
    }
    return NULL;
}

/* Whether it goes on is not changed by an update, only for what. */
static void poll_change(struct emu *emu, struct request *target,
                        const struct io_uring_sqe *update)
{
    if ((update->len & IORING_POLL_UPDATE_EVENTS) != 0)
        target->sqe.poll32_events =
            (target->sqe.poll32_events & ~UINT32_C(0xffff)) |
            (update->poll32_events & 0xffff);
    if ((update->len & IORING_POLL_UPDATE_USER_DATA) != 0)
        request_rename(emu, target, update->off);
}

int poll_remove_begin(struct emu *emu, struct request *r)
{
    struct request *target = poll_find(emu, r->sqe.addr);
    const struct io_uring_sqe update = r->sqe;
    bool orphaned;

    if (target == NULL)
        return -ENOENT;
    orphaned = target->place == EMU_ORPHANED;
    if (target->place == EMU_POLLING)
        multipoll_leave(emu, target);
    else
        wait_leave(emu, target);
    request_complete(emu, r, 0);
    if (update.len == 0) {
        request_complete(emu, target, -ECANCELED);
        return EMU_TAKEN;
    }
    poll_change(emu, target, &update);
    if (orphaned) {
        target->place = EMU_ORPHANED;
        list_append(&emu->orphans, &target->link);
        return EMU_TAKEN;
    }
    target->seen = 0;
    request_settle(emu, target, poll_begin(emu, target));
    return EMU_TAKEN;
}
