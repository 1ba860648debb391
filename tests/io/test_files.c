/* SPDX-License-Identifier: MIT */
/*
 * Calls of gyre/file.h, path.h, splice.h that change files, names and pipes,
 * in direct style. What each op does, and all its errors, is asserted in
 * tests/conformance; here, that the calls pass on what they were given.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "io/world.h"

#define HERE GYRE_CURRENT_POSITION

static char place[600];

static const char *in_place(const char *name)
{
    static char paths[2][700];
    static unsigned turn;

    turn = !turn;
    snprintf(paths[turn], sizeof paths[0], "%s/%s", place, name);
    return paths[turn];
}

static uint64_t size_of(int fd)
{
    struct statx status = { 0 };

    CHECK_OK(gyre_statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &status));
    return status.stx_size;
}

/* ---- room ---------------------------------------------------------------- */

static int room(void *arg)
{
    int fd = gyre_open(in_place("file"), O_RDWR | O_CREAT, 0600);
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)arg;
    CHECK(fd >= 0 && memory != MAP_FAILED);
    CHECK_OK(gyre_ftruncate(fd, 5000));
    CHECK_EQ(size_of(fd), 5000u);
    CHECK_OK(gyre_fallocate(fd, 0, 5000, 1000));
    CHECK_EQ(size_of(fd), 6000u);
    CHECK_OK(gyre_fallocate(fd, FALLOC_FL_KEEP_SIZE, 6000, 1000));
    CHECK_EQ(size_of(fd), 6000u);
    CHECK_OK(gyre_sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
    CHECK_ERR(gyre_sync_file_range(fd, 0, 0, 1U << 20), -EINVAL);
    CHECK_OK(gyre_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED));
    CHECK_ERR(gyre_fadvise(fd, 0, 0, 99), -EINVAL);
    *(char *)memory = 1;
    CHECK_OK(gyre_madvise(memory, 4096, MADV_DONTNEED));
    CHECK_EQ(*(char *)memory, 0);
    CHECK_OK(gyre_close(fd));
    CHECK_ERR(gyre_ftruncate(fd, 0), -EBADF);
    CHECK_OK(munmap(memory, 4096));
    return 0;
}

KERNEL_TEST(B8_B9_B10_B13_B14_a_task_makes_room)
{
    snprintf(place, sizeof place, "%s", test_directory());
    must_run(room, NULL);
}

static int vectors_with_flags(void *arg)
{
    char text[6] = "abcdef", got[6] = "";
    struct iovec out[2] = { { text, 2 }, { text + 2, 4 } };
    struct iovec in[2] = { { got, 5 }, { got + 5, 1 } };
    int fd = gyre_open(in_place("file"), O_RDWR | O_CREAT, 0600);
    int pair[2];
    ssize_t n;
    bool known;

    (void)arg;
    test_not_on_qemu_user("it has no pwritev2");
    CHECK(fd >= 0);
    CHECK_EQ(gyre_writev2(fd, out, 2, 10, RWF_DSYNC), 6);
    CHECK_EQ(gyre_writev2(fd, out, 2, 0, RWF_APPEND), 6); /* at the end */
    CHECK_EQ(size_of(fd), 22u);
    CHECK_EQ(gyre_readv2(fd, in, 2, 16, 0), 6);
    CHECK_MEM_EQ(got, "abcdef", 6);
    CHECK_ERR(gyre_readv2(fd, in, 2, 16, RWF_HIPRI), -EINVAL);
    n = gyre_readv2(fd, in, 2, 0, 1 << 30);
    CHECK(n == -EOPNOTSUPP || n == -EINVAL);
    CHECK_OK(gyre_close(fd));
    pair_open(pair);
    n = gyre_readv2(pair[0], in, 1, HERE, RWF_NOWAIT);
    /* Sockets know it since Linux 6.4. */
    known = preadv2(pair[0], in, 1, -1, RWF_NOWAIT) < 0 && errno == EAGAIN;
    CHECK_ERR(n, known || strcmp(test_kernel(), "emu") == 0 ? -EAGAIN
                                                            : -EOPNOTSUPP);
    pair_close(pair);
    return 0;
}

KERNEL_TEST(B3_vectors_obey_flags)
{
    snprintf(place, sizeof place, "%s", test_directory());
    must_run(vectors_with_flags, NULL);
}

/* ---- names --------------------------------------------------------------- */

static bool there_is(const char *name)
{
    struct statx status;
    int result = gyre_statx(AT_FDCWD, in_place(name), AT_SYMLINK_NOFOLLOW,
                            STATX_INO, &status);

    CHECK(result == 0 || result == -ENOENT);
    return result == 0;
}

static int names(void *arg)
{
    int fd, dir;

    (void)arg;
    CHECK_OK(gyre_mkdir(in_place("dir"), 0700));
    CHECK_ERR(gyre_mkdir(in_place("dir"), 0700), -EEXIST);
    dir = gyre_open(in_place("dir"), O_RDONLY | O_DIRECTORY, 0);
    CHECK(dir >= 0);
    fd = gyre_openat(dir, "a", O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0);
    CHECK_OK(gyre_close(fd));
    CHECK_OK(gyre_mkdirat(dir, "sub", 0700));
    CHECK_OK(gyre_rename(in_place("dir/a"), in_place("dir/sub/b")));
    CHECK(!there_is("dir/a") && there_is("dir/sub/b"));
    CHECK_OK(gyre_renameat2(dir, "sub/b", dir, "c", 0));
    CHECK_OK(gyre_link(in_place("dir/c"), in_place("dir/d")));
    CHECK_OK(gyre_linkat(dir, "c", dir, "e", 0));
    CHECK_OK(gyre_symlink("c", in_place("dir/f")));
    CHECK_OK(gyre_symlinkat("c", dir, "g"));
    CHECK_OK(gyre_setxattr(in_place("dir/g"), "user.k", "value", 5, 0));
    CHECK_ERR(gyre_rmdir(in_place("dir")), -ENOTEMPTY);
    CHECK_ERR(gyre_unlink(in_place("dir/sub")), -EISDIR);
    CHECK_OK(gyre_unlinkat(dir, "sub", AT_REMOVEDIR));
    for (const char *name = "cdefg"; *name != '\0'; name++) {
        char one[2] = { *name, '\0' };

        CHECK_OK(gyre_unlinkat(dir, one, 0));
    }
    CHECK_ERR(gyre_unlink(in_place("dir/c")), -ENOENT);
    CHECK_OK(gyre_close(dir));
    CHECK_OK(gyre_rmdir(in_place("dir")));
    CHECK(!there_is("dir"));
    return 0;
}

static bool has_attributes(void)
{
    return setxattr(file_make("probe", 1), "user.probe", "", 0, 0) == 0;
}

KERNEL_TEST(B15_a_task_makes_names_and_removes_them)
{
    if (!has_attributes())
        TEST_SKIP("this file system has no attributes of users");
    snprintf(place, sizeof place, "%s", test_directory());
    must_run(names, NULL);
}

static int attributes(void *arg)
{
    char value[8];
    int fd = gyre_open(arg, O_RDWR, 0);

    CHECK(fd >= 0);
    CHECK_OK(gyre_setxattr(arg, "user.a", "one", 3, XATTR_CREATE));
    CHECK_EQ(gyre_fgetxattr(fd, "user.a", value, sizeof value), 3);
    CHECK_MEM_EQ(value, "one", 3);
    CHECK_OK(gyre_fsetxattr(fd, "user.a", "three", 5, XATTR_REPLACE));
    CHECK_EQ(gyre_getxattr(arg, "user.a", value, sizeof value), 5);
    CHECK_MEM_EQ(value, "three", 5);
    CHECK_EQ(gyre_getxattr(arg, "user.a", NULL, 0), 5);
    CHECK_ERR(gyre_getxattr(arg, "user.a", value, 4), -ERANGE);
    CHECK_ERR(gyre_fsetxattr(fd, "user.b", "", 0, XATTR_REPLACE), -ENODATA);
    CHECK_OK(gyre_close(fd));
    return 0;
}

KERNEL_TEST(B16_a_task_sets_attributes)
{
    char path[600];

    if (!has_attributes())
        TEST_SKIP("this file system has no attributes of users");
    snprintf(path, sizeof path, "%s", file_make("file", 10));
    must_run(attributes, path);
}

/* ---- pipes --------------------------------------------------------------- */

/* Both ends non-blocking, where Linux alone would say -EAGAIN. */
static int feed(void *arg)
{
    const int *in = arg;

    for (int i = 0; i < 10; i++) {
        CHECK_OK(gyre_yield());
        CHECK_EQ(write(in[1], "x", 1), 1);
    }
    return 0;
}

static int splice_ten(gyre_scope *scope, void *arg)
{
    int in[2], out[2], fds[2];
    char bytes[16];
    ssize_t n;

    (void)arg;
    CHECK_OK(gyre_pipe(in, O_NONBLOCK));
    CHECK_OK(gyre_pipe(out, O_NONBLOCK));
    CHECK_OK(gyre_pipe(fds, O_NONBLOCK));
    CHECK_ERR(gyre_splice(in[0], HERE, out[1], HERE, 8, SPLICE_F_NONBLOCK),
              -EAGAIN);
    CHECK_OK(gyre_spawn(scope, feed, in));
    for (size_t done = 0; done < 10; done += (size_t)n) {
        n = gyre_splice(in[0], HERE, out[1], HERE, 8, 0);
        CHECK_GT(n, 0);
        CHECK_EQ(gyre_tee(out[0], fds[1], (size_t)n, 0), n);
        CHECK_EQ(read(out[0], bytes, sizeof bytes), n);
    }
    CHECK_EQ(read(fds[0], bytes, sizeof bytes), 10);
    CHECK_MEM_EQ(bytes, "xxxxxxxxxx", 10);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(gyre_close(in[i]));
        CHECK_OK(gyre_close(out[i]));
        CHECK_OK(gyre_close(fds[i]));
    }
    return 0;
}

static int splice_scope(void *arg)
{
    return gyre_scope_run(NULL, splice_ten, arg);
}

KERNEL_TEST(B17_a_task_waits_for_nonblocking_ends)
{
    must_run(splice_scope, NULL);
}

/* A pipe that lost is closed: the census would find it. */
static int pipe_or_not(void *arg)
{
    int fds[2] = { -1, -1 };
    gyre_op nop, pipe_op;
    gyre_case cases[2];

    (void)arg;
    for (int i = 0; i < 20; i++) {
        int won;

        gyre_op_nop(&nop);
        gyre_op_pipe(&pipe_op, fds, 0);
        cases[0] = gyre_on_op(&nop);
        cases[1] = gyre_on_op(&pipe_op);
        won = gyre_select(cases, 2);
        CHECK(won == 0 || won == 1);
        if (won == 1) {
            CHECK_OK(cases[1].result);
            CHECK_OK(gyre_close(fds[0]));
            CHECK_OK(gyre_close(fds[1]));
        }
    }
    return 0;
}

KERNEL_TEST(B17_a_pipe_that_lost_a_select_is_closed)
{
    must_run(pipe_or_not, NULL);
}
