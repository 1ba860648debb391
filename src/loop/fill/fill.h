/* SPDX-License-Identifier: MIT */
/*
 * fill.h - what every function that fills an op does
 *
 * Each writes the whole op, so that it can be called on any memory. Fields that
 * are not named are zero, which is what the kernel asks of what it does not
 * use. Numbers and layouts: io_uring_enter(2).
 */
#ifndef LOOP_FILL_FILL_H
#define LOOP_FILL_FILL_H

#include <gyre/op_slot.h>
#include <gyre/op_socket.h>
#include <string.h>

#include "loop/loop.h"

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

/* What the op works on: a descriptor, or the handle of a slot. */
static inline void op_fill_fd(struct io_uring_sqe *sqe, int fd)
{
    if (UNLIKELY(gyre_is_slot(fd))) {
        sqe->fd = (int)gyre_slot_number(fd);
        sqe->flags = IOSQE_FIXED_FILE;
    } else {
        sqe->fd = fd;
    }
}

/* Where the bytes come from, if there is a second one. */
static inline void op_fill_fd_in(struct io_uring_sqe *sqe, int fd)
{
    if (UNLIKELY(gyre_is_slot(fd))) {
        sqe->splice_fd_in = (int)gyre_slot_number(fd);
        sqe->splice_flags |= SPLICE_F_FD_IN_FIXED;
    } else {
        sqe->splice_fd_in = fd;
    }
}

static inline struct io_uring_sqe *op_fill(gyre_op *op, uint8_t opcode, int fd,
                                           const void *address, size_t length,
                                           uint64_t offset)
{
    struct io_uring_sqe *sqe = gyre_op_sqe(op);

    op_clear(op);
    sqe->opcode = opcode;
    op_fill_fd(sqe, fd);
    sqe->addr = (uintptr_t)address;
    sqe->len = length < LENGTH_MAX ? (uint32_t)length : LENGTH_MAX;
    sqe->off = offset;
    return sqe;
}

/* The flags of a receive or, with MSG_NOSIGNAL in `more`, of a send. */
static inline void op_set_flags(struct io_uring_sqe *sqe, int flags, int more)
{
    if ((flags & GYRE_POLL_FIRST) != 0)
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    sqe->msg_flags = (uint32_t)((flags & ~GYRE_POLL_FIRST) | more);
}

/* An address beside the bytes of a send. */
static inline void op_set_address(struct io_uring_sqe *sqe,
                                  const struct sockaddr *to, socklen_t size)
{
    if (to == NULL)
        return;
    sqe->addr2 = (uintptr_t)to;
    /* What is too long stays too long. */
    sqe->addr_len = size < UINT16_MAX ? (uint16_t)size : UINT16_MAX;
}

#endif
