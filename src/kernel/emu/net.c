/* SPDX-License-Identifier: MIT */
/*
 * net.c - ACCEPT, CONNECT, RECV, SEND, SEND_ZC, SHUTDOWN
 *
 * Sends and receives have MSG_DONTWAIT, so it does not matter whether the
 * socket was made blocking. accept() and connect() have no such flag: on a
 * socket without O_NONBLOCK they go to a thread (accept when the listener is
 * ready, one at a time). The flag is asked for each time; remembering it would
 * be wrong the day a number is reused, and then the loop would hang.
 *
 * A send never raises SIGPIPE. MSG_WAITALL goes on until all is moved, on
 * sockets that are streams or records; an error after the first byte gives the
 * bytes, and the error comes with the next request, as on Linux.
 *
 * A send without copies is one with: what it was promised, that its buffer is
 * free when the notification comes, holds at once. It refuses the sockets that
 * Linux's refuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "kernel/emu/internal.h"

/* What is multishot chooses its buffers; RECV may say how much in all. */
static int net_multishot_check(const struct io_uring_sqe *sqe)
{
    if ((sqe->flags & IOSQE_BUFFER_SELECT) == 0 ||
        (sqe->msg_flags & MSG_WAITALL) != 0)
        return -EINVAL;
    return sqe->optlen != 0 && sqe->opcode != IORING_OP_RECV ? -EINVAL : 0;
}

/* Linux has more of these flags; those are not emulated yet. */
int net_socket_check(const struct io_uring_sqe *sqe)
{
    bool send = sqe->opcode == IORING_OP_SEND;
    bool receive = sqe->opcode == IORING_OP_RECV ||
                   sqe->opcode == IORING_OP_RECVMSG;
    unsigned ioprio = IORING_RECVSEND_POLL_FIRST;

    if (receive)
        ioprio |= IORING_RECV_MULTISHOT;
    if (send || sqe->opcode == IORING_OP_RECV)
        ioprio |= IORING_RECVSEND_BUNDLE;
    if ((sqe->ioprio & ~ioprio) != 0 || (!send && sqe->addr2 != 0))
        return -EINVAL;
    if (receive && (sqe->ioprio & IORING_RECV_MULTISHOT) != 0)
        return net_multishot_check(sqe);
    if ((sqe->ioprio & IORING_RECVSEND_BUNDLE) != 0 &&
        (sqe->flags & IOSQE_BUFFER_SELECT) == 0)
        return -EINVAL;
    return (send ? sqe->pad3_ : sqe->file_index) != 0 ? -EINVAL : 0;
}

/* What Linux refuses before it has made a notification; for what it refuses
 * later see net_zc_refusal(). */
int net_zc_check(const struct io_uring_sqe *sqe)
{
    bool message = sqe->opcode == IORING_OP_SENDMSG_ZC;
    unsigned known = IORING_RECVSEND_POLL_FIRST | IORING_RECVSEND_FIXED_BUF |
                     IORING_SEND_ZC_REPORT_USAGE;

    if ((sqe->flags & IOSQE_CQE_SKIP_SUCCESS) != 0 || sqe->pad2_ != 0 ||
        sqe->addr3 != 0 || (sqe->ioprio & ~known) != 0)
        return -EINVAL;
    return (message ? sqe->addr2 != 0 || sqe->file_index != 0 : sqe->pad3_ != 0)
               ? -EINVAL
               : 0;
}

bool net_wants_poll_first(const struct io_uring_sqe *sqe)
{
    /* Linux's workers do not execute what has several results. */
    if ((sqe->flags & IOSQE_ASYNC) != 0 && sqe->opcode != IORING_OP_SEND &&
        request_asks_for_many(sqe))
        return true;
    switch (sqe->opcode) {
    case IORING_OP_RECV:
    case IORING_OP_SEND:
    case IORING_OP_RECVMSG:
    case IORING_OP_SENDMSG:
    case IORING_OP_SEND_ZC:
    case IORING_OP_SENDMSG_ZC:
        return (sqe->ioprio & IORING_RECVSEND_POLL_FIRST) != 0;
    case IORING_OP_ACCEPT:
        return (sqe->ioprio & IORING_ACCEPT_POLL_FIRST) != 0;
    default:
        return false;
    }
}

static bool net_is_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

int socket_option(int fd, int option, int *value)
{
    socklen_t size = sizeof *value;

    return emu_result(getsockopt(fd, SOL_SOCKET, option, value, &size));
}

/* Is this a socket with connections? Parts of a transfer add up there. */
bool net_is_connected_kind(int fd)
{
    int type;

    return socket_option(fd, SO_TYPE, &type) == 0 &&
           (type == SOCK_STREAM || type == SOCK_SEQPACKET);
}

/* 0, or why the request cannot be sent without copies, in Linux's order. */
int net_zc_refusal(const struct request *r)
{
    const struct io_uring_sqe *sqe = &r->sqe;
    int domain, protocol, error;

    error = socket_option(sqe->fd, SO_DOMAIN, &domain);
    if (error == 0)
        error = socket_option(sqe->fd, SO_PROTOCOL, &protocol);
    if (error == 0 && ((domain != AF_INET && domain != AF_INET6) ||
                       (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)))
        error = -EOPNOTSUPP;
    return error;
}

/* `n` is what a transfer of `wanted` bytes gave. */
int net_finish(struct request *r, long n, size_t wanted)
{
    bool all = (r->sqe.msg_flags & MSG_WAITALL) != 0;

    if (n == -EAGAIN)
        return EMU_WAIT;
    if (n > 0 && all && (size_t)n < wanted &&
        net_is_connected_kind(r->sqe.fd)) {
        r->done += (uint32_t)n;
        return EMU_WAIT;
    }
    r->short_is_failure = n < 0 || (all && (size_t)n < wanted);
    if (n < 0)
        return request_cut_short(r, (int)n);
    return (int)(r->done + (uint32_t)n);
}

/* A message that was cut is a failure if all was asked for. */
static int net_recv_all(struct request *r, size_t wanted)
{
    struct iovec part = { (char *)emu_pointer(r->sqe.addr) + r->done, wanted };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    int n = emu_result(
        recvmsg(r->sqe.fd, &message, (int)r->sqe.msg_flags | MSG_DONTWAIT));

    n = net_finish(r, n, wanted);
    r->short_is_failure |= (message.msg_flags & MSG_TRUNC) != 0;
    return n;
}

int net_recv(struct request *r)
{
    size_t wanted = r->sqe.len - r->done;
    int n;

    if (request_chooses(r))
        return select_recv(r);
    if ((r->sqe.msg_flags & MSG_WAITALL) != 0)
        return net_recv_all(r, wanted);
    n = emu_result(recv(r->sqe.fd, (char *)emu_pointer(r->sqe.addr) + r->done,
                        wanted, (int)r->sqe.msg_flags | MSG_DONTWAIT));
    return net_finish(r, n, wanted);
}

/* A short receive has emptied the socket: the next one need not even try. */
void net_recv_after(struct emu *emu, const struct request *r, int result)
{
    struct fd_state *state;

    if (result <= 0 || (uint32_t)result >= r->sqe.len)
        return;
    state = wait_find(emu, r->sqe.fd);
    if (state != NULL)
        state->drained = true;
}

int net_send_keep(struct request *r)
{
    if (r->sqe.addr2 == 0)
        return 0;
    if (r->sqe.addr_len > sizeof r->kept.name)
        return -EINVAL;
    return copy_in(&r->kept.name, r->sqe.addr2, r->sqe.addr_len);
}

int net_send(struct request *r)
{
    size_t wanted = r->sqe.len - r->done;
    const struct sockaddr *to = emu_pointer(r->sqe.addr2);
    socklen_t to_size = to != NULL ? r->sqe.addr_len : 0;
    int n;

    if ((r->sqe.ioprio & IORING_RECVSEND_BUNDLE) != 0)
        return select_send_bundle(r);
    if (request_chooses(r))
        return select_send(r);
    if (to != NULL && r->copied)
        to = (const struct sockaddr *)&r->kept.name;
    n = emu_result(sendto(
        r->sqe.fd, (const char *)emu_pointer(r->sqe.addr) + r->done, wanted,
        (int)r->sqe.msg_flags | MSG_DONTWAIT | MSG_NOSIGNAL, to, to_size));
    return net_finish(r, n, wanted);
}

int net_send_zc(struct request *r)
{
    int error = r->held ? 0 : net_zc_refusal(r);

    return error != 0 ? error : net_send(r);
}

int net_accept_check(const struct io_uring_sqe *sqe)
{
    unsigned ioprio = IORING_ACCEPT_MULTISHOT | IORING_ACCEPT_DONTWAIT |
                      IORING_ACCEPT_POLL_FIRST;

    if (sqe->len != 0 || sqe->buf_index != 0 || (sqe->ioprio & ~ioprio) != 0 ||
        (sqe->file_index != 0 && (sqe->accept_flags & SOCK_CLOEXEC) != 0) ||
        (sqe->file_index != 0 && sqe->file_index != IORING_FILE_INDEX_ALLOC &&
         (sqe->ioprio & IORING_ACCEPT_MULTISHOT) != 0) ||
        (sqe->accept_flags & ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0)
        return -EINVAL;
    return 0;
}

static int net_accept_call(struct request *r)
{
    int flags = (int)r->sqe.accept_flags;

    /* What goes into a slot is ours, and no program inherits it. */
    if (r->sqe.file_index != 0)
        flags |= SOCK_CLOEXEC;
    return emu_result(accept4(r->sqe.fd, emu_pointer(r->sqe.addr),
                              emu_pointer(r->sqe.addr2), flags));
}

int net_accept(struct request *r)
{
    int fd = r->sqe.fd, listens, result;

    if (net_is_blocking(fd)) {
        /* What cannot accept must say so rather than wait. */
        result = socket_option(fd, SO_ACCEPTCONN, &listens);
        if (result != 0)
            return result;
        if (!listens)
            return net_is_connected_kind(fd) ? -EINVAL : -EOPNOTSUPP;
        return poll_ready(fd, POLLIN) ? EMU_POOL_SERIAL : EMU_WAIT;
    }
    result = net_accept_call(r);
    return result == -EAGAIN ? EMU_WAIT : result;
}

int net_accept_work(struct request *r)
{
    int result = net_accept_call(r);

    return result == -EAGAIN ? EMU_WAIT : result;
}

int net_connect_check(const struct io_uring_sqe *sqe)
{
    return sqe->len != 0 || sqe->buf_index != 0 || sqe->op_flags != 0 ||
                   sqe->splice_fd_in != 0
               ? -EINVAL
               : 0;
}

int net_connect_keep(struct request *r)
{
    if (r->sqe.addr2 > sizeof r->kept.name)
        return -EINVAL;
    return copy_in(&r->kept.name, r->sqe.addr, r->sqe.addr2);
}

static int net_connect_call(struct request *r)
{
    const struct sockaddr *address =
        r->copied ? (const struct sockaddr *)&r->kept.name
                  : emu_pointer(r->sqe.addr);
    struct sockaddr_storage name;
    int result;

    if (r->sqe.addr2 > sizeof r->kept.name)
        return -EINVAL;
    result = emu_result(connect(r->sqe.fd, address, (socklen_t)r->sqe.addr2));
    /* Linux reads the address before it looks for the file. */
    if (result == -EBADF && !r->copied &&
        copy_in(&name, r->sqe.addr, r->sqe.addr2) != 0)
        result = -EFAULT;
    return result;
}

/* The second connect() on a socket that is on its way collects the outcome:
 * success, the error, or EALREADY. */
int net_connect(struct request *r)
{
    int result;

    if (!r->started && net_is_blocking(r->sqe.fd))
        return EMU_POOL;
    result = net_connect_call(r);
    if (result == -EINPROGRESS || (result == -EALREADY && r->started)) {
        r->started = true;
        return EMU_WAIT;
    }
    return result == -EISCONN && r->started ? 0 : result;
}

int net_connect_work(struct request *r)
{
    return net_connect_call(r);
}

int net_shutdown_check(const struct io_uring_sqe *sqe)
{
    return sqe->off != 0 || sqe->addr != 0 || sqe->op_flags != 0 ||
                   sqe->buf_index != 0 || sqe->splice_fd_in != 0
               ? -EINVAL
               : 0;
}

int net_shutdown(struct request *r)
{
    int result = emu_result(shutdown(r->sqe.fd, (int)r->sqe.len));

    r->harmless = result != -EBADF && result != -ENOTSOCK;
    return result;
}
