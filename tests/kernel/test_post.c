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
#include "ring/abi_register.h"
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
        int result = k->class->enter(k, 0, 1, KERNEL_FOREVER);

        /* Linux interrupts the thread of a ring that it puts a file into. */
        CHECK(result >= 0 || result == -EINTR);
    }
}

static int run(struct kernel *from, struct io_uring_sqe sqe)
{
    const struct io_uring_sqe asked = sqe;
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
    if (route == KERNEL_ROUTE_EXPORT && cqe.res >= 0)
        return kernel_give_away(asked.fd, cqe.res, asked.file_index, asked.off);
    return cqe.res;
}

static int send_from(struct kernel *from, int address, uint64_t user_data,
                     uint32_t value)
{
    return run(from, (struct io_uring_sqe){ .opcode = IORING_OP_MSG_RING,
                                            .fd = address,
                                            .off = user_data,
                                            .len = value,
                                            .user_data = ID(9) });
}

static void between(bool from_ring, bool to_ring)
{
    struct kernel *from = open_either(from_ring), *to = open_either(to_ring);
    struct io_uring_cqe cqe;

    CHECK_EQ(kernel_kind_at(to->address), to_ring ? KERNEL_RING : KERNEL_BOX);
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

/* ---- files --------------------------------------------------------------- */

static void make_table(struct kernel *k, uint32_t count)
{
    struct io_uring_rsrc_register table = {
        .nr = count, .flags = IORING_RSRC_REGISTER_SPARSE
    };

    CHECK_OK(k->class->reg(k, IORING_REGISTER_FILES2, &table, sizeof table));
}

static void set_slot(struct kernel *k, uint32_t slot, int fd)
{
    struct io_uring_rsrc_update update = { .offset = slot,
                                           .data = (uintptr_t)&fd };

    CHECK_EQ(k->class->reg(k, IORING_REGISTER_FILES_UPDATE, &update, 1), 1);
}

static int pass(struct kernel *from, const struct kernel *to, uint32_t slot,
                uint32_t index)
{
    return run(from, (struct io_uring_sqe){ .opcode = IORING_OP_MSG_RING,
                                            .fd = to->address,
                                            .off = ID(1),
                                            .addr = IORING_MSG_SEND_FD,
                                            .addr3 = slot,
                                            .file_index = index,
                                            .user_data = ID(9) });
}

static void arrives(struct kernel *to, int32_t res)
{
    struct io_uring_cqe cqe = next(to);

    CHECK_EQ(cqe.user_data, ID(1));
    CHECK_EQ(cqe.res, res);
    CHECK_EQ(cqe.flags, 0u);
}

static void files_between(bool from_ring, bool to_ring)
{
    struct kernel *from = open_either(from_ring), *to = open_either(to_ring);
    uint32_t any = IORING_FILE_INDEX_ALLOC;
    int fds[2];
    char byte;

    make_pipe(fds, O_NONBLOCK);
    make_table(from, 2);
    set_slot(from, 1, fds[1]);
    close(fds[1]);
    CHECK_ERR(pass(from, to, 1, any), -ENFILE);
    CHECK_ERR(pass(from, to, 1, 1), -ENXIO);
    make_table(to, 2);
    CHECK_EQ(pass(from, to, 1, any), 0);
    arrives(to, 0);
    CHECK_EQ(pass(from, to, 1, any), 1);
    arrives(to, 1);
    CHECK_ERR(pass(from, to, 1, any), -ENFILE);
    CHECK_EQ(pass(from, to, 1, 2), 0);
    arrives(to, 0);
    CHECK_ERR(pass(from, to, 1, 3), -EINVAL);
    CHECK_ERR(pass(from, to, 1, 0), -EINVAL);
    CHECK_ERR(pass(from, to, 0, 1), -EBADF);
    CHECK_ERR(pass(from, to, 2, 1), -EBADF);
    CHECK_ERR(pass(from, from, 1, 1), -EINVAL);
    set_slot(from, 1, -1);
    set_slot(to, 0, -1);
    CHECK_ERR(read(fds[0], &byte, 1) < 0 ? -errno : 0, -EAGAIN);
    to->class->destroy(to);
    from->class->destroy(from);
    close(fds[0]);
}

TEST(D7_D8_files_between_kernels_of_every_kind)
{
    files_between(false, false);
    if (kernel_uring_refusal() != NULL)
        return;
    files_between(true, true);
    files_between(true, false);
    files_between(false, true);
    CHECK_EQ(ring_features_restrict("sparse_files"), 0u);
    files_between(true, true);
    files_between(true, false);
    files_between(false, true);
}

/* What cannot be told has not happened. */
TEST(D7_D8_without_memory_no_file_is_passed)
{
    struct kernel *from = world_open(8, 0, 0), *to = world_open(8, 0, 0);
    struct io_uring_cqe cqe;
    int fds[2], old[2];
    char byte;

    make_pipe(fds, O_NONBLOCK);
    make_pipe(old, O_NONBLOCK);
    make_table(from, 1);
    make_table(to, 2);
    set_slot(from, 0, fds[1]);
    set_slot(to, 0, old[1]);
    close(fds[1]);
    close(old[1]);
    for (int nth = 1; nth <= 2; nth++) {
        alloc_fail_nth(nth);
        CHECK_ERR(pass(from, to, 0, 1), -ENOMEM);
        alloc_fail_nth(nth);
        CHECK_ERR(pass(from, to, 0, IORING_FILE_INDEX_ALLOC), -ENOMEM);
        alloc_fail_nth(0);
    }
    enter(to, 0);
    CHECK(!cq_take(&to->cq, &cqe));
    CHECK_ERR(read(old[0], &byte, 1) < 0 ? -errno : 0, -EAGAIN);
    /* The choice of slots goes on where it was. */
    CHECK_EQ(pass(from, to, 0, IORING_FILE_INDEX_ALLOC), 1);
    set_slot(from, 0, -1);
    set_slot(to, 1, -1);
    CHECK_EQ(read(fds[0], &byte, 1), 0);
    world_close(to);
    world_close(from);
    close(fds[0]);
    close(old[0]);
}

TEST(emu_difference_62_a_file_is_not_passed_untold)
{
    struct kernel *k = world_open(8, 0, 0), *to = world_open(8, 0, 0);

    make_table(k, 1);
    make_table(to, 1);
    set_slot(k, 0, STDERR_FILENO);
    put(k, IORING_OP_MSG_RING, to->address, (void *)IORING_MSG_SEND_FD, 0,
        ID(2))
        ->msg_ring_flags = IORING_MSG_RING_CQE_SKIP;
    expect(k, ID(2), -EINVAL);
    world_close(to);
    world_close(k);
}
