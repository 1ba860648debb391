/* SPDX-License-Identifier: MIT */
/*
 * syscalls.c - io_uring's three system calls
 *
 * An old libc may not have the numbers. Those written out here are right on
 * every architecture whose numbers are not shifted; mips and alpha shift
 * theirs, but no libc of theirs that can compile this lacks the names.
 */
#include "ring/syscalls.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_io_uring_setup
enum {
    SETUP = SYS_io_uring_setup,
    ENTER = SYS_io_uring_enter,
    REGISTER = SYS_io_uring_register,
};
#else
enum { SETUP = 425, ENTER = 426, REGISTER = 427 };
#endif

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

    return result(syscall(SETUP, entries, params), saved);
}

int ring_sys_enter(int fd, unsigned submit, unsigned want, unsigned flags,
                   const void *argument, size_t size)
{
    int saved = errno;

    return result(syscall(ENTER, fd, submit, want, flags, argument, size),
                  saved);
}

int ring_sys_register(int fd, unsigned opcode, void *argument, unsigned count)
{
    int saved = errno;

    return result(syscall(REGISTER, fd, opcode, argument, count), saved);
}
