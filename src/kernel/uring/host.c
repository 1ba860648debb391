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
 */
#include <errno.h>
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
    return ring_sys_register(uring->ring.fd, IORING_REGISTER_EVENTFD, &fd, 1);
}

int uring_pollable_fd(struct kernel *kernel)
{
    struct uring *uring = uring_of(kernel);

    if (uring_is_hosted(uring))
        return atomic_load(&uring->host_fd);

    int fd = uring_eventfd();

    if (fd < 0)
        return fd;
    int err = register_eventfd(uring, fd);

    if (err < 0) {
        close(fd);
        return err;
    }
    atomic_store(&uring->host_fd, fd);
    /* What came before is not signalled any more: let the host look. */
    uring_eventfd_signal(fd);
    return fd;
}

/* False if it failed: then nothing is registered. */
static bool register_again(const struct uring *uring, int fd)
{
    (void)ring_sys_register(uring->ring.fd, IORING_UNREGISTER_EVENTFD, NULL, 0);
    return register_eventfd(uring, fd) == 0;
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
    const uint32_t more = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;
    int fd = atomic_load(&uring->host_fd);
    bool registered = true;

    if ((uring->ring.setup_flags & IORING_SETUP_DEFER_TASKRUN) != 0)
        registered = register_again(uring, fd);
    eventfd_clear(fd);
    if (!registered || (sq_flags(&uring->kernel.sq) & more) != 0)
        uring_eventfd_signal(fd);
}
