/* SPDX-License-Identifier: MIT */
/*
 * gyre/direct.h - files without the page cache (O_DIRECT)
 *
 *     fd = gyre_open(path, O_RDWR | O_DIRECT, 0);
 *     gyre_direct direct;
 *     err = gyre_direct_of(fd, &direct);
 *     buf = gyre_direct_alloc(&direct, size);
 *     n = gyre_read(fd, buf, size, gyre_direct_down(&direct, where));
 *
 * Such a file wants the buffer's address, the offset and the size to be
 * multiples of something, and says -EINVAL when they are not. The reads and
 * writes are those of gyre/file.h.
 *
 * The tail. A file need not end at such a multiple. A read of the whole last
 * part is allowed, and is short. To write one: write it padded to
 * gyre_direct_up(), and then cut the file by gyre_ftruncate().
 *
 * Threads.  All but gyre_direct_of() from any thread.
 */
#ifndef GYRE_DIRECT_H
#define GYRE_DIRECT_H

#include <gyre/file.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In bytes, powers of two. */
typedef struct gyre_direct {
    uint32_t memory; /* of which each buffer's address is a multiple */
    uint32_t offset; /* and each offset and size */
} gyre_direct;

/* For the mask of a statx (gyre/op_file.h) whose result gyre_direct_from()
 * reads. */
#define GYRE_STATX_DIOALIGN 0x2000U

/*
 * What the file of that statx wants: 0. -EOPNOTSUPP: the file cannot be opened
 * with O_DIRECT. Before Linux 6.1, and where the file system does not tell,
 * both are 4096, which is right for every disk whose blocks are not larger.
 */
GYRE_API int gyre_direct_from(const struct statx *status,
                              gyre_direct *direct) GYRE_MUST_USE;

/* The same of an open file, on a task: also the errors of gyre_statx(), and its
 * behaviour when the scope is cancelled. */
GYRE_API int gyre_direct_of(int fd, gyre_direct *direct) GYRE_WAITS;

/* A buffer of `size` bytes, rounded up by gyre_direct_up(); zeroed. NULL: there
 * is no memory. Given back by gyre_direct_free(); NULL is allowed. */
GYRE_API void *gyre_direct_alloc(const gyre_direct *direct,
                                 size_t size) GYRE_MUST_USE;
GYRE_API void gyre_direct_free(void *buffer);

/* The next multiple of direct->offset that is not above, not below `n`. */
static inline uint64_t gyre_direct_down(const gyre_direct *direct, uint64_t n)
{
    return n & ~(uint64_t)(direct->offset - 1);
}

static inline uint64_t gyre_direct_up(const gyre_direct *direct, uint64_t n)
{
    return gyre_direct_down(direct, n + direct->offset - 1);
}

#ifdef __cplusplus
}
#endif

#endif
