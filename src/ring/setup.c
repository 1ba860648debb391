/* SPDX-License-Identifier: MIT */
/*
 * setup.c - the ladder of setup flags, and the ring's memory
 *
 * A Linux of 6.18 or later tells by QUERY which flags it knows, and the first
 * attempt is right. An older one answers EINVAL to a flag it does not know; the
 * newest flag of the attempt is then left out, and so on. Mainline and the
 * distributions add these flags in the same order, so the attempt that succeeds
 * has every flag that this Linux knows.
 *
 * Linux tells where in the mapping each field lies. Linux itself can be trusted
 * with that, but what answers may be something else that plays Linux, so each
 * offset is checked against the mapping's size before it is used.
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "ring/feature.h"
#include "ring/ring.h"
#include "ring/syscalls.h"

#define LATE_MS_MAX 64U

static atomic_bool closed_one; /* this process has closed a ring */

static const uint32_t rungs[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

static const uint32_t extras = IORING_SETUP_SUBMIT_ALL |
                               IORING_SETUP_NO_SQARRAY;

/* What to leave out after EINVAL: newest first. */
static const uint32_t newest_first[] = {
    IORING_SETUP_NO_SQARRAY,    /* 6.6 */
    IORING_SETUP_DEFER_TASKRUN, /* 6.1 */
    IORING_SETUP_COOP_TASKRUN,  /* 5.19 */
    IORING_SETUP_SUBMIT_ALL,    /* 5.18 */
};

/* What Linux refuses of the ladder beside what was asked for. A thread that
 * polls the SQ runs all deferred work itself. */
static uint32_t excluded_by(const struct ring_wanted *wanted)
{
    uint32_t flags = wanted->never;

    if ((wanted->flags & IORING_SETUP_SQPOLL) != 0)
        flags |= IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG;
    return flags;
}

/* The highest rung of which every flag is known, and the known extras. */
static uint32_t best_flags(uint32_t known)
{
    size_t rung = 0;

    while ((rungs[rung] & ~known) != 0) {
        rung++;
        ASSERT(rung < ARRAY_SIZE(rungs));
    }
    return rungs[rung] | (extras & known);
}

static uint32_t newest_of(uint32_t flags)
{
    for (size_t i = 0; i < ARRAY_SIZE(newest_first); i++) {
        if ((flags & newest_first[i]) != 0)
            return newest_first[i];
    }
    return 0;
}

static int setup(struct io_uring_params *params,
                 const struct ring_wanted *wanted)
{
    struct io_uring_query_opcode query;
    uint32_t allowed = ring_setup_flags_allowed();
    uint32_t known = allowed & ~excluded_by(wanted);

    if ((wanted->flags & ~allowed) != 0)
        return -EINVAL;

    if ((wanted->flags & ~ring_setup_flags_allowed()) != 0)
        return -EINVAL; /* as a Linux that lacks it */
    if (ring_query(&query))
        known &= (uint32_t)query.ring_setup_flags;
    for (;;) {
        uint32_t flags = best_flags(known);

        *params = (struct io_uring_params){
            .flags = flags | wanted->flags |
                     (wanted->cq_entries != 0 ? IORING_SETUP_CQSIZE : 0),
            .cq_entries = wanted->cq_entries,
            .sq_thread_cpu = wanted->sq_thread_cpu,
            .sq_thread_idle = wanted->sq_thread_idle_ms,
            .wq_fd = (uint32_t)wanted->share_fd,
        };
        int fd = ring_sys_setup(wanted->entries, params);

        if (fd != -EINVAL)
            return fd;
        if (newest_of(flags) == 0)
            return -EINVAL;
        known &= ~newest_of(flags);
    }
}

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

/* Map what `params` describes. On failure ring_close() undoes what was done. */
static int map_ring(struct ring *ring, const struct io_uring_params *params)
{
    const uint32_t needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_EXT_ARG;

    if ((ring->features & needed) != needed)
        return -EOPNOTSUPP;

    size_t memory_size = ring_memory_size(params);
    size_t sqes_size = (size_t)params->sq_entries * sqe_size(params);
    int err = ring_layout_check(params, memory_size);

    if (err != 0)
        return err;
    err = map(ring->fd, IORING_OFF_SQ_RING, memory_size, &ring->memory);
    if (err != 0)
        return err;
    ring->memory_size = memory_size;
    err = map(ring->fd, IORING_OFF_SQES, sqes_size, &ring->sqes);
    if (err != 0)
        return err;
    ring->sqes_size = sqes_size;
    point_queues(ring, params);
    return 0;
}

/*
 * Linux gives back what a closed ring has locked a little later. Whoever may
 * lock little, and has closed a ring, waits for that before he is told that
 * there is no memory: LATE_MS_MAX for the last time, almost twice that in all.
 */
static int setup_patiently(struct io_uring_params *params,
                           const struct ring_wanted *wanted)
{
    int saved = errno;
    int fd = setup(params, wanted);

    for (unsigned ms = 1; fd == -ENOMEM && ms <= LATE_MS_MAX; ms *= 2) {
        if (wanted->entries > RING_ENTRIES_ENOUGH ||
            !atomic_load_explicit(&closed_one, memory_order_relaxed))
            break;
        nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
        fd = setup(params, wanted);
    }
    errno = saved;
    return fd;
}

static int open_once(struct ring *ring, const struct ring_wanted *wanted)
{
    struct io_uring_params params;
    int fd = setup_patiently(&params, wanted);

    if (fd < 0)
        return fd;
    *ring = (struct ring){
        .fd = fd,
        .setup_flags = params.flags,
        .features = params.features & ring_features_allowed(),
        /* ABS_TIMER has no bit of its own: it came with MIN_TIMEOUT. */
        .absolute_wait = (params.features & IORING_FEAT_MIN_TIMEOUT) != 0 &&
                         ring_feature_allowed(RING_EXT_ARG_ABS),
    };
    int err = map_ring(ring, &params);

    if (err != 0)
        ring_close(ring);
    return err;
}

int ring_open(struct ring *ring, const struct ring_wanted *wanted)
{
    struct ring_wanted less = *wanted;

    ASSERT(less.entries >= 1 && less.entries <= RING_ENTRIES_MAX);
    ASSERT(less.cq_entries <= RING_CQ_ENTRIES_MAX);
    *ring = (struct ring){ .fd = -1 };
    for (;;) {
        int err = open_once(ring, &less);

        if (err != -ENOMEM || less.entries <= RING_ENTRIES_ENOUGH)
            return err;
        less.entries /= 2;
        less.cq_entries /= 2;
    }
}

int ring_enable(struct ring *ring)
{
    ASSERT(ring->fd >= 0);
    if ((ring->setup_flags & IORING_SETUP_R_DISABLED) == 0)
        return 0;
    return ring_sys_register(ring->fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static void unmap_ring(struct ring *ring)
{
    if (ring->sqes != NULL)
        munmap(ring->sqes, ring->sqes_size);
    if (ring->memory != NULL)
        munmap(ring->memory, ring->memory_size);
    ring->sqes = ring->memory = NULL;
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
    int err =
        ring_sys_register(ring->fd, IORING_REGISTER_RESIZE_RINGS, &params, 1);

    if (err < 0)
        return err;
    params.flags |= ring->setup_flags;
    ring->memory = ring->sqes = NULL;
    err = map_ring(ring, &params);
    if (err < 0) {
        /* Linux has moved, and so must we: in the place of the old ones. */
        unmap_ring(ring);
        unmap_ring(&old);
        err = map_ring(ring, &params);
        ASSERT_API(err == 0, "no memory to map a ring that has grown: leave "
                             "cq_entries_max out, or raise ulimit -v");
    }
    ring->sq.filled = old.sq.filled;
    if (ring->cq.form == CQ_MIXED)
        mark_first(&ring->cq);
    unmap_ring(&old);
    return 0;
}

void ring_close(struct ring *ring)
{
    int saved = errno;

    if (ring->fd < 0)
        return;
    unmap_ring(ring);
    close(ring->fd);
    atomic_store_explicit(&closed_one, true, memory_order_relaxed);
    *ring = (struct ring){ .fd = -1 };
    errno = saved;
}
