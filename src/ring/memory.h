/* SPDX-License-Identifier: MIT */
/*
 * memory.h - the ring's memory: where each field lies, and its mapping
 *
 * For setup.c, which makes rings. May rely on ring.h and system calls.
 */
#ifndef RING_MEMORY_H
#define RING_MEMORY_H

#include "ring/ring.h"

/*
 * Memory of one's own for a ring with NO_MMAP, which `params` then names: in
 * ring->memory, with room for a ring of `entries` SQEs (a power of two) and
 * params->cq_entries CQEs (0: twice as many). 0 or a negative errno.
 */
int ring_memory_make(struct ring *ring, struct io_uring_params *params,
                     unsigned entries);

/* Map what `params` describes, and point the queues there. 0 or a negative
 * errno; then ring_close() undoes what was done. */
int ring_map(struct ring *ring, const struct io_uring_params *params);

void ring_unmap(struct ring *ring);

#endif
