/* SPDX-License-Identifier: MIT */
/*
 * syscalls.c - io_uring's three system calls
 *
 * The numbers are the same on every architecture that got them in 5.1 or later
 * by the common table; alpha adds 110 to it. They are written out because
 * <sys/syscall.h> of an old libc may not have them.
 */
#include "ring/syscalls.h"

#include <errno.h>
#include <unistd.h>

#ifdef __alpha__
#define SYSCALL_BASE 110
#else
#define SYSCALL_BASE 0
#endif

enum {
    SYSCALL_SETUP = SYSCALL_BASE + 425,
    SYSCALL_ENTER = SYSCALL_BASE + 426,
    SYSCALL_REGISTER = SYSCALL_BASE + 427,
};

/* What syscall() returned, as a negative errno; errno becomes what it was. */
static int result(long returned, int saved)
{
    if (returned >= 0)
        return (int)returned;

    int error = errno;

    errno = saved;
    return -error;
}

int ring_sys_setup(unsigned entries, struct io_uring_params *params)
{
    int saved = errno;

    return result(syscall(SYSCALL_SETUP, entries, params), saved);
}

int ring_sys_enter(int fd, unsigned submit, unsigned want, unsigned flags,
                   const void *argument, size_t size)
{
    int saved = errno;

    return result(
        syscall(SYSCALL_ENTER, fd, submit, want, flags, argument, size), saved);
}

int ring_sys_register(int fd, unsigned opcode, void *argument, unsigned count)
{
    int saved = errno;

    return result(syscall(SYSCALL_REGISTER, fd, opcode, argument, count),
                  saved);
}
