/* SPDX-License-Identifier: MIT */
/*
 * memory.h - the ring's memory: where each field lies, and its mapping
 *
 * For setup.c, which makes rings. May rely on ring.h and system calls.
 */
#ifndef RING_MEMORY_H
#define RING_MEMORY_H

#include "ring/ring.h"

/* Map what `params` describes, and point the queues there. 0 or a negative
 * errno; then ring_close() undoes what was done. */
int ring_map(struct ring *ring, const struct io_uring_params *params);

void ring_unmap(struct ring *ring);

#endif
