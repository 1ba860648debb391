/* SPDX-License-Identifier: MIT */
/*
 * test_post.c - CQEs from one kernel to another, of the same kind or not
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/choose.h"
#include "kernel/post.h"
#include "ring/feature.h"
#include "runner/test.h"
#include "test_emu_world.h"

#define ID(n) ((uint64_t)(n) << 4)

static struct kernel *open_either(bool ring)
{
    struct kernel_options options = { .entries = 8 };
    struct kernel *k;

    if (!ring)
        return world_open(8, 0, 0);
    CHECK_OK(uring_open(&k, &options));
    CHECK_OK(k->class->attach(k));
    return k;
}

/* The next CQE of either queue; the kernel gets its own back. */
static struct io_uring_cqe next(struct kernel *k)
{
    struct io_uring_cqe cqe;

    for (;;) {
        while (cq_take(&k->cq, &cqe)) {
            if ((cqe.user_data & KERNEL_TAG_MASK) != KERNEL_TAG_INTERNAL)
                return cqe;
            k->class->internal(k, &cqe);
        }
        if (k->side_cq != NULL && cq_take(k->side_cq, &cqe))
            return cqe;
        CHECK_GE(k->class->enter(k, 0, 1, KERNEL_FOREVER), 0);
    }
}

static int send_from(struct kernel *from, int address, uint64_t user_data,
                     uint32_t value)
{
    struct io_uring_sqe sqe = {
        .opcode = IORING_OP_MSG_RING,
        .fd = address,
        .off = user_data,
        .len = value,
        .user_data = ID(9),
    };
    enum kernel_route route = from->route[IORING_OP_MSG_RING];

    if (route == KERNEL_ROUTE_LOOK)
        route = from->class->look(from, &sqe);
    if (route == KERNEL_ROUTE_SIDE) {
        CHECK_OK(from->class->side(from, &sqe, 1));
    } else {
        *sq_next(&from->sq) = sqe;
        enter(from, 0);
    }
    struct io_uring_cqe cqe = next(from);

    CHECK_EQ(cqe.user_data, ID(9));
    return cqe.res;
}

static void between(bool from_ring, bool to_ring)
{
    struct kernel *from = open_either(from_ring), *to = open_either(to_ring);
    struct io_uring_cqe cqe;

    CHECK_EQ(kernel_kind_at(to->address),
             to_ring ? KERNEL_RING : KERNEL_BOX);
    for (uint64_t i = 1; i < 30; i++) {
        CHECK_OK(send_from(from, to->address, ID(i), (uint32_t)-i));
        cqe = next(to);
        CHECK_EQ(cqe.user_data, ID(i));
        CHECK_EQ(cqe.res, -(int)i);
        CHECK_EQ(cqe.flags, 0u);
    }
    /* More than the queue holds. */
    for (uint64_t i = 1; i < 30; i++)
        CHECK_OK(send_from(from, to->address, ID(i), 0));
    for (uint64_t i = 1; i < 30; i++)
        CHECK_EQ(next(to).user_data, ID(i));
    to->class->destroy(to);
    from->class->destroy(from);
}

TEST(D7_S1_messages_between_kernels_of_every_kind)
{
    between(false, false);
    if (kernel_uring_refusal() != NULL)
        return;
    between(true, true);
    between(true, false);
    between(false, true);
    CHECK_EQ(ring_features_restrict("send_msg_ring"), 0u);
    between(false, true);
    CHECK_EQ(ring_features_restrict("send_msg_ring,op_msg_ring"), 0u);
    between(true, true);
    between(true, false);
}

static void bad_messages(bool ring)
{
    struct kernel *from = open_either(ring);
    int fds[2];

    make_pipe(fds, 0);
    CHECK_ERR(send_from(from, fds[0], ID(1), 0), -EBADFD);
    CHECK_ERR(send_from(from, 9999, ID(1), 0), -EBADF);
    close_pair(fds);
    if (from->route[IORING_OP_MSG_RING] != KERNEL_ROUTE_SIDE) {
        put(from, IORING_OP_MSG_RING, from->address, NULL, 0, ID(1))
            ->msg_ring_flags = 1U << 9;
        expect(from, ID(1), -EINVAL);
        put(from, IORING_OP_MSG_RING, from->address, (void *)7, 0, ID(1));
        expect(from, ID(1), -EINVAL);
        put(from, IORING_OP_MSG_RING, from->address, NULL, 0, ID(1))
            ->file_index = 1;
        expect(from, ID(1), -EINVAL);
    }
    from->class->destroy(from);
}

TEST(D7_bad_messages_say_why)
{
    bad_messages(false);
    if (kernel_uring_refusal() == NULL)
        bad_messages(true);
}

TEST(D7_a_kernel_that_is_gone_is_not_posted_to)
{
    struct kernel *k = world_open(8, 0, 0);
    int address = k->address;

    CHECK_OK(kernel_post_to(address, ID(1), 1, 0));
    world_close(k);
    CHECK_EQ(kernel_kind_at(address), KERNEL_NONE);
    CHECK_ERR(kernel_post_to(address, ID(1), 1, 0), -EBADF);
}

TEST(D7_without_memory_a_post_is_refused)
{
    struct kernel *k = world_open(8, 0, 0);
    struct io_uring_cqe cqe;

    alloc_fail_nth(1);
    CHECK_ERR(kernel_post_to(k->address, ID(1), 5, 0), -ENOMEM);
    alloc_fail_nth(0);
    enter(k, 0);
    CHECK(!cq_take(&k->cq, &cqe));
    world_close(k);
}
