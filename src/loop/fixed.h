/* SPDX-License-Identifier: MIT */
/*
 * fixed.h - memory that is registered with the kernel, and requests on it
 *
 * A request whose whole buffer, or every part of its vector, lies in one piece
 * of registered memory becomes its fixed variant by itself, on its way into the
 * SQ; the op stays as it was filled, so a retry begins anew. A request that
 * names a registered buffer the kernel does not have (it refused, or the
 * request goes to the co-processor) becomes the plain one, within the same
 * bounds. Who may register is mem/'s matter.
 */
#ifndef LOOP_FIXED_H
#define LOOP_FIXED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/kernel.h"

enum { FIXED_MAX = 1024 }; /* registered at a time, on a loop */

struct fixed_range {
    uintptr_t start;
    size_t size; /* 0: not in use */
    bool with_kernel;
};

struct fixed_table {
    uint32_t count; /* of `order` */
    uint32_t last;  /* the place in it that was found last */
    bool vectors;   /* the kernel has fixed vectors (READV_FIXED, 6.15) */
    bool sockets;   /* and SEND and RECV of registered memory (7.2) */
    uint16_t order[FIXED_MAX]; /* those with the kernel, by their starts */
    struct fixed_range ranges[FIXED_MAX];
};

/* A resource of the kernel's that tells when it is let go: the user_data of its
 * CQE is this address and KERNEL_TAG_GONE. Aligned to 16. */
struct gone_tag {
    void (*gone)(struct gone_tag *tag);
};

void fixed_set(struct fixed_table *table, uint32_t index, const void *memory,
               size_t size, bool with_kernel);
void fixed_clear(struct fixed_table *table, uint32_t index);

/* A request for the kernel that has the table: make it fixed if it can be. True
 * if it was plain. */
bool fixed_apply(struct fixed_table *table, struct io_uring_sqe *sqe);

/* A request for one that does not have it: make it plain. */
void fixed_undo(const struct fixed_table *table, struct io_uring_sqe *sqe);

#endif
