/* SPDX-License-Identifier: MIT */
/*
 * group.c - requests that choose their buffers, and those with many results
 */
#include <errno.h>
#include <gyre/op_group.h>
#include <gyre/op_socket.h>

#include "loop/fill/fill.h"

void gyre_op_provide_buffers(gyre_op *op, void *memory, uint32_t size,
                             unsigned count, uint16_t group, uint16_t first_id)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_PROVIDE_BUFFERS, 0, memory, 0, first_id);

    sqe->fd = count <= INT32_MAX ? (int32_t)count : INT32_MAX;
    sqe->len = size;
    sqe->buf_group = group;
}

void gyre_op_remove_buffers(gyre_op *op, unsigned count, uint16_t group)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_REMOVE_BUFFERS, 0, NULL, 0, 0);

    sqe->fd = count <= INT32_MAX ? (int32_t)count : INT32_MAX;
    sqe->buf_group = group;
}

void gyre_op_use_group(gyre_op *op, uint16_t group)
{
    struct io_uring_sqe *sqe = gyre_op_sqe(op);

    ASSERT_API(op->state_ == OP_IDLE,
               "the op is started: choose a group before");
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = group;
    /* Of a vector, the length of the only part counts; else it is a buffer of
     * the group's that counts. */
    if (sqe->opcode != IORING_OP_READV && sqe->opcode != IORING_OP_RECVMSG)
        sqe->addr = 0;
}

void gyre_op_use_bundle(gyre_op *op)
{
    struct io_uring_sqe *sqe = gyre_op_sqe(op);

    ASSERT_API(
        (sqe->flags & IOSQE_BUFFER_SELECT) != 0 &&
            (sqe->opcode == IORING_OP_RECV || sqe->opcode == IORING_OP_SEND),
        "a bundle is of a group: of a recv or send after "
        "gyre_op_use_group()");
    sqe->ioprio |= IORING_RECVSEND_BUNDLE;
}

void gyre_op_accept_multishot(gyre_op *op, int fd, int flags)
{
    gyre_op_accept(op, fd, NULL, NULL, flags);
    gyre_op_sqe(op)->ioprio = IORING_ACCEPT_MULTISHOT;
}

void gyre_op_recv_multishot(gyre_op *op, int fd, uint16_t group, int flags)
{
    gyre_op_recv(op, fd, NULL, 0, flags);
    gyre_op_use_group(op, group);
    gyre_op_sqe(op)->ioprio = IORING_RECV_MULTISHOT;
}

void gyre_op_recv_limits(gyre_op *op, uint32_t each, uint32_t total)
{
    struct io_uring_sqe *sqe = gyre_op_sqe(op);

    ASSERT_API(sqe->opcode == IORING_OP_RECV &&
                   (sqe->ioprio & IORING_RECV_MULTISHOT) != 0,
               "these limits are a multishot recv's");
    sqe->len = each;
    sqe->optlen = total;
}

void gyre_op_recvmsg_multishot(gyre_op *op, int fd, const struct msghdr *header,
                               uint16_t group, int flags)
{
    struct io_uring_sqe *sqe = op_fill(op, IORING_OP_RECVMSG, fd, header, 1, 0);

    sqe->msg_flags = (uint32_t)flags;
    sqe->ioprio = IORING_RECV_MULTISHOT;
    gyre_op_use_group(op, group);
}

void gyre_op_read_multishot(gyre_op *op, int fd, uint16_t group)
{
    op_fill(op, IORING_OP_READ_MULTISHOT, fd, NULL, 0, UINT64_MAX);
    gyre_op_use_group(op, group);
}

/* The kernel puts the control data and the bytes where the header's room ends,
 * whether or not it was used. */
int gyre_message_parse(gyre_message *message, void *buffer, size_t size,
                       const struct msghdr *header)
{
    const struct io_uring_recvmsg_out *out = buffer;
    size_t name_room = header->msg_namelen;
    size_t control_at = sizeof *out + name_room;
    size_t data_at = control_at + header->msg_controllen;
    char *at = buffer;

    if (size < data_at || out->controllen > header->msg_controllen)
        return -EINVAL;
    *message = (gyre_message){
        .name = at + sizeof *out,
        .name_size = out->namelen < name_room ? out->namelen
                                              : (socklen_t)name_room,
        .name_full = out->namelen,
        .control = at + control_at,
        .control_size = out->controllen,
        .data = at + data_at,
        .size = size - data_at,
        .full = out->payloadlen,
        .flags = (int)out->flags,
    };
    return 0;
}
