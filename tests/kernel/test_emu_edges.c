/* SPDX-License-Identifier: MIT */
/*
 * test_emu_edges.c - memory that is not there or may not be written to,
 * descriptors that are closed under requests, and what a count counts
 *
 * A BOTH_TEST states what Linux does, and that the emulator does it too.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "groups_world.h"

/* A chain that finds memory for some of its requests only does not begin. */
TEST(E1_emu_a_chain_without_memory_is_left_whole)
{
    enum { CHUNK = 64, CHAIN = 3 };
    struct ring_timespec time = { 100, 0 };
    struct kernel *k = world_open(128, 0, 0);
    uint64_t id = 0;

    for (; id < CHUNK - (CHAIN - 1); id++)
        put(k, IORING_OP_TIMEOUT, -1, &time, 1, id);
    expect_nothing(k);
    for (int i = 0; i < CHAIN; i++, id++)
        put(k, IORING_OP_NOP, -1, NULL, 0, id)->flags =
            i < CHAIN - 1 ? IOSQE_IO_LINK : 0;
    sq_publish(&k->sq);
    alloc_fail_nth(1);
    CHECK_ERR(k->class->enter(k, sq_used(&k->sq), 0, KERNEL_NO_WAIT), -ENOMEM);
    alloc_fail_nth(0);
    CHECK_EQ(cq_ready(&k->cq), 0u);
    for (id -= CHAIN; id <= CHUNK; id++)
        expect(k, id, 0);
    put(k, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, 1000)->cancel_flags =
        IORING_ASYNC_CANCEL_ANY;
    expect(k, 1000, CHUNK - (CHAIN - 1));
    enter(k, CHUNK - (CHAIN - 1));
    for (id = 0; id < CHUNK - (CHAIN - 1); id++)
        CHECK_ERR(take(k).res, -ECANCELED);
    world_close(k);
}

/* A page that holds `value` and may be read only. */
static void *read_only(const void *value, size_t size)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(page != MAP_FAILED);
    memcpy(page, value, size);
    CHECK_OK(mprotect(page, 4096, PROT_READ));
    return page;
}

/* The array is where the slots' numbers go. */
BOTH_TEST(D8_slots_that_cannot_be_told_are_not_filled)
{
    struct io_uring_rsrc_register table = {
        .nr = 4, .flags = IORING_RSRC_REGISTER_SPARSE
    };
    int fds[2], *given;

    make_pipe(fds, 0);
    given = read_only(fds, sizeof fds);
    CHECK_OK(k->class->reg(k, IORING_REGISTER_FILES2, &table, sizeof table));
    put(k, IORING_OP_FILES_UPDATE, -1, given, 2, ID(1))->off =
        IORING_FILE_INDEX_ALLOC;
    expect(k, ID(1), -EFAULT);
    for (unsigned slot = 0; slot < 4; slot++) {
        put(k, IORING_OP_CLOSE, 0, NULL, 0, ID(2))->file_index = slot + 1;
        expect(k, ID(2), -EBADF);
    }
    CHECK_OK(k->class->reg(k, IORING_UNREGISTER_FILES, NULL, 0));
    munmap(given, 4096);
    close_pair(fds);
}

BOTH_TEST(C4_a_header_that_cannot_be_told_is_EFAULT)
{
    char bytes[8];
    struct iovec iov = { bytes, sizeof bytes };
    struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct msghdr *page = read_only(&header, sizeof header);
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECVMSG, fds[0], page, 1, ID(1));
    enter(k, 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    expect(k, ID(1), -EFAULT);
    munmap(page, 4096);
    close_pair(fds);
}

BOTH_TEST(I6_a_ring_of_buffers_is_writable)
{
    struct io_uring_buf none = { .len = 0 };
    struct io_uring_buf_reg reg = { .ring_entries = 4, .bgid = GROUP };
    struct io_uring_buf_status status = { .buf_group = GROUP };
    struct ring_of ring;
    void *page = read_only(&none, sizeof none);

    reg.ring_addr = (uintptr_t)page;
    CHECK_ERR(k->class->reg(k, IORING_REGISTER_PBUF_RING, &reg, 1), -EFAULT);
    munmap(page, 4096);
    CHECK_OK(set_up(k, &ring, 4, 0));
    page = read_only(&status, sizeof status);
    CHECK_ERR(k->class->reg(k, IORING_REGISTER_PBUF_STATUS, page, 1), -EFAULT);
    munmap(page, 4096);
    tear_down(&ring);
}

/* ---- what a count counts ------------------------------------------------- */

BOTH_TEST(F5_each_result_of_a_poll_counts)
{
    struct ring_timespec time = { 3, 0 };
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t one = 1;

    put(k, IORING_OP_POLL_ADD, fd, NULL, IORING_POLL_ADD_MULTI, ID(1))
        ->poll32_events = POLLIN;
    put(k, IORING_OP_TIMEOUT, -1, &time, 1, ID(2))->off = 2;
    expect_nothing(k);
    CHECK_EQ(write(fd, &one, sizeof one), (ssize_t)sizeof one);
    expect(k, ID(1), POLLIN);
    CHECK_EQ(write(fd, &one, sizeof one), (ssize_t)sizeof one);
    expect(k, ID(1), POLLIN);
    expect(k, ID(2), 0);
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)ID(1), 0, ID(3));
    enter(k, 2);
    expect(k, ID(3), 0);
    expect(k, ID(1), -ECANCELED);
    close(fd);
}
