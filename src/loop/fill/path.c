/* SPDX-License-Identifier: MIT */
/*
 * path.c - requests that carry copies of their paths and names
 */
#include <errno.h>
#include <gyre/op_path.h>

#include "loop/fill/fill.h"

#define OPEN_HOW_WORDS 3U

static int text_copy(char *to, size_t room, const char *text)
{
    size_t size = strnlen(text, room) + 1;

    if (size > room)
        return -ENAMETOOLONG;
    memcpy(to, text, size);
    return 0;
}

static int path_copy(gyre_path_op *op, const char *path)
{
    return text_copy(op->path_, sizeof op->path_, path);
}

int gyre_path_op_openat(gyre_path_op *op, int dirfd, const char *path,
                        int flags, unsigned mode)
{
    int err = path_copy(op, path);

    if (err == 0)
        gyre_op_openat(&op->op, dirfd, op->path_, flags, mode);
    return err;
}

int gyre_path_op_openat2(gyre_path_op *op, int dirfd, const char *path,
                         const struct open_how *how)
{
    int err = path_copy(op, path);

    if (err < 0)
        return err;
    memcpy(op->how_, how, OPEN_HOW_WORDS * sizeof op->how_[0]);
    gyre_op_openat2(&op->op, dirfd, op->path_, (struct open_how *)op->how_);
    return 0;
}

int gyre_path_op_statx(gyre_path_op *op, int dirfd, const char *path, int flags,
                       unsigned mask, struct statx *result)
{
    int err = path_copy(op, path);

    if (err == 0)
        gyre_op_statx(&op->op, dirfd, op->path_, flags, mask, result);
    return err;
}

int gyre_path_op_unlinkat(gyre_path_op *op, int dirfd, const char *path,
                          int flags)
{
    int err = path_copy(op, path);

    if (err == 0)
        gyre_op_unlinkat(&op->op, dirfd, op->path_, flags);
    return err;
}

int gyre_path_op_mkdirat(gyre_path_op *op, int dirfd, const char *path,
                         unsigned mode)
{
    int err = path_copy(op, path);

    if (err == 0)
        gyre_op_mkdirat(&op->op, dirfd, op->path_, mode);
    return err;
}

static int two_copy(gyre_two_paths_op *op, const char *first,
                    const char *second)
{
    int err = text_copy(op->paths_[0], sizeof op->paths_[0], first);

    return err == 0 ? text_copy(op->paths_[1], sizeof op->paths_[1], second)
                    : err;
}

int gyre_two_paths_op_renameat2(gyre_two_paths_op *op, int old_dirfd,
                                const char *old_path, int new_dirfd,
                                const char *new_path, unsigned flags)
{
    int err = two_copy(op, old_path, new_path);

    if (err == 0)
        gyre_op_renameat2(&op->op, old_dirfd, op->paths_[0], new_dirfd,
                          op->paths_[1], flags);
    return err;
}

int gyre_two_paths_op_symlinkat(gyre_two_paths_op *op, const char *target,
                                int dirfd, const char *path)
{
    int err = two_copy(op, target, path);

    if (err == 0)
        gyre_op_symlinkat(&op->op, op->paths_[0], dirfd, op->paths_[1]);
    return err;
}

int gyre_two_paths_op_linkat(gyre_two_paths_op *op, int old_dirfd,
                             const char *old_path, int new_dirfd,
                             const char *new_path, int flags)
{
    int err = two_copy(op, old_path, new_path);

    if (err == 0)
        gyre_op_linkat(&op->op, old_dirfd, op->paths_[0], new_dirfd,
                       op->paths_[1], flags);
    return err;
}

static int xattr_copy(gyre_xattr_op *op, const char *path, const char *name)
{
    int err = text_copy(op->path_, sizeof op->path_, path);

    return err == 0 ? text_copy(op->name_, sizeof op->name_, name) : err;
}

int gyre_xattr_op_set(gyre_xattr_op *op, const char *path, const char *name,
                      const void *value, size_t size, int flags)
{
    int err = xattr_copy(op, path, name);

    if (err == 0)
        gyre_op_setxattr(&op->op, op->path_, op->name_, value, size, flags);
    return err;
}

int gyre_xattr_op_fset(gyre_xattr_op *op, int fd, const char *name,
                       const void *value, size_t size, int flags)
{
    int err = xattr_copy(op, "", name);

    if (err == 0)
        gyre_op_fsetxattr(&op->op, fd, op->name_, value, size, flags);
    return err;
}

int gyre_xattr_op_get(gyre_xattr_op *op, const char *path, const char *name,
                      void *value, size_t size)
{
    int err = xattr_copy(op, path, name);

    if (err == 0)
        gyre_op_getxattr(&op->op, op->path_, op->name_, value, size);
    return err;
}

int gyre_xattr_op_fget(gyre_xattr_op *op, int fd, const char *name, void *value,
                       size_t size)
{
    int err = xattr_copy(op, "", name);

    if (err == 0)
        gyre_op_fgetxattr(&op->op, fd, op->name_, value, size);
    return err;
}
