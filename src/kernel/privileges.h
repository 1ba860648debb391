/* SPDX-License-Identifier: MIT */
/*
 * privileges.h - becoming somebody who may do less
 *
 * There is one right order: supplementary groups, group, user, capabilities,
 * and each step is looked at afterwards, for some have failed in silence on
 * some systems. Nothing of it can be taken back.
 *
 * Threads.  libc changes the user and groups of all threads. Capabilities are
 *           the calling thread's: those of the others went with their user.
 */
#ifndef KERNEL_PRIVILEGES_H
#define KERNEL_PRIVILEGES_H

#include <stddef.h>
#include <sys/types.h>

struct privileges {
    uid_t uid; /* not 0 */
    gid_t gid;
    const gid_t *groups; /* supplementary ones */
    size_t group_count;
};

/* 0, or a negative errno and the step that failed in `why`: some may have been
 * taken by then. -EPERM: the process may not change its user, and has another;
 * or it could still change back. */
int privileges_drop(const struct privileges *to, const char **why);

/* No exec of this process's can give it more than it has: 0 or an errno. */
int privileges_renounce(void);

#endif
