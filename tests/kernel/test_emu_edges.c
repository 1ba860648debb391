/* SPDX-License-Identifier: MIT */
/*
 * test_emu_edges.c - memory that is not there or may not be written to,
 * descriptors that are closed under requests, and what a count counts
 *
 * A BOTH_TEST states what Linux does, and that the emulator does it too.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "groups_world.h"

/* A chain that finds memory for some of its requests only does not begin. */
TEST(D9_emu_a_chain_without_memory_is_left_whole)
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

    if (!has(k, RING_SPARSE_FILES))
        return;
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

BOTH_TEST(C5_a_header_that_cannot_be_told_is_EFAULT)
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
    int error;

    reg.ring_addr = (uintptr_t)page;
    CHECK_ERR(k->class->reg(k, IORING_REGISTER_PBUF_RING, &reg, 1), -EFAULT);
    munmap(page, 4096);
    CHECK_OK(set_up(k, &ring, 4, 0));
    page = read_only(&status, sizeof status);
    error = k->class->reg(k, IORING_REGISTER_PBUF_STATUS, page, 1);
    if (error != -EINVAL || k->ring_fd < 0) /* Linux < 6.8 */
        CHECK_ERR(error, -EFAULT);
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

/* ---- descriptors that are closed under requests -------------------------- */

struct gate {
    atomic_bool inside, open;
};

static int pass_gate(void *arg)
{
    struct gate *gate = arg;

    atomic_store(&gate->inside, true);
    while (!atomic_load(&gate->open))
        sched_yield();
    return 0;
}

/* The only thread of the pool is busy until the gate is opened. */
static struct kernel *open_busy(struct gate *gate)
{
    struct kernel *k = world_open(16, 0, 1);

    put(k, KERNEL_OP_CALL, -1, (void *)(uintptr_t)pass_gate, 0, 1)->off =
        (uintptr_t)gate;
    enter(k, 0);
    while (!atomic_load(&gate->inside))
        sched_yield();
    return k;
}

static off_t size_of(const char *name)
{
    char path[512];
    struct stat status;

    snprintf(path, sizeof path, "%s/%s", test_directory(), name);
    CHECK_OK(stat(path, &status));
    return status.st_size;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* As on Linux, where a request holds its file. */
TEST(B12_emu_what_waits_for_a_thread_keeps_its_file)
{
    struct gate gate = { false, false };
    struct kernel *k = open_busy(&gate);
    int fd = make_file("first", 10), other;

    put(k, IORING_OP_FTRUNCATE, fd, NULL, 0, 2)->off = 100;
    put(k, IORING_OP_FSYNC, fd, NULL, 0, 3);
    put(k, IORING_OP_CLOSE, fd, NULL, 0, 4);
    expect(k, 4, 0);
    put(k, IORING_OP_CLOSE, fd, NULL, 0, 5);
    expect(k, 5, -EBADF);
    other = make_file("second", 10);
    atomic_store(&gate.open, true);
    enter(k, 3);
    for (uint64_t id = 1; id <= 3; id++)
        expect(k, id, 0);
    CHECK_EQ(size_of("first"), 100);
    CHECK_EQ(size_of("second"), 10);
    CHECK(!is_open(fd));
    CHECK(is_open(other));
    close(other);
    world_close(k);
}

TEST(B12_emu_a_splice_for_a_thread_keeps_both_its_files)
{
    struct gate gate = { false, false };
    struct kernel *k = open_busy(&gate);
    int in = make_file("first", 10), fds[2], others[3];
    unsigned char byte = 0;
    struct io_uring_sqe *sqe;

    make_pipe(fds, 0);
    sqe = put(k, IORING_OP_SPLICE, fds[1], NULL, 1, 2);
    sqe->splice_fd_in = in;
    sqe->splice_off_in = 7;
    sqe->off = UINT64_MAX;
    put(k, IORING_OP_CLOSE, in, NULL, 0, 3);
    expect(k, 3, 0);
    put(k, IORING_OP_CLOSE, fds[1], NULL, 0, 4);
    expect(k, 4, 0);
    others[2] = make_file("second", 0);
    make_pipe(others, 0);
    atomic_store(&gate.open, true);
    enter(k, 2);
    expect(k, 1, 0);
    expect(k, 2, 1);
    CHECK_EQ(read(fds[0], &byte, 1), 1);
    CHECK_EQ(byte, file_byte(7));
    CHECK_EQ(read(fds[0], &byte, 1), 0); /* nobody else can write */
    CHECK(!is_open(in));
    CHECK(!is_open(fds[1]));
    close(fds[0]);
    close_pair(others);
    close(others[2]);
    world_close(k);
}

/* It stands in line at one end, and has not looked at the other for long. */
TEST(B12_emu_a_splice_that_waits_keeps_its_other_file)
{
    struct kernel *k = world_open(16, 0, 0);
    int in[2], out[2], new[2];
    char page[4096] = "";
    struct io_uring_sqe *sqe;

    make_pipe(in, 0);
    make_pipe(out, O_NONBLOCK);
    while (write(out[1], page, sizeof page) > 0)
        ;
    CHECK_OK(fcntl(out[1], F_SETFL, 0));
    CHECK_EQ(write(in[1], "o", 1), 1);
    sqe = put(k, IORING_OP_SPLICE, out[1], NULL, 1, 1);
    sqe->splice_fd_in = in[0];
    sqe->splice_off_in = sqe->off = UINT64_MAX;
    expect_nothing(k);
    put(k, IORING_OP_CLOSE, in[0], NULL, 0, 2);
    expect(k, 2, 0);
    make_pipe(new, 0);
    CHECK_EQ(write(new[1], "n", 1), 1);
    while (read(out[0], page, sizeof page) > 0)
        ;
    expect(k, 1, 1);
    CHECK_EQ(read(out[0], page, sizeof page), 1);
    CHECK_EQ(page[0], 'o');
    CHECK(!is_open(in[0]));
    close(in[1]);
    close_pair(out);
    close_pair(new);
    world_close(k);
}
