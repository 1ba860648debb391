/* SPDX-License-Identifier: MIT */
/*
 * shelf.c - a ring that keeps registered buffers for others
 *
 * Linux clones a table only from a ring that is the calling thread's or
 * nobody's. The rings of loops are somebody's (SINGLE_ISSUER); this one is not.
 * Its queues are never mapped.
 */
#include "ring/shelf.h"

#include <errno.h>
#include <unistd.h>

#include "base/assert.h"
#include "ring/abi_register.h"
#include "ring/feature.h"
#include "ring/syscalls.h"

int ring_shelf_open(int ring)
{
    struct io_uring_params params = { 0 };
    struct io_uring_clone_buffers arg = { .src_fd = (uint32_t)ring };
    int shelf, err;

    if (!ring_feature_allowed(RING_CLONE_BUFFERS))
        return -EOPNOTSUPP;
    shelf = ring_sys_setup(1, &params);
    if (shelf < 0)
        return shelf;
    err = ring_sys_register(shelf, IORING_REGISTER_CLONE_BUFFERS, &arg, 1);
    if (err == 0)
        return shelf;
    ring_shelf_close(shelf);
    return err;
}

void ring_shelf_close(int shelf)
{
    ASSERT(shelf >= 0);
    (void)close(shelf);
}
