/* SPDX-License-Identifier: MIT */
/*
 * host.c - a ring inside somebody else's loop
 *
 * The host polls an eventfd that is registered with the ring. The ring's own
 * descriptor would not do: with DEFER_TASKRUN it does not wake pollers. Linux
 * signals the eventfd for each CQE, and for deferred work when that is added to
 * an empty list.
 *
 * A bug of Linux 6.11 to 7.0: where the completion is caused by a write to
 * another eventfd (wake(), a result of the co-processor, an eventfd that the
 * program reads through the ring), a deferring ring signals from inside that
 * write, which Linux postpones, and it does so once per registration: the mark
 * "postponed" is never taken back. Two things are done about it. The eventfd is
 * registered anew in each hosted turn; and wake() signals it directly, for the
 * postponed signal takes milliseconds.
 *
 * A ring has one eventfd. If the program has registered one as well, Linux gets
 * the host's, and the program's is signalled here, after each enter that found
 * CQEs. Alone it is Linux's to signal; on a deferring ring, because of the bug,
 * it is registered anew, too, and signalled for what came meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "kernel/uring/uring.h"
#include "ring/syscalls.h"

int uring_eventfd(void)
{
    int saved = errno;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) {
        fd = -errno;
        errno = saved;
    }
    return fd;
}

void uring_eventfd_signal(int fd)
{
    const uint64_t one = 1;
    int saved = errno;

    /* Fails only at 2^64 - 2, and then it is readable. */
    if (write(fd, &one, sizeof one) < 0)
        errno = saved;
}

static void eventfd_clear(int fd)
{
    uint64_t count;
    int saved = errno;

    if (read(fd, &count, sizeof count) < 0)
        errno = saved;
}

void uring_wake(struct kernel *kernel)
{
    struct uring *uring = uring_of(kernel);

    uring_eventfd_signal(uring->wake_fd);
    /* The host's descriptor is made readable when it is made: who does not
     * see it yet is seen there. */
    int fd = atomic_load(&uring->host_fd);

    if (fd >= 0)
        uring_eventfd_signal(fd);
}

static int register_eventfd(const struct uring *uring, int fd)
{
    unsigned opcode = uring->event_async ? IORING_REGISTER_EVENTFD_ASYNC
                                         : IORING_REGISTER_EVENTFD;

    return ring_sys_register(uring->ring.fd, opcode, &fd, 1);
}

static void unregister_eventfd(const struct uring *uring)
{
    (void)ring_sys_register(uring->ring.fd, IORING_UNREGISTER_EVENTFD, NULL, 0);
}

static uint32_t cq_tail(const struct uring *uring)
{
    return atomic_load_explicit(uring->kernel.cq.tail, memory_order_acquire);
}

int uring_pollable_fd(struct kernel *kernel)
{
    struct uring *uring = uring_of(kernel);

    if (uring_is_hosted(uring))
        return atomic_load(&uring->host_fd);

    /* What only workers' results signal cannot be told apart here. */
    if (uring->event_async)
        return -EBUSY;
    int fd = uring_eventfd();

    if (fd < 0)
        return fd;
    if (uring->event_fd >= 0)
        unregister_eventfd(uring);
    int err = register_eventfd(uring, fd);

    if (err < 0) {
        if (uring->event_fd >= 0)
            (void)register_eventfd(uring, uring->event_fd);
        close(fd);
        return err;
    }
    uring->settles = true;
    uring->event_tail = cq_tail(uring);
    atomic_store(&uring->host_fd, fd);
    /* What came before is not signalled any more: let the host look. */
    uring_eventfd_signal(fd);
    return fd;
}

/* ---- the program's eventfd ----------------------------------------------- */

static int event_add(struct uring *uring, bool async, int fd)
{
    int err;

    if (async && uring_is_hosted(uring))
        return -EBUSY;
    /* Linux says what is no eventfd; the host's has to make room for that. */
    if (uring_is_hosted(uring))
        unregister_eventfd(uring);
    uring->event_async = async;
    err = register_eventfd(uring, fd);
    if (uring_is_hosted(uring)) {
        if (err == 0)
            unregister_eventfd(uring);
        (void)register_eventfd(uring, atomic_load(&uring->host_fd));
    }
    if (err < 0)
        uring->event_async = false;
    return err;
}

static int event_remove(struct uring *uring)
{
    if (uring->event_fd < 0)
        return -ENXIO;
    if (!uring_is_hosted(uring))
        unregister_eventfd(uring);
    close(uring->event_fd);
    uring->event_fd = -1;
    uring->event_async = false;
    uring->settles = uring_is_hosted(uring);
    return 0;
}

int uring_event_register(struct uring *uring, unsigned opcode, const int *fd,
                         unsigned count)
{
    bool adds = opcode != IORING_UNREGISTER_EVENTFD;
    int saved = errno;
    int copy, err;

    if (count != adds || (fd != NULL) != adds)
        return -EINVAL;
    if (!adds)
        return event_remove(uring);
    if (uring->event_fd >= 0)
        return -EBUSY;
    copy = fcntl(*fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        err = -errno;
        errno = saved;
        return err;
    }
    err = event_add(uring, opcode == IORING_REGISTER_EVENTFD_ASYNC, copy);
    if (err < 0) {
        close(copy);
        return err;
    }
    uring->event_fd = copy;
    uring->event_tail = cq_tail(uring);
    uring->settles = true;
    return 0;
}

/* ---- after an enter ------------------------------------------------------ */

/* Linux's list of deferred work may not be empty, or the CQ not hold all. */
static bool has_more(const struct uring *uring)
{
    return (sq_flags(&uring->kernel.sq) &
            (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* The program's eventfd, which Linux has not signalled for CQEs beyond
 * `event_tail`. */
static void event_tell(struct uring *uring)
{
    uint32_t tail = cq_tail(uring);

    if (tail == uring->event_tail ||
        (atomic_load_explicit(uring->kernel.cq.flags, memory_order_relaxed) &
         IORING_CQ_EVENTFD_DISABLED) != 0)
        return;
    uring->event_tail = tail;
    uring_eventfd_signal(uring->event_fd);
}

/* False if it failed: then nothing is registered. */
static bool register_again(const struct uring *uring, int fd)
{
    unregister_eventfd(uring);
    return register_eventfd(uring, fd) == 0;
}

static void settle_host(struct uring *uring, bool deferring)
{
    int fd = atomic_load(&uring->host_fd);
    bool registered = !deferring || register_again(uring, fd);

    eventfd_clear(fd);
    if (!registered || has_more(uring))
        uring_eventfd_signal(fd);
}

/* While it was not registered, CQEs or deferred work may have come. */
static void settle_event(struct uring *uring)
{
    uring->event_tail = cq_tail(uring);
    (void)register_again(uring, uring->event_fd);
    if (uring->event_async)
        return;
    event_tell(uring);
    if (has_more(uring))
        uring_eventfd_signal(uring->event_fd);
}

/*
 * This comes after Linux has been entered, so that the signals of what the
 * caller is about to find in the CQ are gone as well. None is lost: Linux
 * writes a CQE before it signals it, and SQ_TASKRUN before it signals deferred
 * work. What is left of that work (one enter runs a bounded part), what waits
 * for room in the CQ, and what came while nothing was registered, would not be
 * signalled again, so that is done here.
 */
void uring_host_settle(struct uring *uring)
{
    bool deferring = (uring->ring.setup_flags & IORING_SETUP_DEFER_TASKRUN) !=
                     0;

    if (!uring_is_hosted(uring)) {
        if (deferring)
            settle_event(uring);
        return;
    }
    settle_host(uring, deferring);
    if (uring->event_fd >= 0)
        event_tell(uring);
}
