/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_command.h - commands that a driver understands, and what is large
 *
 *     gyre_op128 op;
 *     int err = gyre_op128_command(&op, fd, NVME_URING_CMD_IO, &cmd, 72);
 *     gyre_op_start(loop, &op.op, done, user);
 *
 * A command is a number and some bytes, whose meaning is that of the file: of a
 * socket (gyre/op_socket.h has words for those), a disk, a device of one's own.
 * Up to 16 bytes fit in any op, up to 80 in a gyre_op128, whose request is of
 * 128 bytes. A file that knows no commands, or not this one, answers
 * -EOPNOTSUPP, -ENOTTY or -EINVAL.
 *
 * Loops.    A gyre_op128 is for a loop with big_sqes or mixed_sqes
 *           (gyre/ring.h); on any other it ends with -EOPNOTSUPP, as it does in
 *           a chain. What a command answers beyond its result needs big_cqes or
 *           mixed_cqes: gyre_op_extra(). Some drivers want both, among them
 *           NVMe (gyre/nvme.h).
 *
 * Memory.   The bytes are copied. What they point to is the driver's from start
 *           to last completion.
 *
 * Cancel.   If the driver can; else the command goes on to its end.
 */
#ifndef GYRE_OP_COMMAND_H
#define GYRE_OP_COMMAND_H

#include <gyre/op.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GYRE_COMMAND_SIZE 16
#define GYRE_COMMAND128_SIZE 80

/*
 * `command` with `size` bytes, the rest zero. 0, or -EMSGSIZE: too many, and
 * the op is not filled. since 5.19. The emulator knows the commands of sockets
 * and the discard below.
 */
GYRE_API int gyre_op_command(gyre_op *op, int fd, uint32_t command,
                             const void *bytes, size_t size) GYRE_MUST_USE;
GYRE_API int gyre_op128_command(gyre_op128 *op, int fd, uint32_t command,
                                const void *bytes, size_t size) GYRE_MUST_USE;

/* The memory that the filled command names lies in the registered piece of this
 * index (gyre/registered.h), which spares Linux the look-up. since 6.1 */
GYRE_API void gyre_op_command_set_buffer(gyre_op *op, unsigned index);

/* Does nothing, by 128 bytes; result 0. */
GYRE_API void gyre_op128_nop(gyre_op128 *op);

/*
 * Tell a disk that these bytes of it are not needed any more: 0. What is read
 * there afterwards is the disk's matter. Both are multiples of its block size
 * (-EINVAL); -EOPNOTSUPP: it cannot, or is none; -EPERM, -EBADF: it is not open
 * for writing. since 6.12; below, by ioctl(BLKDISCARD) on the pool.
 */
GYRE_API void gyre_op_discard(gyre_op *op, int fd, uint64_t offset,
                              uint64_t size);

#ifdef __cplusplus
}
#endif

#endif
