/* SPDX-License-Identifier: MIT */
/*
 * rewind.c - an SQ that begins at its first place each time
 *
 * With SQ_REWIND Linux takes as many SQEs as enter() names from the first place
 * on, and neither reads the tail nor moves the head: the same few cache lines
 * are used again and again. So both are words of ours, moved here; what Linux
 * has not taken is moved to the front.
 */
#include <string.h>

#include "kernel/uring/uring.h"
#include "ring/syscalls.h"

void uring_rewind_begin(struct uring *uring)
{
    uring->rewinds = true;
    uring->kernel.sq.head = &uring->rewind_head;
    uring->kernel.sq.tail = &uring->rewind_tail;
}

static void took(struct sq *sq, uint32_t taken)
{
    uint32_t head = atomic_load_explicit(sq->head, memory_order_relaxed);
    uint32_t left;

    ASSERT(taken <= sq_used(sq) && head == sq->base);
    head += taken;
    atomic_store_explicit(sq->head, head, memory_order_relaxed);
    left = sq_used(sq);
    memmove(sq->sqes, sq_at(sq, head), (size_t)left * sq->stride);
    sq->base = head;
}

int uring_enter_rewinding(struct uring *uring, unsigned submit, unsigned want,
                          unsigned flags, const void *argument, size_t size)
{
    int result =
        ring_sys_enter(uring->enter_fd, submit, want, flags, argument, size);

    if (result > 0)
        took(&uring->kernel.sq, (uint32_t)result);
    return result;
}
