/* SPDX-License-Identifier: MIT */
/*
 * fault.h - failures that tests ask for, in builds with GYRE_VERIFY
 *
 * What alloc_fail_nth() is for memory, this is for other things that fail: the
 * n-th from now does, once, and nothing else is different. In other builds
 * nothing fails and nothing is paid.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

enum fault_kind {
    FAULT_OP,    /* a started op ends with the error and never reaches a kernel;
                    closes are left out: Linux's close, too, closes always */
    FAULT_SPAWN, /* there is no stack for a task */
    FAULT_THREAD, /* no thread can be made, for requests that may block */
    FAULT_ENGINE, /* nor for an engine */
    FAULT_KINDS
};

/* Let the n-th of a kind from now fail with a negative error; 0: none. */
void fault_nth(enum fault_kind kind, long n, int error);

/* Has the one asked for last happened? */
bool fault_happened(enum fault_kind kind);

#ifdef GYRE_VERIFY
/* Is this the one? Its error, or 0. */
int fault_take(enum fault_kind kind);
#else
static inline int fault_take(enum fault_kind kind)
{
    (void)kind;
    return 0;
}
#endif

#endif
