/* SPDX-License-Identifier: MIT */
/*
 * memory.c - the ring's memory: where each field lies, and its mapping
 *
 * Linux tells where in the mapping each field lies. Linux itself can be trusted
 * with that, but what answers may be something else that plays Linux, so each
 * offset is checked against the mapping's size before it is used.
 */
#include "ring/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "ring/syscalls.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define SMALL_PAGE ((size_t)64 << 10) /* of any machine */
#define HEADS_SIZE 512                /* heads, tails, flags: 64 so far */

static size_t cqe_size(const struct io_uring_params *params)
{
    bool big = (params->flags & IORING_SETUP_CQE32) != 0;

    return sizeof(struct io_uring_cqe) << big;
}

static uint32_t sqe_size(const struct io_uring_params *params)
{
    return (params->flags & IORING_SETUP_SQE128) != 0 ? SQE_SIZE_BIG : SQE_SIZE;
}

static enum cq_form form_of(const struct io_uring_params *params)
{
    if ((params->flags & IORING_SETUP_CQE32) != 0)
        return CQ_BIG;
    return (params->flags & IORING_SETUP_CQE_MIXED) != 0 ? CQ_MIXED : CQ_SMALL;
}

size_t ring_memory_size(const struct io_uring_params *params)
{
    size_t cq = params->cq_off.cqes + params->cq_entries * cqe_size(params);
    size_t sq = params->sq_off.array + params->sq_entries * sizeof(uint32_t);

    if ((params->flags & IORING_SETUP_NO_SQARRAY) != 0)
        return cq;
    return sq > cq ? sq : cq;
}

static bool is_power_of_two(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

int ring_layout_check(const struct io_uring_params *params, size_t memory_size)
{
    const struct io_sqring_offsets *sq = &params->sq_off;
    const struct io_cqring_offsets *cq = &params->cq_off;
    const uint32_t words[] = {
        sq->head, sq->tail, sq->ring_mask, sq->ring_entries, sq->flags,
        cq->head, cq->tail, cq->ring_mask, cq->ring_entries, cq->flags,
    };

    if (!is_power_of_two(params->sq_entries) ||
        !is_power_of_two(params->cq_entries) ||
        params->sq_entries > RING_ENTRIES_MAX ||
        params->cq_entries > RING_CQ_ENTRIES_MAX)
        return -EPROTO;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (words[i] % sizeof(uint32_t) != 0 ||
            words[i] > memory_size - sizeof(uint32_t))
            return -EPROTO;
    }
    if (cq->cqes % sizeof(uint64_t) != 0 ||
        ring_memory_size(params) > memory_size)
        return -EPROTO;
    return 0;
}

/* Memory for `size` bytes in huge pages, if Linux has any: a child of fork()
 * must not have it, either. */
static void *map_huge(size_t size)
{
    char *from = alloc_must_fail()
                     ? MAP_FAILED
                     : mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (from == MAP_FAILED)
        return NULL;
    before = (HUGE_PAGE - (uintptr_t)from % HUGE_PAGE) % HUGE_PAGE;
    if (before > 0)
        munmap(from, before);
    if (before < HUGE_PAGE)
        munmap(from + before + size, HUGE_PAGE - before);
    from += before;
    (void)madvise(from, size, MADV_HUGEPAGE);
    if (madvise(from, size, MADV_DONTFORK) != 0) {
        munmap(from, size);
        return NULL;
    }
    memset(from, 0, size); /* faults it in, a huge page at a time */
    return from;
}

static size_t round_to(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

/* Where the fields lie is told afterwards; this is more than they take. */
int ring_memory_make(struct ring *ring, struct io_uring_params *params,
                     unsigned entries)
{
    size_t cqes = params->cq_entries != 0 ? params->cq_entries : 2 * entries;
    size_t queues = round_to(HEADS_SIZE + cqes * cqe_size(params) +
                                 entries * sizeof(uint32_t),
                             SMALL_PAGE);
    size_t size =
        round_to(queues + (size_t)entries * sqe_size(params), HUGE_PAGE);
    int saved = errno;
    char *memory;

    ASSERT(is_power_of_two(entries)); /* Linux would round it up */
    memory = map_huge(size);

    errno = saved;
    if (memory == NULL)
        return -ENOMEM;
    ring->memory = memory;
    ring->memory_size = size;
    ring->sqes = memory + queues;
    params->cq_off.user_addr = (uintptr_t)memory;
    params->sq_off.user_addr = (uintptr_t)ring->sqes;
    return 0;
}

/* Memory of the ring, which a child of fork() must not have: its writes would
 * reach the parent's ring. */
static int map(int fd, uint64_t offset, size_t size, void **memory)
{
    if (alloc_must_fail())
        return -ENOMEM;

    int saved = errno;
    void *address = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);

    if (address == MAP_FAILED) {
        int error = errno;

        errno = saved;
        return -error;
    }
    if (madvise(address, size, MADV_DONTFORK) != 0) {
        int error = errno;

        munmap(address, size);
        errno = saved;
        return -error;
    }
    *memory = address;
    return 0;
}

static _Atomic uint32_t *word_at(const struct ring *ring, uint32_t offset)
{
    return (_Atomic uint32_t *)(void *)((char *)ring->memory + offset);
}

static void point_queues(struct ring *ring,
                         const struct io_uring_params *params)
{
    const struct io_sqring_offsets *sq = &params->sq_off;
    const struct io_cqring_offsets *cq = &params->cq_off;

    ring->sq = (struct sq){
        .head = word_at(ring, sq->head),
        .tail = word_at(ring, sq->tail),
        .flags = word_at(ring, sq->flags),
        .sqes = ring->sqes,
        .entries = params->sq_entries,
        .mask = params->sq_entries - 1,
        .stride = sqe_size(params),
    };
    ring->cq = (struct cq){
        .head = word_at(ring, cq->head),
        .tail = word_at(ring, cq->tail),
        .flags = word_at(ring, cq->flags),
        .cqes = (void *)((char *)ring->memory + cq->cqes),
        .entries = params->cq_entries,
        .mask = params->cq_entries - 1,
        .form = (uint8_t)form_of(params),
    };
    if ((params->flags & IORING_SETUP_NO_SQARRAY) != 0)
        return;

    /* Slot n always holds SQE n: the array says nothing, once for all. */
    for (uint32_t i = 0; i < params->sq_entries; i++)
        atomic_store_explicit(word_at(ring, sq->array + i * 4), i,
                              memory_order_relaxed);
}

static int map_both(struct ring *ring, const struct io_uring_params *params)
{
    size_t size = (size_t)params->sq_entries * sqe_size(params);
    int err;

    ring->memory_size = ring_memory_size(params);
    err = map(ring->fd, IORING_OFF_SQ_RING, ring->memory_size, &ring->memory);
    if (err == 0)
        err = map(ring->fd, IORING_OFF_SQES, size, &ring->sqes);
    if (err == 0)
        ring->sqes_size = size;
    return err;
}

/* Our own memory: is it as large as what Linux says lies there? */
static int lies_within(const struct ring *ring,
                       const struct io_uring_params *params)
{
    size_t queues = (size_t)((char *)ring->sqes - (char *)ring->memory);
    size_t sqes = (size_t)params->sq_entries * sqe_size(params);

    return ring_memory_size(params) <= queues &&
                   queues + sqes <= ring->memory_size
               ? 0
               : -EPROTO;
}

int ring_map(struct ring *ring, const struct io_uring_params *params)
{
    const uint32_t needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_EXT_ARG;
    int err;

    if ((ring->features & needed) != needed)
        return -EOPNOTSUPP;
    err = ring_layout_check(params, ring_memory_size(params));
    if (err == 0)
        err = (params->flags & IORING_SETUP_NO_MMAP) != 0
                  ? lies_within(ring, params)
                  : map_both(ring, params);
    if (err == 0)
        point_queues(ring, params);
    return err;
}

void ring_unmap(struct ring *ring)
{
    if (ring->sqes_size > 0)
        munmap(ring->sqes, ring->sqes_size);
    if (ring->memory != NULL)
        munmap(ring->memory, ring->memory_size);
    ring->sqes = ring->memory = NULL;
    ring->sqes_size = 0;
}

/* As if the first place had been taken before: see cq_take_sized(). */
static void mark_first(struct cq *cq)
{
    uint32_t head = atomic_load_explicit(cq->head, memory_order_relaxed);

    if (((0 - head) & cq->mask) >= cq_counted(cq))
        cq->cqes[0].flags = IORING_CQE_F_SKIP;
}

int ring_resize(struct ring *ring, unsigned entries, unsigned cq_entries)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_CQSIZE,
        .sq_entries = entries,
        .cq_entries = cq_entries,
    };
    struct ring old = *ring;

    if ((ring->setup_flags & IORING_SETUP_NO_MMAP) != 0)
        return -EOPNOTSUPP;
    int err =
        ring_sys_register(ring->fd, IORING_REGISTER_RESIZE_RINGS, &params, 1);

    if (err < 0)
        return err;
    params.flags |= ring->setup_flags;
    ring->memory = ring->sqes = NULL;
    err = ring_map(ring, &params);
    if (err < 0) {
        /* Linux has moved, and so must we: in the place of the old ones. */
        ring_unmap(ring);
        ring_unmap(&old);
        err = ring_map(ring, &params);
        ASSERT_API(err == 0, "no memory to map a ring that has grown: leave "
                             "cq_entries_max out, or raise ulimit -v");
    }
    ring->sq.filled = old.sq.filled;
    if (ring->cq.form == CQ_MIXED)
        mark_first(&ring->cq);
    ring_unmap(&old);
    return 0;
}
