/* SPDX-License-Identifier: MIT */
/*
 * message.c - requests on sockets that carry copies of their small arguments
 */
#include <errno.h>
#include <gyre/op_socket.h>
#include <sys/uio.h>

#include "loop/fill/fill.h"

_Static_assert(sizeof(struct iovec) == 2 * sizeof(uint64_t), "64-bit vectors");

int gyre_connect_op_fill(gyre_connect_op *op, int fd,
                         const struct sockaddr *address, socklen_t size)
{
    if (size > sizeof op->address_)
        return -EINVAL;
    memcpy(&op->address_, address, size);
    gyre_op_connect(&op->op, fd, (const struct sockaddr *)&op->address_, size);
    return 0;
}

static int msg_fill(gyre_msg_op *op, const struct iovec *iov, unsigned count)
{
    if (count > GYRE_MSG_IOV_MAX)
        return -EMSGSIZE;
    memcpy(op->iov_, iov, count * sizeof *iov);
    memset(&op->message_, 0, sizeof op->message_);
    op->message_.msg_iov = (struct iovec *)(void *)op->iov_;
    op->message_.msg_iovlen = count;
    return 0;
}

int gyre_msg_op_send(gyre_msg_op *op, int fd, const struct iovec *iov,
                     unsigned count, const struct sockaddr *to,
                     socklen_t to_size, int flags)
{
    int err;

    if (to != NULL && to_size > sizeof op->address_)
        return -EINVAL;
    err = msg_fill(op, iov, count);
    if (err < 0)
        return err;
    if (to != NULL) {
        memcpy(&op->address_, to, to_size);
        op->message_.msg_name = &op->address_;
        op->message_.msg_namelen = to_size;
    }
    gyre_op_sendmsg(&op->op, fd, &op->message_, flags);
    return 0;
}

int gyre_msg_op_recv(gyre_msg_op *op, int fd, const struct iovec *iov,
                     unsigned count, int flags)
{
    int err = msg_fill(op, iov, count);

    if (err < 0)
        return err;
    op->message_.msg_name = &op->address_;
    op->message_.msg_namelen = sizeof op->address_;
    gyre_op_recvmsg(&op->op, fd, &op->message_, flags);
    return 0;
}

const struct sockaddr *gyre_msg_op_from(const gyre_msg_op *op, socklen_t *size)
{
    if (size != NULL)
        *size = op->message_.msg_namelen;
    return (const struct sockaddr *)&op->address_;
}

int gyre_msg_op_flags(const gyre_msg_op *op)
{
    return op->message_.msg_flags;
}
