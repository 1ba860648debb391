/* SPDX-License-Identifier: MIT */
/*
 * mail.c - CQEs that others send to a ring
 *
 * Linux 6.13 puts a CQE into a ring for anybody who has its descriptor. Before
 * that, and when Linux refuses (the ring is not enabled yet, no memory), it
 * goes into a box, and the wake lets the owner move it to the CQ of the
 * co-processor, which is made for it if need be.
 */
#include <errno.h>

#include "kernel/emu/emu.h"
#include "kernel/uring/uring.h"
#include "ring/feature.h"
#include "ring/syscalls.h"

int uring_post(struct kernel *kernel, uint64_t user_data, int32_t res,
               uint32_t flags)
{
    struct uring *uring = uring_of(kernel);
    struct io_uring_sqe sqe = {
        .opcode = IORING_OP_MSG_RING,
        .fd = uring->ring.fd,
        .off = user_data,
        .len = (uint32_t)res,
        .msg_ring_flags = flags != 0 ? IORING_MSG_RING_FLAGS_PASS : 0,
        .file_index = flags,
    };
    int error;

    /* What is in the box came first. */
    if (ring_feature_allowed(RING_SEND_MSG_RING) &&
        post_box_is_empty(&uring->mail) &&
        ring_sys_register(-1, IORING_REGISTER_SEND_MSG_RING, &sqe, 1) == 0)
        return 0;
    error = post_box_put(&uring->mail, user_data, res, flags);
    if (error == 0)
        uring_wake(kernel);
    return error;
}

/* Without a co-processor, or an owner, there is no table. */
int uring_give(struct kernel *kernel, const void *from, int fd, uint32_t index,
               uint64_t user_data)
{
    struct uring *uring = uring_of(kernel);
    struct kernel *side =
        kernel->files_emulated
            ? atomic_load_explicit(&uring->seen_side, memory_order_acquire)
            : NULL;

    if (side != NULL)
        return emu_give(side, kernel, from, fd, index, user_data);
    if (fd < 0)
        return fd;
    return index == IORING_FILE_INDEX_ALLOC ? -ENFILE : -ENXIO;
}

void uring_mail_collect(struct uring *uring)
{
    /* Without memory or descriptors for it: the next turn tries again. */
    if (uring->side == NULL && uring_side_open(uring) != 0) {
        uring_wake(&uring->kernel);
        return;
    }
    emu_deliver(uring->side, post_box_take(&uring->mail));
}
