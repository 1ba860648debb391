/* SPDX-License-Identifier: MIT */
/*
 * setup.c - rings: made, mapped, given back
 *
 * A ring of Linux is mapped here, with the flags that the program has asked
 * for; an emulated one brings its memory along.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "emulated.h"
#include "kernel/options.h"
#include "library.h"

#define FEATURES_NEEDED (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_EXT_ARG)

/* Of memory that is locked, on Linux before 5.12. */
enum { QUEUES_HEADER = 320, CACHE_LINE = 64 };

/* ---- mapping Linux's ----------------------------------------------------- */

static size_t sqe_size(const struct io_uring_params *params)
{
    return (params->flags & IORING_SETUP_SQE128) != 0
               ? 2 * sizeof(struct io_uring_sqe)
               : sizeof(struct io_uring_sqe);
}

static size_t cqe_size(const struct io_uring_params *params)
{
    return (params->flags & IORING_SETUP_CQE32) != 0
               ? 2 * sizeof(struct io_uring_cqe)
               : sizeof(struct io_uring_cqe);
}

static size_t queues_size(const struct io_uring_params *params)
{
    size_t sq = params->sq_off.array;
    size_t cq = params->cq_off.cqes + params->cq_entries * cqe_size(params);

    if ((params->flags & IORING_SETUP_NO_SQARRAY) == 0)
        sq += params->sq_entries * sizeof(uint32_t);
    return sq > cq ? sq : cq;
}

static void *map(int fd, size_t size, uint64_t offset)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);

    return memory != MAP_FAILED ? memory : NULL;
}

static void point_into(struct io_uring *ring, char *at,
                       const struct io_uring_params *params)
{
    struct io_uring_sq *sq = &ring->sq;
    struct io_uring_cq *cq = &ring->cq;

    sq->head = (void *)(at + params->sq_off.head);
    sq->tail = (void *)(at + params->sq_off.tail);
    sq->mask_there = (void *)(at + params->sq_off.ring_mask);
    sq->entries_there = (void *)(at + params->sq_off.ring_entries);
    sq->flags = (void *)(at + params->sq_off.flags);
    sq->dropped = (void *)(at + params->sq_off.dropped);
    if ((params->flags & IORING_SETUP_NO_SQARRAY) == 0)
        sq->array = (void *)(at + params->sq_off.array);
    sq->mask = *sq->mask_there;
    sq->entries = *sq->entries_there;

    cq->head = (void *)(at + params->cq_off.head);
    cq->tail = (void *)(at + params->cq_off.tail);
    cq->mask_there = (void *)(at + params->cq_off.ring_mask);
    cq->entries_there = (void *)(at + params->cq_off.ring_entries);
    cq->overflow = (void *)(at + params->cq_off.overflow);
    cq->cqes = (void *)(at + params->cq_off.cqes);
    if (params->cq_off.flags != 0)
        cq->flags = (void *)(at + params->cq_off.flags);
    cq->mask = *cq->mask_there;
    cq->entries = *cq->entries_there;
}

/* Linux 5.11 at least, though by itself gyre chooses younger ones only. */
static int map_native(int fd, const struct io_uring_params *params,
                      struct io_uring *ring)
{
    size_t size = queues_size(params);
    char *memory;
    int saved = errno;

    if ((params->features & FEATURES_NEEDED) != FEATURES_NEEDED)
        return -EOPNOTSUPP;
    memory = map(fd, size, IORING_OFF_SQ_RING);
    if (memory == NULL) {
        int error = -errno;

        errno = saved;
        return error;
    }
    ring->sq.sqes =
        map(fd, params->sq_entries * sqe_size(params), IORING_OFF_SQES);
    if (ring->sq.sqes == NULL) {
        int error = -errno;

        (void)munmap(memory, size);
        errno = saved;
        return error;
    }
    ring->sq.ring = ring->cq.ring = memory;
    ring->sq.ring_size = ring->cq.ring_size = size;
    point_into(ring, memory, params);
    return 0;
}

int io_uring_queue_mmap(int fd, struct io_uring_params *params,
                        struct io_uring *ring)
{
    struct emulated *e = library_is_native() ? NULL : emulated_get(fd);
    int error = 0;

    memset(ring, 0, sizeof *ring);
    if (e != NULL) {
        emulated_map(e, params, ring);
        emulated_put(e);
    } else {
        error = library_is_native() ? map_native(fd, params, ring) : -EBADF;
    }
    if (error == 0) {
        ring->flags = params->flags;
        ring->features = params->features;
        ring->ring_fd = ring->enter_ring_fd = fd;
    }
    return error;
}

/* ---- making one ---------------------------------------------------------- */

static void give_back(int fd)
{
    struct emulated *e = library_is_native() ? NULL : emulated_get(fd);
    int saved = errno;

    if (e != NULL) {
        emulated_close(e, fd);
        emulated_put(e);
    } else {
        (void)close(fd);
    }
    errno = saved;
}

int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                               struct io_uring_params *params)
{
    int fd = library_setup(entries, params);
    int error;

    if (fd < 0)
        return fd;
    error = io_uring_queue_mmap(fd, params, ring);
    if (error != 0) {
        give_back(fd);
        return error;
    }
    if (ring->sq.array != NULL)
        for (uint32_t i = 0; i < ring->sq.entries; i++)
            ring->sq.array[i] = i;
    return 0;
}

int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
    struct io_uring_params params = { .flags = flags };

    return io_uring_queue_init_params(entries, ring, &params);
}

void io_uring_queue_exit(struct io_uring *ring)
{
    struct io_uring_params params = { .flags = ring->flags };

    if ((ring->int_flags & LIBRARY_REGISTERED) != 0)
        (void)io_uring_unregister_ring_fd(ring);
    if ((ring->int_flags & LIBRARY_EMULATED) == 0) {
        (void)munmap(ring->sq.sqes, ring->sq.entries * sqe_size(&params));
        (void)munmap(ring->sq.ring, ring->sq.ring_size);
    }
    if (ring->ring_fd >= 0)
        give_back(ring->ring_fd);
}

/* An emulated ring is of no use to a child in any case. */
int io_uring_ring_dontfork(struct io_uring *ring)
{
    struct io_uring_params params = { .flags = ring->flags };

    if (ring->sq.ring == NULL || ring->sq.sqes == NULL)
        return -EINVAL;
    if ((ring->int_flags & LIBRARY_EMULATED) != 0)
        return 0;
    if (madvise(ring->sq.sqes, ring->sq.entries * sqe_size(&params),
                MADV_DONTFORK) < 0 ||
        madvise(ring->sq.ring, ring->sq.ring_size, MADV_DONTFORK) < 0)
        return -errno;
    return 0;
}

/* ---- what a ring is like ------------------------------------------------- */

struct io_uring_probe *io_uring_get_probe_ring(struct io_uring *ring)
{
    struct io_uring_probe *probe =
        alloc_zeroed(1, sizeof *probe + 256 * sizeof probe->ops[0]);

    if (probe != NULL && io_uring_register_probe(ring, probe, 256) < 0) {
        alloc_free(probe);
        probe = NULL;
    }
    return probe;
}

struct io_uring_probe *io_uring_get_probe(void)
{
    struct io_uring_probe *probe;
    struct io_uring ring;

    if (io_uring_queue_init(2, &ring, 0) < 0)
        return NULL;
    probe = io_uring_get_probe_ring(&ring);
    io_uring_queue_exit(&ring);
    return probe;
}

void io_uring_free_probe(struct io_uring_probe *probe)
{
    alloc_free(probe);
}

static size_t whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = 1;

    while (pages * page < size)
        pages *= 2;
    return pages * page;
}

/* The numbers that a ring would have; Linux counts its memory against the limit
 * of locked memory before 5.12 only. */
ssize_t io_uring_mlock_size_params(unsigned entries,
                                   struct io_uring_params *params)
{
    struct io_uring_params tried = { 0 };
    struct kernel_options options = {
        .entries = entries,
        .clamp = (params->flags & IORING_SETUP_CLAMP) != 0,
    };
    struct io_uring ring;
    size_t cqes;

    if (io_uring_queue_init_params(entries, &ring, &tried) == 0)
        io_uring_queue_exit(&ring);
    if ((tried.features & IORING_FEAT_NATIVE_WORKERS) != 0)
        return 0;
    if ((params->flags & IORING_SETUP_CQSIZE) != 0) {
        options.cq_entries = params->cq_entries;
        if (params->cq_entries == 0)
            return -EINVAL;
    }
    if (kernel_options_resolve(&options, &options, NULL) != 0)
        return -EINVAL;
    cqes = options.cq_entries != 0 ? options.cq_entries : 2 * options.entries;
    cqes = cqes * cqe_size(params) + QUEUES_HEADER;
    cqes = (cqes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    return (ssize_t)(whole_pages(cqes) +
                     whole_pages(options.entries * sqe_size(params)));
}

ssize_t io_uring_mlock_size(unsigned entries, unsigned flags)
{
    struct io_uring_params params = { .flags = flags };

    return io_uring_mlock_size_params(entries, &params);
}
