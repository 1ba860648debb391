/* SPDX-License-Identifier: MIT */
/*
 * test_slots.c - registered files, on Linux's ring and on the emulator
 *
 * Each test asserts the same of both. So the emulator's table is Linux's, and a
 * Linux that behaves otherwise is noticed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring/abi_register.h"
#include "runner/patient.h"
#include "runner/test.h"
#include "test_emu_world.h"

#define ID(n) ((uint64_t)(n) << 4)
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define ANY IORING_FILE_INDEX_ALLOC

static bool is_emu(void)
{
    return strcmp(test_kernel(), "emu") == 0;
}

static struct kernel *open_kernel(void)
{
    struct kernel_options options = { .entries = 16 };
    struct kernel *k;

    if (is_emu())
        return world_open(16, 0, 0);
    CHECK_OK(uring_open(&k, &options));
    if (k->files_emulated) {
        k->class->destroy(k);
        TEST_SKIP("this Linux lets go of a file late: its table is not used");
    }
    CHECK_OK(k->class->attach(k));
    return k;
}

static int reg(struct kernel *k, unsigned opcode, void *arg, unsigned count)
{
    return k->class->reg(k, opcode, arg, count);
}

static int register_sparse(struct kernel *k, unsigned count)
{
    struct io_uring_rsrc_register table = {
        .nr = count, .flags = IORING_RSRC_REGISTER_SPARSE
    };

    return reg(k, IORING_REGISTER_FILES2, &table, sizeof table);
}

static int update(struct kernel *k, unsigned first, const int *fds,
                  unsigned count)
{
    struct io_uring_rsrc_update asked = { .offset = first,
                                          .data = (uintptr_t)fds };

    return reg(k, IORING_REGISTER_FILES_UPDATE, &asked, count);
}

static int update_tagged(struct kernel *k, unsigned first, const int *fds,
                         const uint64_t *tags, unsigned count)
{
    struct io_uring_rsrc_update2 asked = { .offset = first,
                                           .data = (uintptr_t)fds,
                                           .tags = (uintptr_t)tags,
                                           .nr = count };

    return reg(k, IORING_REGISTER_FILES_UPDATE2, &asked, sizeof asked);
}

static int set_range(struct kernel *k, unsigned first, unsigned count)
{
    struct io_uring_file_index_range range = { .off = first, .len = count };

    return reg(k, IORING_REGISTER_FILE_ALLOC_RANGE, &range, 0);
}

static int unregister(struct kernel *k)
{
    return reg(k, IORING_UNREGISTER_FILES, NULL, 0);
}

static struct io_uring_sqe *put_fixed(struct kernel *k, uint8_t opcode,
                                      int slot, const void *addr, uint32_t len,
                                      uint64_t id)
{
    struct io_uring_sqe *sqe = put(k, opcode, slot, addr, len, id);

    sqe->flags |= IOSQE_FIXED_FILE;
    return sqe;
}

static int close_slot(struct kernel *k, unsigned slot)
{
    put(k, IORING_OP_CLOSE, 0, NULL, 0, ID(90))->file_index = slot + 1;
    return result_of(k, ID(90));
}

/* A byte that goes through the slot's socket arrives at the other end. */
static bool reaches(struct kernel *k, int slot, int peer)
{
    char byte = 0;

    put_fixed(k, IORING_OP_SEND, slot, "x", 1, ID(91));
    return result_of(k, ID(91)) == 1 &&
           recv(peer, &byte, 1, MSG_DONTWAIT) == 1 && byte == 'x';
}

KERNEL_TEST2(I3_a_table_is_registered_updated_and_unregistered)
{
    struct kernel *k = open_kernel();
    int fds[2], all[3];

    make_pair(SOCK_STREAM, fds);
    CHECK_ERR(unregister(k), -ENXIO);
    CHECK_ERR(update(k, 0, fds, 1), -ENXIO);
    CHECK_ERR(reg(k, IORING_REGISTER_FILES, fds, 0), -EINVAL);
    all[0] = fds[0];
    all[1] = 9999;
    all[2] = -1;
    CHECK_ERR(reg(k, IORING_REGISTER_FILES, all, 3), -EBADF);
    all[1] = -1;
    CHECK_OK(reg(k, IORING_REGISTER_FILES, all, 3));
    CHECK_ERR(reg(k, IORING_REGISTER_FILES, all, 3), -EBUSY);
    CHECK(reaches(k, 0, fds[1]));

    CHECK_ERR(update(k, 0, all, 0), -EINVAL);
    CHECK_ERR(update(k, 2, all, 2), -EINVAL);
    CHECK_ERR(update(k, UINT32_MAX, all, 2), -EOVERFLOW);
    all[0] = 9999;
    CHECK_ERR(update(k, 1, all, 1), -EBADF);
    /* As far as it goes. */
    all[0] = fds[0];
    all[1] = 9999;
    CHECK_EQ(update(k, 1, all, 2), 1);
    CHECK(reaches(k, 1, fds[1]));
    all[0] = -2; /* leave it alone */
    all[1] = -1;
    CHECK_EQ(update(k, 0, all, 2), 2);
    CHECK(reaches(k, 0, fds[1]));
    CHECK(!reaches(k, 1, fds[1]));

    CHECK_OK(unregister(k));
    CHECK(!reaches(k, 0, fds[1]));
    close_pair(fds);
    world_close(k);
}

KERNEL_TEST2(I4_a_sparse_table_and_how_large_it_may_be)
{
    struct kernel *k = open_kernel();
    struct io_uring_rsrc_register table = { .nr = 4, .flags = 2 };
    struct rlimit limit;
    int fd = 1;

    CHECK_ERR(reg(k, IORING_REGISTER_FILES2, &table, sizeof table), -EINVAL);
    table.flags = IORING_RSRC_REGISTER_SPARSE;
    CHECK_ERR(reg(k, IORING_REGISTER_FILES2, &table, 8), -EINVAL);
    table.data = (uintptr_t)&fd;
    CHECK_ERR(reg(k, IORING_REGISTER_FILES2, &table, sizeof table), -EINVAL);
    CHECK_ERR(register_sparse(k, 0), -EINVAL);
    CHECK_ERR(register_sparse(k, (1u << 20) + 1), -EMFILE);
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 200;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_ERR(register_sparse(k, 201), -EMFILE);
    CHECK_OK(register_sparse(k, 200));
    CHECK_ERR(register_sparse(k, 200), -EBUSY);
    CHECK_OK(unregister(k));
    world_close(k);
}

KERNEL_TEST2(I3_a_slot_outlives_its_descriptor_and_none_is_EBADF)
{
    struct kernel *k = open_kernel();
    struct io_uring_sqe *sqe;
    char got[8] = "";
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_OK(register_sparse(k, 4));
    CHECK_EQ(update(k, 3, fds, 1), 1);
    CHECK_OK(close(fds[0]));
    CHECK(reaches(k, 3, fds[1]));
    put_fixed(k, IORING_OP_READ, 0, got, 1, ID(1));
    expect(k, ID(1), -EBADF);
    put_fixed(k, IORING_OP_READ, 4, got, 1, ID(1));
    expect(k, ID(1), -EBADF);
    put_fixed(k, IORING_OP_READ, -1, got, 1, ID(1));
    expect(k, ID(1), -EBADF);
    CHECK_EQ(write(fds[1], "abc", 3), 3);
    sqe = put_fixed(k, IORING_OP_READ, 3, got, 8, ID(2));
    sqe->off = UINT64_MAX;
    expect(k, ID(2), 3);
    CHECK_EQ(memcmp(got, "abc", 3), 0);
    /* Where a directory is named a slot cannot be. */
    sqe = put_fixed(k, IORING_OP_OPENAT, 3, "x", 0, ID(3));
    expect(k, ID(3), -EBADF);
    put_fixed(k, IORING_OP_CLOSE, 3, NULL, 0, ID(4));
    expect(k, ID(4), -EBADF);
    CHECK_OK(close_slot(k, 3));
    CHECK_EQ(read(fds[1], got, 1), 0); /* that was the last of it */
    CHECK_OK(close(fds[1]));
    world_close(k);
}

KERNEL_TEST2(I3_a_request_keeps_its_file_when_its_slot_is_replaced)
{
    struct kernel *k = open_kernel();
    int old[2], new[2], none = -1;
    char got[4] = "";

    make_pair(SOCK_STREAM, old);
    make_pair(SOCK_STREAM, new);
    CHECK_OK(register_sparse(k, 2));
    CHECK_EQ(update(k, 0, old, 1), 1);
    CHECK_OK(close(old[0]));
    put_fixed(k, IORING_OP_RECV, 0, got, 4, ID(1));
    expect_nothing(k);
    CHECK_EQ(update(k, 0, new, 1), 1);
    CHECK(reaches(k, 0, new[1]));
    put_fixed(k, IORING_OP_RECV, 0, got + 1, 1, ID(2));
    expect_nothing(k);
    CHECK_EQ(update(k, 0, &none, 1), 1);
    expect_nothing(k);
    CHECK_EQ(write(old[1], "o", 1), 1);
    expect(k, ID(1), 1);
    CHECK_EQ(got[0], 'o');
    CHECK_EQ(write(new[1], "n", 1), 1);
    expect(k, ID(2), 1);
    CHECK_EQ(got[1], 'n');
    /* With its last request the old file has gone. */
    CHECK_EQ(read(old[1], got, 1), 0);
    CHECK_OK(close(old[1]));
    close_pair(new);
    world_close(k);
}

KERNEL_TEST2(I3_a_table_goes_while_requests_are_on_it)
{
    struct kernel *k = open_kernel();
    char got = 0;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_OK(reg(k, IORING_REGISTER_FILES, fds, 1));
    put_fixed(k, IORING_OP_RECV, 0, &got, 1, ID(1));
    expect_nothing(k);
    CHECK_OK(unregister(k));
    CHECK_OK(register_sparse(k, 1));
    CHECK_EQ(write(fds[1], "x", 1), 1);
    expect(k, ID(1), 1);
    close_pair(fds);
    world_close(k);
}

KERNEL_TEST2(I3_a_tag_is_told_when_the_last_user_has_gone)
{
    struct kernel *k = open_kernel();
    uint64_t tags[2] = { ID(7), 0 };
    int fds[2], none[2] = { -1, -1 };
    char got = 0;

    make_pair(SOCK_STREAM, fds);
    CHECK_OK(register_sparse(k, 2));
    CHECK_ERR(update_tagged(k, 0, none, tags, 1), -EINVAL);
    CHECK_EQ(update_tagged(k, 0, fds, tags, 2), 2);
    put_fixed(k, IORING_OP_RECV, 0, &got, 1, ID(1));
    expect_nothing(k);
    CHECK_EQ(update(k, 0, none, 2), 2);
    expect_nothing(k); /* the request still has it */
    CHECK_EQ(write(fds[1], "x", 1), 1);
    enter(k, 2);
    expect(k, ID(1), 1);
    expect(k, ID(7), 0);
    /* With the table they all are. */
    tags[0] = ID(8);
    CHECK_EQ(update_tagged(k, 1, fds, tags, 1), 1);
    CHECK_OK(unregister(k));
    expect(k, ID(8), 0);
    close_pair(fds);
    world_close(k);
}

static int open_direct(struct kernel *k, const char *path, unsigned flags,
                       uint32_t index)
{
    struct io_uring_sqe *sqe =
        put(k, IORING_OP_OPENAT, AT_FDCWD, path, 0600, ID(80));

    sqe->open_flags = flags;
    sqe->file_index = index;
    return result_of(k, ID(80));
}

KERNEL_TEST2(B11_an_open_puts_its_file_into_a_slot)
{
    struct kernel *k = open_kernel();
    struct open_how how = { .flags = O_RDONLY | O_CLOEXEC };
    struct io_uring_sqe *sqe;
    char path[300], got[4];
    int fd = make_file("f", 100);

    snprintf(path, sizeof path, "%s/f", test_directory());
    CHECK_ERR(open_direct(k, path, O_RDONLY, 1), -ENXIO);
    CHECK_ERR(open_direct(k, path, O_RDONLY, ANY), -ENFILE);
    CHECK_OK(register_sparse(k, 2));
    CHECK_ERR(open_direct(k, path, O_RDONLY | O_CLOEXEC, 1), -EINVAL);
    CHECK_ERR(open_direct(k, path, O_RDONLY, 3), -EINVAL);
    CHECK_ERR(open_direct(k, "/no/such", O_RDONLY, 1), -ENOENT);
    CHECK_EQ(open_direct(k, path, O_RDONLY, 2), 0);
    CHECK_EQ(open_direct(k, path, O_RDWR | O_CREAT, ANY), 0);
    CHECK_ERR(open_direct(k, path, O_RDONLY, ANY), -ENFILE);
    /* A slot that is named is filled anew. */
    CHECK_EQ(open_direct(k, "/", O_RDONLY, 2), 0);
    put_fixed(k, IORING_OP_READ, 1, got, 4, ID(1));
    expect(k, ID(1), -EISDIR);
    sqe = put_fixed(k, IORING_OP_READ, 0, got, 4, ID(2));
    sqe->off = 10;
    expect(k, ID(2), 4);
    for (size_t i = 0; i < 4; i++)
        CHECK_EQ((unsigned char)got[i], file_byte(10 + i));

    sqe = put(k, IORING_OP_OPENAT2, AT_FDCWD, path, sizeof how, ID(3));
    sqe->off = (uintptr_t)&how;
    sqe->file_index = 2;
    expect(k, ID(3), -EINVAL);
    how.flags = O_RDONLY;
    sqe = put(k, IORING_OP_OPENAT2, AT_FDCWD, path, sizeof how, ID(4));
    sqe->off = (uintptr_t)&how;
    sqe->file_index = 2;
    expect(k, ID(4), 0);
    put_fixed(k, IORING_OP_READ, 1, got, 4, ID(5));
    expect(k, ID(5), 4);
    close(fd);
    world_close(k);
}

KERNEL_TEST2(B12_a_close_empties_a_slot)
{
    struct kernel *k = open_kernel();
    struct io_uring_sqe *sqe;

    CHECK_ERR(close_slot(k, 0), -ENXIO);
    CHECK_OK(register_sparse(k, 2));
    CHECK_ERR(close_slot(k, 0), -EBADF);
    CHECK_ERR(close_slot(k, 2), -EINVAL);
    CHECK_EQ(open_direct(k, "/", O_RDONLY, ANY), 0);
    sqe = put(k, IORING_OP_CLOSE, 1, NULL, 0, ID(1));
    sqe->file_index = 1;
    expect(k, ID(1), -EINVAL); /* a descriptor and a slot */
    CHECK_OK(close_slot(k, 0));
    CHECK_ERR(close_slot(k, 0), -EBADF);
    world_close(k);
}

KERNEL_TEST2(I4_automatic_slots_are_chosen_in_one_order)
{
    struct kernel *k = open_kernel();
    static const int first[] = { 0, 1, 2, 3 };
    int none = -1;

    CHECK_OK(register_sparse(k, 4));
    for (size_t i = 0; i < COUNT_OF(first); i++)
        CHECK_EQ(open_direct(k, "/", O_RDONLY, ANY), first[i]);
    CHECK_ERR(open_direct(k, "/", O_RDONLY, ANY), -ENFILE);
    CHECK_OK(close_slot(k, 3));
    CHECK_OK(close_slot(k, 1));
    CHECK_EQ(open_direct(k, "/", O_RDONLY, ANY), 1);
    CHECK_EQ(open_direct(k, "/", O_RDONLY, ANY), 3);
    CHECK_EQ(update(k, 2, &none, 1), 1);
    CHECK_EQ(update(k, 0, &none, 1), 1);
    CHECK_EQ(open_direct(k, "/", O_RDONLY, ANY), 0);
    CHECK_EQ(open_direct(k, "/", O_RDONLY, ANY), 2);
    CHECK_ERR(open_direct(k, "/", O_RDONLY, ANY), -ENFILE);
    /* Behind the last comes the first. */
    CHECK_OK(close_slot(k, 0));
    CHECK_EQ(open_direct(k, "/", O_RDONLY, 4), 0);
    CHECK_EQ(open_direct(k, "/", O_RDONLY, ANY), 0);
    world_close(k);
}

KERNEL_TEST2(I4_automatic_slots_keep_to_a_range)
{
    struct kernel *k = open_kernel();
    int slot;

    CHECK_ERR(set_range(k, 0, 1), -EINVAL); /* there is no table */
    CHECK_OK(register_sparse(k, 6));
    CHECK_ERR(set_range(k, 4, 3), -EINVAL);
    CHECK_ERR(set_range(k, UINT32_MAX, 2), -EOVERFLOW);
    CHECK_OK(set_range(k, 3, 2));
    CHECK_EQ(open_direct(k, "/", O_RDONLY, ANY), 3);
    CHECK_EQ(open_direct(k, "/", O_RDONLY, ANY), 4);
    CHECK_ERR(open_direct(k, "/", O_RDONLY, ANY), -ENFILE);
    CHECK_EQ(open_direct(k, "/", O_RDONLY, 6), 0);
    CHECK_ERR(open_direct(k, "/", O_RDONLY, ANY), -ENFILE);
    /* What happens to others makes no difference. */
    CHECK_EQ(open_direct(k, "/", O_RDONLY, 1), 0);
    CHECK_OK(close_slot(k, 0));
    CHECK_OK(close_slot(k, 4));
    CHECK_OK(close_slot(k, 5));
    CHECK_EQ(open_direct(k, "/", O_RDONLY, ANY), 4);
    CHECK_OK(close_slot(k, 3));
    CHECK_EQ(open_direct(k, "/", O_RDONLY, 1), 0);
    CHECK_OK(close_slot(k, 0));
    slot = open_direct(k, "/", O_RDONLY, ANY);
    if (slot == 0 && !is_emu())
        TEST_SKIP("this Linux leaves the range for what was closed (7.0)");
    CHECK_EQ(slot, 3);
    CHECK_OK(set_range(k, 1, 1));
    CHECK_EQ(open_direct(k, "/", O_RDONLY, ANY), 1);
    CHECK_ERR(open_direct(k, "/", O_RDONLY, ANY), -ENFILE);
    world_close(k);
}

KERNEL_TEST2(D8_files_update_fills_slots_by_a_request)
{
    struct kernel *k = open_kernel();
    int fds[2], given[3];
    struct io_uring_sqe *sqe;

    make_pair(SOCK_STREAM, fds);
    given[0] = fds[0];
    given[1] = fds[1];
    given[2] = 9999;
    put(k, IORING_OP_FILES_UPDATE, -1, given, 2, ID(1));
    expect(k, ID(1), -ENXIO);
    CHECK_OK(register_sparse(k, 4));
    put(k, IORING_OP_FILES_UPDATE, -1, given, 0, ID(1));
    expect(k, ID(1), -EINVAL);
    put(k, IORING_OP_FILES_UPDATE, -1, given, 2, ID(1))->rw_flags = 1;
    expect(k, ID(1), -EINVAL);
    put_fixed(k, IORING_OP_FILES_UPDATE, -1, given, 2, ID(1));
    expect(k, ID(1), -EINVAL);
    put(k, IORING_OP_FILES_UPDATE, -1, given, 2, ID(1))->off = 3;
    expect(k, ID(1), -EINVAL);
    if (!test_on_valgrind()) {
        put(k, IORING_OP_FILES_UPDATE, -1, (void *)8, 1, ID(1));
        expect(k, ID(1), -EFAULT);
    }
    put(k, IORING_OP_FILES_UPDATE, -1, given, 3, ID(2))->off = 1;
    expect(k, ID(2), 2);
    CHECK(reaches(k, 1, fds[1]));
    CHECK(reaches(k, 2, fds[0]));
    CHECK(!reaches(k, 3, fds[0]));

    /* Where there is room; the array tells. */
    given[0] = fds[0];
    given[1] = fds[1];
    given[2] = fds[1];
    sqe = put(k, IORING_OP_FILES_UPDATE, -1, given, 3, ID(3));
    sqe->off = ANY;
    expect(k, ID(3), 2);
    CHECK_EQ(given[0] + given[1], 3); /* 0 and 3 */
    CHECK(reaches(k, given[0], fds[1]));
    CHECK(reaches(k, given[1], fds[0]));
    CHECK_EQ(given[2], fds[1]);
    given[0] = fds[0];
    sqe = put(k, IORING_OP_FILES_UPDATE, -1, given, 1, ID(3));
    sqe->off = ANY;
    expect(k, ID(3), -ENFILE);
    close_pair(fds);
    world_close(k);
}

KERNEL_TEST2(D8_a_slot_becomes_a_descriptor)
{
    struct kernel *k = open_kernel();
    struct io_uring_sqe *sqe;
    int fds[2], fd;

    if (k->route[IORING_OP_FIXED_FD_INSTALL] != KERNEL_ROUTE_SQ)
        TEST_SKIP("FIXED_FD_INSTALL is Linux 6.8's");
    make_pair(SOCK_STREAM, fds);
    CHECK_OK(register_sparse(k, 2));
    CHECK_EQ(update(k, 1, fds, 1), 1);
    put(k, IORING_OP_FIXED_FD_INSTALL, 1, NULL, 0, ID(1));
    expect(k, ID(1), -EBADF);
    put_fixed(k, IORING_OP_FIXED_FD_INSTALL, 0, NULL, 0, ID(1));
    expect(k, ID(1), -EBADF);
    put_fixed(k, IORING_OP_FIXED_FD_INSTALL, 1, NULL, 1, ID(1));
    expect(k, ID(1), -EINVAL);
    sqe = put_fixed(k, IORING_OP_FIXED_FD_INSTALL, 1, NULL, 0, ID(1));
    sqe->install_fd_flags = 2;
    expect(k, ID(1), -EINVAL);
    put_fixed(k, IORING_OP_FIXED_FD_INSTALL, 1, NULL, 0, ID(2));
    fd = result_of(k, ID(2));
    CHECK_GE(fd, 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_OK(close(fd));
    sqe = put_fixed(k, IORING_OP_FIXED_FD_INSTALL, 1, NULL, 0, ID(3));
    sqe->install_fd_flags = IORING_FIXED_FD_NO_CLOEXEC;
    fd = result_of(k, ID(3));
    CHECK_GE(fd, 0);
    CHECK_EQ(fcntl(fd, F_GETFD), 0);
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_OK(close(fd));
    CHECK(reaches(k, 1, fds[1]));
    close_pair(fds);
    world_close(k);
}

KERNEL_TEST2(C2_an_accept_puts_its_connection_into_a_slot)
{
    struct kernel *k = open_kernel();
    struct sockaddr_in address;
    int listener = make_listener(0, &address);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct io_uring_sqe *sqe;
    char got = 0;

    CHECK_GE(client, 0);
    CHECK_OK(register_sparse(k, 2));
    sqe = put(k, IORING_OP_ACCEPT, listener, NULL, 0, ID(1));
    sqe->accept_flags = SOCK_CLOEXEC;
    sqe->file_index = 1;
    expect(k, ID(1), -EINVAL);
    put(k, IORING_OP_ACCEPT, listener, NULL, 0, ID(1))->file_index = ANY;
    expect_nothing(k);
    CHECK_OK(connect(client, (struct sockaddr *)&address, sizeof address));
    expect(k, ID(1), 0);
    put_fixed(k, IORING_OP_SEND, 0, "y", 1, ID(2));
    expect(k, ID(2), 1);
    CHECK_EQ(recv(client, &got, 1, 0), 1);
    CHECK_OK(close_slot(k, 0));
    CHECK_EQ(recv(client, &got, 1, 0), 0);
    CHECK_OK(close(client));
    CHECK_OK(close(listener));
    world_close(k);
}

KERNEL_TEST2(I3_a_cancel_by_slot_finds_what_is_on_its_file)
{
    struct kernel *k = open_kernel();
    struct io_uring_sqe *sqe;
    int fds[2], results[5];
    char got[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_OK(register_sparse(k, 3));
    CHECK_EQ(update(k, 0, fds, 2), 2);
    put_fixed(k, IORING_OP_RECV, 0, got, 1, 1);
    put_fixed(k, IORING_OP_RECV, 1, got + 1, 1, 2);
    expect_nothing(k);
    sqe = put(k, IORING_OP_ASYNC_CANCEL, 2, NULL, 0, 3);
    sqe->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_FD_FIXED;
    expect(k, 3, -EBADF);
    sqe = put(k, IORING_OP_ASYNC_CANCEL, 0, NULL, 0, 3);
    sqe->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_FD_FIXED;
    collect(k, 2, results);
    CHECK_EQ(results[3], 0);
    CHECK_ERR(results[1], -ECANCELED);
    sqe = put_fixed(k, IORING_OP_ASYNC_CANCEL, 1, NULL, 0, 4);
    sqe->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
    collect(k, 2, results);
    CHECK_EQ(results[4], 1);
    CHECK_ERR(results[2], -ECANCELED);
    close_pair(fds);
    world_close(k);
}

/* A table, a tagged file, one where there is room; each as far as memory goes.
 */
static void use_a_table(struct kernel *k, int fds[2])
{
    static const uint64_t tag = ID(7);
    int given = fds[1], done;

    if (register_sparse(k, 2) != 0)
        return;
    done = update_tagged(k, 0, fds, &tag, 1);
    CHECK(done == 1 || done == -ENOMEM);
    put(k, IORING_OP_FILES_UPDATE, -1, &given, 1, ID(1))->off = ANY;
    enter(k, 1);
    given = take(k).res;
    CHECK(given == 1 || given == -ENOMEM);
    CHECK_OK(unregister(k));
    if (done == 1)
        expect(k, ID(7), 0);
}

static void make_a_table(void)
{
    struct kernel_options options = { .entries = 8 };
    struct kernel *k;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    if (emu_open(&k, &options) == 0) {
        use_a_table(k, fds);
        world_close(k);
    }
    close_pair(fds);
}

TEST(I3_I4_a_table_in_user_space_without_memory_loses_nothing)
{
    CHECK_GE(for_each_failure(make_a_table), 6);
}

/* ---- what is not the same (docs/DIFFERENCES.md) -------------------------- */

KERNEL_TEST2(emu_difference_50_a_slot_takes_a_descriptor)
{
    struct kernel *k = open_kernel();
    struct rlimit limit;
    int pair[2], spare[64], count = 0;

    make_pair(SOCK_STREAM, pair);
    CHECK_OK(register_sparse(k, 8));
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 60;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    while ((spare[count] = dup(pair[0])) >= 0)
        count++;
    if (is_emu())
        CHECK_ERR(update(k, 0, pair, 1), -EMFILE);
    else
        CHECK_EQ(update(k, 0, pair, 1), 1);
    while (count > 0)
        CHECK_OK(close(spare[--count]));
    CHECK_EQ(update(k, 0, pair, 1), 1);
    CHECK(reaches(k, 0, pair[1]));
    close_pair(pair);
    world_close(k);
}

KERNEL_TEST2(emu_difference_51_a_child_shares_what_is_in_slots)
{
    struct kernel *k = open_kernel();
    int pair[2], hold[2], status;
    char byte;
    pid_t child;

    make_pair(SOCK_STREAM, pair);
    make_pipe(hold, 0);
    CHECK_OK(register_sparse(k, 1));
    CHECK_EQ(update(k, 0, pair, 1), 1);
    CHECK_OK(close(pair[0]));
    child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        close(hold[1]);
        _exit(patient_read(hold[0], &byte, 1) == 0 ? 0 : 1);
    }
    CHECK_OK(close_slot(k, 0));
    if (is_emu())
        CHECK_EQ(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);
    CHECK_OK(close(hold[1]));
    CHECK_EQ(patient_waitpid(child, &status), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(recv(pair[1], &byte, 1, 0), 0);
    CHECK_OK(close(hold[0]));
    CHECK_OK(close(pair[1]));
    world_close(k);
}

KERNEL_TEST2(emu_difference_13_a_cancel_by_descriptor_and_a_slot)
{
    struct kernel *k = open_kernel();
    struct io_uring_sqe *sqe;
    int pair[2], results[3];
    char got;

    make_pair(SOCK_STREAM, pair);
    CHECK_OK(register_sparse(k, 1));
    CHECK_EQ(update(k, 0, pair, 1), 1);
    put_fixed(k, IORING_OP_RECV, 0, &got, 1, 1);
    expect_nothing(k);
    sqe = put(k, IORING_OP_ASYNC_CANCEL, pair[0], NULL, 0, 2);
    sqe->cancel_flags = IORING_ASYNC_CANCEL_FD;
    if (is_emu()) {
        expect(k, 2, -ENOENT);
        CHECK_EQ(write(pair[1], "x", 1), 1);
        expect(k, 1, 1);
    } else {
        collect(k, 2, results);
        CHECK_EQ(results[2], 0);
        CHECK_ERR(results[1], -ECANCELED);
    }
    close_pair(pair);
    world_close(k);
}
