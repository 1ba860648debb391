/* SPDX-License-Identifier: MIT */
/*
 * nvme.c - commands for NVMe disks: through the ring, or a call on the pool
 */
#include <gyre/nvme.h>

#include "kernel/nvme.h"
#include "loop/fill/fill.h"

/* Linux wants both from those who ask NVMe disks. */
static bool has_large_queues(const gyre_loop *loop)
{
    const gyre_ring_options *ring = &loop->kernel->ring;

    return (ring->big_sqes || ring->mixed_sqes) &&
           (ring->big_cqes || ring->mixed_cqes);
}

void gyre_op_nvme(gyre_nvme_op *op, const gyre_loop *loop, int fd, bool admin,
                  const gyre_nvme_command *command)
{
    op->command_ = *command;
    op->command_.result = 0;
    op->fd_ = fd;
    op->admin_ = admin;
    op->called_ = !has_large_queues(loop);
    if (op->called_) {
        gyre_op_call(&op->op.op, kernel_nvme_call, op);
        return;
    }
    int err = gyre_op128_command(&op->op, fd,
                                 admin ? KERNEL_NVME_ADMIN : KERNEL_NVME_IO,
                                 &op->command_, KERNEL_NVME_SIZE);

    ASSERT(err == 0);
    (void)err;
}

uint64_t gyre_nvme_op_result(const gyre_nvme_op *op)
{
    uint64_t extra[2];

    if (op->called_)
        return op->command_.result;
    (void)gyre_op_extra(&op->op.op, extra);
    return extra[0];
}
