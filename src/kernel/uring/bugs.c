/* SPDX-License-Identifier: MIT */
/*
 * bugs.c - see bugs.h
 */
#include "kernel/uring/bugs.h"

#include <stdlib.h>
#include <sys/utsname.h>

unsigned bugs_release(const char *text)
{
    char *end;
    unsigned long major = strtoul(text, &end, 10), minor;

    if (end == text || *end != '.')
        return 0;
    text = end + 1;
    minor = strtoul(text, &end, 10);
    return end == text || minor > 999 ? 0 : (unsigned)(major * 1000 + minor);
}

/* Is this Linux of `first`, or later, and before `end`? */
static bool is_of(unsigned first, unsigned end)
{
    struct utsname system;
    unsigned release = uname(&system) == 0 ? bugs_release(system.release) : 0;

    return release >= first && release < end;
}

bool bugs_of_read_multishot(void)
{
    return is_of(6007, 6012);
}

bool bugs_of_bundles(void)
{
    return is_of(6013, 6015);
}
