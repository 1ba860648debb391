/* SPDX-License-Identifier: MIT */
/*
 * nvme.h - commands for NVMe disks by ioctl, and how Linux numbers them
 */
#ifndef KERNEL_NVME_H
#define KERNEL_NVME_H

#include <gyre/nvme.h>

/* sqe.cmd_op: _IOWR('N', 0x80, 72 bytes), and 0x82. */
#define KERNEL_NVME_IO UINT32_C(0xc0484e80)
#define KERNEL_NVME_ADMIN UINT32_C(0xc0484e82)
#define KERNEL_NVME_SIZE 72U /* of the command without its result */

/* For KERNEL_OP_CALL: `argument` is the gyre_nvme_op. */
int kernel_nvme_call(void *argument);

#endif
