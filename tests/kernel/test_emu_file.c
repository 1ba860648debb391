/* SPDX-License-Identifier: MIT */
/*
 * test_emu_file.c - the emulator's files, pipes and directories
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runner/test.h"
#include "test_emu_world.h"

static void check_bytes(const unsigned char *got, size_t from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (got[i] != file_byte(from + i))
            FAIL("byte %zu is wrong", from + i);
}

TEST(emu_read_and_write_files_at_offsets)
{
    struct kernel *k = world_open(8, 0, 0);
    unsigned char got[1000];
    int fd = make_file("f", 5000);

    put(k, IORING_OP_READ, fd, got, 1000, 1)->off = 3000;
    expect(k, 1, 1000);
    check_bytes(got, 3000, 1000);
    put(k, IORING_OP_READ, fd, got, 1000, 2)->off = 4500;
    expect(k, 2, 500);
    put(k, IORING_OP_READ, fd, got, 1000, 3)->off = 9000;
    expect(k, 3, 0);
    put(k, IORING_OP_WRITE, fd, "new", 3, 4)->off = 10;
    expect(k, 4, 3);
    put(k, IORING_OP_READ, fd, got, 3, 5)->off = 10;
    expect(k, 5, 3);
    CHECK_MEM_EQ(got, "new", 3);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    close(fd);
    world_close(k);
}

TEST(emu_offset_minus_one_is_the_current_position)
{
    struct kernel *k = world_open(8, 0, 0);
    unsigned char got[100];
    int fd = make_file("f", 150);

    put(k, IORING_OP_READ, fd, got, 100, 1)->off = UINT64_MAX;
    expect(k, 1, 100);
    put(k, IORING_OP_READ, fd, got, 100, 2)->off = UINT64_MAX;
    expect(k, 2, 50);
    check_bytes(got, 100, 50);
    put(k, IORING_OP_WRITE, fd, "end", 3, 3)->off = UINT64_MAX;
    expect(k, 3, 3);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 153);
    close(fd);
    world_close(k);
}

TEST(emu_vectors_of_any_length)
{
    struct kernel *k = world_open(8, 0, 0);
    static unsigned char got[40][10];
    struct iovec iov[40];
    int fd = make_file("f", 395), fds[2];

    for (size_t i = 0; i < 40; i++)
        iov[i] = (struct iovec){ got[i], 10 };
    put(k, IORING_OP_READV, fd, iov, 40, 1)->off = 0;
    expect(k, 1, 395);
    check_bytes(got[0], 0, 395);
    put(k, IORING_OP_WRITEV, fd, iov, 39, 2)->off = 1000;
    expect(k, 2, 390);
    if (!under_valgrind()) {
        put(k, IORING_OP_READV, fd, iov, 2000, 3);
        expect(k, 3, -EINVAL);
    }
    close(fd);

    /* Waiting ones work on a copy of the array. */
    make_pipe(fds, 0);
    for (unsigned count = 1; count <= 40; count += 39) {
        put(k, IORING_OP_READV, fds[0], iov, count, 4)->off = UINT64_MAX;
        expect_nothing(k);
        memset(iov, 0xff, sizeof iov);
        CHECK_EQ(write(fds[1], "hello", 5), 5);
        expect(k, 4, 5);
        CHECK_MEM_EQ(got[0], "hello", 5);
        for (size_t i = 0; i < 40; i++)
            iov[i] = (struct iovec){ got[i], 10 };
    }
    close_pair(fds);
    world_close(k);
}

/* Uncached pages come from the disk, by a thread; a read that finds some of its
 * pages cached is still whole. */
TEST(emu_reads_of_cold_files_are_whole)
{
    enum { SIZE = 1 << 20 };
    struct kernel *k = world_open(8, 0, 0);
    static unsigned char got[SIZE + 10];
    struct iovec iov[2] = { { got, SIZE / 2 }, { got + SIZE / 2, SIZE } };
    int fd = make_file("f", SIZE);

    CHECK_EQ(fsync(fd), 0);
    for (int vectored = 0; vectored < 2; vectored++) {
        CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        CHECK_EQ(pread(fd, got, 4096, 0), 4096);
        memset(got, 0, sizeof got);
        if (vectored)
            put(k, IORING_OP_READV, fd, iov, 2, 1);
        else
            put(k, IORING_OP_READ, fd, got, SIZE + 10, 1);
        expect(k, 1, SIZE);
        check_bytes(got, 0, SIZE);
    }
    close(fd);
    world_close(k);
}

static void pipe_waits(int flags)
{
    struct kernel *k = world_open(8, 0, 0);
    static char filler[1 << 20];
    char got[8] = "";
    int fds[2];
    int written;

    make_pipe(fds, flags);
    put(k, IORING_OP_READ, fds[0], got, sizeof got, 1);
    expect_nothing(k);
    CHECK_EQ(write(fds[1], "abc", 3), 3);
    expect(k, 1, 3);

    /* Fill it; the write that has no room waits for some. */
    CHECK_EQ(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    while (write(fds[1], filler, sizeof filler) > 0)
        ;
    CHECK_EQ(fcntl(fds[1], F_SETFL, flags), 0);
    put(k, IORING_OP_WRITE, fds[1], "xyz", 3, 2)->off = UINT64_MAX;
    expect_nothing(k);
    written = 0;
    CHECK(read(fds[0], filler, 65536) > 0);
    written = result_of(k, 2);
    CHECK_EQ(written, 3);
    close(fds[1]);
    while (read(fds[0], filler, sizeof filler) > 0)
        ;
    put(k, IORING_OP_READ, fds[0], got, sizeof got, 3)->off = UINT64_MAX;
    expect(k, 3, 0);
    close(fds[0]);
    world_close(k);
}

TEST(emu_pipes_wait)
{
    pipe_waits(0);
}

TEST(emu_nonblocking_pipes_wait_too)
{
    pipe_waits(O_NONBLOCK);
}

static void eventfd_waits(int flags)
{
    struct kernel *k = world_open(8, 0, 0);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE | flags);
    uint64_t one = 1, two = 2, got[2] = { 0 };
    int results[64];

    put(k, IORING_OP_READ, fd, &got[0], 8, 1);
    put(k, IORING_OP_READ, fd, &got[1], 8, 2);
    expect_nothing(k);
    put(k, IORING_OP_WRITE, fd, &two, 8, 3);
    collect(k, 3, results);
    CHECK(results[1] == 8 && results[2] == 8 && results[3] == 8);
    CHECK_EQ(got[0] + got[1], 2u);
    put(k, IORING_OP_READ, fd, &got[0], 8, 4);
    expect_nothing(k);
    cancel(k, 4);

    /* A write beyond the maximum waits for a read. */
    one = UINT64_MAX - 1;
    CHECK_EQ(write(fd, &one, 8), 8);
    one = 1;
    put(k, IORING_OP_WRITE, fd, &one, 8, 5);
    expect_nothing(k);
    put(k, IORING_OP_READ, fd, &got[0], 8, 6);
    collect(k, 2, results);
    CHECK(results[5] == 8 && results[6] == 8);
    close(fd);
    world_close(k);
}

TEST(emu_eventfds_wait)
{
    eventfd_waits(0);
}

TEST(emu_nonblocking_eventfds_wait_too)
{
    eventfd_waits(EFD_NONBLOCK);
}

TEST(emu_open_close_and_errors)
{
    struct kernel *k = world_open(8, 0, 0);
    char path[512], way[4200];
    int fd;

    snprintf(path, sizeof path, "%s/made", test_directory());
    put(k, IORING_OP_OPENAT, AT_FDCWD, path, 0644, 1)->open_flags =
        O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    enter(k, 0);
    fd = result_of(k, 1);
    CHECK_GE(fd, 0);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
    put(k, IORING_OP_CLOSE, fd, NULL, 0, 2);
    expect(k, 2, 0);
    put(k, IORING_OP_CLOSE, fd, NULL, 0, 3);
    expect(k, 3, -EBADF);

    put(k, IORING_OP_OPENAT, AT_FDCWD, path, 0, 4)->open_flags = O_RDONLY |
                                                                 O_APPEND;
    fd = result_of(k, 4);
    CHECK_GE(fd, 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND);
    close(fd);
    put(k, IORING_OP_OPENAT, AT_FDCWD, path, 0, 5)->open_flags =
        O_RDWR | O_CREAT | O_EXCL;
    expect(k, 5, -EEXIST);
    put(k, IORING_OP_OPENAT, AT_FDCWD, "/no/such/thing", 0, 6);
    expect(k, 6, -ENOENT);
    memset(way, 'a', sizeof way - 1);
    way[sizeof way - 1] = '\0';
    put(k, IORING_OP_OPENAT, AT_FDCWD, way, 0, 9)->open_flags = O_CREAT;
    expect(k, 9, -ENAMETOOLONG);
    put(k, IORING_OP_OPENAT, 9999, "x", 0, 10);
    expect(k, 10, -EBADF);
    put(k, IORING_OP_OPENAT, AT_FDCWD, "x", 0, 11)->file_index = 1;
    expect(k, 11, -ENOENT);

    /* A path as long as they may be, which no slot has room for. */
    memset(way, '/', sizeof way);
    memcpy(way + 4095 - strlen(path), path, strlen(path) + 1);
    put(k, IORING_OP_OPENAT, AT_FDCWD, way, 0600, 12)->open_flags = O_CREAT |
                                                                    O_RDWR;
    fd = result_of(k, 12);
    CHECK_GE(fd, 0);
    close(fd);
    world_close(k);
}

TEST(emu_openat2_obeys_how)
{
    struct kernel *k = world_open(8, 0, 0);
    struct {
        struct open_how how;
        uint64_t more;
    } how = { .how = { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH } };
    int dir = open(test_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int made = make_file("f", 10), fd;

    if (syscall(SYS_openat2, -1, "", &how, 0) < 0 && errno == ENOSYS)
        TEST_SKIP("needs openat2 (Linux 5.6)");
    put(k, IORING_OP_OPENAT2, dir, "f", sizeof how.how, 1)->off =
        (uintptr_t)&how;
    fd = result_of(k, 1);
    CHECK_GE(fd, 0);
    close(fd);
    put(k, IORING_OP_OPENAT2, dir, "../f", sizeof how.how, 2)->off =
        (uintptr_t)&how;
    expect(k, 2, -EXDEV);
    put(k, IORING_OP_OPENAT2, dir, "f", sizeof how, 3)->off = (uintptr_t)&how;
    fd = result_of(k, 3);
    CHECK_GE(fd, 0);
    close(fd);
    how.more = 1;
    put(k, IORING_OP_OPENAT2, dir, "f", sizeof how, 4)->off = (uintptr_t)&how;
    expect(k, 4, -E2BIG);
    put(k, IORING_OP_OPENAT2, dir, "f", 8, 5)->off = (uintptr_t)&how;
    expect(k, 5, -EINVAL);
    how.how.mode = 0777;
    put(k, IORING_OP_OPENAT2, dir, "f", sizeof how.how, 7)->off =
        (uintptr_t)&how;
    expect(k, 7, -EINVAL);
    how.how = (struct open_how){ .flags = O_CREAT | O_WRONLY, .mode = 0600 };
    put(k, IORING_OP_OPENAT2, dir, "new", sizeof how.how, 8)->off =
        (uintptr_t)&how;
    enter(k, 0);
    memset(&how, 0xff, sizeof how); /* was read at submission */
    fd = result_of(k, 8);
    CHECK_GE(fd, 0);
    close(fd);
    close(made);
    close(dir);
    world_close(k);
}

TEST(emu_statx_fsync_getdents)
{
    struct kernel *k = world_open(8, 0, 0);
    char path[512], entries[4096];
    struct statx status;
    struct io_uring_sqe *sqe;
    bool found = false;
    int fd = make_file("f", 1234), dir, n;

    snprintf(path, sizeof path, "%s/f", test_directory());
    sqe = put(k, IORING_OP_STATX, AT_FDCWD, path, STATX_SIZE, 1);
    sqe->addr2 = (uintptr_t)&status;
    expect(k, 1, 0);
    CHECK_EQ(status.stx_size, 1234u);
    sqe = put(k, IORING_OP_STATX, fd, "", STATX_SIZE, 2);
    sqe->addr2 = (uintptr_t)&status;
    sqe->statx_flags = AT_EMPTY_PATH;
    expect(k, 2, 0);
    put(k, IORING_OP_FSYNC, fd, NULL, 0, 4);
    expect(k, 4, 0);
    put(k, IORING_OP_FSYNC, fd, NULL, 0, 5)->fsync_flags =
        IORING_FSYNC_DATASYNC;
    expect(k, 5, 0);
    put(k, IORING_OP_FSYNC, fd, NULL, 0, 6)->fsync_flags = 2;
    expect(k, 6, -EINVAL);
    put(k, IORING_OP_FSYNC, 9999, NULL, 0, 7);
    expect(k, 7, -EBADF);
    close(fd);

    dir = open(test_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    put(k, KERNEL_OP_GETDENTS, dir, entries, sizeof entries, 8);
    n = result_of(k, 8);
    CHECK_GT(n, 0);
    for (int at = 0; at < n;) {
        struct dirent64 *entry = (struct dirent64 *)(void *)(entries + at);

        found |= strcmp(entry->d_name, "f") == 0;
        at += entry->d_reclen;
    }
    CHECK(found);
    put(k, KERNEL_OP_GETDENTS, dir, entries, sizeof entries, 9);
    expect(k, 9, 0);
    close(dir);
    world_close(k);
}

/* Send a file through a pair of sockets: all bytes, in order. */
static void send_file(size_t size, int socket_flags, uint32_t part)
{
    struct kernel *k = world_open(8, 0, 0);
    unsigned char *got = calloc(size + 1, 1);
    int file = make_file("f", size), fds[2];
    size_t sent = 0, received = 0;

    make_pair(SOCK_STREAM | socket_flags, fds);
    while (sent < size) {
        struct io_uring_sqe *sqe =
            put(k, KERNEL_OP_SENDFILE, fds[0], NULL, part, 1);
        int n;

        sqe->splice_fd_in = file;
        sqe->off = sent;
        enter(k, 0);
        while (cq_ready(&k->cq) == 0 || received < sent) {
            ssize_t m =
                recv(fds[1], got + received, size - received, MSG_DONTWAIT);

            if (m > 0)
                received += (size_t)m;
            enter(k, 0);
        }
        n = result_of(k, 1);
        if (n == -EINTR) /* the loop would start it again */
            continue;
        CHECK_GT(n, 0);
        sent += (size_t)n;
    }
    put(k, KERNEL_OP_SENDFILE, fds[0], NULL, part, 2)->splice_fd_in = file;
    k->sq.sqes[(k->sq.filled - 1) & k->sq.mask].off = size;
    expect(k, 2, 0);
    while (received < size) {
        ssize_t m = read(fds[1], got + received, size - received);

        CHECK(m > 0);
        received += (size_t)m;
    }
    check_bytes(got, 0, size);
    free(got);
    close_pair(fds);
    close(file);
    world_close(k);
}

TEST(emu_sendfile_sends_all_of_a_file)
{
    send_file(10, SOCK_NONBLOCK, 100);
    send_file(20000, SOCK_NONBLOCK, 20000);
    send_file(3000000, SOCK_NONBLOCK, 1 << 30);
    send_file(3000000, 0, 1 << 30);
    send_file(3000000, SOCK_NONBLOCK, 5000);
}

TEST(emu_sendfile_of_a_cold_file_and_its_errors)
{
    struct kernel *k = world_open(8, 0, 0);
    unsigned char got[40000];
    int file = make_file("f", 1 << 20), fds[2];
    int n;

    make_pair(SOCK_STREAM | SOCK_NONBLOCK, fds);
    CHECK_EQ(fsync(file), 0);
    CHECK_EQ(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    put(k, KERNEL_OP_SENDFILE, fds[0], NULL, 40000, 1)->splice_fd_in = file;
    n = result_of(k, 1);
    CHECK_GT(n, 0);
    CHECK_EQ(recv(fds[1], got, (size_t)n, MSG_WAITALL), n);
    check_bytes(got, 0, (size_t)n);
    put(k, KERNEL_OP_SENDFILE, fds[0], NULL, 40000, 2)->splice_fd_in = 9999;
    expect(k, 2, -EBADF);
    put(k, KERNEL_OP_SENDFILE, 9999, NULL, 40000, 3)->splice_fd_in = file;
    expect(k, 3, -EBADF);
    close_pair(fds);
    close(file);
    world_close(k);
}

TEST(emu_bad_pointers_of_files_fault)
{
    struct kernel *k = world_open(8, 0, 0);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *edge = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int file = make_file("f", 100), fds[2], fd;

    CHECK(edge != MAP_FAILED);
    CHECK_EQ(mprotect(edge + page, page, PROT_NONE), 0);
    if (under_valgrind())
        TEST_SKIP("valgrind reports bad pointers itself");
    put(k, IORING_OP_READ, file, (void *)8, 10, 1);
    expect(k, 1, -EFAULT);
    put(k, IORING_OP_READV, file, (void *)8, 1, 2);
    expect(k, 2, -EFAULT);
    make_pipe(fds, 0);
    put(k, IORING_OP_READ, fds[0], edge, 10, 3);
    expect_nothing(k);
    /* Behind another one it is not tried, but looked at all the same. */
    put(k, IORING_OP_READV, fds[0], edge + page - 8, 1, 4);
    expect(k, 4, -EFAULT);
    cancel(k, 3);
    close_pair(fds);

    /* What ends just before the edge is good. */
    memcpy(edge + page - 5, "/tmp", 5);
    put(k, IORING_OP_OPENAT, AT_FDCWD, edge + page - 5, 0, 5)->open_flags =
        O_RDONLY | O_TMPFILE;
    CHECK_NE(result_of(k, 5), -EFAULT);
    memcpy(edge + page - 4, "/tmp", 4);
    put(k, IORING_OP_OPENAT, AT_FDCWD, edge + page - 4, 0, 6)->open_flags =
        O_RDWR | O_TMPFILE;
    expect(k, 6, -EFAULT);
    memcpy(edge + page - 16, &(struct ring_timespec){ 0, 0 }, 16);
    put(k, IORING_OP_TIMEOUT, -1, edge + page - 16, 1, 7);
    expect(k, 7, -ETIME);
    put(k, IORING_OP_TIMEOUT, -1, edge + page - 12, 1, 8);
    expect(k, 8, -EFAULT);
    put(k, IORING_OP_OPENAT, AT_FDCWD, NULL, 0, 10);
    expect(k, 10, -EFAULT);
    put(k, IORING_OP_OPENAT, AT_FDCWD, (void *)8, 0, 11)->open_flags = O_CREAT;
    expect(k, 11, -EFAULT);
    put(k, IORING_OP_OPENAT2, AT_FDCWD, "f", 24, 12)->off = 8;
    expect(k, 12, -EFAULT);
    put(k, IORING_OP_STATX, AT_FDCWD, "/tmp", STATX_SIZE, 13);
    expect(k, 13, -EFAULT);
    fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    put(k, IORING_OP_READ, fd, edge, 10, 9);
    expect(k, 9, -EISDIR);
    close(fd);
    munmap(edge, 2 * page);
    close(file);
    world_close(k);
}
