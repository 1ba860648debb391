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

/* In the flags of accept, recv, send and their kin: wait until the socket is
 * ready before the first try, for who knows that it is not. A hint: since 5.19
 * (accept 6.10), and of no effect before. */
#define GYRE_POLL_FIRST (-2147483647 - 1)

/* ---- a socket and its address ------------------------------------------- */

/* Result: a descriptor. `type` as socket(2); SOCK_CLOEXEC and SOCK_NONBLOCK are
 * added: ops wait all the same, and whatever kernel executes them needs no
 * thread for that. since 5.19 */
GYRE_API void gyre_op_socket(gyre_op *op, int domain, int type, int protocol);

/* Result: 0. The address is held until submission. since 6.11 */
GYRE_API void gyre_op_bind(gyre_op *op, int fd, const struct sockaddr *address,
                           socklen_t size);
GYRE_API void gyre_op_listen(gyre_op *op, int fd, int backlog);

/* The address that the socket, or its peer, has. Result: 0. `address` and
 * `*size`, the room for it, are held until the last completion; then `*size` is
 * the length of the address, of which no more is written than there was room
 * for. since 6.19 */
GYRE_API void gyre_op_getsockname(gyre_op *op, int fd, struct sockaddr *address,
                                  socklen_t *size);
GYRE_API void gyre_op_getpeername(gyre_op *op, int fd, struct sockaddr *address,
                                  socklen_t *size);

/* `level` and `name` as setsockopt(2). The value is held until the last
 * completion. Result: 0; of getsockopt the bytes that were written, at most
 * `size`. since 6.7 (getsockopt of another level than SOL_SOCKET: always
 * emulated, as Linux has that by system call only) */
GYRE_API void gyre_op_setsockopt(gyre_op *op, int fd, int level, int name,
                                 const void *value, socklen_t size);
GYRE_API void gyre_op_getsockopt(gyre_op *op, int fd, int level, int name,
                                 void *value, socklen_t size);

/* SIOCINQ: the bytes that can be received (of a datagram socket: in the next
 * datagram). SIOCOUTQ: those that were sent and that the peer has not
 * acknowledged. -EOPNOTSUPP: neither TCP, UDP nor raw. since 6.7 */
GYRE_API void gyre_op_inq(gyre_op *op, int fd);
GYRE_API void gyre_op_outq(gyre_op *op, int fd);

/* ---- connections -------------------------------------------------------- */

/* Result: a descriptor; `flags` as accept4(2), SOCK_CLOEXEC is added. With
 * MSG_DONTWAIT: -EAGAIN if there is no connection. `address` and `*size` (both
 * may be NULL) are held until the last completion; `*size` is then the length
 * of the address, of which no more is written than there was room for. since
 * 5.5, MSG_DONTWAIT 6.10 */
GYRE_API void gyre_op_accept(gyre_op *op, int fd, struct sockaddr *address,
                             socklen_t *size, int flags);

/* The address is held until submission. After a cancelled connect the socket is
 * of no more use but to be closed. since 5.5 */
GYRE_API void gyre_op_connect(gyre_op *op, int fd,
                              const struct sockaddr *address, socklen_t size);

/* `how` as shutdown(2): SHUT_RD, SHUT_WR, SHUT_RDWR. since 5.11 */
GYRE_API void gyre_op_shutdown(gyre_op *op, int fd, int how);

/* ---- bytes and messages ------------------------------------------------- */

/* `flags` as recv(2) and send(2), and GYRE_POLL_FIRST; MSG_NOSIGNAL is added to
 * sends. Waits also on a socket with O_NONBLOCK (MSG_DONTWAIT does not). With
 * MSG_WAITALL all bytes, or as many as there were before the end, an error or a
 * cancel. recv 0: end of stream, or an empty datagram. The completion of a
 * receive may have GYRE_CQE_SOCK_NONEMPTY: there is more. since 5.6 */
GYRE_API void gyre_op_recv(gyre_op *op, int fd, void *buffer, size_t size,
                           int flags);
GYRE_API void gyre_op_send(gyre_op *op, int fd, const void *buffer, size_t size,
                           int flags);

/* Send to an address, which is held until submission; one datagram without a
 * msghdr. `to` may be NULL, for who is connected. since 6.0 */
GYRE_API void gyre_op_sendto(gyre_op *op, int fd, const void *buffer,
                             size_t size, int flags, const struct sockaddr *to,
                             socklen_t to_size);

/* The msghdr and its iovec are held until submission by sendmsg, until the last
 * completion by recvmsg, which writes msg_namelen, msg_controllen and
 * msg_flags. since 5.3 */
GYRE_API void gyre_op_recvmsg(gyre_op *op, int fd, struct msghdr *message,
                              int flags);
GYRE_API void gyre_op_sendmsg(gyre_op *op, int fd, const struct msghdr *message,
                              int flags);

/* Send up to `size` bytes of `file` from `offset` to `socket`. Result: bytes,
 * short is normal; 0 at the end of the file. Linux has no opcode for it:
 * executed by sendfile(2), without blocking the loop. */
GYRE_API void gyre_op_sendfile(gyre_op *op, int socket, int file,
                               uint64_t offset, uint32_t size);

/*
 * Send without copying. Two completions: the first has the bytes, or the error,
 * and GYRE_CQE_MORE; the second has GYRE_CQE_NOTIF, and comes when the kernel
 * has let go of the buffer, which it reads until then. Often that is when the
 * peer has acknowledged the bytes; until then more may be sent by other ops,
 * but neither a cancel nor a deadline makes it come: a peer that reads nothing
 * can put it off for ever. The socket can be closed before; with SO_LINGER of 0
 * seconds, or when TCP_USER_TIMEOUT has passed, the kernel gives up the bytes.
 * The loop's end waits for it. A send that fails early has one completion: look
 * at GYRE_CQE_MORE.
 *
 * -EOPNOTSUPP: neither TCP nor UDP; -ENOMEM: RLIMIT_MEMLOCK. Worth it for some
 * kilobytes at least, and where the kernel does not copy after all, as it does
 * to receivers on the same machine: gyre_result_copied() of the notification.
 * since 6.0, sendmsg 6.1; emulated, it copies.
 */
GYRE_API void gyre_op_send_zc(gyre_op *op, int fd, const void *buffer,
                              size_t size, int flags);
GYRE_API void gyre_op_sendto_zc(gyre_op *op, int fd, const void *buffer,
                                size_t size, int flags,
                                const struct sockaddr *to, socklen_t to_size);
GYRE_API void gyre_op_sendmsg_zc(gyre_op *op, int fd,
                                 const struct msghdr *message, int flags);

/* Of a notification: did the kernel copy the bytes after all? Before Linux 6.2
 * it does not say: false. */
static inline bool gyre_result_copied(gyre_result result)
{
    return (result.flags & GYRE_CQE_NOTIF) != 0 && result.res < 0;
}

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
