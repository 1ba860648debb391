/* SPDX-License-Identifier: MIT */
/*
 * path.c - calls on names in directories, and on attributes
 */
#include <fcntl.h>
#include <gyre/path.h>

#include "io/call.h"

int gyre_renameat2(int old_dirfd, const char *old_path, int new_dirfd,
                   const char *new_path, unsigned flags)
{
    gyre_op op;

    gyre_op_renameat2(&op, old_dirfd, old_path, new_dirfd, new_path, flags);
    return gyre_await(&op).res;
}

int gyre_rename(const char *old_path, const char *new_path)
{
    return gyre_renameat2(AT_FDCWD, old_path, AT_FDCWD, new_path, 0);
}

int gyre_unlinkat(int dirfd, const char *path, int flags)
{
    gyre_op op;

    gyre_op_unlinkat(&op, dirfd, path, flags);
    return gyre_await(&op).res;
}

int gyre_unlink(const char *path)
{
    return gyre_unlinkat(AT_FDCWD, path, 0);
}

int gyre_rmdir(const char *path)
{
    return gyre_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int gyre_mkdirat(int dirfd, const char *path, unsigned mode)
{
    gyre_op op;

    gyre_op_mkdirat(&op, dirfd, path, mode);
    return gyre_await(&op).res;
}

int gyre_mkdir(const char *path, unsigned mode)
{
    return gyre_mkdirat(AT_FDCWD, path, mode);
}

int gyre_symlinkat(const char *target, int dirfd, const char *path)
{
    gyre_op op;

    gyre_op_symlinkat(&op, target, dirfd, path);
    return gyre_await(&op).res;
}

int gyre_symlink(const char *target, const char *path)
{
    return gyre_symlinkat(target, AT_FDCWD, path);
}

int gyre_linkat(int old_dirfd, const char *old_path, int new_dirfd,
                const char *new_path, int flags)
{
    gyre_op op;

    gyre_op_linkat(&op, old_dirfd, old_path, new_dirfd, new_path, flags);
    return gyre_await(&op).res;
}

int gyre_link(const char *old_path, const char *new_path)
{
    return gyre_linkat(AT_FDCWD, old_path, AT_FDCWD, new_path, 0);
}

int gyre_setxattr(const char *path, const char *name, const void *value,
                  size_t size, int flags)
{
    gyre_op op;

    gyre_op_setxattr(&op, path, name, value, size, flags);
    return gyre_await(&op).res;
}

int gyre_fsetxattr(int fd, const char *name, const void *value, size_t size,
                   int flags)
{
    gyre_op op;

    gyre_op_fsetxattr(&op, fd, name, value, size, flags);
    return gyre_await(&op).res;
}

ssize_t gyre_getxattr(const char *path, const char *name, void *value,
                      size_t size)
{
    gyre_op op;

    gyre_op_getxattr(&op, path, name, value, size);
    return gyre_await(&op).res;
}

ssize_t gyre_fgetxattr(int fd, const char *name, void *value, size_t size)
{
    gyre_op op;

    gyre_op_fgetxattr(&op, fd, name, value, size);
    return gyre_await(&op).res;
}
