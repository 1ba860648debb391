/* SPDX-License-Identifier: MIT */
/*
 * syscalls.c - io_uring's three system calls, or the emulator's answer to them
 *
 * Where io_uring works they are Linux's own, with the caller's arguments and
 * flags; nothing is added. Where it does not, they are not made at all: there
 * are sandboxes that kill for the attempt.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "base/notice.h"
#include "emulated.h"
#include "kernel/choose.h"
#include "library.h"
#include "ring/syscalls.h"

enum { UNDECIDED, NATIVE, EMULATED, NEITHER };

static int decide(void)
{
    const char *name = kernel_chosen_name();

    if (strcmp(name, "uring") == 0)
        return NATIVE;
    if (strcmp(name, "emu") == 0)
        return EMULATED;
    notice("%s", kernel_chosen_reason());
    return NEITHER;
}

static int decision(void)
{
    static _Atomic int decided;
    int way = atomic_load_explicit(&decided, memory_order_relaxed);

    if (way == UNDECIDED) {
        way = decide();
        atomic_store_explicit(&decided, way, memory_order_relaxed);
    }
    return way;
}

bool library_is_native(void)
{
    return decision() == NATIVE;
}

/* As Linux answers for a descriptor that is no ring, or none at all. */
static int no_ring(unsigned fd)
{
    int saved = errno;
    bool open = fcntl((int)fd, F_GETFD) >= 0;

    errno = saved;
    return open ? -EOPNOTSUPP : -EBADF;
}

int library_setup(unsigned entries, struct io_uring_params *params)
{
    switch (decision()) {
    case NATIVE:
        return ring_sys_setup(entries, params);
    case EMULATED:
        return params == NULL ? -EFAULT : emulated_setup(entries, params);
    default:
        return -EINVAL;
    }
}

int library_enter(unsigned fd, unsigned submit, unsigned want, unsigned flags,
                  const void *argument, size_t size)
{
    struct emulated *e;
    int result;

    if (library_is_native())
        return ring_sys_enter((int)fd, submit, want, flags, argument, size);
    if (!emulated_knows(flags))
        return -EINVAL;
    if ((flags & IORING_ENTER_REGISTERED_RING) != 0)
        e = emulated_get_registered(fd);
    else
        e = emulated_get((int)fd);
    if (e == NULL)
        return (flags & IORING_ENTER_REGISTERED_RING) != 0 ? -EBADF
                                                           : no_ring(fd);
    result = emulated_enter(e, submit, want, flags, argument, size);
    emulated_put(e);
    return result;
}

int library_register(unsigned fd, unsigned opcode, const void *argument,
                     unsigned count)
{
    void *shared = (void *)(uintptr_t)argument; /* some of it is written to */
    bool registered = (opcode & IORING_REGISTER_USE_REGISTERED_RING) != 0;
    struct emulated *e;
    int result;

    if (library_is_native())
        return ring_sys_register((int)fd, opcode, shared, count);
    opcode &= ~IORING_REGISTER_USE_REGISTERED_RING;
    if (opcode >= IORING_REGISTER_LAST)
        return -EINVAL;
    e = registered ? emulated_get_registered(fd) : emulated_get((int)fd);
    if (e == NULL)
        return registered ? -EBADF : no_ring(fd);
    result = emulated_register(e, opcode, shared, count);
    emulated_put(e);
    return result;
}

/* ---- under liburing's names ---------------------------------------------- */

int io_uring_setup(unsigned entries, struct io_uring_params *params)
{
    return library_setup(entries, params);
}

int io_uring_enter(unsigned fd, unsigned submit, unsigned want, unsigned flags,
                   sigset_t *sigmask)
{
    return library_enter(fd, submit, want, flags, sigmask, _NSIG / 8);
}

int io_uring_enter2(unsigned fd, unsigned submit, unsigned want, unsigned flags,
                    void *argument, size_t size)
{
    return library_enter(fd, submit, want, flags, argument, size);
}

int io_uring_register(unsigned fd, unsigned opcode, const void *argument,
                      unsigned count)
{
    return library_register(fd, opcode, argument, count);
}
