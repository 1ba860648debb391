/* SPDX-License-Identifier: MIT */
/*
 * gyre/sandbox.h - a process that keeps what it needs and gives up the rest
 *
 *     gyre_loop_options loop_options = { .ring.restrictable = true };
 *     gyre_sandbox_options options = { .allow = GYRE_ALLOW_STREAMS,
 *                                      .drop = true, .uid = 65534, ... };
 *
 *     (open files and listen; gyre_loop_create(&loop, &loop_options);)
 *     err = gyre_sandbox(&options);
 *     (gyre_loop_run(loop, ...);)
 *
 * In this order, and no other:
 *   1. the process becomes another user, if asked to, and that is looked at;
 *   2. it can gain nothing by an exec any more (no_new_privs);
 *   3. the rings of its loops are restricted (gyre/restrict.h);
 *   4. with GYRE_ALLOW_LOOPS, rings that are made later are, too (Linux 7.0);
 *   5. a seccomp filter lets pass what gyre lives on and what the sets name.
 * None of it can be undone; children have it, too.
 *
 * What is refused fails with EPERM, in a ring with EACCES; or, with `kill`,
 * ends the process (SIGSYS), which a ring cannot do.
 *
 * Limits.   Filters see numbers, not what pointers point to. So a set that has
 *           files has all that the user may open. Without GYRE_ALLOW_LOOPS, and
 *           with it before Linux 7.0, no further ring can be made: loops that
 *           are made later are emulated. A sanitizer, a profiler or a debugger
 *           in the process needs system calls that are not in the sets.
 *
 * Threads.  For the only thread of a process: gyre's own and Linux's may run.
 */
#ifndef GYRE_SANDBOX_H
#define GYRE_SANDBOX_H

#include <gyre/restrict.h>
#include <gyre/types.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero is the default of every member. All of it is borrowed. */
typedef struct gyre_sandbox_options {
    size_t size;    /* sizeof(gyre_sandbox_options), or 0 */
    unsigned allow; /* GYRE_ALLOW_...: what is still to be possible */
    /* Further system calls, by number (SYS_...), whatever their arguments: 256
     * at most. */
    const int *calls;
    size_t call_count;
    /* What is refused ends the process, instead of failing. */
    bool kill;
    /* Other threads run, and that is meant: the filter is over them as well,
     * but then no further ring can be made. */
    bool other_threads;

    /* Become the user `uid` (not root), with `gid` and no groups but these. */
    bool drop;
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t group_count;
} gyre_sandbox_options;

/*
 * Enter the sandbox. 0, or a negative errno, and gyre_sandbox_error() says in a
 * sentence what is wrong and what to do:
 *   -EINVAL  a set that there is not; root as the user to become
 *   -E2BIG   more than 256 further calls
 *   -EBUSY   other threads run; a loop has run before without being restricted;
 *            a ring whose thread of Linux's has the old user (sqpoll)
 *   -ENXIO   there is no loop, and none could be made: allow GYRE_ALLOW_LOOPS,
 *            or make the loops first
 *   -EPERM   the process may not change its user
 *   -ENOSYS  no filters on this Linux, or for this kind of processor
 * These leave everything as it was. If a later step fails (-ENOMEM, ...) the
 * steps before it are taken, and the program should end.
 */
GYRE_API int gyre_sandbox(const gyre_sandbox_options *options) GYRE_MUST_USE;

/* A sentence for this thread's last failed gyre_sandbox(); "" if none. */
GYRE_API const char *gyre_sandbox_error(void);

#ifdef __cplusplus
}
#endif

#endif
