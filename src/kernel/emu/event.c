/* SPDX-License-Identifier: MIT */
/*
 * event.c - the eventfd that tells the program of CQEs
 *
 * As Linux's: one at most, rung when CQEs were added since it last rang, once
 * for many, unless the program has set IORING_CQ_EVENTFD_DISABLED in the CQ; of
 * the second kind, only for what a thread has done. It is rung at the end of
 * the call that added them, for results are only collected when the emulator is
 * entered.
 *
 * The descriptor is a duplicate, so that the program may close its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/emu/internal.h"

/* What else could be written eight bytes to is not asked for here. */
static bool is_eventfd(int fd)
{
    static const char wanted[] = "anon_inode:[eventfd]";
    char path[40], target[sizeof wanted];
    ssize_t length;

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    length = readlink(path, target, sizeof target);
    if (length < 0)
        return true; /* there is no /proc to ask */
    return (size_t)length == sizeof wanted - 1 &&
           memcmp(target, wanted, sizeof wanted - 1) == 0;
}

static int register_as(struct emu *emu, const void *arg, bool async)
{
    int fd, copy;
    int error;

    if (emu->cq_event.fd >= 0)
        return -EBUSY;
    error = copy_in(&fd, (uint64_t)(uintptr_t)arg, sizeof fd);
    if (error != 0)
        return error;
    copy = emu_result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (copy < 0)
        return copy;
    if (!is_eventfd(copy)) {
        close(copy);
        return -EINVAL;
    }
    emu->cq_event.fd = copy;
    emu->cq_event.async = async;
    emu->cq_event.threaded = false;
    emu->cq_event.told =
        atomic_load_explicit(emu->kernel.cq.tail, memory_order_relaxed);
    return 0;
}

int event_register(struct emu *emu, void *arg)
{
    return register_as(emu, arg, false);
}

int event_register_async(struct emu *emu, void *arg)
{
    return register_as(emu, arg, true);
}

int event_unregister(struct emu *emu, void *arg)
{
    (void)arg;
    if (emu->cq_event.fd < 0)
        return -ENXIO;
    close(emu->cq_event.fd);
    emu->cq_event.fd = -1;
    return 0;
}

/* Ring it if CQEs came since it rang. */
void event_tell(struct emu *emu)
{
    struct cq_event *event = &emu->cq_event;
    struct cq *cq = &emu->kernel.cq;
    uint32_t tail;

    if (LIKELY(event->fd < 0))
        return;
    tail = atomic_load_explicit(cq->tail, memory_order_relaxed);
    if (tail == event->told || (event->async && !event->threaded) ||
        (atomic_load_explicit(cq->flags, memory_order_relaxed) &
         IORING_CQ_EVENTFD_DISABLED) != 0)
        return;
    event->told = tail;
    event->threaded = false;
    emu_signal(event->fd);
}
