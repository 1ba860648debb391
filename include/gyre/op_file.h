/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_file.h - requests on files
 *
 * Each fills a whole op (gyre/op.h). Results are those of the system call of
 * the same name (see its man page and io_uring_enter(2)). "since" is the first
 * Linux that executes the opcode; below it, and without io_uring, gyre emulates
 * it.
 */
#ifndef GYRE_OP_FILE_H
#define GYRE_OP_FILE_H

#include <gyre/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iovec;
struct open_how;
struct statx;

#define GYRE_CURRENT_POSITION UINT64_MAX

/* `offset` in bytes, or GYRE_CURRENT_POSITION (also for what cannot seek:
 * pipes, sockets, terminals). Result: bytes, 0 at the end. Buffers are held
 * until the last completion; the iovec array until submission. since 5.6,
 * vectors 5.1 */
GYRE_API void gyre_op_read(gyre_op *op, int fd, void *buffer, uint32_t size,
                           uint64_t offset);
GYRE_API void gyre_op_write(gyre_op *op, int fd, const void *buffer,
                            uint32_t size, uint64_t offset);
GYRE_API void gyre_op_readv(gyre_op *op, int fd, const struct iovec *iov,
                            unsigned count, uint64_t offset);
GYRE_API void gyre_op_writev(gyre_op *op, int fd, const struct iovec *iov,
                             unsigned count, uint64_t offset);

/* Likewise, with the RWF_ flags of preadv2(2): -EAGAIN with RWF_NOWAIT,
 * -EOPNOTSUPP for what this Linux or this file does not know. RWF_HIPRI is for
 * loops with gyre_ring_options.iopoll. For one buffer use one vector. since 5.1
 */
GYRE_API void gyre_op_readv2(gyre_op *op, int fd, const struct iovec *iov,
                             unsigned count, uint64_t offset, int flags);
GYRE_API void gyre_op_writev2(gyre_op *op, int fd, const struct iovec *iov,
                              unsigned count, uint64_t offset, int flags);

/* Result: a descriptor, opened with O_CLOEXEC added. The path (and `how`) is
 * held until submission. A cancelled open that still succeeds delivers its
 * descriptor. since 5.6 */
GYRE_API void gyre_op_openat(gyre_op *op, int dirfd, const char *path,
                             int flags, unsigned mode);
GYRE_API void gyre_op_openat2(gyre_op *op, int dirfd, const char *path,
                              struct open_how *how);

/* Cancel what this loop has started on the descriptor, wait for it, close. (The
 * kernel's close alone would leave it waiting on a file that has no number any
 * more.) since 5.6 */
GYRE_API void gyre_op_close(gyre_op *op, int fd);

/* `result` is held until the last completion, the path until submission. Of the
 * open file `dirfd` itself: AT_EMPTY_PATH, and the path is "" or NULL.
 * since 5.6 */
GYRE_API void gyre_op_statx(gyre_op *op, int dirfd, const char *path, int flags,
                            unsigned mask, struct statx *result);

/* fsync(2), or fdatasync(2) if `data_only`. since 5.1 */
GYRE_API void gyre_op_fsync(gyre_op *op, int fd, bool data_only);

/*
 * sync_file_range(2): `flags` is a set of SYNC_FILE_RANGE_; `size` 0 is all to
 * the end of the file, and so is one of 4 GiB or more, for which Linux has no
 * room. -ESPIPE: not a file. Makes nothing durable: that is fsync's. since 5.2
 */
GYRE_API void gyre_op_sync_file_range(gyre_op *op, int fd, uint64_t offset,
                                      uint64_t size, unsigned flags);

/* fallocate(2): `mode` is 0 or a set of FALLOC_FL_. -EOPNOTSUPP: the file
 * system cannot; -ENOSPC, -EFBIG. since 5.6 */
GYRE_API void gyre_op_fallocate(gyre_op *op, int fd, int mode, uint64_t offset,
                                uint64_t size);

/* ftruncate(2). -EINVAL: not open for writing, or no file. since 6.9 */
GYRE_API void gyre_op_ftruncate(gyre_op *op, int fd, uint64_t size);

/* posix_fadvise(2): `advice` is a POSIX_FADV_; `size` 0 is all up to the end.
 * since 5.6, sizes of 4 GiB and more 6.11 */
GYRE_API void gyre_op_fadvise(gyre_op *op, int fd, uint64_t offset,
                              uint64_t size, int advice);

/* madvise(2) on this process's memory, `memory` at a page's begin; the range is
 * held until the last completion. since 5.6, sizes as above */
GYRE_API void gyre_op_madvise(gyre_op *op, void *memory, size_t size,
                              int advice);

/* getdents64(2): directory entries into `buffer`. Result: bytes, 0 at the end.
 * Linux has no opcode for it: executed on the blocking pool. */
GYRE_API void gyre_op_getdents(gyre_op *op, int fd, void *buffer,
                               uint32_t size);

/* ---- ops that carry copies of their small arguments --------------------
 *
 * The arguments of these are borrowed: they may go as soon as the call returns.
 * Start, cancel and receive them by their member `op`, which comes first.
 */

#define GYRE_PATH_SIZE 4096

typedef struct gyre_path_op {
    gyre_op op;
    uint64_t how_[3];
    char path_[GYRE_PATH_SIZE];
} gyre_path_op;

/* -ENAMETOOLONG if the path with its NUL does not fit. */
GYRE_API int gyre_path_op_openat(gyre_path_op *op, int dirfd, const char *path,
                                 int flags, unsigned mode) GYRE_MUST_USE;
GYRE_API int gyre_path_op_openat2(gyre_path_op *op, int dirfd, const char *path,
                                  const struct open_how *how) GYRE_MUST_USE;
GYRE_API int gyre_path_op_statx(gyre_path_op *op, int dirfd, const char *path,
                                int flags, unsigned mask,
                                struct statx *result) GYRE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
