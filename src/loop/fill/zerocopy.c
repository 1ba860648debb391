/* SPDX-License-Identifier: MIT */
/*
 * zerocopy.c - sends that read the caller's memory
 *
 * Each asks to be told whether Linux copied; where Linux cannot tell, the flag
 * is left out on the way (kernel/uring/route.c).
 */
#include <gyre/op_socket.h>

#include "loop/fill/fill.h"

static struct io_uring_sqe *fill_zc(gyre_op *op, uint8_t opcode, int fd,
                                    const void *address, size_t length,
                                    int flags)
{
    struct io_uring_sqe *sqe = op_fill(op, opcode, fd, address, length, 0);

    sqe->ioprio = IORING_SEND_ZC_REPORT_USAGE;
    op_set_flags(sqe, flags, MSG_NOSIGNAL);
    return sqe;
}

void gyre_op_send_zc(gyre_op *op, int fd, const void *buffer, size_t size,
                     int flags)
{
    fill_zc(op, IORING_OP_SEND_ZC, fd, buffer, size, flags);
}

void gyre_op_sendto_zc(gyre_op *op, int fd, const void *buffer, size_t size,
                       int flags, const struct sockaddr *to, socklen_t to_size)
{
    struct io_uring_sqe *sqe =
        fill_zc(op, IORING_OP_SEND_ZC, fd, buffer, size, flags);

    op_set_address(sqe, to, to_size);
}

void gyre_op_sendmsg_zc(gyre_op *op, int fd, const struct msghdr *message,
                        int flags)
{
    fill_zc(op, IORING_OP_SENDMSG_ZC, fd, message, 1, flags);
}
