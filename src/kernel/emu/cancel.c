/* SPDX-License-Identifier: MIT */
/*
 * cancel.c - ASYNC_CANCEL
 *
 * What waits (for a descriptor, a time, a thread) is taken out and ends with
 * -ECANCELED, or with the bytes that had been moved. What sleeps on a thread of
 * its own is woken, and tells by itself that it was cancelled. What runs on a
 * thread cannot be stopped: -EALREADY, and it ends by itself, once; if the
 * thread comes back with nothing but the wish to wait, it ends then.
 *
 * First all targets leave their places, then the cancel's own CQE is posted,
 * then theirs. So the order is Linux's, and nothing that a CQE sets off can
 * find a target half cancelled.
 */
#include <errno.h>
#include <fcntl.h>

#include "kernel/emu/internal.h"
#include "kernel/emu/waiter.h"
#include "ring/abi_register.h"

#define NS_PER_S UINT64_C(1000000000)

int cancel_check(const struct io_uring_sqe *sqe)
{
    uint32_t flags = sqe->cancel_flags;
    uint32_t known = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD |
                     IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_USERDATA |
                     IORING_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_FD_FIXED;
    uint32_t keys = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_OP;

    if (sqe->off != 0 || sqe->splice_fd_in != 0 || (flags & ~known) != 0)
        return -EINVAL;
    if ((flags & IORING_ASYNC_CANCEL_ANY) != 0 && (flags & keys) != 0)
        return -EINVAL;
    return 0;
}

/* Is the cancel's descriptor a slot? Linux takes two flags for it. */
static bool cancel_is_fixed(const struct io_uring_sqe *cancel)
{
    return (cancel->cancel_flags & IORING_ASYNC_CANCEL_FD_FIXED) != 0 ||
           (cancel->flags & IOSQE_FIXED_FILE) != 0;
}

/* Does the request work on the cancel's descriptor? A slot's file is not the
 * one that it was a duplicate of. */
static bool cancel_meets(const struct emu *emu,
                         const struct io_uring_sqe *cancel,
                         const struct request *r)
{
    if (cancel_is_fixed(cancel))
        return r->files[0] == files_at(emu, (uint32_t)cancel->fd);
    return r->sqe.fd == cancel->fd && r->files[0] == NULL &&
           r->place != EMU_ORPHANED && !r->op->no_file;
}

static bool cancel_matches(const struct emu *emu,
                           const struct io_uring_sqe *cancel,
                           const struct request *r)
{
    uint32_t flags = cancel->cancel_flags;
    uint32_t keys = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_OP;

    if (r->sqe.opcode == IORING_OP_LINK_TIMEOUT)
        return false; /* it ends with its request */
    if ((flags & IORING_ASYNC_CANCEL_ANY) != 0)
        return true;
    if ((flags & IORING_ASYNC_CANCEL_FD) != 0 && !cancel_meets(emu, cancel, r))
        return false;
    if ((flags & IORING_ASYNC_CANCEL_OP) != 0 && r->sqe.opcode != cancel->len)
        return false;
    return r->sqe.user_data == cancel->addr ||
           ((flags & keys) != 0 && (flags & IORING_ASYNC_CANCEL_USERDATA) == 0);
}

/* Take the target out of its place onto `ended`, or make it end by itself;
 * false: it runs. */
bool cancel_take(struct emu *emu, struct request *r, struct list *ended)
{
    if (r->place == EMU_WAITING || r->place == EMU_ORPHANED) {
        wait_leave(emu, r);
        r->serial = false;
    } else if (r->place == EMU_POLLING) {
        multipoll_leave(emu, r);
    } else if (r->place == EMU_TIMING) {
        timeout_leave(emu, r);
    } else if (r->place == EMU_ASLEEP) {
        return waiter_cancel(r);
    } else {
        ASSERT(r->place == EMU_POOLED);
        if (!blocking_take_back(&emu->pool, &r->job)) {
            r->cancelled = true;
            return false;
        }
        emu->pooled--;
        r->place = EMU_NEW;
        if (r->serial)
            wait_release(emu, r);
    }
    list_append(ended, &r->link);
    return true;
}

void cancel_end(struct emu *emu, struct list *ended)
{
    struct list *link;

    while ((link = list_take_first(ended)) != NULL) {
        struct request *r = CONTAINER_OF(link, struct request, link);
        enum direction direction = request_direction(r);
        bool serial = r->serial;
        int fd = request_awaited(r);

        request_end_short(emu, r, -ECANCELED);
        /* It had kept others of its direction waiting. */
        if (serial)
            wait_resume(emu, fd, direction);
    }
}

static bool cancel_has_file(const struct emu *emu,
                            const struct io_uring_sqe *cancel)
{
    if (cancel_is_fixed(cancel))
        return files_at(emu, (uint32_t)cancel->fd) != NULL;
    return fcntl(cancel->fd, F_GETFD) >= 0;
}

/* The next candidate after `at` on one of the two lists. */
static struct request *cancel_next(struct list *head, struct list **at,
                                   bool by_hash)
{
    struct list *link = *at;

    if (link == head)
        return NULL;
    *at = link->next;
    return by_hash ? CONTAINER_OF(link, struct request, hash)
                   : CONTAINER_OF(link, struct request, all);
}

/* Take what matches onto `ended`: the result of the cancel. */
static int cancel_search(struct emu *emu, const struct io_uring_sqe *cancel,
                         struct list *ended)
{
    uint32_t flags = cancel->cancel_flags;
    bool by_hash =
        (flags & ~IORING_ASYNC_CANCEL_ALL & ~IORING_ASYNC_CANCEL_USERDATA) == 0;
    bool many = (flags & (IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY)) !=
                0;
    struct list *head = by_hash ? request_bucket(emu, cancel->addr)
                                : &emu->held;
    struct list *at = head->next;
    struct request *target;
    int count = 0, result = -ENOENT;

    if ((flags & IORING_ASYNC_CANCEL_FD) != 0 && !cancel_has_file(emu, cancel))
        return -EBADF;
    while ((target = cancel_next(head, &at, by_hash)) != NULL) {
        if (!cancel_matches(emu, cancel, target))
            continue;
        result = cancel_take(emu, target, ended) ? 0 : -EALREADY;
        count++;
        if (!many)
            break;
    }
    return many ? count : result;
}

int cancel_begin(struct emu *emu, struct request *r)
{
    struct list ended;

    list_init(&ended);
    request_complete(emu, r, cancel_search(emu, &r->sqe, &ended));
    cancel_end(emu, &ended);
    return EMU_TAKEN;
}

/* ---- IORING_REGISTER_SYNC_CANCEL ----------------------------------------- */

static int sync_read(uint64_t from, struct io_uring_sqe *cancel,
                     uint64_t *deadline_ns)
{
    struct io_uring_sync_cancel_reg reg;
    int error = copy_in(&reg, from, sizeof reg);

    if (error != 0)
        return error;
    for (size_t i = 0; i < ARRAY_SIZE(reg.pad); i++)
        if (reg.pad[i] != 0)
            return -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(reg.pad2); i++)
        if (reg.pad2[i] != 0)
            return -EINVAL;
    *cancel = (struct io_uring_sqe){ .opcode = IORING_OP_ASYNC_CANCEL,
                                     .fd = reg.fd,
                                     .addr = reg.addr,
                                     .len = reg.opcode,
                                     .cancel_flags = reg.flags };
    *deadline_ns = KERNEL_FOREVER;
    if (reg.timeout.tv_sec != -1 || reg.timeout.tv_nsec != -1)
        *deadline_ns = emu_now_ns() + (uint64_t)reg.timeout.tv_sec * NS_PER_S +
                       (uint64_t)reg.timeout.tv_nsec;
    return cancel_check(cancel);
}

/* As long as what is to end runs on a thread: wait for that. */
int cancel_sync(struct emu *emu, void *arg)
{
    struct io_uring_sqe cancel;
    struct list ended;
    uint64_t deadline_ns;
    bool waited = false;
    int result = sync_read((uintptr_t)arg, &cancel, &deadline_ns);

    if (result != 0)
        return result;
    list_init(&ended);
    for (;;) {
        result = cancel_search(emu, &cancel, &ended);
        cancel_end(emu, &ended);
        if (result != -EALREADY)
            break;
        if (emu_now_ns() >= deadline_ns)
            return -ETIME;
        result = turn_collect(emu, deadline_ns);
        if (result < 0)
            return result;
        waited = true;
    }
    /* It has ended by itself. */
    return waited && (result == -ENOENT || result > 0) ? 0 : result;
}
