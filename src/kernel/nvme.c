/* SPDX-License-Identifier: MIT */
/*
 * nvme.c - see nvme.h
 *
 * The ioctl's struct is the command of the ring with the result behind it, so
 * one layout serves both.
 */
#include "kernel/nvme.h"

#include <errno.h>
#include <linux/nvme_ioctl.h>
#include <sys/ioctl.h>

#include "base/assert.h"

_Static_assert(sizeof(gyre_nvme_command) == sizeof(struct nvme_passthru_cmd64),
               "the layout is the ioctl's");
_Static_assert(offsetof(gyre_nvme_command, result) ==
                   offsetof(struct nvme_passthru_cmd64, result),
               "with the result at its end");
_Static_assert(offsetof(gyre_nvme_command, result) == KERNEL_NVME_SIZE,
               "before which it is the ring's");

int kernel_nvme_call(void *argument)
{
    gyre_nvme_op *op = argument;
    unsigned long request = op->admin_ ? NVME_IOCTL_ADMIN64_CMD
                                       : NVME_IOCTL_IO64_CMD;
    int saved = errno;
    int result = ioctl(op->fd_, request, &op->command_);

    if (result < 0) {
        result = -errno;
        errno = saved;
    }
    return result;
}
