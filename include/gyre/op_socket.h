/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_socket.h - requests on sockets
 *
 * Each fills a whole op (gyre/op.h). Results are those of the system call of
 * the same name (see its man page and io_uring_enter(2)). "since" is the first
 * Linux that executes the opcode; below it, and without io_uring, gyre emulates
 * it.
 */
#ifndef GYRE_OP_SOCKET_H
#define GYRE_OP_SOCKET_H

#include <gyre/op.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iovec;

/* Result: a descriptor; `flags` as accept4(2), SOCK_CLOEXEC is added. `address`
 * and `*size` (both may be NULL) are held until the last completion. since 5.5
 */
GYRE_API void gyre_op_accept(gyre_op *op, int fd, struct sockaddr *address,
                             socklen_t *size, int flags);

/* The address is held until submission. After a cancelled connect the socket is
 * of no more use but to be closed. since 5.5 */
GYRE_API void gyre_op_connect(gyre_op *op, int fd,
                              const struct sockaddr *address, socklen_t size);

/* `flags` as recv(2) and send(2); MSG_NOSIGNAL is added to sends. Waits also on
 * a socket with O_NONBLOCK (MSG_DONTWAIT does not). recv 0: end of stream, or
 * an empty datagram. since 5.6 */
GYRE_API void gyre_op_recv(gyre_op *op, int fd, void *buffer, size_t size,
                           int flags);
GYRE_API void gyre_op_send(gyre_op *op, int fd, const void *buffer, size_t size,
                           int flags);

/* The msghdr and its iovec are held until submission by sendmsg, until the last
 * completion by recvmsg, which writes msg_namelen, msg_controllen and
 * msg_flags. since 5.3 */
GYRE_API void gyre_op_recvmsg(gyre_op *op, int fd, struct msghdr *message,
                              int flags);
GYRE_API void gyre_op_sendmsg(gyre_op *op, int fd, const struct msghdr *message,
                              int flags);

/* `how` as shutdown(2): SHUT_RD, SHUT_WR, SHUT_RDWR. since 5.11 */
GYRE_API void gyre_op_shutdown(gyre_op *op, int fd, int how);

/* Send up to `size` bytes of `file` from `offset` to `socket`. Result: bytes,
 * short is normal; 0 at the end of the file. Linux has no opcode for it:
 * executed by sendfile(2), without blocking the loop. */
GYRE_API void gyre_op_sendfile(gyre_op *op, int socket, int file,
                               uint64_t offset, uint32_t size);

/* ---- ops that carry copies of their small arguments --------------------
 *
 * The arguments of these are borrowed: they may go as soon as the call returns.
 * Start, cancel and receive them by their member `op`, which comes first.
 */

typedef struct gyre_connect_op {
    gyre_op op;
    struct sockaddr_storage address_;
} gyre_connect_op;

/* -EINVAL if `size` is more than a struct sockaddr_storage. */
GYRE_API int gyre_connect_op_fill(gyre_connect_op *op, int fd,
                                  const struct sockaddr *address,
                                  socklen_t size) GYRE_MUST_USE;

#define GYRE_MSG_IOV_MAX 8

/* One message: up to GYRE_MSG_IOV_MAX pieces and an address. The bytes of the
 * pieces are held until the last completion. */
typedef struct gyre_msg_op {
    gyre_op op;
    struct msghdr message_;
    struct sockaddr_storage address_;
    uint64_t iov_[GYRE_MSG_IOV_MAX][2];
} gyre_msg_op;

/* -EMSGSIZE: too many pieces; -EINVAL: the address is too long. */
GYRE_API int gyre_msg_op_send(gyre_msg_op *op, int fd, const struct iovec *iov,
                              unsigned count, const struct sockaddr *to,
                              socklen_t to_size, int flags) GYRE_MUST_USE;
/* Fill again before each start: a receive overwrites the sizes. */
GYRE_API int gyre_msg_op_recv(gyre_msg_op *op, int fd, const struct iovec *iov,
                              unsigned count, int flags) GYRE_MUST_USE;

/* After the last completion of a receive: who sent it, and the MSG_* flags
 * (MSG_TRUNC ...). The address lives as long as the op. */
GYRE_API const struct sockaddr *gyre_msg_op_from(const gyre_msg_op *op,
                                                 socklen_t *size);
GYRE_API int gyre_msg_op_flags(const gyre_msg_op *op);

#ifdef __cplusplus
}
#endif

#endif
