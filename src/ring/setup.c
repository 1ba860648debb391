/* SPDX-License-Identifier: MIT */
/*
 * setup.c - the ladder of setup flags
 *
 * A Linux of 6.18 or later tells by QUERY which flags it knows, and the first
 * attempt is right. An older one answers EINVAL to a flag it does not know; the
 * newest flag of the attempt is then left out, and so on. Mainline and the
 * distributions add these flags in the same order, so the attempt that succeeds
 * has every flag that this Linux knows.
 */
#include <errno.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "ring/feature.h"
#include "ring/memory.h"
#include "ring/ring.h"
#include "ring/syscalls.h"

#define LATE_MS_MAX 512U

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

/* One attempt, with these flags: a descriptor, or a negative errno. */
static int attempt(struct ring *ring, struct io_uring_params *params,
                   const struct ring_wanted *wanted, uint32_t flags)
{
    int fd;

    *params = (struct io_uring_params){
        .flags = flags | wanted->flags |
                 (wanted->cq_entries != 0 ? IORING_SETUP_CQSIZE : 0),
        .cq_entries = wanted->cq_entries,
        .sq_thread_cpu = wanted->sq_thread_cpu,
        .sq_thread_idle = wanted->sq_thread_idle_ms,
        .wq_fd = (uint32_t)wanted->share_fd,
    };
    if ((params->flags & IORING_SETUP_NO_MMAP) != 0) {
        int err = ring_memory_make(ring, params, wanted->entries);

        if (err < 0)
            return err;
    }
    fd = ring_sys_setup(wanted->entries, params);
    if (fd < 0)
        ring_unmap(ring);
    return fd;
}

static int setup(struct ring *ring, struct io_uring_params *params,
                 const struct ring_wanted *wanted)
{
    struct io_uring_query_opcode query;
    uint32_t allowed = ring_setup_flags_allowed();
    uint32_t known = allowed & ~excluded_by(wanted);

    if ((wanted->flags & ~allowed) != 0)
        return -EINVAL; /* as a Linux that lacks it */
    if (ring_query(&query))
        known &= (uint32_t)query.ring_setup_flags;
    for (;;) {
        uint32_t flags = best_flags(known);

        int fd = attempt(ring, params, wanted, flags);

        if (fd != -EINVAL)
            return fd;
        if (newest_of(flags) == 0)
            return -EINVAL;
        known &= ~newest_of(flags);
    }
}

/*
 * Linux gives back what a closed ring has locked a little later. Whoever may
 * lock little, and has closed a ring, waits for that before he is told that
 * there is no memory: LATE_MS_MAX for the last time, almost twice that in all.
 */
static int setup_patiently(struct ring *ring, struct io_uring_params *params,
                           const struct ring_wanted *wanted)
{
    int saved = errno;
    int fd = setup(ring, params, wanted);

    for (unsigned ms = 1; fd == -ENOMEM && ms <= LATE_MS_MAX; ms *= 2) {
        if (wanted->entries > RING_ENTRIES_ENOUGH ||
            !atomic_load_explicit(&closed_one, memory_order_relaxed))
            break;
        struct timespec left = { .tv_nsec = ms * 1000000L };

        while (nanosleep(&left, &left) < 0 && errno == EINTR)
            ;
        fd = setup(ring, params, wanted);
    }
    errno = saved;
    return fd;
}

static int open_once(struct ring *ring, const struct ring_wanted *wanted)
{
    struct io_uring_params params;
    int fd = setup_patiently(ring, &params, wanted);

    if (fd < 0)
        return fd;
    ring->fd = fd;
    ring->setup_flags = params.flags;
    ring->features = params.features & ring_features_allowed();
    /* ABS_TIMER has no bit of its own: it came with MIN_TIMEOUT. */
    ring->absolute_wait = (params.features & IORING_FEAT_MIN_TIMEOUT) != 0 &&
                          ring_feature_allowed(RING_EXT_ARG_ABS);
    int err = ring_map(ring, &params);

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

void ring_close(struct ring *ring)
{
    int saved = errno;

    if (ring->fd < 0)
        return;
    ring_unmap(ring);
    close(ring->fd);
    atomic_store_explicit(&closed_one, true, memory_order_relaxed);
    *ring = (struct ring){ .fd = -1 };
    errno = saved;
}
