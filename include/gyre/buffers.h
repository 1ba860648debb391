/* SPDX-License-Identifier: MIT */
/*
 * gyre/buffers.h - pools of buffers, slices of them, groups for the kernel
 *
 *     gyre_pool *pool;
 *     int err = gyre_pool_create(&pool, loop, NULL);
 *     char *buffer = gyre_pool_get(pool, 4096);
 *     ...
 *     gyre_pool_put(pool, buffer);
 *
 * Life.     A pool belongs to a loop and is destroyed before it, when all of
 *           its buffers have come back. A group belongs to a pool, and is
 *           destroyed before it, when nothing receives into it any more.
 *
 * Memory.   One mapping, reserved as a whole and used by and by, on huge pages
 *           where there are; registered with the kernel where its limits allow.
 *           A buffer is its receiver's until he gives it back: a buffer given
 *           back twice, or to the wrong pool, panics; in builds with the
 *           address sanitizer so does whoever touches one that is not his.
 *
 * Threads.  The loop's own, except where a call says "any thread".
 */
#ifndef GYRE_BUFFERS_H
#define GYRE_BUFFERS_H

#include <gyre/loop.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_pool gyre_pool;
typedef struct gyre_buffer_group gyre_buffer_group;

typedef enum gyre_pool_pages {
    GYRE_PAGES_HUGE,    /* transparent huge pages, if Linux gives them */
    GYRE_PAGES_SMALL,   /* none: less memory for few buffers */
    GYRE_PAGES_RESERVED /* of vm.nr_hugepages; as the first if there are none */
} gyre_pool_pages;

/* Zero is the default of every member. */
typedef struct gyre_pool_options {
    size_t size;      /* sizeof(gyre_pool_options), or 0 */
    size_t bytes_max; /* of all buffers; 0: 64 MiB; 64 KiB to 64 GiB */
    gyre_pool_pages pages;
    bool unregistered; /* not with the kernel: nothing is locked in memory */
} gyre_pool_options;

/* Make a pool. `options` may be NULL. 0; -EINVAL: a member is out of range;
 * -ENOMEM. That Linux refuses to lock the memory (RLIMIT_MEMLOCK) is no error:
 * then it is not registered (gyre_pool_stats.refused, and one line in the log).
 */
GYRE_API int gyre_pool_create(gyre_pool **pool, gyre_loop *loop,
                              const gyre_pool_options *options) GYRE_MUST_USE;

/* Free it. Panics if a buffer is still out. NULL is allowed. */
GYRE_API void gyre_pool_destroy(gyre_pool *pool);

/* A buffer of at least `size` bytes, aligned to the power of two that it is
 * rounded up to (256 at least). NULL: the pool is exhausted, or `size` is 0 or
 * more than gyre_pool_stats.buffer_max. Its contents are undefined. */
GYRE_API void *gyre_pool_get(gyre_pool *pool, size_t size) GYRE_MUST_USE;

/* Likewise for a task, which waits until there is one, first come, first
 * served: 0 and *buffer; -EINVAL: no such size; -ECANCELED, -ETIME. */
GYRE_API int gyre_pool_get_wait(gyre_pool *pool, size_t size,
                                void **buffer) GYRE_WAITS GYRE_MUST_USE;

/* Give a buffer back. Any thread. NULL is allowed. */
GYRE_API void gyre_pool_put(gyre_pool *pool, void *buffer);

typedef struct gyre_pool_stats {
    size_t size; /* set by the caller: sizeof(gyre_pool_stats) */
    /* Now. */
    uint64_t buffers;    /* out: with users, and with the kernel */
    uint64_t bytes;      /* of these, rounded up as they are */
    uint64_t bytes_held; /* taken from the system, used or not */
    uint64_t registered; /* of these, with the kernel */
    /* Since it was made. */
    uint64_t bytes_peak; /* the most that `bytes` was */
    uint64_t exhausted;  /* gets that found nothing */
    uint64_t foreign;    /* buffers that other threads gave back */
    uint64_t refused;    /* pieces that Linux would not register */
    /* Always. */
    uint64_t bytes_max;
    uint64_t buffer_max; /* the largest buffer */
} gyre_pool_stats;

GYRE_API void gyre_pool_get_stats(gyre_pool *pool, gyre_pool_stats *stats);

/* ---- slices --------------------------------------------------------------
 */

/* A piece of a buffer, and whose it is: `data` and `size` may be changed, to
 * leave out what was read. Copying a slice moves it: one of the copies is
 * released. */
typedef struct gyre_slice {
    void *data;
    size_t size;
    gyre_pool *pool_; /* NULL: holds nothing */
    void *buffer_;
} gyre_slice;

/* Give a slice back; it is empty then, and releasing it again does nothing. Any
 * thread. */
GYRE_API void gyre_slice_release(gyre_slice *slice);

/* ---- groups --------------------------------------------------------------
 *
 * A group is a set of buffers that the kernel picks from when data has come, so
 * that requests that wait hold none (io_uring's provided buffers, since 5.19;
 * before it, and without io_uring, the emulator's). It keeps itself filled from
 * its pool. When the pool has no more, receivers end with -ENOBUFS;
 * gyre/incoming.h waits and goes on by itself.
 */

/* Zero is the default of every member. */
typedef struct gyre_buffer_group_options {
    size_t size;          /* sizeof(gyre_buffer_group_options), or 0 */
    uint32_t count;       /* buffers with the kernel, a power of two up to
                             32768; 0: 64 */
    uint32_t buffer_size; /* 0: 16 KiB */
    /* One buffer is filled by several receives, until it is full. For one
     * receiver of a stream of bytes at a time. Linux has it since 6.12; before,
     * and where it is not to be trusted, each receive takes a buffer. */
    bool incremental;
} gyre_buffer_group_options;

/* Make a group. 0; -EINVAL: a member is out of range; -ENOMEM; -EOPNOTSUPP: by
 * no means. */
GYRE_API int gyre_buffer_group_create(
    gyre_buffer_group **group, gyre_pool *pool,
    const gyre_buffer_group_options *options) GYRE_MUST_USE;

/* Panics if an iterator of gyre/incoming.h is open on it. NULL is allowed. */
GYRE_API void gyre_buffer_group_destroy(gyre_buffer_group *group);

/* Its number, for ops of one's own that select a buffer. */
GYRE_API uint16_t gyre_buffer_group_id(const gyre_buffer_group *group);

/*
 * For callbacks of such ops: take what a completion brought, a slice at a time.
 * False: there is nothing (left) to take. A result with GYRE_CQE_BUFFER has to
 * be taken, also if it is 0 bytes. *result is what remains then.
 */
GYRE_API bool gyre_buffer_group_take(gyre_buffer_group *group,
                                     gyre_result *result, gyre_slice *slice);

typedef struct gyre_buffer_group_stats {
    size_t size;          /* set by the caller */
    uint32_t with_kernel; /* buffers that can be picked */
    uint32_t waiting;     /* iterators that found none and wait for one */
    uint64_t dry;         /* how often one did */
    bool incremental;     /* as asked, and this Linux can */
} gyre_buffer_group_stats;

GYRE_API void gyre_buffer_group_get_stats(const gyre_buffer_group *group,
                                          gyre_buffer_group_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
