/* SPDX-License-Identifier: MIT */
/*
 * socket.c - SOCKET, BIND, LISTEN, and URING_CMD: what makes a socket what it
 * is, and a disk's discard
 *
 * None of these waits for a peer, so each is one plain call. The commands are
 * those that Linux's ring has; getsockopt does what Linux's command refuses,
 * too: options of every level.
 */
#include <errno.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kernel/emu/internal.h"

int socket_check(const struct io_uring_sqe *sqe)
{
    uint64_t flags = SOCK_CLOEXEC | SOCK_NONBLOCK, types = 0xf;

    if (sqe->addr != 0 || sqe->rw_flags != 0 || sqe->buf_index != 0 ||
        (sqe->file_index != 0 && (sqe->off & SOCK_CLOEXEC) != 0))
        return -EINVAL;
    /* The type is an int; what is above does not count. */
    return ((uint32_t)sqe->off & ~(flags | types)) != 0 ? -EINVAL : 0;
}

int socket_open(struct request *r)
{
    int type = (int)(uint32_t)r->sqe.off;

    /* What goes into a slot is ours, and no program inherits it. */
    if (r->sqe.file_index != 0)
        type |= SOCK_CLOEXEC;
    return emu_result(socket(r->sqe.fd, type, (int)r->sqe.len));
}

int socket_bind_check(const struct io_uring_sqe *sqe)
{
    return sqe->len != 0 || sqe->buf_index != 0 || sqe->rw_flags != 0 ||
                   sqe->splice_fd_in != 0
               ? -EINVAL
               : 0;
}

int socket_bind(struct request *r)
{
    const struct sockaddr *address =
        r->copied ? (const struct sockaddr *)&r->kept.name
                  : emu_pointer(r->sqe.addr);

    return emu_result(bind(r->sqe.fd, address, (socklen_t)r->sqe.addr2));
}

int socket_listen_check(const struct io_uring_sqe *sqe)
{
    return sqe->addr != 0 || sqe->addr2 != 0 || sqe->buf_index != 0 ||
                   sqe->rw_flags != 0 || sqe->splice_fd_in != 0
               ? -EINVAL
               : 0;
}

int socket_listen(struct request *r)
{
    return emu_result(listen(r->sqe.fd, (int)r->sqe.len));
}

/* Linux's command asks the protocol, which those of Unix sockets cannot say. */
static int socket_bytes(const struct io_uring_sqe *sqe)
{
    int domain, bytes = 0, result = socket_option(sqe->fd, SO_DOMAIN, &domain);
    unsigned long what = sqe->cmd_op == SOCKET_URING_OP_SIOCINQ ? SIOCINQ
                                                                : SIOCOUTQ;

    if (result == 0 && domain != AF_INET && domain != AF_INET6)
        return -EOPNOTSUPP;
    if (result == 0)
        result = emu_result(ioctl(sqe->fd, what, &bytes));
    return result < 0 ? result : bytes;
}

static int socket_getsockopt(const struct io_uring_sqe *sqe)
{
    socklen_t size = sqe->optlen;
    int result =
        emu_result(getsockopt(sqe->fd, (int)sqe->level, (int)sqe->optname,
                              emu_pointer(sqe->optval), &size));

    return result < 0 ? result : (int)size;
}

static int socket_setsockopt(const struct io_uring_sqe *sqe)
{
    return emu_result(setsockopt(sqe->fd, (int)sqe->level, (int)sqe->optname,
                                 emu_pointer(sqe->optval), sqe->optlen));
}

static int socket_name(const struct io_uring_sqe *sqe)
{
    struct sockaddr *address = emu_pointer(sqe->addr);
    socklen_t *size = emu_pointer(sqe->addr3);

    if (sqe->ioprio != 0 || sqe->len != 0 || sqe->optlen > 1)
        return -EINVAL;
    return emu_result(sqe->optlen == 1 ? getpeername(sqe->fd, address, size)
                                       : getsockname(sqe->fd, address, size));
}

static int (*const commands[])(const struct io_uring_sqe *) = {
    [SOCKET_URING_OP_SIOCINQ] = socket_bytes,
    [SOCKET_URING_OP_SIOCOUTQ] = socket_bytes,
    [SOCKET_URING_OP_GETSOCKOPT] = socket_getsockopt,
    [SOCKET_URING_OP_SETSOCKOPT] = socket_setsockopt,
    [SOCKET_URING_OP_TX_TIMESTAMP] = NULL,
    [SOCKET_URING_OP_GETSOCKNAME] = socket_name,
};

int socket_command_check(const struct io_uring_sqe *sqe)
{
    return sqe->pad1_ != 0 || sqe->uring_cmd_flags != 0 ? -EINVAL : 0;
}

int socket_command(struct request *r)
{
    uint32_t command = r->sqe.cmd_op;
    int type, result;

    if (command == BLOCK_URING_CMD_DISCARD)
        return EMU_POOL;
    result = socket_option(r->sqe.fd, SO_TYPE, &type);
    /* A file that knows no commands, not one of the wrong kind. */
    if (result == -ENOTSOCK)
        return -EOPNOTSUPP;
    if (result < 0)
        return result;
    if (command >= ARRAY_SIZE(commands) || commands[command] == NULL)
        return -EOPNOTSUPP;
    return commands[command](&r->sqe);
}

/* The one command of disks. */
int socket_discard_work(struct request *r)
{
    uint64_t range[] = { r->sqe.addr, r->sqe.addr3 };
    int result = emu_result(ioctl(r->sqe.fd, BLKDISCARD, range));

    return result == -ENOTTY ? -EOPNOTSUPP : result;
}
