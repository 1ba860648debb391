/* SPDX-License-Identifier: MIT */
/*
 * xattr.c - SETXATTR, GETXATTR, FSETXATTR, FGETXATTR
 *
 * The attribute's name is at addr, its value at addr2, the path at addr3. The
 * texts are read at submission, the value when a thread makes the call.
 */
#include <linux/limits.h>
#include <sys/xattr.h>

#include "kernel/emu/internal.h"

int xattr_set_check(const struct io_uring_sqe *sqe)
{
    uint32_t known = XATTR_CREATE | XATTR_REPLACE;

    return sqe->ioprio != 0 || (sqe->xattr_flags & ~known) != 0 ? -EINVAL : 0;
}

int xattr_get_check(const struct io_uring_sqe *sqe)
{
    return sqe->ioprio != 0 || sqe->xattr_flags != 0 ? -EINVAL : 0;
}

/* What is too long for a path, or empty, is no name, either. */
static int name_error(int error)
{
    return error == -ENAMETOOLONG || error == -ENOENT ? -ERANGE : error;
}

/* Can the value be read? Linux finds out at submission. */
static int value_check(const struct request *r)
{
    char part[256];
    uint32_t left = r->sqe.len < XATTR_SIZE_MAX ? r->sqe.len : XATTR_SIZE_MAX;
    uint64_t at = r->sqe.addr2;
    int error = 0;

    if (r->sqe.opcode != IORING_OP_FSETXATTR &&
        r->sqe.opcode != IORING_OP_SETXATTR)
        return 0;
    while (error == 0 && left > 0) {
        uint32_t size = left < sizeof part ? left : (uint32_t)sizeof part;

        error = copy_in(part, at, size);
        at += size;
        left -= size;
    }
    return error;
}

int xattr_fd_keep(struct request *r)
{
    int error = name_error(copy_texts(r, &r->sqe.addr, 1));

    return error != 0 ? error : value_check(r);
}

/* The name is looked at first, as Linux does. */
int xattr_path_keep(struct request *r)
{
    const uint64_t from[2] = { r->sqe.addr, r->sqe.addr3 };
    int error = name_error(text_check(r->sqe.addr));

    if (error == 0)
        error = value_check(r);
    return error != 0 ? error : copy_texts(r, from, 2);
}

static const char *xattr_name(const struct request *r)
{
    return r->kept.texts.text[0];
}

static const char *xattr_path(const struct request *r)
{
    return r->kept.texts.text[1];
}

int xattr_set_work(struct request *r)
{
    return emu_result(setxattr(xattr_path(r), xattr_name(r),
                               emu_pointer(r->sqe.addr2), r->sqe.len,
                               (int)r->sqe.xattr_flags));
}

int xattr_get_work(struct request *r)
{
    return emu_result(getxattr(xattr_path(r), xattr_name(r),
                               emu_pointer(r->sqe.addr2), r->sqe.len));
}

int xattr_fset_work(struct request *r)
{
    return emu_result(fsetxattr(r->sqe.fd, xattr_name(r),
                                emu_pointer(r->sqe.addr2), r->sqe.len,
                                (int)r->sqe.xattr_flags));
}

int xattr_fget_work(struct request *r)
{
    return emu_result(fgetxattr(r->sqe.fd, xattr_name(r),
                                emu_pointer(r->sqe.addr2), r->sqe.len));
}
