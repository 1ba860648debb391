/* SPDX-License-Identifier: MIT */
/*
 * path.c - requests on files that carry a copy of their path
 */
#include <errno.h>
#include <gyre/op_file.h>

#include "loop/fill/fill.h"

#define OPEN_HOW_WORDS 3U

static int path_copy(gyre_path_op *op, const char *path)
{
    size_t size = strnlen(path, sizeof op->path_) + 1;

    if (size > sizeof op->path_)
        return -ENAMETOOLONG;
    memcpy(op->path_, path, size);
    return 0;
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
