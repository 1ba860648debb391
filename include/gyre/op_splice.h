/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_splice.h - requests that move bytes between descriptors, and pipes
 *
 * Each fills a whole op (gyre/op.h). The bytes go through a pipe's buffer and
 * never through the program's memory. "since" is the first Linux that executes
 * the opcode; below it, and without io_uring, gyre emulates it.
 *
 * A loop's close waits for what works on `out`; close `in` only when the op has
 * ended.
 */
#ifndef GYRE_OP_SPLICE_H
#define GYRE_OP_SPLICE_H

#include <gyre/op_file.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * splice(2): up to `size` bytes from `in` to `out`, one of which is a pipe.
 * Offsets in bytes, or GYRE_CURRENT_POSITION, which a pipe or socket needs
 * (-ESPIPE). `flags` is a set of SPLICE_F_. Result: bytes, mostly fewer than
 * asked for; 0 at the end of `in`. Waits for bytes and for room, but of a
 * descriptor with O_NONBLOCK, or with SPLICE_F_NONBLOCK, it says -EAGAIN
 * instead. -EPIPE: nobody reads from `out` (no SIGPIPE comes). While Linux
 * waits for a blocking socket it keeps the pipe locked, and whoever reads or
 * writes that blocks: sockets had better be non-blocking. since 5.7
 */
GYRE_API void gyre_op_splice(gyre_op *op, int in, uint64_t in_offset, int out,
                             uint64_t out_offset, uint32_t size,
                             unsigned flags);

/* tee(2): as splice from one pipe to another, but the bytes also stay where
 * they are. since 5.8 */
GYRE_API void gyre_op_tee(gyre_op *op, int in, int out, uint32_t size,
                          unsigned flags);

/*
 * pipe2(2), with O_CLOEXEC added: result 0, and fds[0] is to be read, fds[1] to
 * be written. `fds` is held until the last completion. A cancelled request that
 * still succeeds delivers both. since 6.16
 */
GYRE_API void gyre_op_pipe(gyre_op *op, int fds[2], int flags);

#ifdef __cplusplus
}
#endif

#endif
