/* SPDX-License-Identifier: MIT */
/*
 * copy.c - ops that carry copies of their small arguments
 *
 * The plain ops borrow timespecs, addresses, paths and message headers until
 * submission, a moment that a caller does not see. These keep them beside the
 * op, so that nothing but the op and the data has to stay.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "loop/loop.h"

#define OPEN_HOW_WORDS 3U

_Static_assert(sizeof(struct iovec) == 2 * sizeof(uint64_t), "64-bit vectors");

void gyre_timeout_op_fill(gyre_timeout_op *op, uint64_t ns, uint32_t count,
                          unsigned flags)
{
    op->time_[0] = (int64_t)(ns / GYRE_SECOND);
    op->time_[1] = (int64_t)(ns % GYRE_SECOND);
    gyre_op_timeout(&op->op, op->time_, count, flags);
}

int gyre_connect_op_fill(gyre_connect_op *op, int fd,
                         const struct sockaddr *address, socklen_t size)
{
    if (size > sizeof op->address_)
        return -EINVAL;
    memcpy(&op->address_, address, size);
    gyre_op_connect(&op->op, fd, (const struct sockaddr *)&op->address_, size);
    return 0;
}

static int path_copy(gyre_path_op *op, const char *path)
{
    size_t size = strnlen(path, sizeof op->path_) + 1;

    if (size > sizeof op->path_)
        return -ENAMETOOLONG;
    memcpy(op->path_, path, size);
    return 0;
}

int gyre_path_op_openat(gyre_path_op *op, int dirfd, const char *path,
                        int flags, unsigned mode)
{
    int err = path_copy(op, path);

    if (err == 0)
        gyre_op_openat(&op->op, dirfd, op->path_, flags, mode);
    return err;
}

int gyre_path_op_openat2(gyre_path_op *op, int dirfd, const char *path,
                         const struct open_how *how)
{
    int err = path_copy(op, path);

    if (err < 0)
        return err;
    memcpy(op->how_, how, OPEN_HOW_WORDS * sizeof op->how_[0]);
    gyre_op_openat2(&op->op, dirfd, op->path_, (struct open_how *)op->how_);
    return 0;
}

int gyre_path_op_statx(gyre_path_op *op, int dirfd, const char *path, int flags,
                       unsigned mask, struct statx *result)
{
    int err = path_copy(op, path);

    if (err == 0)
        gyre_op_statx(&op->op, dirfd, op->path_, flags, mask, result);
    return err;
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
