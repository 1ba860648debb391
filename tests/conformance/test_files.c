/* SPDX-License-Identifier: MIT */
/*
 * test_files.c - files and pipes on every kernel
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ring/feature.h"
#include "stage.h"

static bool is_cloexec(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    CHECK_GE(flags, 0);
    return (flags & FD_CLOEXEC) != 0;
}

KERNEL_TEST(B1_nop_gives_zero)
{
    gyre_loop *loop = stage_open(8);
    struct call call;

    gyre_op_nop(&call.op);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(call_run(loop, &call), 0);
    CHECK_EQ(call.result.flags, 0);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B2_reads_and_writes_at_an_offset)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_file("f", 10000);
    unsigned char bytes[4096], *whole = malloc(10000);
    struct call call;

    CHECK(whole != NULL);
    for (size_t at = 0; at < 10000; at += 3333) {
        memset(bytes, 0, sizeof bytes);
        gyre_op_read(&call.op, fd, bytes, 1000, at);
        CHECK_EQ(call_run(loop, &call), at + 1000 <= 10000 ? 1000 : 1);
        for (int i = 0; i < call.result.res; i++)
            CHECK_EQ(bytes[i], pattern_byte(at + (size_t)i));
    }
    gyre_op_read(&call.op, fd, bytes, sizeof bytes, 10000);
    CHECK_EQ(call_run(loop, &call), 0);
    CHECK(gyre_op_is_eof(&call.op, call.result));
    gyre_op_read(&call.op, fd, bytes, 0, 0);
    CHECK_EQ(call_run(loop, &call), 0);
    CHECK(!gyre_op_is_eof(&call.op, call.result));

    gyre_op_write(&call.op, fd, "gyre", 4, 20000); /* leaves a hole */
    CHECK_EQ(call_run(loop, &call), 4);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 20004);
    gyre_op_read(&call.op, fd, bytes, 10, 19994);
    CHECK_EQ(call_run(loop, &call), 10);
    CHECK_MEM_EQ(bytes, "\0\0\0\0\0\0gyre", 10);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 20004); /* was not moved */
    free(whole);
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B2_the_current_position_moves)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_file("f", 100);
    unsigned char bytes[64];
    struct call call;

    for (size_t at = 0; at < 90; at += 30) {
        gyre_op_read(&call.op, fd, bytes, 30, GYRE_CURRENT_POSITION);
        CHECK_EQ(call_run(loop, &call), 30);
        CHECK_EQ(bytes[0], pattern_byte(at));
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), (off_t)at + 30);
    }
    gyre_op_write(&call.op, fd, "xyz", 3, GYRE_CURRENT_POSITION);
    CHECK_EQ(call_run(loop, &call), 3);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 93);
    CHECK_EQ(pread(fd, bytes, 5, 89), 5);
    CHECK_EQ(bytes[1], 'x');
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B2_a_pipe_is_read_as_it_fills)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    char bytes[16];
    struct call reader, writer;

    make_pipe(fds);
    gyre_op_read(&reader.op, fds[0], bytes, sizeof bytes,
                 GYRE_CURRENT_POSITION);
    call_start(loop, &reader);
    stage_turn(loop);
    CHECK_EQ(gyre_op_state(&reader.op), GYRE_OP_IN_FLIGHT);
    gyre_op_write(&writer.op, fds[1], "hello", 5, GYRE_CURRENT_POSITION);
    CHECK_EQ(call_run(loop, &writer), 5);
    CHECK_EQ(call_wait(loop, &reader), 5);
    CHECK_MEM_EQ(bytes, "hello", 5);
    close(fds[1]);
    CHECK_EQ(call_run(loop, &reader), 0);
    CHECK(gyre_op_is_eof(&reader.op, reader.result));
    close(fds[0]);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B2_a_full_pipe_is_written_as_it_empties)
{
    gyre_loop *loop = stage_open(8);
    static char bytes[1 << 16];
    int fds[2];
    struct call writer, reader;

    make_pipe(fds);
    CHECK_OK(fcntl(fds[1], F_SETFL, O_NONBLOCK));
    while (write(fds[1], bytes, 4096) > 0)
        ;
    CHECK_OK(fcntl(fds[1], F_SETFL, 0));
    gyre_op_write(&writer.op, fds[1], bytes, 4096, GYRE_CURRENT_POSITION);
    call_start(loop, &writer);
    stage_turn(loop);
    CHECK_EQ(gyre_op_state(&writer.op), GYRE_OP_IN_FLIGHT);
    gyre_op_read(&reader.op, fds[0], bytes, sizeof bytes,
                 GYRE_CURRENT_POSITION);
    CHECK_GT(call_run(loop, &reader), 0);
    CHECK_EQ(call_wait(loop, &writer), 4096);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B3_vectors_are_gathered_and_scattered)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_file("f", 0);
    char a[3] = "abc", b[5] = "defgh", x[1], y[6], z[9];
    struct iovec out[3] = { { a, 3 }, { NULL, 0 }, { b, 5 } };
    struct iovec in[3] = { { x, 1 }, { y, 6 }, { z, 9 } };
    struct call call;

    gyre_op_writev(&call.op, fd, out, 3, 2);
    CHECK_EQ(call_run(loop, &call), 8);
    gyre_op_readv(&call.op, fd, in, 3, 2);
    call_start(loop, &call);
    CHECK_OK(gyre_loop_submit(loop));
    memset(in, 0xDD, sizeof in); /* held until submission only */
    CHECK_EQ(call_wait(loop, &call), 8);
    CHECK_EQ(x[0], 'a');
    CHECK_MEM_EQ(y, "bcdefg", 6);
    CHECK_EQ(z[0], 'h');
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B3_vectors_take_flags)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_file("f", 100), fds[2];
    char text[6] = "abcdef", got[3];
    struct iovec out[2] = { { text, 2 }, { text + 2, 4 } };
    struct iovec in = { got, 3 };
    struct call call;
    bool known;

    test_not_on_qemu_user("it has no preadv2");
    gyre_op_writev2(&call.op, fd, out, 2, 0, RWF_APPEND);
    CHECK_EQ(call_run(loop, &call), 6);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 106);
    gyre_op_writev2(&call.op, fd, out, 2, 10, RWF_SYNC);
    CHECK_EQ(call_run(loop, &call), 6);
    gyre_op_readv2(&call.op, fd, &in, 1, 13, 0);
    CHECK_EQ(call_run(loop, &call), 3);
    CHECK_MEM_EQ(got, "def", 3);
    gyre_op_readv2(&call.op, fd, &in, 1, 103, 0);
    CHECK_EQ(call_run(loop, &call), 3);
    CHECK_MEM_EQ(got, "def", 3);
    make_pipe(fds);
    gyre_op_readv2(&call.op, fds[0], &in, 1, GYRE_CURRENT_POSITION, RWF_NOWAIT);
    /* Pipes know it since Linux 6.4. */
    known = preadv2(fds[0], &in, 1, -1, RWF_NOWAIT) < 0 && errno == EAGAIN;
    CHECK_ERR(call_run(loop, &call), known || strcmp(test_kernel(), "emu") == 0
                                         ? -EAGAIN
                                         : -EOPNOTSUPP);
    close_both(fds);
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B7_files_are_synced)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_file("f", 100);
    int fds[2];
    struct call call;

    gyre_op_fsync(&call.op, fd, false);
    CHECK_EQ(call_run(loop, &call), 0);
    gyre_op_fsync(&call.op, fd, true);
    CHECK_EQ(call_run(loop, &call), 0);
    make_pipe(fds);
    gyre_op_fsync(&call.op, fds[0], false);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    close_both(fds);
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B11_files_are_opened)
{
    gyre_loop *loop = stage_open(8);
    char path[4096];
    int dir = open(test_directory(), O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    struct call call;

    close(make_file("there", 10));
    gyre_op_openat(&call.op, AT_FDCWD, scratch_path(path, sizeof path, "there"),
                   O_RDONLY, 0);
    CHECK_GE(call_run(loop, &call), 0);
    CHECK(is_cloexec(call.result.res));
    close(call.result.res);
    gyre_op_openat(&call.op, dir, "made", O_RDWR | O_CREAT | O_EXCL, 0640);
    CHECK_GE(call_run(loop, &call), 0);
    CHECK_OK(fstat(call.result.res, &st));
    CHECK_EQ(st.st_mode & 0777 & ~0022U, 0640 & ~0022U);
    close(call.result.res);
    CHECK_ERR(call_run(loop, &call), -EEXIST);
    gyre_op_openat(&call.op, dir, "nothing", O_RDONLY, 0);
    CHECK_ERR(call_run(loop, &call), -ENOENT);
    gyre_op_openat(&call.op, dir, "there/under", O_RDONLY, 0);
    CHECK_ERR(call_run(loop, &call), -ENOTDIR);
    close(dir);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B11_openat2_stays_beneath)
{
    gyre_loop *loop = stage_open(8);
    char path[4096];
    int dir;
    struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH };
    struct call call;

    close(make_file("there", 10));
    CHECK_OK(mkdir(scratch_path(path, sizeof path, "root"), 0700));
    dir = open(path, O_DIRECTORY | O_CLOEXEC);
    CHECK_OK(symlinkat("../there", dir, "out"));
    close(openat(dir, "in", O_CREAT | O_WRONLY, 0600));
    gyre_op_openat2(&call.op, dir, "in", &how);
    if (call_run(loop, &call) == -ENOSYS)
        TEST_SKIP("openat2 is unknown to this valgrind, or to this Linux");
    CHECK_GE(call.result.res, 0);
    CHECK(is_cloexec(call.result.res));
    close(call.result.res);
    gyre_op_openat2(&call.op, dir, "../there", &how);
    CHECK_ERR(call_run(loop, &call), -EXDEV);
    gyre_op_openat2(&call.op, dir, "out", &how);
    CHECK_ERR(call_run(loop, &call), -EXDEV);
    how.resolve = UINT64_C(1) << 40;
    gyre_op_openat2(&call.op, dir, "in", &how);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    close(dir);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B11_openat2_resolves_as_it_is_told)
{
    gyre_loop *loop = stage_open(8);
    int dir = open(test_directory(), O_DIRECTORY | O_CLOEXEC);
    struct open_how how = { .flags = O_RDONLY };
    struct {
        unsigned resolve;
        const char *path;
        int error;
    } cases[] = {
        { 0, "link", 0 },
        { RESOLVE_NO_SYMLINKS, "link", -ELOOP },
        { RESOLVE_NO_SYMLINKS, "there", 0 },
        { RESOLVE_BENEATH, "dir/../there", 0 },
        { RESOLVE_BENEATH, "/etc", -EXDEV },
        { RESOLVE_IN_ROOT, "/there", 0 },
        { RESOLVE_IN_ROOT, "../../there", 0 },
        { RESOLVE_IN_ROOT, "/none", -ENOENT },
        { RESOLVE_NO_MAGICLINKS, "there", 0 },
        { RESOLVE_BENEATH | RESOLVE_IN_ROOT, "there", -EINVAL },
    };
    struct call call;

    close(make_file("there", 10));
    CHECK_OK(symlinkat("there", dir, "link"));
    CHECK_OK(mkdirat(dir, "dir", 0700));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        how.resolve = cases[i].resolve;
        gyre_op_openat2(&call.op, dir, cases[i].path, &how);
        if (call_run(loop, &call) == -ENOSYS)
            TEST_SKIP("openat2 is unknown to this valgrind, or to this Linux");
        if (cases[i].error != 0) {
            CHECK_ERR(call.result.res, cases[i].error);
            continue;
        }
        CHECK_GE(call.result.res, 0);
        close(call.result.res);
    }
    how =
        (struct open_how){ .flags = O_WRONLY | O_CREAT | O_EXCL, .mode = 0640 };
    gyre_op_openat2(&call.op, dir, "made", &how);
    CHECK_GE(call_run(loop, &call), 0);
    close(call.result.res);
    CHECK_ERR(call_run(loop, &call), -EEXIST);
    how = (struct open_how){ .flags = O_RDONLY, .mode = 0640 };
    gyre_op_openat2(&call.op, dir, "there", &how);
    CHECK_ERR(call_run(loop, &call), -EINVAL); /* a mode, and nothing made */
    close(dir);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E17_B11_the_copying_forms_need_nothing_after_the_fill)
{
    gyre_loop *loop = stage_open(8);
    gyre_path_op *op = malloc(sizeof *op);
    char *path = malloc(4096);
    struct open_how *how = malloc(sizeof *how);
    struct statx result;

    CHECK(op != NULL && path != NULL && how != NULL);
    close(make_file("there", 77));
    scratch_path(path, 4096, "there");
    CHECK_OK(gyre_path_op_openat(op, AT_FDCWD, path, O_RDONLY, 0));
    memset(path, 0xDD, 4096);
    CHECK_GE(op_run(loop, &op->op), 0);
    {
        /* The new descriptor is the lowest one free: close it by number. */
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        close(fd - 1);
        close(fd);
    }
    scratch_path(path, 4096, "there");
    CHECK_OK(gyre_path_op_statx(op, AT_FDCWD, path, 0, STATX_SIZE, &result));
    memset(path, 0xDD, 4096);
    CHECK_EQ(op_run(loop, &op->op), 0);
    CHECK_EQ(result.stx_size, 77);
    *how = (struct open_how){ .flags = O_RDONLY };
    scratch_path(path, 4096, "nothing");
    CHECK_OK(gyre_path_op_openat2(op, AT_FDCWD, path, how));
    memset(path, 0xDD, 4096);
    memset(how, 0xDD, sizeof *how);
    CHECK_ERR(op_run(loop, &op->op), -ENOENT);
    free(how);
    free(path);
    free(op);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B12_a_descriptor_is_closed_once)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    char byte;
    struct call call;

    make_pipe(fds);
    gyre_op_close(&call.op, fds[1]);
    CHECK_EQ(call_run(loop, &call), 0);
    CHECK_EQ(read(fds[0], &byte, 1), 0); /* the writer is gone */
    CHECK_ERR(call_run(loop, &call), -EBADF);
    gyre_op_close(&call.op, fds[0]);
    CHECK_EQ(call_run(loop, &call), 0);
    gyre_loop_destroy(loop);
}

/* As on a Linux without it: the emulator does it, beside the ring. */
KERNEL_TEST2(S2_one_opcode_that_is_missing_is_emulated_and_the_rest_is_not)
{
    char path[4096];
    bool beside = strcmp(test_kernel(), "emu") != 0;
    struct statx status;
    struct call call;
    gyre_loop *loop;

    CHECK_OK(close(make_file("f", 321)));
    scratch_path(path, sizeof path, "f");
    CHECK_EQ(ring_features_restrict("op_statx"), 0u);
    loop = stage_open(8);
    gyre_op_statx(&call.op, AT_FDCWD, path, 0, STATX_SIZE, &status);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(status.stx_size, 321u);
    CHECK_EQ(stage_stats(loop).emulated, (unsigned)beside);
    gyre_op_openat(&call.op, AT_FDCWD, path, O_RDONLY, 0);
    CHECK_OK(close(call_run(loop, &call)));
    CHECK_EQ(stage_stats(loop).emulated, (unsigned)beside);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B13_statx_agrees_with_the_system_call)
{
    gyre_loop *loop = stage_open(8);
    char path[4096];
    struct statx here, there;
    struct call call;

    close(make_file("f", 4321));
    scratch_path(path, sizeof path, "f");
    gyre_op_statx(&call.op, AT_FDCWD, path, 0, STATX_BASIC_STATS, &here);
    CHECK_EQ(call_run(loop, &call), 0);
    CHECK_OK(syscall(SYS_statx, AT_FDCWD, path, 0, STATX_BASIC_STATS, &there));
    CHECK_EQ(here.stx_size, 4321);
    CHECK_EQ(here.stx_ino, there.stx_ino);
    CHECK_EQ(here.stx_mode, there.stx_mode);
    CHECK_EQ(here.stx_mtime.tv_sec, there.stx_mtime.tv_sec);
    CHECK_EQ(here.stx_mtime.tv_nsec, there.stx_mtime.tv_nsec);
    gyre_op_statx(&call.op, AT_FDCWD, "/no/such/file", 0, STATX_SIZE, &here);
    CHECK_ERR(call_run(loop, &call), -ENOENT);
    gyre_loop_destroy(loop);
}

/* Without a path, also where Linux wants one. */
KERNEL_TEST(B13_statx_of_an_open_file_and_of_a_link)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_file("f", 4321), fds[2];
    char path[4096];
    struct statx status;
    struct call call;

    for (int i = 0; i < 2; i++) {
        memset(&status, 0, sizeof status);
        gyre_op_statx(&call.op, fd, i == 0 ? "" : NULL, AT_EMPTY_PATH,
                      STATX_SIZE, &status);
        CHECK_OK(call_run(loop, &call));
        CHECK_EQ(status.stx_size, 4321u);
    }
    gyre_op_statx(&call.op, fd, "", 0, STATX_SIZE, &status);
    CHECK_ERR(call_run(loop, &call), -ENOENT);
    make_pipe(fds);
    gyre_op_statx(&call.op, fds[0], "", AT_EMPTY_PATH, STATX_TYPE, &status);
    CHECK_OK(call_run(loop, &call));
    CHECK(S_ISFIFO(status.stx_mode));
    close_both(fds);

    CHECK_OK(symlink("f", scratch_path(path, sizeof path, "link")));
    gyre_op_statx(&call.op, AT_FDCWD, path, 0, STATX_SIZE | STATX_TYPE,
                  &status);
    CHECK_OK(call_run(loop, &call));
    CHECK(S_ISREG(status.stx_mode));
    gyre_op_statx(&call.op, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW,
                  STATX_SIZE | STATX_TYPE, &status);
    CHECK_OK(call_run(loop, &call));
    CHECK(S_ISLNK(status.stx_mode));
    gyre_op_statx(&call.op, AT_FDCWD, path, 1 << 30, STATX_SIZE, &status);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    CHECK_OK(ftruncate(fd, (off_t)5 << 30));
    gyre_op_statx(&call.op, fd, "", AT_EMPTY_PATH, STATX_SIZE, &status);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(status.stx_size, UINT64_C(5) << 30);
    close(fd);
    gyre_op_statx(&call.op, fd, "", AT_EMPTY_PATH, STATX_SIZE, &status);
    CHECK_ERR(call_run(loop, &call), -EBADF);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A16_a_request_filled_by_hand_works_too)
{
    gyre_loop *loop = stage_open(8);
    struct call call;

    gyre_op_raw(&call.op, 0); /* NOP */
    CHECK_EQ(call_run(loop, &call), 0);
    gyre_op_raw(&call.op, 0xFF);
    CHECK_ERR(call_run(loop, &call), -EOPNOTSUPP);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(getdents_lists_the_directory)
{
    enum { FILES = 300 };
    gyre_loop *loop = stage_open(8);
    int dir = open(test_directory(), O_DIRECTORY | O_CLOEXEC);
    static uint64_t bytes[512]; /* too small for all at once */
    bool seen[FILES] = { false };
    unsigned entries = 0, portions = 0;
    struct call call;

    for (int i = 0; i < FILES; i++) {
        char name[32];

        snprintf(name, sizeof name, "file-%d", i);
        close(make_file(name, 0));
    }
    for (;;) {
        gyre_op_getdents(&call.op, dir, bytes, sizeof bytes);
        CHECK_GE(call_run(loop, &call), 0);
        if (call.result.res == 0)
            break;
        portions++;
        for (int at = 0; at < call.result.res;) {
            struct dirent64 *entry =
                (struct dirent64 *)(void *)((char *)bytes + at);
            int number;

            if (sscanf(entry->d_name, "file-%d", &number) == 1) {
                CHECK(number >= 0 && number < FILES && !seen[number]);
                seen[number] = true;
                entries++;
            }
            at += entry->d_reclen;
        }
    }
    CHECK_EQ(entries, FILES);
    CHECK_GT(portions, 1);
    close(dir);
    gyre_op_getdents(&call.op, dir, bytes, sizeof bytes);
    CHECK_ERR(call_run(loop, &call), -EBADF);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(sendfile_sends_a_file_in_slices)
{
    enum { SIZE = 300000 };
    gyre_loop *loop = stage_open(8);
    int file = make_file("body", SIZE);
    unsigned char *bytes = malloc(SIZE);
    size_t sent = 0, got = 0;
    int fds[2];
    struct call sender, receiver;

    CHECK(bytes != NULL);
    make_connection(fds);
    gyre_op_sendfile(&sender.op, fds[0], file, 0, SIZE);
    call_start(loop, &sender);
    gyre_op_recv(&receiver.op, fds[1], bytes, SIZE, 0);
    call_start(loop, &receiver);
    /* The last bytes may be received before their sender is told. */
    while (got < SIZE || sent < SIZE) {
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        if (sender.lasts == 1 && sent < SIZE) {
            CHECK_GT(sender.result.res, 0);
            sent += (size_t)sender.result.res;
            if (sent < SIZE) {
                gyre_op_sendfile(&sender.op, fds[0], file, sent,
                                 (uint32_t)(SIZE - sent));
                call_start(loop, &sender);
            }
        }
        if (receiver.lasts == 1 && got < SIZE) {
            CHECK_GT(receiver.result.res, 0);
            got += (size_t)receiver.result.res;
            if (got < SIZE) {
                gyre_op_recv(&receiver.op, fds[1], bytes + got, SIZE - got, 0);
                call_start(loop, &receiver);
            }
        }
    }
    CHECK_EQ(sent, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        CHECK_EQ(bytes[i], pattern_byte(i));
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 0); /* its position is its owner's */
    gyre_op_sendfile(&sender.op, fds[0], file, SIZE, 10);
    CHECK_EQ(call_run(loop, &sender), 0); /* the end of the file */
    close_both(fds);
    close(file);
    free(bytes);
    gyre_loop_destroy(loop);
}

static int add_one(void *arg)
{
    if (gettid() == getpid())
        return -EDEADLK; /* this is the loop's own thread */
    return ++*(int *)arg;
}

KERNEL_TEST(L9_a_call_runs_on_a_thread_and_its_result_comes_back)
{
    enum { CALLS = 50 };
    gyre_loop *loop = stage_open(8);
    struct call call[CALLS];
    int numbers[CALLS];

    for (int i = 0; i < CALLS; i++) {
        numbers[i] = i;
        gyre_op_call(&call[i].op, add_one, &numbers[i]);
        call_start(loop, &call[i]);
    }
    for (int i = 0; i < CALLS; i++) {
        CHECK_EQ(call_wait(loop, &call[i]), i + 1);
        CHECK_EQ(numbers[i], i + 1);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E15_trying_reads_what_is_there_and_no_more)
{
    gyre_loop *loop = stage_open(8);
    int fds[2];
    char bytes[8];
    struct call call;

    make_pair(fds);
    stage_turn(loop);
    gyre_op_recv(&call.op, fds[0], bytes, sizeof bytes, 0);
    CHECK_ERR(gyre_op_try(loop, &call.op), -EAGAIN);
    CHECK_EQ(write(fds[1], "now", 3), 3);
    CHECK_EQ(gyre_op_try(loop, &call.op), 3);
    CHECK_MEM_EQ(bytes, "now", 3);
    gyre_op_send(&call.op, fds[0], "back", 4, 0);
    CHECK_EQ(gyre_op_try(loop, &call.op), 4);
    CHECK_EQ(read(fds[1], bytes, 8), 4);
    gyre_op_call(&call.op, add_one, bytes); /* never on this thread */
    CHECK_ERR(gyre_op_try(loop, &call.op), -EAGAIN);
    close_both(fds);
    gyre_loop_destroy(loop);
}
