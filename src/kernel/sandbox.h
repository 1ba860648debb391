/* SPDX-License-Identifier: MIT */
/*
 * sandbox.h - the system calls of this process, from now on
 *
 * A seccomp filter over all threads, which cannot be taken off again and which
 * children inherit. What it lets pass is made of sets: what gyre itself lives
 * on (the loop, tasks, the emulator and its threads), and what each set of
 * include/gyre/sandbox.h adds. Where a set needs only some forms of a call, the
 * arguments that Linux shows to filters, which are no pointers, are looked at.
 *
 * A filter does not see what io_uring does for the process: that is what
 * restrictions are for (kernel/restrict.h).
 */
#ifndef KERNEL_SANDBOX_H
#define KERNEL_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

struct restriction;

/* As enum gyre_allow, of which the loop's part is not meant here. */
enum sandbox_set {
    SANDBOX_OWN = 0,
    SANDBOX_FILES = 1 << 1,
    SANDBOX_CHANGES = 1 << 2,
    SANDBOX_UNIX = 1 << 3,
    SANDBOX_INET = 1 << 4,
    SANDBOX_PROCESSES = 1 << 5,
    SANDBOX_LOOPS = 1 << 6, /* io_uring_setup */
    SANDBOX_CODE = 1 << 7,
    SANDBOX_RINGS = 1 << 8, /* io_uring_enter and io_uring_register */
};

#define SANDBOX_CALLS_MAX 256

struct sandbox {
    unsigned sets;
    const int *calls;  /* and these */
    size_t call_count; /* SANDBOX_CALLS_MAX at most */
    bool kills;        /* SIGSYS for what is refused, not EPERM */
};

/* Can it be had here? */
bool sandbox_is_known(void);

/* Put it over the process: 0, or a negative errno. -ENOSYS: this Linux, or this
 * machine, has no filters that gyre knows to write. */
int sandbox_enter(const struct sandbox *sandbox);

/* From now on, rings that this thread makes are held to the restriction by
 * Linux, from their first request (7.0). -EOPNOTSUPP: it cannot. */
int sandbox_restrict_later_rings(const struct restriction *restriction);

#endif
