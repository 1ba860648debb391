/* SPDX-License-Identifier: MIT */
/*
 * gyre/dial.h - a connection to a name
 *
 *     int fd = gyre_dial("example.org", "https", NULL);
 *
 * The name's addresses are tried in turn, of the two families alternately, the
 * best first (RFC 8305, "happy eyeballs"): the next is begun when the one
 * before it has failed, or, beside it, when that has not succeeded within 250
 * ms. The first that connects wins; the others are cancelled and closed.
 *
 * Life.     The result is a connected socket with SOCK_CLOEXEC, the caller's to
 *           close.
 *
 * Threads.  Inside a task.
 *
 * Cancel.   Returns -ECANCELED, or -ETIME for a deadline, when all attempts are
 *           cancelled and closed; as gyre_resolve() for the name.
 *
 * Errors.   Those of gyre_resolve(), and if no address could be connected to,
 *           what the best of them said: -ECONNREFUSED, -ETIMEDOUT,
 *           -ENETUNREACH ... -ENOMEM, -EMFILE.
 */
#ifndef GYRE_DIAL_H
#define GYRE_DIAL_H

#include <gyre/resolve.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero is the default of every member. */
typedef struct gyre_dial_options {
    size_t size;         /* sizeof(gyre_dial_options), or 0 */
    int family;          /* AF_INET, AF_INET6; 0: both */
    int type;            /* 0: SOCK_STREAM */
    int flags;           /* AI_*, as gyre_resolve_options.flags */
    uint64_t stagger_ns; /* how long one attempt is alone; 0: 250 ms */
} gyre_dial_options;

/* Resolve and connect. `options` may be NULL. A descriptor, or an error. */
GYRE_API int gyre_dial(const char *name, const char *service,
                       const gyre_dial_options *options)
    GYRE_WAITS GYRE_MUST_USE;

/* Connect to one of these, which are borrowed until the call returns; of the
 * options only `stagger_ns` counts. */
GYRE_API int gyre_dial_endpoints(const gyre_endpoints *addresses,
                                 const gyre_dial_options *options)
    GYRE_WAITS GYRE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
