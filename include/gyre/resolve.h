/* SPDX-License-Identifier: MIT */
/*
 * gyre/resolve.h - names become addresses, without blocking
 *
 *     gyre_endpoints *found;
 *     int err = gyre_resolve("example.org", "https", NULL, &found);
 *
 *     if (err == 0) {
 *         connect_to(&found->at[0].any, found->at[0].size);
 *         gyre_endpoints_free(found);
 *     }
 *
 * The C library is asked (getaddrinfo(3)), on a thread of the loop's bounded
 * pool, so a name means what it means to all other programs of this machine.
 * Numbers ("192.0.2.1", "::1", with a port in digits or none) are not asked
 * for: their answer is there at once, on the loop's own thread.
 *
 * Life.     The answer is the caller's, to be freed by gyre_endpoints_free().
 *
 * Memory.   Names are copied.
 *
 * Threads.  gyre_resolve() inside a task; ops as all ops; free anywhere.
 *
 * Cancel.   The C library cannot be interrupted. A task that is cancelled, or
 *           whose deadline passes, leaves at once, and the answer is dropped
 *           when it comes; the thread is busy until then, and the loop's end
 *           waits for it. An op ends when the C library has answered, unless no
 *           thread had taken it yet.
 *
 * Errors.   GYRE_ENAME: there is no such name, or no such service;
 *           GYRE_ENOADDRESS: none of this family; GYRE_ESERVICE: no such
 *           service for this type; GYRE_ENAMEAGAIN: no server answered, try
 *           again later; GYRE_ENAMEFAIL: a server refuses. -EINVAL: options, or
 *           neither name nor service; -ENAMETOOLONG: a name of 256 bytes or a
 *           service of 64; -ENOMEM; -EAGAIN: no thread could be made.
 */
#ifndef GYRE_RESOLVE_H
#define GYRE_RESOLVE_H

#include <gyre/op.h>
#include <gyre/task.h>
#include <netinet/in.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_endpoint {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
    socklen_t size;
    int type; /* SOCK_STREAM ... */
    int protocol;
} gyre_endpoint;

/* The best first, as the C library sorts them (RFC 6724). */
typedef struct gyre_endpoints {
    size_t count; /* at least 1 */
    gyre_endpoint *at;
} gyre_endpoints;

/* Zero is the default of every member. */
typedef struct gyre_resolve_options {
    size_t size; /* sizeof(gyre_resolve_options), or 0 */
    int family;  /* AF_INET, AF_INET6; 0: both */
    int type;    /* SOCK_STREAM, SOCK_DGRAM; 0: SOCK_STREAM */
    /* AI_PASSIVE, AI_NUMERICHOST, AI_NUMERICSERV, AI_ADDRCONFIG, AI_V4MAPPED,
     * AI_ALL of <netdb.h>; others are -EINVAL. */
    int flags;
} gyre_resolve_options;

/* `name` NULL: this machine (with AI_PASSIVE: any of its addresses); `service`
 * NULL: port 0. `options` may be NULL. 0 and *found, or an error and NULL. */
GYRE_API int gyre_resolve(const char *name, const char *service,
                          const gyre_resolve_options *options,
                          gyre_endpoints **found) GYRE_WAITS GYRE_MUST_USE;

/* NULL is allowed. Any thread. */
GYRE_API void gyre_endpoints_free(gyre_endpoints *addresses);

/* ---- as an op ----------------------------------------------------------- */

#define GYRE_NAME_SIZE 256
#define GYRE_SERVICE_SIZE 64

typedef struct gyre_resolve_op {
    gyre_op op; /* start, cancel and receive it by this */
    /* After the last completion: the answer, or NULL. The caller's to free,
     * also if the op was cancelled. */
    gyre_endpoints *addresses;
    int family_;
    int type_;
    int flags_;
    bool has_name_;
    bool has_service_;
    char name_[GYRE_NAME_SIZE];
    char service_[GYRE_SERVICE_SIZE];
} gyre_resolve_op;

/* Fill the op; numbers are answered here. 0; -EINVAL, -ENAMETOOLONG, and of
 * numbers -ENOMEM and the errors of names: then there is no op. Its result is
 * 0 or an error as above. */
GYRE_API int gyre_resolve_op_fill(
    gyre_resolve_op *op, const char *name, const char *service,
    const gyre_resolve_options *options) GYRE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
