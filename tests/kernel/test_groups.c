/* SPDX-License-Identifier: MIT */
/*
 * test_groups.c - groups of buffers, and requests that choose from them
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "groups_world.h"

/* ---- rings of buffers ---------------------------------------------------- */

BOTH_TEST(I6_a_ring_of_buffers_is_registered_once_and_checked)
{
    struct io_uring_buf_status status = { .buf_group = GROUP };
    struct io_uring_buf_reg reg = { .bgid = GROUP };
    struct ring_of ring, other;
    int err;

    CHECK_OK(set_up(k, &ring, 8, 0));
    check_head(k, 0);
    CHECK_ERR(set_up(k, &other, 8, 0), -EEXIST);
    CHECK_OK(munmap(other.entries, 8 * sizeof *other.entries));
    free(other.memory);

    reg.ring_addr = (uintptr_t)ring.entries;
    reg.bgid = GROUP + 1;
    reg.ring_entries = 7; /* no power of two */
    CHECK_ERR(k->class->reg(k, IORING_REGISTER_PBUF_RING, &reg, 1), -EINVAL);
    reg.ring_entries = 65536;
    CHECK_ERR(k->class->reg(k, IORING_REGISTER_PBUF_RING, &reg, 1), -EINVAL);
    reg.ring_entries = 8;
    CHECK_ERR(k->class->reg(k, IORING_REGISTER_PBUF_RING, &reg, 2), -EINVAL);
    reg.flags = 1 << 7;
    CHECK_ERR(k->class->reg(k, IORING_REGISTER_PBUF_RING, &reg, 1), -EINVAL);
    reg.flags = 0;
    reg.resv[4] = 1;
    CHECK_ERR(k->class->reg(k, IORING_REGISTER_PBUF_RING, &reg, 1), -EINVAL);
    reg.resv[4] = 0;
    reg.ring_addr += 8; /* not at the start of a page */
    CHECK_ERR(k->class->reg(k, IORING_REGISTER_PBUF_RING, &reg, 1), -EINVAL);
    reg.ring_addr = 4096 * 2;
    CHECK_ERR(k->class->reg(k, IORING_REGISTER_PBUF_RING, &reg, 1), -EFAULT);

    /* Linux < 6.8 says it in another way. */
    err = unregister(k, GROUP + 1);
    CHECK(err == -ENOENT || (err == -EINVAL && k->ring_fd >= 0));
    status.buf_group = GROUP + 1;
    CHECK_ERR(k->class->reg(k, IORING_REGISTER_PBUF_STATUS, &status, 1), err);
    tear_down(&ring);
    CHECK_ERR(unregister(k, GROUP), err);
}

BOTH_TEST(I6_a_receive_takes_a_buffer_when_there_is_data)
{
    struct ring_of ring;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_OK(set_up(k, &ring, 4, 0));
    add(&ring, 2);
    add(&ring, 0);
    put_chosen(k, IORING_OP_RECV, fds[0], ID(1));
    expect_nothing(k);
    check_head(k, 0); /* who waits holds none */
    say(fds[1], "hello");
    expect_cqe(k, ID(1), 5, BUFFER(2));
    CHECK_EQ(memcmp(ring.memory + 2 * SIZE, "hello", 5), 0);
    check_head(k, 1);

    /* A length cuts, no more. */
    say(fds[1], "goodbye");
    put_chosen(k, IORING_OP_RECV, fds[0], ID(2))->len = 4;
    expect_cqe(k, ID(2), 4, BUFFER(0));
    CHECK_EQ(memcmp(ring.memory, "good", 4), 0);

    /* None is left: an error, also if there are no data. */
    put_chosen(k, IORING_OP_RECV, fds[0], ID(3));
    expect_cqe(k, ID(3), -ENOBUFS, 0);
    add(&ring, 1);
    put_chosen(k, IORING_OP_RECV, fds[0], ID(4));
    expect_cqe(k, ID(4), 3, BUFFER(1));
    put_chosen(k, IORING_OP_RECV, fds[0], ID(5));
    expect_cqe(k, ID(5), -ENOBUFS, 0);
    put_chosen(k, IORING_OP_RECV, fds[0], ID(6))->buf_group = GROUP + 1;
    expect_cqe(k, ID(6), -ENOBUFS, 0);
    tear_down(&ring);
    close_pair(fds);
}

BOTH_TEST(I6_reads_choose_too)
{
    struct iovec part = { NULL, 3 };
    struct ring_of ring;
    int fds[2], file = make_file("f", 200);

    make_pipe(fds, 0);
    CHECK_OK(set_up(k, &ring, 8, 0));
    for (unsigned i = 0; i < 8; i++)
        add(&ring, i);
    put_chosen(k, IORING_OP_READ, fds[0], ID(1))->off = UINT64_MAX;
    expect_nothing(k);
    say(fds[1], "abcdef");
    expect_cqe(k, ID(1), 6, BUFFER(0));
    CHECK_EQ(memcmp(ring.memory, "abcdef", 6), 0);

    say(fds[1], "abcdef");
    put_chosen(k, IORING_OP_READV, fds[0], ID(2))->off = UINT64_MAX;
    expect_cqe(k, ID(2), -EINVAL, 0);
    put_chosen(k, IORING_OP_READV, fds[0], ID(3))->addr = (uintptr_t)&part;
    sq_publish(&k->sq);
    k->sq.sqes[(k->sq.filled - 1) & k->sq.mask].len = 1;
    k->sq.sqes[(k->sq.filled - 1) & k->sq.mask].off = UINT64_MAX;
    expect_cqe(k, ID(3), 3, BUFFER(1));

    put_chosen(k, IORING_OP_READ, file, ID(4))->off = 100;
    expect_cqe(k, ID(4), SIZE, BUFFER(2));
    CHECK_EQ((unsigned char)ring.memory[2 * SIZE], file_byte(100));
    check_head(k, 3);

    put_chosen(k, IORING_OP_WRITE, fds[1], ID(5));
    expect_cqe(k, ID(5), -EOPNOTSUPP, 0);
    tear_down(&ring);
    close(file);
    close_pair(fds);
}

BOTH_TEST(I6_buffers_are_consumed_in_parts)
{
    struct ring_of ring;
    int fds[2];

    if (!has(k, RING_BUF_RING_INC))
        return;
    make_pair(SOCK_STREAM, fds);
    CHECK_OK(set_up(k, &ring, 4, IOU_PBUF_RING_INC));
    add(&ring, 3);
    add(&ring, 1);
    say(fds[1], "abc");
    put_chosen(k, IORING_OP_RECV, fds[0], ID(1));
    expect_cqe(k, ID(1), 3, BUFFER(3) | PART);
    check_head(k, 0);
    say(fds[1], "de");
    put_chosen(k, IORING_OP_RECV, fds[0], ID(2));
    expect_cqe(k, ID(2), 2, BUFFER(3) | PART);
    CHECK_EQ(memcmp(ring.memory + 3 * SIZE, "abcde", 5), 0);

    /* Exactly what is left of it. */
    for (int i = 0; i < SIZE - 5; i++)
        say(fds[1], "f");
    put_chosen(k, IORING_OP_RECV, fds[0], ID(3));
    expect_cqe(k, ID(3), SIZE - 5, BUFFER(3));
    check_head(k, 1);
    say(fds[1], "g");
    put_chosen(k, IORING_OP_RECV, fds[0], ID(4));
    expect_cqe(k, ID(4), 1, BUFFER(1) | PART);
    tear_down(&ring);
    close_pair(fds);
}

/* ---- lists --------------------------------------------------------------- */

static int provide(struct kernel *k, char *memory, int count, unsigned size,
                   unsigned id)
{
    struct io_uring_sqe *sqe =
        put(k, IORING_OP_PROVIDE_BUFFERS, count, memory, size, ID(50));

    sqe->off = id;
    sqe->buf_group = GROUP;
    return result_of(k, ID(50));
}

static int remove_buffers(struct kernel *k, int count)
{
    put(k, IORING_OP_REMOVE_BUFFERS, count, NULL, 0, ID(51))->buf_group = GROUP;
    return result_of(k, ID(51));
}

BOTH_TEST(I5_provided_buffers_are_used_in_order_and_removed)
{
    char memory[4][8];
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_ERR(remove_buffers(k, 1), -ENOENT);
    CHECK_EQ(provide(k, memory[0], 3, 8, 10), 0);
    CHECK_EQ(provide(k, memory[3], 1, 8, 65535), 0);
    say(fds[1], "0123456789");
    put_chosen(k, IORING_OP_RECV, fds[0], ID(1));
    expect_cqe(k, ID(1), 8, BUFFER(10));
    CHECK_EQ(memcmp(memory[0], "01234567", 8), 0);
    put_chosen(k, IORING_OP_RECV, fds[0], ID(2));
    expect_cqe(k, ID(2), 2, BUFFER(11));
    put_chosen(k, IORING_OP_RECV, fds[0], ID(3));
    expect_nothing(k);
    end(k, ID(3)); /* it held none */
    CHECK_EQ(remove_buffers(k, 1), 1);
    say(fds[1], "x");
    put_chosen(k, IORING_OP_RECV, fds[0], ID(4));
    expect_cqe(k, ID(4), 1, BUFFER(65535));
    CHECK_EQ(remove_buffers(k, 5), 0);
    put_chosen(k, IORING_OP_RECV, fds[0], ID(5));
    expect_cqe(k, ID(5), -ENOBUFS, 0);

    CHECK_ERR(provide(k, memory[0], 0, 8, 0), -E2BIG);
    CHECK_ERR(provide(k, memory[0], 1, 0, 0), -EINVAL);
    CHECK_ERR(provide(k, memory[0], 1, 8, 65536), -E2BIG);
    CHECK_ERR(provide(k, memory[0], 2, 8, 65535), -EINVAL);
    CHECK_ERR(remove_buffers(k, 0), -EINVAL);
    close_pair(fds);
}

BOTH_TEST(I5_I6_a_group_is_a_list_or_a_ring)
{
    struct io_uring_buf_reg reg = { .bgid = GROUP };
    struct ring_of ring;
    char byte;

    CHECK_OK(set_up(k, &ring, 4, 0));
    CHECK_ERR(provide(k, &byte, 1, 1, 0), -EINVAL);
    CHECK_ERR(remove_buffers(k, 1), -EINVAL);
    tear_down(&ring);
    CHECK_EQ(provide(k, &byte, 1, 1, 0), 0);
    CHECK_ERR(k->class->reg(k, IORING_UNREGISTER_PBUF_RING, &reg, 1), -EINVAL);
    CHECK_ERR(set_up(k, &ring, 4, 0), -EEXIST);
    CHECK_OK(munmap(ring.entries, 4 * sizeof *ring.entries));
    free(ring.memory);
    CHECK_EQ(remove_buffers(k, 1), 1);
    CHECK_OK(set_up(k, &ring, 4, 0));
    tear_down(&ring);
}

/* ---- what holds a buffer ------------------------------------------------- */

/* A file in memory, of which Linux reads nothing without a worker, nor the
 * emulator without a thread. */
BOTH_TEST(I6_a_read_on_a_thread_holds_its_buffer)
{
    int fd = memfd_create("f", MFD_CLOEXEC);
    struct ring_of ring;

    CHECK_GE(fd, 0);
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    CHECK_OK(set_up(k, &ring, 4, 0));
    add(&ring, 2);
    add(&ring, 3);
    put_chosen(k, IORING_OP_READ, fd, ID(1))->len = 4;
    expect_cqe(k, ID(1), 4, BUFFER(2));
    CHECK_EQ(memcmp(ring.memory + 2 * SIZE, "0123", 4), 0);
    put_chosen(k, IORING_OP_READ, fd, ID(2))->off = 6;
    expect_cqe(k, ID(2), 4, BUFFER(3));
    CHECK_EQ(memcmp(ring.memory + 3 * SIZE, "6789", 4), 0);
    check_head(k, 2);
    put_chosen(k, IORING_OP_READ, fd, ID(3));
    expect_cqe(k, ID(3), -ENOBUFS, 0);
    tear_down(&ring);
    close(fd);
}

BOTH_TEST(I6_a_send_holds_its_buffer_and_gives_it_back_by_its_end)
{
    enum { BIG = 1 << 20 };
    struct ring_of ring;
    char *memory;
    int fds[2];

    if (!has(k, RING_RECV_BUNDLE))
        return;
    memory = calloc(1, BIG);
    CHECK(memory != NULL);
    make_pair(SOCK_STREAM, fds);
    CHECK_OK(set_up(k, &ring, 4, 0));
    while (send(fds[1], memory, BIG, MSG_DONTWAIT) > 0)
        ;
    add_part(&ring, 5, memory, BIG);
    put_chosen(k, IORING_OP_SEND, fds[1], ID(1));
    expect_nothing(k);
    check_head(k, 1);
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)(uintptr_t)ID(1), 0, ID(2));
    expect_cqe(k, ID(2), 0, 0);
    expect_cqe(k, ID(1), -ECANCELED, BUFFER(5));
    tear_down(&ring);
    close_pair(fds);
    free(memory);
}

BOTH_TEST(I6_a_receive_of_all_stays_with_its_buffer)
{
    struct ring_of ring;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_OK(set_up(k, &ring, 4, 0));
    add(&ring, 1);
    add(&ring, 2);
    put_chosen(k, IORING_OP_RECV, fds[0], ID(1))->msg_flags = MSG_WAITALL;
    k->sq.sqes[(k->sq.filled - 1) & k->sq.mask].len = 10;
    say(fds[1], "01234");
    expect_nothing(k);
    say(fds[1], "56789x");
    expect_cqe(k, ID(1), 10, BUFFER(1));
    CHECK_EQ(memcmp(ring.memory + SIZE, "0123456789", 10), 0);
    put_chosen(k, IORING_OP_RECV, fds[0], ID(2));
    expect_cqe(k, ID(2), 1, BUFFER(2));
    tear_down(&ring);
    close_pair(fds);
}

/* Linux gives a single read's buffer away, though nothing is in it; versions
 * differ. The flag tells the truth. */
BOTH_TEST(I6_the_end_of_a_stream_may_cost_a_buffer_and_says_so)
{
    struct io_uring_cqe cqe;
    struct ring_of ring;
    int fds[2];

    make_pipe(fds, 0);
    CHECK_OK(set_up(k, &ring, 4, 0));
    add(&ring, 1);
    add(&ring, 2);
    close(fds[1]);
    put_chosen(k, IORING_OP_READ, fds[0], ID(1))->off = UINT64_MAX;
    enter(k, 1);
    cqe = take(k);
    CHECK_EQ(cqe.res, 0);
    CHECK(cqe.flags == 0 || cqe.flags == BUFFER(1));
    check_head(k, cqe.flags != 0);
    put_chosen(k, IORING_OP_RECV, fds[0], ID(2));
    expect_cqe(k, ID(2), -ENOTSOCK, 0); /* an error costs none */
    check_head(k, cqe.flags != 0);
    tear_down(&ring);
    close(fds[0]);
}

BOTH_TEST(I6_a_bad_descriptor_is_worse_than_no_buffer)
{
    static const uint8_t opcodes[] = { IORING_OP_RECV, IORING_OP_READ };
    struct ring_of ring;
    int fds[2];

    make_pipe(fds, 0);
    CHECK_OK(set_up(k, &ring, 4, 0));
    for (size_t i = 0; i < sizeof opcodes; i++) {
        put_chosen(k, opcodes[i], -1, ID(1));
        expect_cqe(k, ID(1), -EBADF, 0);
    }
    put_chosen(k, IORING_OP_RECV, fds[0], ID(2));
    expect_cqe(k, ID(2), -ENOTSOCK, 0);
    put_chosen(k, IORING_OP_READ, fds[0], ID(3));
    expect_cqe(k, ID(3), -ENOBUFS, 0);
    tear_down(&ring);
    close_pair(fds);
}

/* ---- without memory, the emulator's own ---------------------------------- */

static void groups_without_memory(void)
{
    struct io_uring_buf_reg reg = { .ring_entries = 4, .bgid = 1 };
    struct kernel_options options = { .entries = 4 };
    char memory[4][8];
    struct kernel *k;
    void *ring;
    int err;

    if (emu_open(&k, &options) != 0)
        return;
    CHECK_OK(k->class->attach(k));
    ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    reg.ring_addr = (uintptr_t)ring;
    err = k->class->reg(k, IORING_REGISTER_PBUF_RING, &reg, 1);
    CHECK(err == 0 || err == -ENOMEM);
    put(k, IORING_OP_PROVIDE_BUFFERS, 4, memory, 8, ID(1))->buf_group = GROUP;
    enter(k, 1);
    err = take(k).res;
    CHECK(err == 0 || err == -ENOMEM);
    put(k, IORING_OP_REMOVE_BUFFERS, 4, NULL, 0, ID(2))->buf_group = GROUP;
    enter(k, 1);
    CHECK(take(k).res >= -ENOENT);
    k->class->destroy(k);
    CHECK_OK(munmap(ring, 4096));
}

TEST(I5_I6_groups_without_memory_leave_nothing_behind)
{
    CHECK_GT(for_each_failure(groups_without_memory), 5);
}
