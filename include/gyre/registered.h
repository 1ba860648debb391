/* SPDX-License-Identifier: MIT */
/*
 * gyre/registered.h - memory registered with the kernel
 *
 *     int index = gyre_buffers_register(loop, memory, 1 << 20);
 *     gyre_op_read(&op, fd, memory, 4096, 0);       becomes a fixed read
 *
 * Linux then need not look the pages up for each request, nor count who uses
 * them: a gain for small direct I/O and for zero-copy sends. Every read, write
 * and zero-copy send whose whole buffer, or all of its vector, lies in one
 * piece of registered memory becomes its fixed variant by itself
 * (gyre_loop_stats.fixed), with the same results; so do sends and receives
 * where Linux knows them (7.2). Pools (gyre/buffers.h) register themselves.
 *
 * Life.     Registered until it is unregistered, or the loop is destroyed. Ops
 *           in flight keep what they use; `gone` is called when the kernel has
 *           let go of it (before Linux 6.13, also of all that was registered
 *           before it and has been unregistered). When the loop has been
 *           destroyed nobody uses any of it, and `gone` is not called any more.
 *
 * Memory.   The caller's. Registering locks it: it counts for RLIMIT_MEMLOCK.
 *           If Linux refuses, that is no error: requests are plain then, with
 *           the same results (gyre_buffers_stats.refused; one line in the log).
 *           It must not be unmapped or remapped while it is registered.
 *
 * Threads.  The loop's own.
 */
#ifndef GYRE_REGISTERED_H
#define GYRE_REGISTERED_H

#include <gyre/loop.h>
#include <gyre/op.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iovec;

/* Called on the loop's thread when the kernel has let go of a piece of memory;
 * until then the loop does not run out of things to do. */
typedef void gyre_buffers_gone_fn(void *user);

/* Register `size` bytes, at most 1 TiB: the index. -EINVAL: no such size;
 * -ENOSPC: 1024 pieces are registered; -ENOMEM: no memory for the table;
 * -EFAULT: there is no memory there. Before Linux 7.2 what is larger than 1 GiB
 * goes to it in parts, which count like pieces: requests that cross from one to
 * the next are plain. */
GYRE_API int gyre_buffers_register(gyre_loop *loop, void *memory,
                                   size_t size) GYRE_MUST_USE;

/* Let the index mean other memory. 0, and `gone` (may be NULL) is called for
 * the old. Errors as above, and -EINVAL for an index that is not in use: then
 * nothing has changed. */
GYRE_API int gyre_buffers_update(gyre_loop *loop, unsigned index, void *memory,
                                 size_t size, gyre_buffers_gone_fn *gone,
                                 void *user) GYRE_MUST_USE;

/* Unregister. `gone` may be NULL. 0; -EINVAL: the index is not in use. */
GYRE_API int gyre_buffers_unregister(gyre_loop *loop, unsigned index,
                                     gyre_buffers_gone_fn *gone, void *user);

/*
 * Have all that is registered on `from`, under the same indices, so that ops
 * filled with an index can be started on either. 0; -EBUSY: the loop has
 * registered memory of its own; else as gyre_buffers_register(), and nothing is
 * registered. `from` may belong to another thread, and must not change
 * meanwhile.
 *
 * If the loops are of one thread, the memory is locked and counted once, by
 * Linux's CLONE_BUFFERS (6.12). Else, and before that, it is registered again;
 * between threads share it instead.
 */
GYRE_API int gyre_buffers_clone(gyre_loop *loop,
                                const gyre_loop *from) GYRE_MUST_USE;

/*
 * Share what is registered now with loops of other threads:
 *
 *     err = gyre_buffers_share(loop, &shared);       on the loop's thread
 *     err = gyre_buffers_adopt(other, shared);       on the other's, or others'
 *     gyre_shared_buffers_destroy(shared);           when all have it
 *
 * Each loop has it under the same indices, unregisters it by itself, and keeps
 * it when the first one ends. It stays locked until the last of them, and
 * `shared`, has let go of it; it is counted once (gyre_buffers_stats.shared).
 * since 6.12; before that, and for a loop with other memory 6.13, it is
 * registered again.
 *
 * `gone` of memory that came this way, or by a clone, is called when nothing
 * that is in flight on its loop can use it: all vectors can.
 */
typedef struct gyre_shared_buffers gyre_shared_buffers;

/* 0 or -ENOMEM. Any thread may use and destroy the result. */
GYRE_API int gyre_buffers_share(gyre_loop *loop,
                                gyre_shared_buffers **shared) GYRE_MUST_USE;

/* 0; -EBUSY: one of the indices is in use here; -ENOMEM, -EFAULT: and nothing
 * is registered. */
GYRE_API int gyre_buffers_adopt(
    gyre_loop *loop, const gyre_shared_buffers *shared) GYRE_MUST_USE;

/* NULL is allowed. */
GYRE_API void gyre_shared_buffers_destroy(gyre_shared_buffers *shared);

typedef struct gyre_buffers_stats {
    size_t size;          /* set by the caller: sizeof(gyre_buffers_stats) */
    uint32_t count;       /* pieces registered now */
    uint32_t with_kernel; /* of these, by the kernel, too */
    uint32_t in_parts;    /* others, in parts of 1 GiB, if it took these */
    uint32_t shared;      /* pieces and parts locked by another loop's doing */
    uint64_t bytes;
    uint64_t bytes_with_kernel; /* locked in memory */
    uint64_t refused;           /* pieces that the kernel would not register */
} gyre_buffers_stats;

GYRE_API void gyre_buffers_get_stats(const gyre_loop *loop,
                                     gyre_buffers_stats *stats);

/* Read into, write from, registered memory by its index. `offset` and result as
 * gyre_op_read(); -EFAULT: the buffer does not lie in that piece. The buffer is
 * held until the last completion. since 5.1 */
GYRE_API void gyre_op_read_fixed(gyre_op *op, int fd, void *buffer,
                                 uint32_t size, uint64_t offset,
                                 unsigned index);
GYRE_API void gyre_op_write_fixed(gyre_op *op, int fd, const void *buffer,
                                  uint32_t size, uint64_t offset,
                                  unsigned index);

/* Likewise, over `count` vectors that all lie in that piece, none of them
 * empty: else -EFAULT. The array is held until submission. since 6.15; before
 * that, plain vectors within the same bounds */
GYRE_API void gyre_op_readv_fixed(gyre_op *op, int fd, const struct iovec *iov,
                                  unsigned count, uint64_t offset,
                                  unsigned index);
GYRE_API void gyre_op_writev_fixed(gyre_op *op, int fd, const struct iovec *iov,
                                   unsigned count, uint64_t offset,
                                   unsigned index);

#ifdef __cplusplus
}
#endif

#endif
