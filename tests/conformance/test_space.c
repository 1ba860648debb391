/* SPDX-License-Identifier: MIT */
/*
 * test_space.c - the room that files take, and advice, on every kernel
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/abi.h"
#include "ring/feature.h"
#include "stage.h"

#define GIB (UINT64_C(1) << 30)

static off_t size_of(int fd)
{
    struct stat status;

    CHECK_OK(fstat(fd, &status));
    return status.st_size;
}

static off_t blocks_of(int fd)
{
    struct stat status;

    CHECK_OK(fstat(fd, &status));
    return status.st_blocks;
}

/* ---- sync_file_range ----------------------------------------------------- */

KERNEL_TEST(B8_ranges_of_files_are_written_out)
{
    unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                   SYNC_FILE_RANGE_WAIT_AFTER;
    gyre_loop *loop = stage_open(8);
    int fd = make_file("f", 10000), fds[2];
    struct call call;

    gyre_op_sync_file_range(&call.op, fd, 100, 5000, all);
    CHECK_OK(call_run(loop, &call));
    gyre_op_sync_file_range(&call.op, fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    CHECK_OK(call_run(loop, &call));
    gyre_op_sync_file_range(&call.op, fd, 8 * GIB, 9 * GIB, all);
    CHECK_OK(call_run(loop, &call));
    gyre_op_sync_file_range(&call.op, fd, 0, 0, 1U << 20);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_sync_file_range(&call.op, fd, UINT64_MAX - 10, 5, all);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    make_pipe(fds);
    gyre_op_sync_file_range(&call.op, fds[0], 0, 0, all);
    CHECK_ERR(call_run(loop, &call), -ESPIPE);
    close_both(fds);
    close(fd);
    gyre_op_sync_file_range(&call.op, fd, 0, 0, all);
    CHECK_ERR(call_run(loop, &call), -EBADF);
    gyre_loop_destroy(loop);
}

/* What the request cannot say is not cut: it becomes more, not less. */
TEST(B8_a_size_beyond_32_bits_is_all_of_the_file)
{
    gyre_op op;
    const struct io_uring_sqe *sqe = gyre_op_sqe(&op);

    gyre_op_sync_file_range(&op, 3, 7, UINT32_MAX, 2);
    CHECK_EQ(sqe->len, UINT32_MAX);
    CHECK_EQ(sqe->off, 7u);
    CHECK_EQ(sqe->sync_range_flags, 2u);
    gyre_op_sync_file_range(&op, 3, 7, (uint64_t)UINT32_MAX + 1, 2);
    CHECK_EQ(sqe->len, 0u);
    gyre_op_sync_file_range(&op, 3, 7, UINT64_MAX, 2);
    CHECK_EQ(sqe->len, 0u);
}

/* ---- fallocate ----------------------------------------------------------- */

KERNEL_TEST(B9_room_is_made_and_taken_away)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_file("f", 10000);
    unsigned char bytes[3] = "xyz";
    struct call call;

    gyre_op_fallocate(&call.op, fd, 0, 8000, 8000);
    if (call_run(loop, &call) == -EOPNOTSUPP)
        TEST_SKIP("this file system has no fallocate");
    CHECK_OK(call.result.res);
    CHECK_EQ(size_of(fd), 16000);
    gyre_op_fallocate(&call.op, fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 20);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(size_of(fd), 16000);
    CHECK_GE(blocks_of(fd), (1 << 20) / 512);
    gyre_op_fallocate(&call.op, fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
                      5, 1);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(pread(fd, bytes, 3, 4), 3);
    CHECK_EQ(bytes[0], pattern_byte(4));
    CHECK_EQ(bytes[1], 0);
    CHECK_EQ(bytes[2], pattern_byte(6));
    gyre_op_fallocate(&call.op, fd, 0, 5 * GIB, 4096);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(size_of(fd), (off_t)(5 * GIB + 4096));
    gyre_op_fallocate(&call.op, fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
                      0, 6 * GIB);
    CHECK_OK(call_run(loop, &call));
    CHECK_LT(blocks_of(fd), 64);
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B9_what_cannot_be_allocated_says_why)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_file("f", 100), fds[2], reader;
    char path[4096];
    struct call call;

    gyre_op_fallocate(&call.op, fd, 0, 0, 0);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_fallocate(&call.op, fd, 0, UINT64_MAX, 1);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_fallocate(&call.op, fd, FALLOC_FL_PUNCH_HOLE, 0, 1);
    CHECK_ERR(call_run(loop, &call), -EOPNOTSUPP);
    gyre_op_fallocate(&call.op, fd, 0, 4096, INT64_MAX);
    CHECK_ERR(call_run(loop, &call), -EFBIG);
    reader = open(scratch_path(path, sizeof path, "f"), O_RDONLY | O_CLOEXEC);
    gyre_op_fallocate(&call.op, reader, 0, 0, 1);
    CHECK_ERR(call_run(loop, &call), -EBADF);
    make_pipe(fds);
    gyre_op_fallocate(&call.op, fds[1], 0, 0, 1);
    CHECK_ERR(call_run(loop, &call), -ESPIPE);
    close_both(fds);
    close(reader);
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B9_a_full_file_system_says_ENOSPC)
{
    const char *where = test_directory();
    gyre_loop *loop;
    struct call call;
    int fd;

    if (unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", where, "tmpfs", 0, "size=65536") != 0)
        TEST_SKIP("needs the right to mount a small file system");
    loop = stage_open(8);
    fd = make_file("f", 100);
    gyre_op_fallocate(&call.op, fd, 0, 0, 1 << 20);
    CHECK_ERR(call_run(loop, &call), -ENOSPC);
    gyre_op_fallocate(&call.op, fd, 0, 0, 8192);
    CHECK_OK(call_run(loop, &call));
    close(fd);
    gyre_loop_destroy(loop);
    CHECK_OK(umount2(where, MNT_DETACH));
}

/* ---- ftruncate ----------------------------------------------------------- */

KERNEL_TEST(B10_files_get_shorter_and_longer)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_file("f", 10000), fds[2], reader;
    unsigned char bytes[4];
    char path[4096];
    struct call call;

    gyre_op_ftruncate(&call.op, fd, 3);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(size_of(fd), 3);
    gyre_op_ftruncate(&call.op, fd, 5 * GIB + 1);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(size_of(fd), (off_t)(5 * GIB + 1));
    CHECK_EQ(pread(fd, bytes, 4, 2), 4);
    CHECK_EQ(bytes[0], pattern_byte(2));
    CHECK_EQ(bytes[1], 0); /* and not what was there */
    gyre_op_ftruncate(&call.op, fd, 0);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(size_of(fd), 0);

    gyre_op_ftruncate(&call.op, fd, UINT64_MAX);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    reader = open(scratch_path(path, sizeof path, "f"), O_RDONLY | O_CLOEXEC);
    gyre_op_ftruncate(&call.op, reader, 0);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    make_pipe(fds);
    gyre_op_ftruncate(&call.op, fds[1], 0);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    close_both(fds);
    close(reader);
    close(fd);
    gyre_op_ftruncate(&call.op, fd, 0);
    CHECK_ERR(call_run(loop, &call), -EBADF);
    gyre_loop_destroy(loop);
}

/* ---- advice -------------------------------------------------------------- */

KERNEL_TEST(B14_advice_about_files)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_file("f", 100000), fds[2];
    unsigned char byte;
    struct call call;

    for (int advice = POSIX_FADV_NORMAL; advice <= POSIX_FADV_NOREUSE;
         advice++) {
        gyre_op_fadvise(&call.op, fd, 0, 0, advice);
        CHECK_OK(call_run(loop, &call));
        gyre_op_fadvise(&call.op, fd, 4096, 4096, advice);
        CHECK_OK(call_run(loop, &call));
        gyre_op_fadvise(&call.op, fd, 5 * GIB, 5 * GIB, advice);
        CHECK_OK(call_run(loop, &call));
    }
    CHECK_EQ(pread(fd, &byte, 1, 99999), 1);
    CHECK_EQ(byte, pattern_byte(99999));
    gyre_op_fadvise(&call.op, fd, 0, 0, 999);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    make_pipe(fds);
    gyre_op_fadvise(&call.op, fds[0], 0, 0, POSIX_FADV_WILLNEED);
    CHECK_ERR(call_run(loop, &call), -ESPIPE);
    close_both(fds);
    close(fd);
    gyre_op_fadvise(&call.op, fd, 0, 0, POSIX_FADV_WILLNEED);
    CHECK_ERR(call_run(loop, &call), -EBADF);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B14_advice_about_memory)
{
    gyre_loop *loop = stage_open(8);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 4 * page;
    unsigned char *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct call call;

    test_not_on_qemu_user("it takes no advice about memory");
    CHECK(at != MAP_FAILED);
    memset(at, 7, size);
    gyre_op_madvise(&call.op, at + page, page, MADV_DONTNEED);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(at[page - 1], 7);
    CHECK_EQ(at[page], 0);
    CHECK_EQ(at[2 * page - 1], 0);
    CHECK_EQ(at[2 * page], 7);
    gyre_op_madvise(&call.op, at + 1, page, MADV_DONTNEED);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_madvise(&call.op, at, page, 999);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    CHECK_OK(munmap(at, size));
    gyre_op_madvise(&call.op, at, page, MADV_DONTNEED);
    CHECK_ERR(call_run(loop, &call), -ENOMEM);
    gyre_loop_destroy(loop);
}

/* 5 GiB of addresses, of which two pages are ever touched. */
static void advise_much(gyre_loop *loop)
{
    size_t size = 5 * GIB;
    unsigned char *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                             0);
    struct call call;

    if (at == MAP_FAILED)
        TEST_SKIP("5 GiB of addresses are not to be had");
    at[0] = at[size - 1] = 7;
    gyre_op_madvise(&call.op, at, size, MADV_DONTNEED);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(at[0], 0);
    CHECK_EQ(at[size - 1], 0);
    CHECK_OK(munmap(at, size));
}

KERNEL_TEST(B14_advice_is_not_cut_at_32_bits)
{
    gyre_loop *loop = stage_open(8);

    advise_much(loop);
    gyre_loop_destroy(loop);
}

KERNEL_TEST2(B14_long_advice_goes_beside_a_ring_that_takes_short_only)
{
    bool beside = strcmp(test_kernel(), "emu") != 0;
    int fd = make_file("f", 100);
    struct call call;
    gyre_loop *loop;

    CHECK_EQ(ring_features_restrict("long_advice"), 0u);
    loop = stage_open(8);
    gyre_op_fadvise(&call.op, fd, 0, UINT32_MAX, POSIX_FADV_NORMAL);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(stage_stats(loop).emulated, 0u);
    gyre_op_fadvise(&call.op, fd, 0, 4 * GIB, POSIX_FADV_NORMAL);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(stage_stats(loop).emulated, (unsigned)beside);
    advise_much(loop);
    CHECK_EQ(stage_stats(loop).emulated, 2 * (unsigned)beside);
    close(fd);
    gyre_loop_destroy(loop);
}
