/* SPDX-License-Identifier: MIT */
/*
 * syscalls.c - io_uring's three system calls
 *
 * io_uring_enter is the one system call of a turn, so it is made in place where
 * that is known to be right: libc's syscall() and its errno cost 26 ns, a tenth
 * of a turn with one request. Elsewhere syscall() does.
 *
 * The numbers are the same on every architecture whose numbers are not shifted;
 * an old libc may not have the names.
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

#if defined(__x86_64__) && !defined(__ILP32__)

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__) && !defined(__ILP32__)

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;

    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

#else

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    int saved = errno;
    long result = syscall(number, a, b, c, d, e, f);

    if (result < 0) {
        result = -errno;
        errno = saved;
    }
    return result;
}

#endif

int ring_sys_setup(unsigned entries, struct io_uring_params *params)
{
    return (int)call(SETUP, (long)entries, (long)params, 0, 0, 0, 0);
}

int ring_sys_enter(int fd, unsigned submit, unsigned want, unsigned flags,
                   const void *argument, size_t size)
{
    return (int)call(ENTER, fd, (long)submit, (long)want, (long)flags,
                     (long)argument, (long)size);
}

int ring_sys_register(int fd, unsigned opcode, void *argument, unsigned count)
{
    return (int)call(REGISTER, fd, (long)opcode, (long)argument, (long)count, 0,
                     0);
}
