/* SPDX-License-Identifier: MIT */
/*
 * test_paths.c - names in directories, and attributes, on every kernel
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ring/abi.h"
#include "stage.h"

/* linux/fs.h and linux/stat.h quarrel with the C library's. */
#define NOREPLACE 1U
#define EXCHANGE 2U

struct place {
    gyre_loop *loop;
    int dir; /* of the test */
    struct call call;
};

static void place_open(struct place *place)
{
    place->loop = stage_open(8);
    place->dir = open(test_directory(), O_DIRECTORY | O_CLOEXEC);
    CHECK_GE(place->dir, 0);
}

static void place_close(struct place *place)
{
    CHECK_OK(close(place->dir));
    gyre_loop_destroy(place->loop);
}

static void touch(const struct place *place, const char *name)
{
    int fd = openat(place->dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    CHECK_GE(fd, 0);
    CHECK_EQ(write(fd, name, strlen(name)), (ssize_t)strlen(name));
    CHECK_OK(close(fd));
}

/* 0: there is none. */
static ino_t number_of(const struct place *place, const char *name)
{
    struct stat status;

    if (fstatat(place->dir, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        CHECK_EQ(errno, ENOENT);
        return 0;
    }
    return status.st_ino;
}

static int rename_in(struct place *place, const char *from, const char *to,
                     unsigned flags)
{
    gyre_op_renameat2(&place->call.op, place->dir, from, place->dir, to, flags);
    return call_run(place->loop, &place->call);
}

static int unlink_in(struct place *place, const char *name, int flags)
{
    gyre_op_unlinkat(&place->call.op, place->dir, name, flags);
    return call_run(place->loop, &place->call);
}

static int mkdir_in(struct place *place, const char *name, unsigned mode)
{
    gyre_op_mkdirat(&place->call.op, place->dir, name, mode);
    return call_run(place->loop, &place->call);
}

static int symlink_in(struct place *place, const char *target, const char *name)
{
    gyre_op_symlinkat(&place->call.op, target, place->dir, name);
    return call_run(place->loop, &place->call);
}

static int link_in(struct place *place, const char *from, const char *to,
                   int flags)
{
    gyre_op_linkat(&place->call.op, place->dir, from, place->dir, to, flags);
    return call_run(place->loop, &place->call);
}

/* A path of `size` bytes before its NUL. */
static const char *long_path(size_t size)
{
    static char path[5000];

    CHECK_LT(size, sizeof path);
    memset(path, '/', size);
    path[size] = '\0';
    path[size - 1] = 'x';
    return path;
}

/* ---- names --------------------------------------------------------------- */

KERNEL_TEST(B15_a_name_is_changed)
{
    struct place place;
    ino_t one, two;

    place_open(&place);
    touch(&place, "one");
    touch(&place, "two");
    one = number_of(&place, "one");
    two = number_of(&place, "two");
    CHECK_OK(rename_in(&place, "one", "three", 0));
    CHECK_EQ(number_of(&place, "three"), one);
    CHECK_EQ(number_of(&place, "one"), 0u);
    CHECK_OK(rename_in(&place, "three", "two", EXCHANGE));
    CHECK_EQ(number_of(&place, "three"), two);
    CHECK_EQ(number_of(&place, "two"), one);
    CHECK_ERR(rename_in(&place, "three", "two", NOREPLACE), -EEXIST);
    CHECK_OK(rename_in(&place, "three", "two", 0));
    CHECK_EQ(number_of(&place, "two"), two);
    CHECK_ERR(rename_in(&place, "three", "two", 0), -ENOENT);
    CHECK_ERR(rename_in(&place, "two", "four", NOREPLACE | EXCHANGE), -EINVAL);
    CHECK_ERR(rename_in(&place, "two", "four", 1U << 20), -EINVAL);
    place_close(&place);
}

KERNEL_TEST(B15_names_move_between_directories)
{
    struct place place;
    int a, b;
    ino_t file;

    place_open(&place);
    CHECK_OK(mkdir_in(&place, "a", 0700));
    CHECK_OK(mkdir_in(&place, "b", 0700));
    a = openat(place.dir, "a", O_DIRECTORY | O_CLOEXEC);
    b = openat(place.dir, "b", O_DIRECTORY | O_CLOEXEC);
    touch(&place, "a/file");
    file = number_of(&place, "a/file");
    gyre_op_renameat2(&place.call.op, a, "file", b, "moved", 0);
    CHECK_OK(call_run(place.loop, &place.call));
    CHECK_EQ(number_of(&place, "b/moved"), file);
    gyre_op_linkat(&place.call.op, b, "moved", a, "other", 0);
    CHECK_OK(call_run(place.loop, &place.call));
    CHECK_EQ(number_of(&place, "a/other"), file);
    CHECK_ERR(rename_in(&place, "a", "b", 0), -ENOTEMPTY);
    CHECK_ERR(rename_in(&place, "a", "a/c", 0), -EINVAL);
    CHECK_ERR(rename_in(&place, "a/other", "b", 0), -EISDIR);
    CHECK_ERR(rename_in(&place, "b", "a/other", 0), -ENOTDIR);
    gyre_op_renameat2(&place.call.op, a, "other", 9999, "x", 0);
    CHECK_ERR(call_run(place.loop, &place.call), -EBADF);
    gyre_op_renameat2(&place.call.op, 9999, "other", a, "x", 0);
    CHECK_ERR(call_run(place.loop, &place.call), -EBADF);
    CHECK_OK(close(a));
    CHECK_OK(close(b));
    place_close(&place);
}

KERNEL_TEST(B15_names_are_removed)
{
    struct place place;

    place_open(&place);
    touch(&place, "file");
    CHECK_OK(mkdir_in(&place, "dir", 0700));
    touch(&place, "dir/file");
    CHECK_ERR(unlink_in(&place, "dir", 0), -EISDIR);
    CHECK_ERR(unlink_in(&place, "dir", AT_REMOVEDIR), -ENOTEMPTY);
    CHECK_ERR(unlink_in(&place, "file", AT_REMOVEDIR), -ENOTDIR);
    CHECK_ERR(unlink_in(&place, "file/x", 0), -ENOTDIR);
    CHECK_ERR(unlink_in(&place, "file", 1), -EINVAL);
    CHECK_OK(unlink_in(&place, "dir/file", 0));
    CHECK_OK(unlink_in(&place, "dir", AT_REMOVEDIR));
    CHECK_OK(unlink_in(&place, "file", 0));
    CHECK_EQ(number_of(&place, "file"), 0u);
    CHECK_EQ(number_of(&place, "dir"), 0u);
    CHECK_ERR(unlink_in(&place, "file", 0), -ENOENT);
    CHECK_ERR(unlink_in(&place, "", 0), -ENOENT);
    place_close(&place);
}

KERNEL_TEST(B15_directories_are_made)
{
    struct place place;
    struct stat status;

    place_open(&place);
    (void)umask(022);
    CHECK_OK(mkdir_in(&place, "dir", 0777));
    CHECK_OK(fstatat(place.dir, "dir", &status, 0));
    CHECK(S_ISDIR(status.st_mode));
    CHECK_EQ(status.st_mode & 0777, 0755u);
    CHECK_ERR(mkdir_in(&place, "dir", 0777), -EEXIST);
    CHECK_ERR(mkdir_in(&place, "no/dir", 0777), -ENOENT);
    touch(&place, "file");
    CHECK_ERR(mkdir_in(&place, "file/dir", 0777), -ENOTDIR);
    place_close(&place);
}

KERNEL_TEST(B15_links_are_made)
{
    char text[100], path[4096];
    struct place place;
    ino_t file;
    int fd;

    place_open(&place);
    touch(&place, "file");
    file = number_of(&place, "file");
    CHECK_OK(symlink_in(&place, "any text", "soft"));
    CHECK_EQ(readlinkat(place.dir, "soft", text, sizeof text), 8);
    CHECK_MEM_EQ(text, "any text", 8);
    CHECK_ERR(symlink_in(&place, "other", "soft"), -EEXIST);
    CHECK_ERR(symlink_in(&place, "", "empty"), -ENOENT);
    CHECK_OK(unlink_in(&place, "soft", 0));
    CHECK_OK(symlink_in(&place, "file", "soft"));

    CHECK_OK(link_in(&place, "file", "hard", 0));
    CHECK_EQ(number_of(&place, "hard"), file);
    CHECK_ERR(link_in(&place, "file", "hard", 0), -EEXIST);
    CHECK_OK(link_in(&place, "soft", "soft too", 0));
    CHECK_EQ(number_of(&place, "soft too"), number_of(&place, "soft"));
    CHECK_OK(link_in(&place, "soft", "hard too", AT_SYMLINK_FOLLOW));
    CHECK_EQ(number_of(&place, "hard too"), file);
    CHECK_ERR(link_in(&place, "nothing", "more", 0), -ENOENT);
    CHECK_ERR(link_in(&place, "file", "more", 1), -EINVAL);
    CHECK_OK(mkdir_in(&place, "dir", 0700));
    CHECK_ERR(link_in(&place, "dir", "more", 0), -EPERM);
    gyre_op_linkat(&place.call.op, AT_FDCWD, "/dev/null", place.dir, "null", 0);
    CHECK_ERR(call_run(place.loop, &place.call), -EXDEV);
    gyre_op_renameat2(&place.call.op, place.dir, "file", AT_FDCWD, "/dev/x", 0);
    CHECK_ERR(call_run(place.loop, &place.call), -EXDEV);

    /* What has no name gets one. */
    fd = open(test_directory(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
        gyre_op_linkat(&place.call.op, fd, "", place.dir, "named",
                       AT_EMPTY_PATH);
        /* Needs a right, before Linux 6.10. */
        if (call_run(place.loop, &place.call) != -ENOENT) {
            CHECK_OK(place.call.result.res);
            CHECK_GT(number_of(&place, "named"), 0u);
        }
        CHECK_OK(close(fd));
    }
    scratch_path(path, sizeof path, "file");
    gyre_op_linkat(&place.call.op, AT_FDCWD, path, place.dir, "absolute", 0);
    CHECK_OK(call_run(place.loop, &place.call));
    CHECK_EQ(number_of(&place, "absolute"), file);
    place_close(&place);
}

KERNEL_TEST(B15_paths_of_every_length_and_bad_ones)
{
    static const size_t sizes[] = { 250, 255, 256, 257, 4094, 4095 };
    struct place place;

    place_open(&place);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        gyre_op_unlinkat(&place.call.op, AT_FDCWD, long_path(sizes[i]), 0);
        CHECK_ERR(call_run(place.loop, &place.call), -ENOENT);
        CHECK_OK(symlink_in(&place, long_path(sizes[i]), "long"));
        CHECK_OK(unlink_in(&place, "long", 0));
    }
    CHECK_ERR(unlink_in(&place, long_path(4096), 0), -ENAMETOOLONG);
    CHECK_ERR(mkdir_in(&place, long_path(4096), 0), -ENAMETOOLONG);
    CHECK_ERR(rename_in(&place, "x", long_path(4096), 0), -ENAMETOOLONG);
    CHECK_ERR(link_in(&place, long_path(4096), "x", 0), -ENAMETOOLONG);
    CHECK_ERR(symlink_in(&place, long_path(4096), "x"), -ENAMETOOLONG);
    if (!test_on_valgrind()) {
        CHECK_ERR(unlink_in(&place, (char *)8, 0), -EFAULT);
        CHECK_ERR(mkdir_in(&place, NULL, 0), -EFAULT);
        CHECK_ERR(rename_in(&place, "x", (char *)8, 0), -EFAULT);
        CHECK_ERR(rename_in(&place, (char *)8, "x", 0), -EFAULT);
        CHECK_ERR(link_in(&place, "x", NULL, 0), -EFAULT);
        CHECK_ERR(symlink_in(&place, "x", NULL), -EFAULT);
    }
    place_close(&place);
}

/* Both paths are held until submission only. */
KERNEL_TEST(B15_paths_may_go_when_submitted)
{
    struct place place;
    char from[300], to[3000];

    place_open(&place);
    for (size_t i = 0; i < 2; i++) {
        touch(&place, "from");
        memset(from, '/', sizeof from);
        memset(to, '/', sizeof to);
        scratch_path(from + 150 * i, sizeof from - 150 * i, "from");
        scratch_path(to + 2500 * i, sizeof to - 2500 * i, "to");
        gyre_op_renameat2(&place.call.op, AT_FDCWD, from, AT_FDCWD, to, 0);
        call_start(place.loop, &place.call);
        CHECK_OK(gyre_loop_submit(place.loop));
        memset(from, 0xDD, sizeof from);
        memset(to, 0xDD, sizeof to);
        CHECK_OK(call_wait(place.loop, &place.call));
        CHECK_GT(number_of(&place, "to"), 0u);
        CHECK_OK(unlinkat(place.dir, "to", 0));
    }
    place_close(&place);
}

static void forget(char *a, char *b)
{
    memset(a, 0xDD, 100);
    memset(b, 0xDD, 100);
}

KERNEL_TEST(E17_B15_the_copying_forms_need_nothing_after_the_fill)
{
    gyre_two_paths_op *two = malloc(sizeof *two);
    gyre_path_op *one = malloc(sizeof *one);
    char a[100], b[100];
    struct place place;

    CHECK(one != NULL && two != NULL);
    place_open(&place);
    strcpy(a, "dir");
    CHECK_OK(gyre_path_op_mkdirat(one, place.dir, a, 0700));
    forget(a, b);
    CHECK_OK(op_run(place.loop, &one->op));
    touch(&place, "file");
    strcpy(a, "file"), strcpy(b, "dir/file");
    CHECK_OK(gyre_two_paths_op_renameat2(two, place.dir, a, place.dir, b, 0));
    forget(a, b);
    CHECK_OK(op_run(place.loop, &two->op));
    strcpy(a, "dir/file"), strcpy(b, "hard");
    CHECK_OK(gyre_two_paths_op_linkat(two, place.dir, a, place.dir, b, 0));
    forget(a, b);
    CHECK_OK(op_run(place.loop, &two->op));
    CHECK_EQ(number_of(&place, "hard"), number_of(&place, "dir/file"));
    strcpy(a, "dir"), strcpy(b, "soft");
    CHECK_OK(gyre_two_paths_op_symlinkat(two, a, place.dir, b));
    forget(a, b);
    CHECK_OK(op_run(place.loop, &two->op));
    CHECK_EQ(number_of(&place, "soft/file"), number_of(&place, "hard"));
    strcpy(a, "hard");
    CHECK_OK(gyre_path_op_unlinkat(one, place.dir, a, 0));
    forget(a, b);
    CHECK_OK(op_run(place.loop, &one->op));
    CHECK_EQ(number_of(&place, "hard"), 0u);

    CHECK_OK(gyre_path_op_unlinkat(one, place.dir, long_path(4095), 0));
    CHECK_ERR(gyre_path_op_unlinkat(one, place.dir, long_path(4096), 0),
              -ENAMETOOLONG);
    CHECK_ERR(gyre_path_op_mkdirat(one, place.dir, long_path(4096), 0),
              -ENAMETOOLONG);
    CHECK_ERR(gyre_two_paths_op_renameat2(two, place.dir, "a", place.dir,
                                          long_path(4096), 0),
              -ENAMETOOLONG);
    CHECK_ERR(gyre_two_paths_op_linkat(two, place.dir, long_path(4096),
                                       place.dir, "a", 0),
              -ENAMETOOLONG);
    CHECK_ERR(gyre_two_paths_op_symlinkat(two, long_path(4096), place.dir, "a"),
              -ENAMETOOLONG);
    place_close(&place);
    free(one);
    free(two);
}

/* ---- cancels ------------------------------------------------------------- */

/* All of them at once: what is not begun does nothing, what is ends. */
static unsigned start_all(struct place *place, struct call *calls, int fd,
                          char *value)
{
    unsigned n = 0;

    gyre_op_renameat2(&calls[n++].op, place->dir, "from", place->dir, "to", 0);
    gyre_op_unlinkat(&calls[n++].op, place->dir, "gone", 0);
    gyre_op_mkdirat(&calls[n++].op, place->dir, "dir", 0700);
    gyre_op_symlinkat(&calls[n++].op, "x", place->dir, "soft");
    gyre_op_linkat(&calls[n++].op, place->dir, "f", place->dir, "hard", 0);
    gyre_op_fsetxattr(&calls[n++].op, fd, "user.x", "x", 1, 0);
    gyre_op_fgetxattr(&calls[n++].op, fd, "user.a", value, 1);
    gyre_op_fallocate(&calls[n++].op, fd, 0, 0, 100000);
    gyre_op_sync_file_range(&calls[n++].op, fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    gyre_op_fadvise(&calls[n++].op, fd, 0, 0, POSIX_FADV_NORMAL);
    gyre_op_ftruncate(&calls[n++].op, fd, 100000);
    for (unsigned i = 0; i < n; i++)
        call_start(place->loop, &calls[i]);
    return n;
}

static int file_with(const char *name, const char *value);

KERNEL_TEST(G1_B8_B9_B10_B14_B15_B16_what_is_cancelled_early_does_nothing)
{
    struct call calls[16];
    struct place place;
    struct stat status;
    char value[4];
    unsigned count;
    int fd;

    place_open(&place);
    fd = file_with("user.a", "v");
    touch(&place, "from");
    touch(&place, "gone");
    count = start_all(&place, calls, fd, value);
    for (unsigned i = 0; i < count; i++)
        CHECK_OK(gyre_op_cancel(&calls[i].op));
    for (unsigned i = 0; i < count; i++)
        CHECK_ERR(call_wait(place.loop, &calls[i]), -ECANCELED);
    CHECK_GT(number_of(&place, "from"), 0u);
    CHECK_GT(number_of(&place, "gone"), 0u);
    CHECK_EQ(number_of(&place, "to"), 0u);
    CHECK_EQ(number_of(&place, "dir"), 0u);
    CHECK_EQ(number_of(&place, "soft"), 0u);
    CHECK_EQ(number_of(&place, "hard"), 0u);
    CHECK_OK(fstat(fd, &status));
    CHECK_EQ(status.st_size, 10);
    CHECK_EQ(fgetxattr(fd, "user.x", value, sizeof value), -1);

    /* And late: done, or nothing has happened. */
    count = start_all(&place, calls, fd, value);
    CHECK_OK(gyre_loop_submit(place.loop));
    for (unsigned i = 0; i < count; i++)
        (void)gyre_op_cancel(&calls[i].op);
    for (unsigned i = 0; i < count; i++) {
        int result = call_wait(place.loop, &calls[i]);

        if (result != -ECANCELED)
            CHECK_GE(result, 0);
    }
    CHECK_EQ(number_of(&place, "to") != 0, calls[0].result.res == 0);
    CHECK_EQ(number_of(&place, "from") == 0, calls[0].result.res == 0);
    CHECK_EQ(number_of(&place, "gone") == 0, calls[1].result.res == 0);
    CHECK_EQ(number_of(&place, "dir") != 0, calls[2].result.res == 0);
    CHECK_EQ(number_of(&place, "soft") != 0, calls[3].result.res == 0);
    CHECK_EQ(number_of(&place, "hard") != 0, calls[4].result.res == 0);
    CHECK_EQ(fgetxattr(fd, "user.x", value, sizeof value) == 1,
             calls[5].result.res == 0);
    close(fd);
    place_close(&place);
}

/* ---- attributes ---------------------------------------------------------- */

static int file_with(const char *name, const char *value)
{
    int fd = make_file("f", 10);

    if (fsetxattr(fd, name, value, strlen(value), 0) != 0) {
        CHECK_EQ(errno, EOPNOTSUPP);
        TEST_SKIP("this file system has no attributes of users");
    }
    return fd;
}

KERNEL_TEST(B16_attributes_are_set_and_got)
{
    gyre_loop *loop = stage_open(8);
    int fd = file_with("user.colour", "blue");
    char path[4096], value[16];
    struct call call;

    scratch_path(path, sizeof path, "f");
    gyre_op_getxattr(&call.op, path, "user.colour", value, sizeof value);
    CHECK_EQ(call_run(loop, &call), 4);
    CHECK_MEM_EQ(value, "blue", 4);
    gyre_op_fsetxattr(&call.op, fd, "user.colour", "green", 5, 0);
    CHECK_OK(call_run(loop, &call));
    gyre_op_fgetxattr(&call.op, fd, "user.colour", value, sizeof value);
    CHECK_EQ(call_run(loop, &call), 5);
    CHECK_MEM_EQ(value, "green", 5);
    gyre_op_setxattr(&call.op, path, "user.empty", NULL, 0, XATTR_CREATE);
    CHECK_OK(call_run(loop, &call));
    gyre_op_fgetxattr(&call.op, fd, "user.empty", value, sizeof value);
    CHECK_EQ(call_run(loop, &call), 0);
    gyre_op_setxattr(&call.op, path, "user.colour", "red", 3, XATTR_REPLACE);
    CHECK_OK(call_run(loop, &call));
    CHECK_EQ(fgetxattr(fd, "user.colour", value, sizeof value), 3);

    /* How large is it? */
    value[0] = '?';
    gyre_op_fgetxattr(&call.op, fd, "user.colour", value, 0);
    CHECK_EQ(call_run(loop, &call), 3);
    CHECK_EQ(value[0], '?');
    gyre_op_getxattr(&call.op, path, "user.colour", value, 2);
    CHECK_ERR(call_run(loop, &call), -ERANGE);
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B16_what_is_no_attribute_says_why)
{
    enum { TOO_MUCH = 65537 };
    gyre_loop *loop = stage_open(8);
    int fd = file_with("user.a", "b"), fds[2];
    char path[4096], value[16], name[300], *much = calloc(1, TOO_MUCH);
    struct call call;

    CHECK(much != NULL);
    scratch_path(path, sizeof path, "f");
    memset(name, 'n', sizeof name);
    memcpy(name, "user.", 5);
    name[256] = '\0';

    gyre_op_getxattr(&call.op, path, "user.none", value, sizeof value);
    CHECK_ERR(call_run(loop, &call), -ENODATA);
    gyre_op_fgetxattr(&call.op, fd, "user.none", value, sizeof value);
    CHECK_ERR(call_run(loop, &call), -ENODATA);
    gyre_op_setxattr(&call.op, path, "user.none", "x", 1, XATTR_REPLACE);
    CHECK_ERR(call_run(loop, &call), -ENODATA);
    gyre_op_fsetxattr(&call.op, fd, "user.a", "x", 1, XATTR_CREATE);
    CHECK_ERR(call_run(loop, &call), -EEXIST);
    gyre_op_fsetxattr(&call.op, fd, "user.a", "x", 1, 4);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_setxattr(&call.op, path, "user.a", much, TOO_MUCH, 0);
    CHECK_ERR(call_run(loop, &call), -E2BIG);
    gyre_op_setxattr(&call.op, path, "none.a", "x", 1, 0);
    CHECK_ERR(call_run(loop, &call), -EOPNOTSUPP);
    gyre_op_getxattr(&call.op, path, "none.a", value, sizeof value);
    CHECK_ERR(call_run(loop, &call), -EOPNOTSUPP);
    gyre_op_getxattr(&call.op, path, "", value, sizeof value);
    CHECK_ERR(call_run(loop, &call), -ERANGE);
    gyre_op_fgetxattr(&call.op, fd, name, value, sizeof value);
    CHECK_ERR(call_run(loop, &call), -ERANGE);
    gyre_op_setxattr(&call.op, path, long_path(4096), "x", 1, 0);
    CHECK_ERR(call_run(loop, &call), -ERANGE);
    name[255] = '\0';
    gyre_op_fgetxattr(&call.op, fd, name, value, sizeof value);
    CHECK_ERR(call_run(loop, &call), -ENODATA);
    gyre_op_getxattr(&call.op, "/no/such", "user.a", value, sizeof value);
    CHECK_ERR(call_run(loop, &call), -ENOENT);
    gyre_op_setxattr(&call.op, long_path(4096), "user.a", "x", 1, 0);
    CHECK_ERR(call_run(loop, &call), -ENAMETOOLONG);
    if (!test_on_valgrind()) {
        gyre_op_fgetxattr(&call.op, fd, "user.a", (void *)8, 1);
        CHECK_ERR(call_run(loop, &call), -EFAULT);
        gyre_op_fsetxattr(&call.op, fd, "user.a", (void *)8, 1, 0);
        CHECK_ERR(call_run(loop, &call), -EFAULT);
        gyre_op_fgetxattr(&call.op, fd, (void *)8, value, 1);
        CHECK_ERR(call_run(loop, &call), -EFAULT);
        gyre_op_getxattr(&call.op, NULL, "user.a", value, 1);
        CHECK_ERR(call_run(loop, &call), -EFAULT);
    }
    make_pipe(fds);
    gyre_op_fsetxattr(&call.op, fds[0], "user.a", "x", 1, 0);
    CHECK_ERR(call_run(loop, &call), -EPERM);
    close_both(fds);
    close(fd);
    gyre_op_fgetxattr(&call.op, fd, "user.a", value, 1);
    CHECK_ERR(call_run(loop, &call), -EBADF);
    free(much);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B16_names_and_paths_may_go_when_submitted)
{
    gyre_loop *loop = stage_open(8);
    int fd = file_with("user.a", "value");
    char path[4096], name[20] = "user.a", value[5];
    struct call call;

    scratch_path(path, sizeof path, "f");
    gyre_op_getxattr(&call.op, path, name, value, sizeof value);
    call_start(loop, &call);
    CHECK_OK(gyre_loop_submit(loop));
    memset(path, 0xDD, sizeof path);
    memset(name, 0xDD, sizeof name);
    CHECK_EQ(call_wait(loop, &call), 5);
    CHECK_MEM_EQ(value, "value", 5);
    strcpy(name, "user.a");
    gyre_op_fgetxattr(&call.op, fd, name, value, sizeof value);
    call_start(loop, &call);
    CHECK_OK(gyre_loop_submit(loop));
    memset(name, 0xDD, sizeof name);
    CHECK_EQ(call_wait(loop, &call), 5);
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E17_B16_the_copying_forms_need_nothing_after_the_fill)
{
    gyre_loop *loop = stage_open(8);
    gyre_xattr_op *op = malloc(sizeof *op);
    int fd = file_with("user.a", "value");
    char path[4096], name[100], value[8];

    CHECK(op != NULL);
    scratch_path(path, sizeof path, "f");
    strcpy(name, "user.b");
    CHECK_OK(gyre_xattr_op_set(op, path, name, "set", 3, 0));
    forget(path, name);
    CHECK_OK(op_run(loop, &op->op));
    strcpy(name, "user.c");
    CHECK_OK(gyre_xattr_op_fset(op, fd, name, "fset", 4, 0));
    forget(name, name);
    CHECK_OK(op_run(loop, &op->op));
    scratch_path(path, sizeof path, "f");
    strcpy(name, "user.c");
    CHECK_OK(gyre_xattr_op_get(op, path, name, value, sizeof value));
    forget(path, name);
    CHECK_EQ(op_run(loop, &op->op), 4);
    CHECK_MEM_EQ(value, "fset", 4);
    strcpy(name, "user.b");
    CHECK_OK(gyre_xattr_op_fget(op, fd, name, value, sizeof value));
    forget(name, name);
    CHECK_EQ(op_run(loop, &op->op), 3);
    CHECK_MEM_EQ(value, "set", 3);
    CHECK_ERR(gyre_xattr_op_fget(op, fd, long_path(256), value, 1),
              -ENAMETOOLONG);
    CHECK_ERR(gyre_xattr_op_get(op, long_path(4096), "user.b", value, 1),
              -ENAMETOOLONG);
    CHECK_ERR(gyre_xattr_op_set(op, long_path(4096), "user.b", "", 0, 0),
              -ENAMETOOLONG);
    CHECK_ERR(gyre_xattr_op_fset(op, fd, long_path(256), "", 0, 0),
              -ENAMETOOLONG);
    close(fd);
    free(op);
    gyre_loop_destroy(loop);
}
