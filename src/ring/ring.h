/* SPDX-License-Identifier: MIT */
/*
 * ring.h - making a ring, and asking Linux what it can do
 *
 * A ring is set up with the best flags that this Linux takes and GYRE_WITHOUT
 * leaves (see feature.h). There is one ladder for how completions reach us,
 *
 *   SINGLE_ISSUER | DEFER_TASKRUN | TASKRUN_FLAG | R_DISABLED
 *   COOP_TASKRUN | TASKRUN_FLAG
 *   nothing
 *
 * and each of SUBMIT_ALL and NO_SQARRAY is taken where it is there. Only flags
 * are decided here; the two queues are the same on every rung. What a program
 * asked for goes before: the rungs that it excludes are left out.
 *
 * Memory.  The ring's memory is not inherited by a child of fork(), and all its
 *          descriptors are close-on-exec.
 */
#ifndef RING_RING_H
#define RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/abi.h"
#include "ring/abi_register.h"
#include "ring/feature.h"
#include "ring/queue.h"

#define RING_ENTRIES_MAX 32768U
#define RING_CQ_ENTRIES_MAX (2 * RING_ENTRIES_MAX)

/* With no memory for more, a ring may get as few entries as this. */
#define RING_ENTRIES_ENOUGH 64U

struct ring {
    int fd; /* -1: closed */
    uint32_t setup_flags;
    uint32_t features;  /* without what GYRE_WITHOUT takes away */
    bool absolute_wait; /* enter takes ABS_TIMER */
    struct sq sq;
    struct cq cq;

    void *memory; /* heads, tails, flags, CQEs, the array of indices */
    size_t memory_size;
    void *sqes;
    size_t sqes_size;
};

/* Which opcodes this Linux executes, and which features of opcodes it has. */
struct ring_opcodes {
    bool has[256];
    bool feature[RING_FEATURE_COUNT]; /* those that no setup flag is about */
};

/* What a ring is to be. */
struct ring_wanted {
    unsigned entries;       /* SQEs: 1 .. RING_ENTRIES_MAX */
    unsigned cq_entries;    /* 0: Linux's choice, twice the SQEs */
    uint32_t flags;         /* IORING_SETUP_*, beside those of the ladder */
    uint32_t never;         /* of the ladder's, these must not be */
    uint32_t sq_thread_cpu; /* with SQ_AFF */
    uint32_t sq_thread_idle_ms;
    int share_fd; /* with ATTACH_WQ: whose worker threads */
};

/*
 * Make a ring. Short of memory it may be smaller than was wanted. With
 * R_DISABLED in ring->setup_flags, ring_enable() has to follow on the thread
 * that will use it. 0 or a negative errno: as io_uring_setup(2) and mmap(2),
 * -EINVAL if Linux refuses `wanted->flags` with every flag of the ladder and
 * with none, or -EPROTO if it describes a ring that cannot be, or -EOPNOTSUPP
 * if its io_uring has no single mapping or no EXT_ARG (Linux < 5.11).
 */
int ring_open(struct ring *ring, const struct ring_wanted *wanted);

/* The same, with nothing asked for but its size. */
static inline int ring_open_plain(struct ring *ring, unsigned entries,
                                  unsigned cq_entries)
{
    const struct ring_wanted wanted = { .entries = entries,
                                        .cq_entries = cq_entries };

    return ring_open(ring, &wanted);
}

/* Make the calling thread the one that uses the ring. */
int ring_enable(struct ring *ring);

/*
 * Give a deferring ring queues of these sizes (powers of two), with what lies
 * in them and the same counters; what is written of the SQ must be published.
 * 0, or a negative errno, and nothing has changed: -EINVAL before Linux 6.13.
 */
int ring_resize(struct ring *ring, unsigned entries, unsigned cq_entries);

/* Give everything back; a closed ring is allowed. */
void ring_close(struct ring *ring);

/* The mapping must cover every field that `params` names: -EPROTO if not. */
int ring_layout_check(const struct io_uring_params *params, size_t memory_size);

/* How large the mapping of a ring is. */
size_t ring_memory_size(const struct io_uring_params *params);

/* By PROBE; without it, by QUERY; without both, what 5.5 had. */
void ring_probe(const struct ring *ring, struct ring_opcodes *opcodes);

/* The masks of Linux 6.18 and later; false if it does not tell. */
bool ring_query(struct io_uring_query_opcode *answer);

/* What it has of zero-copy receive; likewise. */
bool ring_query_zcrx(struct io_uring_query_zcrx *answer);

/* The number of opcodes of io_uring_register(2) that are known: by QUERY; else
 * IORING_REGISTER_LAST, and Linux answers EINVAL itself. */
unsigned ring_register_opcodes(void);

#endif
