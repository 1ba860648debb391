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

#ifdef __cplusplus
}
#endif

#endif
