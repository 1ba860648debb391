/* SPDX-License-Identifier: MIT */
/*
 * gyre/io.h - system calls for tasks, in direct style
 *
 *     ssize_t n = gyre_recv(fd, buf, sizeof buf, 0);
 *
 * Each call starts an op on the task's own stack (gyre/op.h says of each what
 * it does, since which Linux, and what happens before it), waits for it, and
 * returns its result: >= 0, or a negative errno.
 *
 * Life.     The task does not return from a call while the kernel can touch its
 *           memory.
 * Memory.   Arguments are the caller's, used until the call returns, so they
 *           may lie on the stack.
 * Threads.  Only inside a task; elsewhere a call panics.
 * Cancel.   Every call but gyre_close() returns -ECANCELED, or -ETIME for a
 *           deadline, when the task's scope is cancelled before or while it
 *           waits. An op that was done first returns its result.
 */
#ifndef GYRE_IO_H
#define GYRE_IO_H

#include <gyre/scope.h>
#include <gyre/task.h>
#include <gyre/types.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- files and anything that can be read or written --------------------- */

/* `offset` in bytes, or GYRE_CURRENT_POSITION. Bytes moved, which may be fewer
 * than asked for; 0 from a read of more than 0 bytes: the end. */
GYRE_API ssize_t gyre_read(int fd, void *buffer, size_t size,
                           uint64_t offset) GYRE_WAITS;
GYRE_API ssize_t gyre_write(int fd, const void *buffer, size_t size,
                            uint64_t offset) GYRE_WAITS;
GYRE_API ssize_t gyre_readv(int fd, const struct iovec *iov, unsigned count,
                            uint64_t offset) GYRE_WAITS;
GYRE_API ssize_t gyre_writev(int fd, const struct iovec *iov, unsigned count,
                             uint64_t offset) GYRE_WAITS;

/* A descriptor with O_CLOEXEC. If the scope is cancelled while Linux opens, and
 * it succeeds all the same, the descriptor is returned. */
GYRE_API int gyre_open(const char *path, int flags, unsigned mode) GYRE_WAITS;
GYRE_API int gyre_openat(int dirfd, const char *path, int flags,
                         unsigned mode) GYRE_WAITS;
GYRE_API int gyre_openat2(int dirfd, const char *path,
                          struct open_how *how) GYRE_WAITS;

/* Cancel what is in flight on the descriptor in this loop, wait for it, close.
 * Works also in a cancelled scope. */
GYRE_API int gyre_close(int fd) GYRE_WAITS;

GYRE_API int gyre_statx(int dirfd, const char *path, int flags, unsigned mask,
                        struct statx *result) GYRE_WAITS;
GYRE_API int gyre_fsync(int fd, bool data_only) GYRE_WAITS;
GYRE_API ssize_t gyre_getdents(int fd, void *buffer, size_t size) GYRE_WAITS;

/* ---- sockets ------------------------------------------------------------ */

GYRE_API int gyre_accept(int fd, struct sockaddr *address, socklen_t *size,
                         int flags) GYRE_WAITS;
GYRE_API int gyre_connect(int fd, const struct sockaddr *address,
                          socklen_t size) GYRE_WAITS;
GYRE_API ssize_t gyre_recv(int fd, void *buffer, size_t size,
                           int flags) GYRE_WAITS;
GYRE_API ssize_t gyre_send(int fd, const void *buffer, size_t size,
                           int flags) GYRE_WAITS;
GYRE_API ssize_t gyre_recvmsg(int fd, struct msghdr *message,
                              int flags) GYRE_WAITS;
GYRE_API ssize_t gyre_sendmsg(int fd, const struct msghdr *message,
                              int flags) GYRE_WAITS;
GYRE_API int gyre_shutdown(int fd, int how) GYRE_WAITS;

/* All of it: 0, or the first error; then some may have been sent. */
GYRE_API int gyre_send_all(int fd, const void *buffer, size_t size,
                           int flags) GYRE_WAITS;

/* Exactly `size` bytes: 0; GYRE_EOF if the stream ended before. */
GYRE_API int gyre_recv_all(int fd, void *buffer, size_t size,
                           int flags) GYRE_WAITS;

/* Send bytes of a file to a socket, without blocking the loop: what the page
 * cache has is sent at once, in slices, the rest by the blocking pool. Bytes
 * sent, short is normal, at most 2^31 - 4096; 0 at the end of the file. */
GYRE_API ssize_t gyre_sendfile(int socket, int file, uint64_t offset,
                               size_t size) GYRE_WAITS;

/* ---- waiting ------------------------------------------------------------ */

/* The events of `events` (POLLIN, POLLOUT ...) that are there. */
GYRE_API int gyre_poll(int fd, unsigned events) GYRE_WAITS;

/* Run function(arg) on a thread of the loop's bounded pool and return its
 * result. Once a thread has taken it, a cancel waits for its end. */
GYRE_API int gyre_call_blocking(int (*function)(void *arg),
                                void *arg) GYRE_WAITS;

/* ---- accepting for ever ------------------------------------------------- */

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
