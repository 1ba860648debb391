/* SPDX-License-Identifier: MIT */
/*
 * version.c - which liburing this stands for
 *
 * The newest of whose functions one is here; not each of them is.
 */
#include "abi.h"

enum { MAJOR = 2, MINOR = 6 };

int io_uring_major_version(void)
{
    return MAJOR;
}

int io_uring_minor_version(void)
{
    return MINOR;
}

/* As liburing's: true if the library is older than what is asked for. */
_Bool io_uring_check_version(int major, int minor)
{
    return major > MAJOR || (major == MAJOR && minor > MINOR);
}
