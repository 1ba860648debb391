/* SPDX-License-Identifier: MIT */
/*
 * fill.c - one short function for each request
 *
 * Each writes the whole op, so that it can be called on any memory. Fields that
 * are not named are zero, which is what the kernel asks of what it does not
 * use. Numbers and layouts: io_uring_enter(2).
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>

#include "loop/loop.h"
#include "loop/optable.h"

_Static_assert(sizeof(gyre_op) == 128, "an op is 128 bytes");
_Static_assert(_Alignof(gyre_op) == 16,
               "four low bits of its address are free");
_Static_assert(sizeof(struct io_uring_sqe) == sizeof(((gyre_op *)0)->sqe_),
               "the request lies in the op");
_Static_assert(offsetof(gyre_op, sqe_) == 0, "at its start");

#define OPEN_HOW_SIZE 24U      /* struct open_how as of 5.6 */
#define LENGTH_MAX 0x7ffff000U /* Linux moves no more in one call */

/* In two parts: to clear 128 bytes compilers use `rep stos`, which costs as
 * much as the rest of starting an op. */
static inline void op_clear(gyre_op *op)
{
    memset(op->sqe_, 0, sizeof op->sqe_);
    op->user = NULL;
    op->done_ = NULL;
    op->loop_ = NULL;
    op->next_ = NULL;
    op->prev_ = NULL;
    op->deadline_ = NULL;
    op->result_ = 0;
    op->slot_ = 0;
    op->generation_ = 0;
    op->state_ = OP_IDLE;
    op->flags_ = 0;
    op->position_ = 0;
}

void gyre_op_raw(gyre_op *op, uint8_t opcode)
{
    op_clear(op);
    gyre_op_sqe(op)->opcode = opcode;
}

static struct io_uring_sqe *fill(gyre_op *op, uint8_t opcode, int fd,
                                 const void *address, size_t length,
                                 uint64_t offset)
{
    struct io_uring_sqe *sqe = gyre_op_sqe(op);

    op_clear(op);
    sqe->opcode = opcode;
    sqe->fd = fd;
    sqe->addr = (uintptr_t)address;
    sqe->len = length < LENGTH_MAX ? (uint32_t)length : LENGTH_MAX;
    sqe->off = offset;
    return sqe;
}

void gyre_op_nop(gyre_op *op)
{
    fill(op, IORING_OP_NOP, -1, NULL, 0, 0);
}

void gyre_op_read(gyre_op *op, int fd, void *buffer, uint32_t size,
                  uint64_t offset)
{
    fill(op, IORING_OP_READ, fd, buffer, size, offset);
}

void gyre_op_write(gyre_op *op, int fd, const void *buffer, uint32_t size,
                   uint64_t offset)
{
    fill(op, IORING_OP_WRITE, fd, buffer, size, offset);
}

void gyre_op_readv(gyre_op *op, int fd, const struct iovec *iov, unsigned count,
                   uint64_t offset)
{
    fill(op, IORING_OP_READV, fd, iov, count, offset);
}

void gyre_op_writev(gyre_op *op, int fd, const struct iovec *iov,
                    unsigned count, uint64_t offset)
{
    fill(op, IORING_OP_WRITEV, fd, iov, count, offset);
}

void gyre_op_openat(gyre_op *op, int dirfd, const char *path, int flags,
                    unsigned mode)
{
    struct io_uring_sqe *sqe = fill(op, IORING_OP_OPENAT, dirfd, path, mode, 0);

    sqe->open_flags = (uint32_t)(flags | O_CLOEXEC);
}

void gyre_op_openat2(gyre_op *op, int dirfd, const char *path,
                     struct open_how *how)
{
    *(gyre_sqe_word *)(void *)how |= O_CLOEXEC; /* how->flags comes first */
    fill(op, IORING_OP_OPENAT2, dirfd, path, OPEN_HOW_SIZE, (uintptr_t)how);
}

void gyre_op_close(gyre_op *op, int fd)
{
    fill(op, IORING_OP_CLOSE, fd, NULL, 0, 0);
}

void gyre_op_statx(gyre_op *op, int dirfd, const char *path, int flags,
                   unsigned mask, struct statx *result)
{
    struct io_uring_sqe *sqe =
        fill(op, IORING_OP_STATX, dirfd, path, 0, (uintptr_t)result);

    sqe->len = mask;
    sqe->statx_flags = (uint32_t)flags;
}

void gyre_op_fsync(gyre_op *op, int fd, bool data_only)
{
    struct io_uring_sqe *sqe = fill(op, IORING_OP_FSYNC, fd, NULL, 0, 0);

    sqe->fsync_flags = data_only ? IORING_FSYNC_DATASYNC : 0;
}

void gyre_op_accept(gyre_op *op, int fd, struct sockaddr *address,
                    socklen_t *size, int flags)
{
    struct io_uring_sqe *sqe =
        fill(op, IORING_OP_ACCEPT, fd, address, 0, (uintptr_t)size);

    sqe->accept_flags = (uint32_t)(flags | SOCK_CLOEXEC);
}

void gyre_op_connect(gyre_op *op, int fd, const struct sockaddr *address,
                     socklen_t size)
{
    fill(op, IORING_OP_CONNECT, fd, address, 0, size);
}

void gyre_op_recv(gyre_op *op, int fd, void *buffer, size_t size, int flags)
{
    struct io_uring_sqe *sqe = fill(op, IORING_OP_RECV, fd, buffer, size, 0);

    sqe->msg_flags = (uint32_t)flags;
}

void gyre_op_send(gyre_op *op, int fd, const void *buffer, size_t size,
                  int flags)
{
    struct io_uring_sqe *sqe = fill(op, IORING_OP_SEND, fd, buffer, size, 0);

    sqe->msg_flags = (uint32_t)(flags | MSG_NOSIGNAL);
}

void gyre_op_recvmsg(gyre_op *op, int fd, struct msghdr *message, int flags)
{
    struct io_uring_sqe *sqe = fill(op, IORING_OP_RECVMSG, fd, message, 1, 0);

    sqe->msg_flags = (uint32_t)flags;
}

void gyre_op_sendmsg(gyre_op *op, int fd, const struct msghdr *message,
                     int flags)
{
    struct io_uring_sqe *sqe = fill(op, IORING_OP_SENDMSG, fd, message, 1, 0);

    sqe->msg_flags = (uint32_t)(flags | MSG_NOSIGNAL);
}

void gyre_op_shutdown(gyre_op *op, int fd, int how)
{
    fill(op, IORING_OP_SHUTDOWN, fd, NULL, (size_t)how, 0);
}

void gyre_op_poll(gyre_op *op, int fd, unsigned events)
{
    struct io_uring_sqe *sqe = fill(op, IORING_OP_POLL_ADD, fd, NULL, 0, 0);

#if __BYTE_ORDER == __BIG_ENDIAN
    events = events << 16 | events >> 16;
#endif
    sqe->poll32_events = events;
}

void gyre_op_timeout(gyre_op *op, const void *time, uint32_t count,
                     unsigned flags)
{
    struct io_uring_sqe *sqe = fill(op, IORING_OP_TIMEOUT, -1, time, 1, count);

    sqe->timeout_flags = flags;
}

void gyre_op_getdents(gyre_op *op, int fd, void *buffer, uint32_t size)
{
    fill(op, KERNEL_OP_GETDENTS, fd, buffer, size, 0);
}

void gyre_op_sendfile(gyre_op *op, int socket, int file, uint64_t offset,
                      uint32_t size)
{
    struct io_uring_sqe *sqe =
        fill(op, KERNEL_OP_SENDFILE, socket, NULL, size, offset);

    sqe->splice_fd_in = file;
}

void gyre_op_call(gyre_op *op, int (*function)(void *), void *arg)
{
    struct io_uring_sqe *sqe =
        fill(op, KERNEL_OP_CALL, -1, NULL, 0, (uintptr_t)arg);

    sqe->addr = (uintptr_t)function;
}

int loop_try(gyre_loop *loop, gyre_op *op)
{
    return loop->kernel->class->try_now(loop->kernel, gyre_op_sqe(op));
}

int gyre_op_try(gyre_loop *loop, gyre_op *op)
{
    loop_assert_owner(loop);
    ASSERT_API(op->state_ == OP_IDLE, "only an idle op can be tried");
    if (!op_table[gyre_op_sqe(op)->opcode].tried)
        return -EAGAIN;
    return loop_try(loop, op);
}
