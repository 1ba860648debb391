/* SPDX-License-Identifier: MIT */
/*
 * timeout.c - the kernel's timers
 */
#include <gyre/op_timeout.h>

#include "loop/fill/fill.h"

void gyre_op_timeout(gyre_op *op, const void *time, uint32_t count,
                     unsigned flags)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_TIMEOUT, -1, time, 1, count);

    sqe->timeout_flags = flags;
}

/* The target is named by its present start, so that an update that comes too
 * late finds nothing. */
static struct io_uring_sqe *fill_for(gyre_op *op, const gyre_op *target)
{
    struct io_uring_sqe *sqe =
        op_fill(op, IORING_OP_TIMEOUT_REMOVE, -1, NULL, 0, 0);

    ASSERT_API(target->state_ != OP_IDLE,
               "the target is idle: only a started timeout can be changed");
    op_aim(op, target);
    return sqe;
}

void gyre_op_timeout_update(gyre_op *op, const gyre_op *target,
                            const void *time, unsigned flags)
{
    struct io_uring_sqe *sqe = fill_for(op, target);

    sqe->addr2 = (uintptr_t)time;
    sqe->timeout_flags = flags | IORING_TIMEOUT_UPDATE;
}

void gyre_op_timeout_remove(gyre_op *op, const gyre_op *target)
{
    fill_for(op, target);
}

void gyre_op_timeout_ns(gyre_op *op, uint64_t ns, uint32_t count,
                        unsigned flags)
{
    gyre_op_timeout(op, NULL, count, flags | IORING_TIMEOUT_IMMEDIATE_ARG);
    gyre_op_sqe(op)->addr = ns;
}

void gyre_op_timeout_update_ns(gyre_op *op, const gyre_op *target, uint64_t ns,
                               unsigned flags)
{
    gyre_op_timeout_update(op, target, NULL,
                           flags | IORING_TIMEOUT_IMMEDIATE_ARG);
    gyre_op_sqe(op)->addr2 = ns;
}

static void split(int64_t time[2], uint64_t ns)
{
    time[0] = (int64_t)(ns / GYRE_SECOND);
    time[1] = (int64_t)(ns % GYRE_SECOND);
}

void gyre_timeout_op_fill(gyre_timeout_op *op, uint64_t ns, uint32_t count,
                          unsigned flags)
{
    split(op->time_, ns);
    gyre_op_timeout(&op->op, op->time_, count, flags);
}

void gyre_timeout_op_update(gyre_timeout_op *op, const gyre_op *target,
                            uint64_t ns, unsigned flags)
{
    split(op->time_, ns);
    gyre_op_timeout_update(&op->op, target, op->time_, flags);
}
