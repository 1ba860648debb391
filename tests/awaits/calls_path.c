/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/path.h and gyre/splice.h.
 *
 * Each pass makes what it needs and removes what may be there afterwards: a
 * call that is struck may have been quicker.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "awaits/stage.h"
#include "io/world.h"

/* `path` exists as a file, `other` does not. */
static char other[STAGE_PATH + 8];

static void names_up(struct scene *scene)
{
    snprintf(scene->path, sizeof scene->path, "%s", file_make("one", 16));
    snprintf(other, sizeof other, "%s.other", scene->path);
}

static void names_down(struct scene *scene)
{
    (void)unlink(scene->path);
    (void)unlink(other);
    (void)rmdir(other);
}

static int wait_renameat2(struct scene *scene)
{
    return AWAIT(scene,
                 gyre_renameat2(AT_FDCWD, scene->path, AT_FDCWD, other, 0));
}

SCENARIO(gyre_renameat2) = { .wait = wait_renameat2,
                             .set_up = names_up,
                             .tear_down = names_down };

static int wait_rename(struct scene *scene)
{
    return AWAIT(scene, gyre_rename(scene->path, other));
}

SCENARIO(gyre_rename) = { .wait = wait_rename,
                          .set_up = names_up,
                          .tear_down = names_down };

static int wait_unlinkat(struct scene *scene)
{
    return AWAIT(scene, gyre_unlinkat(AT_FDCWD, scene->path, 0));
}

SCENARIO(gyre_unlinkat) = { .wait = wait_unlinkat,
                            .set_up = names_up,
                            .tear_down = names_down };

static int wait_unlink(struct scene *scene)
{
    return AWAIT(scene, gyre_unlink(scene->path));
}

SCENARIO(gyre_unlink) = { .wait = wait_unlink,
                          .set_up = names_up,
                          .tear_down = names_down };

static void directory_up(struct scene *scene)
{
    names_up(scene);
    CHECK_OK(mkdir(other, 0700));
}

static int wait_rmdir(struct scene *scene)
{
    return AWAIT(scene, gyre_rmdir(other));
}

SCENARIO(gyre_rmdir) = { .wait = wait_rmdir,
                         .set_up = directory_up,
                         .tear_down = names_down };

static int wait_mkdirat(struct scene *scene)
{
    return AWAIT(scene, gyre_mkdirat(AT_FDCWD, other, 0700));
}

SCENARIO(gyre_mkdirat) = { .wait = wait_mkdirat,
                           .set_up = names_up,
                           .tear_down = names_down };

static int wait_mkdir(struct scene *scene)
{
    return AWAIT(scene, gyre_mkdir(other, 0700));
}

SCENARIO(gyre_mkdir) = { .wait = wait_mkdir,
                         .set_up = names_up,
                         .tear_down = names_down };

static int wait_symlinkat(struct scene *scene)
{
    return AWAIT(scene, gyre_symlinkat("anything", AT_FDCWD, other));
}

SCENARIO(gyre_symlinkat) = { .wait = wait_symlinkat,
                             .set_up = names_up,
                             .tear_down = names_down };

static int wait_symlink(struct scene *scene)
{
    return AWAIT(scene, gyre_symlink("anything", other));
}

SCENARIO(gyre_symlink) = { .wait = wait_symlink,
                           .set_up = names_up,
                           .tear_down = names_down };

static int wait_linkat(struct scene *scene)
{
    return AWAIT(scene, gyre_linkat(AT_FDCWD, scene->path, AT_FDCWD, other, 0));
}

SCENARIO(gyre_linkat) = { .wait = wait_linkat,
                          .set_up = names_up,
                          .tear_down = names_down };

static int wait_link(struct scene *scene)
{
    return AWAIT(scene, gyre_link(scene->path, other));
}

SCENARIO(gyre_link) = { .wait = wait_link,
                        .set_up = names_up,
                        .tear_down = names_down };

/* ---- attributes ---------------------------------------------------------- */

static void attribute_up(struct scene *scene)
{
    names_up(scene);
    scene->fds[0] = open(scene->path, O_RDWR | O_CLOEXEC);
    CHECK(scene->fds[0] >= 0);
    if (fsetxattr(scene->fds[0], "user.a", "b", 1, 0) != 0) {
        CHECK_EQ(errno, EOPNOTSUPP);
        TEST_SKIP("this file system has no attributes of users");
    }
}

static int wait_setxattr(struct scene *scene)
{
    return AWAIT(scene, gyre_setxattr(scene->path, "user.a", "c", 1, 0));
}

SCENARIO(gyre_setxattr) = { .wait = wait_setxattr,
                            .set_up = attribute_up,
                            .tear_down = names_down };

static int wait_fsetxattr(struct scene *scene)
{
    return AWAIT(scene, gyre_fsetxattr(scene->fds[0], "user.a", "c", 1, 0));
}

SCENARIO(gyre_fsetxattr) = { .wait = wait_fsetxattr,
                             .set_up = attribute_up,
                             .tear_down = names_down };

static int wait_getxattr(struct scene *scene)
{
    return AWAIT(scene, gyre_getxattr(scene->path, "user.a", scene->bytes, 8));
}

SCENARIO(gyre_getxattr) = { .wait = wait_getxattr,
                            .set_up = attribute_up,
                            .tear_down = names_down,
                            .result = { 1 } };

static int wait_fgetxattr(struct scene *scene)
{
    return AWAIT(scene,
                 gyre_fgetxattr(scene->fds[0], "user.a", scene->bytes, 8));
}

SCENARIO(gyre_fgetxattr) = { .wait = wait_fgetxattr,
                             .set_up = attribute_up,
                             .tear_down = names_down,
                             .result = { 1 } };

/* ---- splices ------------------------------------------------------------- */

/* What is written to fds[1] can go from fds[0] to fds[3]. In the second way all
 * of it is non-blocking. */
static void pipes_up(struct scene *scene)
{
    int flags = scene->way == 0 ? O_CLOEXEC : O_CLOEXEC | O_NONBLOCK;

    CHECK_OK(pipe2(scene->fds, flags));
    CHECK_OK(pipe2(scene->fds + 2, flags));
}

static void send_byte(struct scene *scene)
{
    linger(scene);
    CHECK_EQ(write(scene->fds[1], "x", 1), 1);
}

static int wait_splice(struct scene *scene)
{
    return AWAIT(scene,
                 gyre_splice(scene->fds[0], GYRE_CURRENT_POSITION,
                             scene->fds[3], GYRE_CURRENT_POSITION, 8, 0));
}

SCENARIO(gyre_splice) = { .wait = wait_splice,
                          .help = send_byte,
                          .set_up = pipes_up,
                          .ways = 2,
                          .result = { 1, 1 },
                          .many = true };

static int wait_tee(struct scene *scene)
{
    return AWAIT(scene, gyre_tee(scene->fds[0], scene->fds[3], 8, 0));
}

SCENARIO(gyre_tee) = { .wait = wait_tee,
                       .help = send_byte,
                       .set_up = pipes_up,
                       .ways = 2,
                       .result = { 1, 1 },
                       .many = true };

/* The stage closes both ends if they were made. */
static int wait_pipe(struct scene *scene)
{
    return AWAIT(scene, gyre_pipe(scene->fds, O_NONBLOCK));
}

SCENARIO(gyre_pipe) = { .wait = wait_pipe };
