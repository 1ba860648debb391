/* SPDX-License-Identifier: MIT */
/*
 * gyre/socket.h - sockets for tasks, in direct style
 *
 *     ssize_t n = gyre_recv(fd, buf, sizeof buf, 0);
 *
 * Each call starts an op on the task's own stack (gyre/op_socket.h says what
 * each does, since which Linux, and what happens before it), waits for it, and
 * returns its result: >= 0, or a negative errno.
 *
 * Life.     The task does not return from a call while the kernel can touch its
 *           memory.
 * Memory.   Arguments are the caller's, used until the call returns, so they
 *           may lie on the stack.
 * Threads.  Only inside a task; elsewhere a call panics.
 * Cancel.   Every call returns -ECANCELED, or -ETIME for a
 *           deadline, when the task's scope is cancelled before or while it
 *           waits. An op that was done first returns its result.
 */
#ifndef GYRE_SOCKET_H
#define GYRE_SOCKET_H

#include <gyre/op_socket.h>
#include <gyre/task.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a socket and its address ------------------------------------------- */

GYRE_API int gyre_socket(int domain, int type, int protocol) GYRE_WAITS;
GYRE_API int gyre_bind(int fd, const struct sockaddr *address,
                       socklen_t size) GYRE_WAITS;
GYRE_API int gyre_listen(int fd, int backlog) GYRE_WAITS;
GYRE_API int gyre_getsockname(int fd, struct sockaddr *address,
                              socklen_t *size) GYRE_WAITS;
GYRE_API int gyre_getpeername(int fd, struct sockaddr *address,
                              socklen_t *size) GYRE_WAITS;
GYRE_API int gyre_setsockopt(int fd, int level, int name, const void *value,
                             socklen_t size) GYRE_WAITS;
/* `*size` is the room for the value, and then its size. */
GYRE_API int gyre_getsockopt(int fd, int level, int name, void *value,
                             socklen_t *size) GYRE_WAITS;
GYRE_API int gyre_inq(int fd) GYRE_WAITS;
GYRE_API int gyre_outq(int fd) GYRE_WAITS;

/* ---- connections -------------------------------------------------------- */

GYRE_API int gyre_accept(int fd, struct sockaddr *address, socklen_t *size,
                         int flags) GYRE_WAITS;
GYRE_API int gyre_connect(int fd, const struct sockaddr *address,
                          socklen_t size) GYRE_WAITS;
GYRE_API int gyre_shutdown(int fd, int how) GYRE_WAITS;

/* ---- bytes and messages ------------------------------------------------- */

GYRE_API ssize_t gyre_recv(int fd, void *buffer, size_t size,
                           int flags) GYRE_WAITS;
GYRE_API ssize_t gyre_send(int fd, const void *buffer, size_t size,
                           int flags) GYRE_WAITS;
GYRE_API ssize_t gyre_recvmsg(int fd, struct msghdr *message,
                              int flags) GYRE_WAITS;
GYRE_API ssize_t gyre_sendmsg(int fd, const struct msghdr *message,
                              int flags) GYRE_WAITS;

/* To and from an address. `address` and `size` may be NULL; `*size` is the room
 * for the address, and then its length, of which no more is written than there
 * was room for. */
GYRE_API ssize_t gyre_sendto(int fd, const void *buffer, size_t size, int flags,
                             const struct sockaddr *to,
                             socklen_t to_size) GYRE_WAITS;
GYRE_API ssize_t gyre_recvfrom(int fd, void *buffer, size_t size, int flags,
                               struct sockaddr *address,
                               socklen_t *address_size) GYRE_WAITS;

/* All of it: 0, or the first error; then some may have been sent. */
GYRE_API int gyre_send_all(int fd, const void *buffer, size_t size,
                           int flags) GYRE_WAITS;

/* Likewise all of its iovecs; control data and address go with the first. */
GYRE_API int gyre_sendmsg_all(int fd, const struct msghdr *message,
                              int flags) GYRE_WAITS;

/* Exactly `size` bytes: 0; GYRE_EOF if the stream ended before. */
GYRE_API int gyre_recv_all(int fd, void *buffer, size_t size,
                           int flags) GYRE_WAITS;

/* Send bytes of a file to a socket, without blocking the loop: what the page
 * cache has is sent at once, in slices, the rest by the blocking pool. Bytes
 * sent, short is normal, at most 2^31 - 4096; 0 at the end of the file. */
GYRE_API ssize_t gyre_sendfile(int socket, int file, uint64_t offset,
                               size_t size) GYRE_WAITS;

/* ---- without copying ---------------------------------------------------- */

#define GYRE_ZC_THRESHOLD 3072

/* What a send without copying may be told, and tells. Zero is the default. */
typedef struct gyre_zc {
    size_t threshold; /* in: fewer bytes are sent by copying, which costs less;
                         0: GYRE_ZC_THRESHOLD, for Linux since 6.10, where
                         these sends are joined; before it, more pays */
    bool copied;      /* out: the kernel copied the bytes all the same */
} gyre_zc;

/*
 * As send, sendto and sendmsg, but the kernel sends from the caller's memory,
 * and the call returns when that is the caller's again (gyre_op_send_zc() says
 * when that is). A cancel ends the wait for room; the wait for the memory can
 * not be ended. Falls back to copying where the socket, or a limit on locked
 * memory, wants that. `zc` may be NULL.
 */
GYRE_API ssize_t gyre_send_zc(int fd, const void *buffer, size_t size,
                              int flags, gyre_zc *zc) GYRE_WAITS;
GYRE_API ssize_t gyre_sendto_zc(int fd, const void *buffer, size_t size,
                                int flags, const struct sockaddr *to,
                                socklen_t to_size, gyre_zc *zc) GYRE_WAITS;
GYRE_API ssize_t gyre_sendmsg_zc(int fd, const struct msghdr *message,
                                 int flags, gyre_zc *zc) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
