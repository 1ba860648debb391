/* SPDX-License-Identifier: MIT */
/*
 * test_buffers.c - the table of registered buffers, of Linux's ring and of the
 * emulator: what it takes and refuses, what requests may touch, and when tags
 * are told. mem/registered.c relies on all of it.
 */
#include <errno.h>
#include <sys/uio.h>

#include "groups_world.h"

enum { PIECE = 8192 };

static _Alignas(4096) char memory[4][PIECE];

static int registers(struct kernel *k, unsigned count, unsigned flags,
                     const struct iovec *iov, const uint64_t *tags)
{
    struct io_uring_rsrc_register arg = { .nr = count,
                                          .flags = flags,
                                          .data = (uintptr_t)iov,
                                          .tags = (uintptr_t)tags };

    return k->class->reg(k, IORING_REGISTER_BUFFERS2, &arg, sizeof arg);
}

static int updates(struct kernel *k, unsigned first, unsigned count,
                   const struct iovec *iov, const uint64_t *tags)
{
    struct io_uring_rsrc_update2 arg = { .offset = first,
                                         .nr = count,
                                         .data = (uintptr_t)iov,
                                         .tags = (uintptr_t)tags };

    return k->class->reg(k, IORING_REGISTER_BUFFERS_UPDATE, &arg, sizeof arg);
}

static int unregisters(struct kernel *k)
{
    return k->class->reg(k, IORING_UNREGISTER_BUFFERS, NULL, 0);
}

static struct iovec piece(unsigned i)
{
    return (struct iovec){ memory[i], PIECE };
}

static struct io_uring_sqe *put_fixed(struct kernel *k, uint8_t opcode, int fd,
                                      void *at, unsigned size, unsigned index,
                                      uint64_t id)
{
    struct io_uring_sqe *sqe = put(k, opcode, fd, at, size, id);

    sqe->buf_index = (uint16_t)index;
    sqe->off = UINT64_MAX;
    return sqe;
}

static void read_gives(struct kernel *k, int fds[2], void *at, unsigned index,
                       int result)
{
    say(fds[1], "data");
    put_fixed(k, IORING_OP_READ_FIXED, fds[0], at, 4, index, ID(50));
    expect_cqe(k, ID(50), result, 0);
    if (result < 0) {
        char bytes[4];

        CHECK_EQ(read(fds[0], bytes, 4), 4);
    }
}

BOTH_TEST(I1_a_table_of_buffers_is_registered_once_and_checked)
{
    struct iovec iov[2] = { piece(0), piece(1) };
    uint64_t tags[2] = { ID(1), ID(2) };

    if (!has(k, RING_REGISTERED_BUFFERS))
        return;
    CHECK_ERR(unregisters(k), -ENXIO);
    CHECK_ERR(updates(k, 0, 1, iov, NULL), -ENXIO);
    CHECK_ERR(registers(k, 0, 0, iov, NULL), -EINVAL);
    CHECK_ERR(registers(k, 16385, 0, iov, NULL), -EINVAL);
    iov[1].iov_len = 0;
    CHECK_ERR(registers(k, 2, 0, iov, NULL), -EFAULT);
    iov[1] = (struct iovec){ NULL, 1 };
    CHECK_ERR(registers(k, 2, 0, iov, NULL), -EFAULT);
    iov[1] = (struct iovec){ memory[1], ((size_t)1 << 30) + 1 };
    CHECK_ERR(registers(k, 2, 0, iov, NULL), -EFAULT);
    iov[1] = (struct iovec){ NULL, 0 };
    CHECK_ERR(registers(k, 2, 0, iov, tags), -EINVAL); /* a tag of nothing */
    expect_nothing(k);
    CHECK_OK(registers(k, 2, 0, iov, NULL));
    CHECK_ERR(registers(k, 2, 0, iov, NULL), -EBUSY);
    CHECK_OK(unregisters(k));
    CHECK_ERR(unregisters(k), -ENXIO);
}

BOTH_TEST(I2_an_array_of_nothing_is_a_sparse_table)
{
    static const struct iovec nothing[8];
    struct iovec iov = piece(0);
    int fds[2];

    if (!has(k, RING_REGISTERED_BUFFERS))
        return;
    make_pair(SOCK_STREAM, fds);
    for (unsigned round = 0; round < 2; round++) {
        if (round == 0)
            CHECK_OK(registers(k, 8, 0, nothing, NULL));
        else if (registers(k, 8, IORING_RSRC_REGISTER_SPARSE, NULL, NULL) != 0)
            break; /* Linux < 5.19 */
        read_gives(k, fds, memory[0], 5, -EFAULT);
        CHECK_EQ(updates(k, 5, 1, &iov, NULL), 1);
        read_gives(k, fds, memory[0], 5, 4);
        CHECK_MEM_EQ(memory[0], "data", 4);
        CHECK_EQ(updates(k, 5, 1, nothing, NULL), 1);
        read_gives(k, fds, memory[0], 5, -EFAULT);
        CHECK_OK(unregisters(k));
    }
    close_pair(fds);
}

BOTH_TEST(I2_an_update_goes_as_far_as_it_can_and_a_failure_changes_nothing)
{
    struct iovec iov[3] = { piece(0), piece(1), piece(2) };
    struct iovec bad[2] = { piece(3), { (void *)4096, 100 } };
    int fds[2];

    if (!has(k, RING_REGISTERED_BUFFERS))
        return;
    make_pair(SOCK_STREAM, fds);
    CHECK_OK(registers(k, 3, 0, iov, NULL));
    CHECK_ERR(updates(k, 2, 2, iov, NULL), -EINVAL);
    CHECK_ERR(updates(k, UINT32_MAX, 2, iov, NULL), -EOVERFLOW);
    CHECK_ERR(updates(k, 0, 0, iov, NULL), -EINVAL);
    CHECK_ERR(updates(k, 0, 1, &bad[1], NULL), -EFAULT);
    read_gives(k, fds, memory[0], 0, 4);
    CHECK_EQ(updates(k, 0, 2, bad, NULL), 1);
    read_gives(k, fds, memory[0], 0, -EFAULT);
    read_gives(k, fds, memory[3], 0, 4);
    read_gives(k, fds, memory[1], 1, 4);
    CHECK_OK(unregisters(k));
    close_pair(fds);
}

BOTH_TEST(B4_a_fixed_request_keeps_within_its_buffer)
{
    struct iovec iov[2] = { piece(0), piece(1) };
    int fds[2];

    if (!has(k, RING_REGISTERED_BUFFERS))
        return;
    make_pair(SOCK_STREAM, fds);
    CHECK_OK(registers(k, 2, 0, iov, NULL));
    read_gives(k, fds, memory[0] + PIECE - 4, 0, 4);
    read_gives(k, fds, memory[0] + PIECE - 3, 0, -EFAULT);
    read_gives(k, fds, memory[1], 0, -EFAULT);
    read_gives(k, fds, memory[0], 1, -EFAULT);
    read_gives(k, fds, memory[0], 2, -EFAULT);
    memcpy(memory[1], "word", 4);
    put_fixed(k, IORING_OP_WRITE_FIXED, fds[0], memory[1], 4, 1, ID(7));
    expect_cqe(k, ID(7), 4, 0);
    CHECK_EQ(read(fds[1], memory[2], 10), 4);
    CHECK_MEM_EQ(memory[2], "word", 4);
    CHECK_OK(unregisters(k));
    close_pair(fds);
}

/* Linux < 6.13 tells a tag when no older request uses any buffer; to unregister
 * the table waits for all, and need not tell. */
static bool waits_for_older(const struct kernel *k)
{
    return k->ring_fd >= 0 && (k->features & IORING_FEAT_RW_ATTR) == 0;
}

/* CQEs of these tags, 1 for ID(11), 2 for ID(12), ..., in any order. */
static void expect_tags(struct kernel *k, unsigned tags)
{
    while (tags != 0) {
        struct io_uring_cqe cqe;
        unsigned tag;

        enter(k, 1);
        cqe = take(k);
        CHECK_EQ(cqe.res, 0);
        CHECK_EQ(cqe.flags, 0u);
        CHECK_GE(cqe.user_data, ID(11));
        tag = 1U << (cqe.user_data - ID(11)) / ID(1);
        CHECK_EQ(tags & tag, tag);
        tags -= tag;
    }
}

BOTH_TEST(I2_a_tag_is_told_when_the_last_request_is_over)
{
    struct iovec iov[2] = { piece(0), piece(1) };
    uint64_t tags[2] = { ID(11), ID(12) };
    uint64_t other = ID(13);
    bool older_first = waits_for_older(k);
    int fds[2];

    if (!has(k, RING_REGISTERED_BUFFERS))
        return;
    make_pair(SOCK_STREAM, fds);
    CHECK_OK(registers(k, 2, 0, iov, tags));
    put_fixed(k, IORING_OP_READ_FIXED, fds[0], memory[0], 10, 0, ID(1));
    expect_nothing(k);
    /* The old one is in use and keeps what it has; nobody uses the new one. */
    iov[0] = piece(2);
    CHECK_EQ(updates(k, 0, 1, iov, &other), 1);
    expect_nothing(k);
    if (older_first) {
        say(fds[1], "late");
        expect_cqe(k, ID(1), 4, 0);
        expect_tags(k, 1);
        CHECK_OK(unregisters(k));
    } else {
        CHECK_OK(unregisters(k));
        expect_tags(k, 6);
        say(fds[1], "late");
        expect_cqe(k, ID(1), 4, 0);
        expect_tags(k, 1);
    }
    CHECK_MEM_EQ(memory[0], "late", 4);
    close_pair(fds);
}
