/* SPDX-License-Identifier: MIT */
/*
 * gyre/restrict.h - a loop that does some things and no others
 *
 *     gyre_loop_options options = { .ring.restrictable = true };
 *     gyre_restriction restriction = { .allow = GYRE_ALLOW_STREAMS };
 *
 *     err = gyre_loop_create(&loop, &options);
 *     err = gyre_loop_restrict(loop, &restriction);
 *
 * From then on an op that is not permitted ends with -EACCES, on every kernel,
 * and is not done in any other way either. Linux holds the ring to it as well
 * (5.10), so that it holds for code that gets hold of the ring, or for a
 * process that is given its descriptor. What an op may say (families of
 * sockets, flags of opens) Linux looks at from 7.0 on, what CONNECT says from
 * 7.2; before, gyre alone does.
 *
 * What this cannot do: hold code of this process to it that makes system calls
 * of its own. That is for gyre/sandbox.h, which uses this.
 *
 * Threads.  For the loop's own, before its first run.
 */
#ifndef GYRE_RESTRICT_H
#define GYRE_RESTRICT_H

#include <gyre/op.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sets of what may be done. Timers, waits, cancels, futexes, messages, closes,
 * functions on the blocking pool, and advice about memory always may.
 */
enum gyre_allow {
    /* I/O on what is open: reads, writes, receives, sends, accepts, polls,
     * splices, options of sockets; pipes, epolls, groups of buffers, slots. */
    GYRE_ALLOW_STREAMS = 1 << 0,
    /* Files: open by path (which may create them), stat, list, sizes, room. */
    GYRE_ALLOW_FILES = 1 << 1,
    /* Names and attributes: rename, unlink, mkdir, links, setxattr. */
    GYRE_ALLOW_CHANGES = 1 << 2,
    /* Make sockets of these families, connect, bind, listen. */
    GYRE_ALLOW_UNIX = 1 << 3,
    GYRE_ALLOW_INET = 1 << 4, /* AF_INET and AF_INET6 */
    /* Wait for children; in a sandbox, make them, too. */
    GYRE_ALLOW_PROCESSES = 1 << 5,
    /* Of a sandbox only: make further loops on io_uring. */
    GYRE_ALLOW_LOOPS = 1 << 6,
    /* Of a sandbox only: make memory executable. */
    GYRE_ALLOW_CODE = 1 << 7,
};

/* What may be registered with the kernel. */
enum gyre_allow_register {
    GYRE_REGISTER_BUFFERS = 1 << 0, /* gyre/registered.h */
    GYRE_REGISTER_FILES = 1 << 1,   /* gyre/slot.h */
    GYRE_REGISTER_GROUPS = 1 << 2,  /* gyre/buffers.h */
    GYRE_REGISTER_EVENTFD = 1 << 3, /* gyre_loop_register_eventfd() */
    GYRE_REGISTER_PERSONALITY = 1 << 4,
    GYRE_REGISTER_WORKERS = 1 << 5, /* iowq_... of gyre/ring.h */
    GYRE_REGISTER_OTHERS = 1 << 6,  /* everything else */
};

/* Zero is the default of every member. All of it is borrowed. */
typedef struct gyre_restriction {
    size_t size;        /* sizeof(gyre_restriction), or 0 */
    unsigned allow;     /* GYRE_ALLOW_... */
    unsigned registers; /* GYRE_REGISTER_... */
    /* These, too, by their names in docs/OPERATIONS.md: "SOCKET CONNECT". */
    const char *ops;
    /* Flags of an op (gyre/op_chain.h): those that it must not have, those that
     * it must. The latter gyre alone holds it to. */
    unsigned flags_refused;
    unsigned flags_required;

    /* Narrower, for SOCKET: bits 1 << AF_..., 1 << SOCK_...; 0: those of the
     * sets, any. For CONNECT: the family of the peer; 0: any. */
    uint64_t families;
    uint32_t types;
    uint64_t peers;
    /* For opens: with `opens_few`, no O_... but those in `open_flags`; and
     * RESOLVE_... that each must say: OPENAT, which says none, is refused. */
    bool opens_few;
    uint64_t open_flags;
    uint64_t open_resolve;
    /* Refuse the whole if Linux does not look at all of this itself. */
    bool strict;
} gyre_restriction;

/*
 * Restrict the loop, for good. 0; -EINVAL: a set or a name that there is not;
 * -EBUSY: the loop has run already, or is restricted; -EOPNOTSUPP: its ring was
 * not made for that (gyre_ring_options.restrictable), or `strict` and Linux
 * does not look at what ops say; -ENOMEM. gyre_restrict_error() says it in a
 * sentence. Since Linux 5.10; on the emulator always.
 */
GYRE_API int gyre_loop_restrict(
    gyre_loop *loop, const gyre_restriction *restriction) GYRE_MUST_USE;

/* A sentence for this thread's last failed gyre_loop_restrict(); "" if none. */
GYRE_API const char *gyre_restrict_error(void);

/* Who holds a loop to its restriction. */
enum gyre_restricted {
    GYRE_RESTRICTED = 1 << 0,              /* gyre does */
    GYRE_RESTRICTED_BY_LINUX = 1 << 1,     /* Linux, as to what ops there are */
    GYRE_RESTRICTED_ALL_BY_LINUX = 1 << 2, /* and to what they say */
};

/* A set of enum gyre_restricted; 0: the loop is not restricted. Any thread, but
 * not beside gyre_loop_restrict(). */
GYRE_API unsigned gyre_loop_restricted(const gyre_loop *loop);

/* ---- somebody else's rights for single ops ------------------------------- */

/*
 * Keep the credentials of the calling thread (user, groups, capabilities), for
 * ops that are to be executed with them whatever the thread has by then: set
 * them by gyre_op_set_personality(). The number, 1 or more; -EOPNOTSUPP: the
 * loop is emulated; -ENOMEM; -EACCES: restricted. Since Linux 5.6.
 */
GYRE_API int gyre_loop_register_personality(gyre_loop *loop);
/* Ops that are started later end with -EINVAL. 0; -EINVAL: there is none such;
 * -EOPNOTSUPP. */
GYRE_API int gyre_loop_unregister_personality(gyre_loop *loop, int personality);

/* Before each start, after the op is filled; 0: the thread's own, which filling
 * says. An op that this Linux cannot execute, and which would be emulated, ends
 * with -EOPNOTSUPP; on an emulated loop with -EINVAL. */
GYRE_API void gyre_op_set_personality(gyre_op *op, int personality);

#ifdef __cplusplus
}
#endif

#endif
