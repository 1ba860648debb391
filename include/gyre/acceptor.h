/* SPDX-License-Identifier: MIT */
/*
 * gyre/acceptor.h - accepting for ever
 *
 * Only inside a task; elsewhere a call panics.
 */
#ifndef GYRE_ACCEPTOR_H
#define GYRE_ACCEPTOR_H

#include <gyre/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Accepts that survive running out. When descriptors or memory are used up
 * (EMFILE, ENFILE, ENOBUFS, ENOMEM) the acceptor pauses, first 1 ms, then up to
 * 100 ms, and goes on by itself; connections wait in the listen queue
 * meanwhile. Connections that died in the queue (ECONNABORTED, EPROTO, ...) are
 * passed over.
 */
typedef struct gyre_acceptor {
    int fd;            /* listening; the caller's */
    uint32_t pause_ms; /* the pause under way, 0 if none */
    uint64_t pauses;   /* how often it paused */
    int last_error;    /* of the last pause */
} gyre_acceptor;

GYRE_API void gyre_acceptor_init(gyre_acceptor *acceptor, int fd);

/* The next connection's descriptor (non-blocking, close-on-exec). `address` and
 * `size` may be NULL. Other errors: -ECANCELED, -ETIME, or what is wrong with
 * the listening descriptor (-EBADF, -EINVAL, -ENOTSOCK). */
GYRE_API int gyre_acceptor_next(gyre_acceptor *acceptor,
                                struct sockaddr *address,
                                socklen_t *size) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
