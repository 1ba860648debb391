/* SPDX-License-Identifier: MIT */
/*
 * gyre/nvme.h - commands for NVMe disks, past file systems and the block layer
 *
 *     fd = gyre_open("/dev/ng0n1", O_RDWR, 0);
 *     err = gyre_nvme_read(fd, 1, block, 8, buffer, 8 * 512);
 *
 * A namespace's own device (/dev/ng0n1) takes reads, writes and the like, the
 * controller's (/dev/nvme0) the administrative ones. Numbers and fields are
 * those of the NVM Express specification.
 *
 * Loops.    On one with big_sqes or mixed_sqes, and big_cqes or mixed_cqes
 *           (gyre/ring.h), Linux takes commands through the ring, since 5.19.
 *           On any other, and on the emulator, they are an ioctl on the pool,
 *           with the same results, and the device may be /dev/nvme0n1 as well.
 *
 * Results.  0; a status of the disk's, more than 0 (its type and code); or a
 *           negative errno: -EACCES, -EPERM (Linux lets root do all, others a
 *           few since 6.2), -ENOTTY or -EOPNOTSUPP (no such device), -EINVAL,
 *           -EINTR (the disk was taken away).
 *
 * Memory.   Buffers are held until the last completion. Linux copies where they
 *           are not aligned to four bytes.
 *
 * Cancel.   The disk goes on: the call returns when it has answered. On the
 *           pool, what no thread has taken yet ends at once.
 */
#ifndef GYRE_NVME_H
#define GYRE_NVME_H

#include <gyre/op_command.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All but `result` are for the caller to set; what is not used is zero. */
typedef struct gyre_nvme_command {
    uint8_t opcode;
    uint8_t flags;
    uint16_t reserved1;
    uint32_t nsid; /* the namespace */
    uint32_t cdw2;
    uint32_t cdw3;
    uint64_t metadata;
    uint64_t address; /* of the buffer, and its bytes */
    uint32_t metadata_size;
    uint32_t size;
    uint32_t cdw10;
    uint32_t cdw11;
    uint32_t cdw12;
    uint32_t cdw13;
    uint32_t cdw14;
    uint32_t cdw15;
    uint32_t timeout_ms; /* 0: Linux's choice */
    uint32_t reserved2;
    uint64_t result; /* what the disk answered beside its status */
} gyre_nvme_command;

/* Start, cancel and receive it by op.op. Private but for that. */
typedef struct gyre_nvme_op {
    gyre_op128 op;
    gyre_nvme_command command_;
    int fd_;
    bool admin_;
    bool called_;
} gyre_nvme_op;

/* Fill an op with a copy of the command, to be started on `loop` and no other.
 * `admin`: it is for the controller. */
GYRE_API void gyre_op_nvme(gyre_nvme_op *op, const gyre_loop *loop, int fd,
                           bool admin, const gyre_nvme_command *command);

/* What the disk answered beside its status, in `done`. */
GYRE_API uint64_t gyre_nvme_op_result(const gyre_nvme_op *op);

/* ---- for tasks ----------------------------------------------------------- */

/* Any command; command->result is set. */
GYRE_API int gyre_nvme(int fd, bool admin,
                       gyre_nvme_command *command) GYRE_WAITS;

/* What it is: 4096 bytes, of a namespace (`structure` 0), or of the controller
 * (1, and `nsid` 0), or a list (2). */
GYRE_API int gyre_nvme_identify(int fd, uint32_t nsid, uint8_t structure,
                                void *page) GYRE_WAITS;

/* `blocks` (1 to 65536) from number `block` on; `size` is that many times the
 * block size that the namespace is formatted with. */
GYRE_API int gyre_nvme_read(int fd, uint32_t nsid, uint64_t block,
                            uint32_t blocks, void *buffer,
                            size_t size) GYRE_WAITS;
GYRE_API int gyre_nvme_write(int fd, uint32_t nsid, uint64_t block,
                             uint32_t blocks, const void *buffer,
                             size_t size) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
