/* SPDX-License-Identifier: MIT */
/*
 * sandbox.c - a process that keeps what it needs and gives up the rest
 *
 * First everything is looked at that could be refused, so that a refusal leaves
 * the process as it was. Then the steps, each of which is the last moment for
 * the next: who filters first cannot change his user, who restricts a ring
 * after it ran was too late.
 *
 * With the emulator, all is done by system calls, and the filter sees it. With
 * a ring, what the filter refuses the ring must refuse, too. Where Linux cannot
 * tell which family a SOCKET of a ring is of, sockets are not made by the ring
 * but beside it.
 */
#include <gyre/sandbox.h>

#include <errno.h>
#include <stdio.h>

#include "kernel/choose.h"
#include "kernel/privileges.h"
#include "kernel/proc.h"
#include "kernel/sandbox.h"
#include "loop/loop.h"
#include "loop/restrict.h"

#define ALLOW_ALL (GYRE_ALLOW_CODE * 2U - 1)
#define REGISTER_ALL (GYRE_REGISTER_OTHERS * 2U - 1)

static _Thread_local const char *error = "";

const char *gyre_sandbox_error(void)
{
    return error;
}

static int refuse(int err, const char *why)
{
    error = why;
    return err;
}

/* ---- what can be refused ------------------------------------------------- */

static bool is_ring(const gyre_loop *loop)
{
    return loop->kernel->ring_fd >= 0;
}

/* Could its ring do what is to be forbidden? */
static int check_loop(const gyre_loop *loop, bool drop)
{
    const struct kernel *kernel = loop->kernel;

    if (!is_ring(loop))
        return 0;
    if (drop && (kernel->setup_flags & IORING_SETUP_SQPOLL) != 0)
        return refuse(-EBUSY,
                      "a loop has sqpoll: Linux's thread would keep the old "
                      "user: become another one before the loop is made, or "
                      "leave sqpoll out");
    if (kernel->restriction != NULL)
        return 0; /* the program has said what it may do */
    if (loop->attached)
        return refuse(-EBUSY,
                      "a loop has run already, and its ring could do what is "
                      "to be forbidden: call gyre_sandbox() before it runs");
    if ((kernel->setup_flags & IORING_SETUP_R_DISABLED) == 0)
        return refuse(-EBUSY,
                      "a loop has a ring that cannot be restricted: set "
                      "restrictable in its gyre_ring_options, or use the "
                      "emulator (GYRE_KERNEL=emu)");
    return 0;
}

static int check_loops(const gyre_sandbox_options *o)
{
    int err = 0;

    if (loop_all_first == NULL && (o->allow & GYRE_ALLOW_LOOPS) == 0)
        return refuse(-ENXIO,
                      "there is no loop, and no ring could be made any more: "
                      "make the loops first, or allow GYRE_ALLOW_LOOPS");
    for (const gyre_loop *loop = loop_all_first; err == 0 && loop != NULL;
         loop = loop->all_next)
        err = check_loop(loop, o->drop);
    return err;
}

static int check(const gyre_sandbox_options *o)
{
    if (o->size != 0 && o->size != sizeof *o)
        return refuse(-EINVAL,
                      "gyre_sandbox_options.size is not that of this library: "
                      "compile against its header");
    if ((o->allow & ~ALLOW_ALL) != 0)
        return refuse(-EINVAL,
                      "gyre_sandbox_options.allow has a set that there is not");
    if (o->drop && o->uid == 0)
        return refuse(-EINVAL,
                      "gyre_sandbox_options.uid is root: name a user who may "
                      "do less");
    if (o->call_count > SANDBOX_CALLS_MAX)
        return refuse(-E2BIG,
                      "gyre_sandbox_options.calls has more than 256 calls: "
                      "allow the sets that they are of");
    if (!sandbox_is_known())
        return refuse(-ENOSYS,
                      "this Linux has no seccomp filters, or gyre knows none "
                      "for this kind of processor");
    if (!o->other_threads && proc_keeps_other_threads())
        return refuse(-EBUSY,
                      "other threads run (or /proc, which would tell, cannot "
                      "be read): call gyre_sandbox() before they are made, or "
                      "set other_threads");
    return check_loops(o);
}

/* ---- the steps ----------------------------------------------------------- */

static int drop(const gyre_sandbox_options *o)
{
    const struct privileges to = { .uid = o->uid,
                                   .gid = o->gid,
                                   .groups = o->groups,
                                   .group_count = o->group_count };

    return o->drop ? privileges_drop(&to, &error) : 0;
}

/* The filter refuses socket() by family. A ring of a Linux that cannot must
 * leave sockets to the emulator. */
static int restrict_loop(gyre_loop *loop, const struct restriction *asked)
{
    struct kernel *kernel = loop->kernel;
    struct restriction restriction = *asked;
    int err;

    if (kernel->restriction != NULL)
        return 0;
    /* The filter sees what it does: this is for the same answers everywhere. */
    if (!is_ring(loop) && loop->attached)
        return 0;
    restriction.strict = true;
    err = kernel->class->restrict_to(kernel, &restriction);
    if (err == -EOPNOTSUPP) {
        restriction_add(restriction.beside, IORING_OP_SOCKET);
        err = kernel->class->restrict_to(kernel, &restriction);
    }
    return err;
}

static int restrict_loops(const struct restriction *asked)
{
    for (gyre_loop *loop = loop_all_first; loop != NULL;
         loop = loop->all_next) {
        int err = restrict_loop(loop, asked);

        if (err < 0)
            return refuse(err, "the ring of a loop cannot be restricted");
    }
    return 0;
}

static bool any_ring(void)
{
    for (const gyre_loop *loop = loop_all_first; loop != NULL;
         loop = loop->all_next)
        if (is_ring(loop))
            return true;
    return false;
}

/* May rings be made later? If not, later loops are emulated ones. */
static int later_rings(const gyre_sandbox_options *o,
                       const struct restriction *restriction, bool *rings)
{
    int err = -EOPNOTSUPP;

    *rings = false;
    if ((o->allow & GYRE_ALLOW_LOOPS) != 0 && !o->other_threads &&
        kernel_uring_refusal() == NULL)
        err = sandbox_restrict_later_rings(restriction);
    if (err == 0)
        *rings = true;
    else if (err == -EOPNOTSUPP)
        kernel_refuse_uring((o->allow & GYRE_ALLOW_LOOPS) != 0
                                ? "in a sandbox, and this Linux cannot "
                                  "restrict rings that are made later (7.0 "
                                  "can)"
                                : "in a sandbox that allows no further rings");
    else
        return refuse(err, "rings that are made later cannot be restricted");
    return 0;
}

static unsigned sets_of(const gyre_sandbox_options *o, bool rings)
{
    unsigned sets = o->allow & ~(unsigned)GYRE_ALLOW_LOOPS;

    static_assert((int)GYRE_ALLOW_FILES == (int)SANDBOX_FILES &&
                      (int)GYRE_ALLOW_CHANGES == (int)SANDBOX_CHANGES &&
                      (int)GYRE_ALLOW_UNIX == (int)SANDBOX_UNIX &&
                      (int)GYRE_ALLOW_INET == (int)SANDBOX_INET &&
                      (int)GYRE_ALLOW_PROCESSES == (int)SANDBOX_PROCESSES &&
                      (int)GYRE_ALLOW_LOOPS == (int)SANDBOX_LOOPS &&
                      (int)GYRE_ALLOW_CODE == (int)SANDBOX_CODE,
                  "one enumeration");
    if (rings)
        sets |= SANDBOX_LOOPS;
    if (rings || any_ring())
        sets |= SANDBOX_RINGS;
    return sets;
}

static int enter(const gyre_sandbox_options *o, bool rings)
{
    const struct sandbox sandbox = {
        .sets = sets_of(o, rings),
        .calls = o->calls,
        .call_count = o->call_count,
        .kills = o->kill,
    };
    int err = sandbox_enter(&sandbox);

    return err == 0 ? 0
                    : refuse(err, "the filter of system calls was refused: "
                                  "another thread has one of its own, or a "
                                  "security policy allows none");
}

int gyre_sandbox(const gyre_sandbox_options *options)
{
    struct restriction restriction;
    bool rings;
    int err = check(options);

    if (err == 0)
        err = drop(options);
    if (err == 0 && privileges_renounce() < 0)
        err = refuse(-ENOSYS, "this Linux has no no_new_privs");
    if (err < 0)
        return err;
    restriction_of_sets(&restriction, options->allow, REGISTER_ALL);
    err = restrict_loops(&restriction);
    if (err == 0)
        err = later_rings(options, &restriction, &rings);
    if (err == 0)
        err = enter(options, rings);
    if (err == 0)
        error = "";
    return err;
}
