/* SPDX-License-Identifier: MIT */
/*
 * path.c - RENAMEAT, UNLINKAT, MKDIRAT, SYMLINKAT, LINKAT
 *
 * All change a directory, for which a disk may have to be read or written, so
 * all go to a thread, as on Linux. The paths are read at submission.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/emu/internal.h"

static bool path_is_plain(const struct io_uring_sqe *sqe)
{
    return sqe->ioprio == 0 && sqe->buf_index == 0 && sqe->splice_fd_in == 0;
}

int path_one_keep(struct request *r)
{
    return copy_texts(r, &r->sqe.addr, 1);
}

int path_two_keep(struct request *r)
{
    const uint64_t from[2] = { r->sqe.addr, r->sqe.addr2 };

    return copy_texts(r, from, 2);
}

/* The file itself may be meant by its descriptor alone. */
int path_link_keep(struct request *r)
{
    bool empty = (r->sqe.hardlink_flags & AT_EMPTY_PATH) != 0 &&
                 text_check(r->sqe.addr) == -ENOENT;
    const uint64_t from[2] = { empty ? r->sqe.addr2 : r->sqe.addr,
                               r->sqe.addr2 };
    int error = copy_texts(r, from, 2);

    if (error == 0 && empty)
        r->kept.texts.text[0] = "";
    return error;
}

static const char *path_first(const struct request *r)
{
    return r->kept.texts.text[0];
}

static const char *path_second(const struct request *r)
{
    return r->kept.texts.text[1];
}

int path_rename_check(const struct io_uring_sqe *sqe)
{
    return path_is_plain(sqe) ? 0 : -EINVAL;
}

/* Not renameat2(): of the C library it needs a newer one than the rest. */
int path_rename_work(struct request *r)
{
    return emu_result(syscall(SYS_renameat2, r->sqe.fd, path_first(r),
                              (int)r->sqe.len, path_second(r),
                              r->sqe.rename_flags));
}

int path_unlink_check(const struct io_uring_sqe *sqe)
{
    return path_is_plain(sqe) && sqe->off == 0 && sqe->len == 0 &&
                   (sqe->unlink_flags & ~(uint32_t)AT_REMOVEDIR) == 0
               ? 0
               : -EINVAL;
}

int path_unlink_work(struct request *r)
{
    return emu_result(
        unlinkat(r->sqe.fd, path_first(r), (int)r->sqe.unlink_flags));
}

int path_mkdir_check(const struct io_uring_sqe *sqe)
{
    return path_is_plain(sqe) && sqe->off == 0 && sqe->op_flags == 0 ? 0
                                                                     : -EINVAL;
}

int path_mkdir_work(struct request *r)
{
    return emu_result(mkdirat(r->sqe.fd, path_first(r), (mode_t)r->sqe.len));
}

int path_symlink_check(const struct io_uring_sqe *sqe)
{
    return path_is_plain(sqe) && sqe->len == 0 && sqe->op_flags == 0 ? 0
                                                                     : -EINVAL;
}

int path_symlink_work(struct request *r)
{
    return emu_result(symlinkat(path_first(r), r->sqe.fd, path_second(r)));
}

int path_link_check(const struct io_uring_sqe *sqe)
{
    return path_is_plain(sqe) ? 0 : -EINVAL;
}

int path_link_work(struct request *r)
{
    return emu_result(linkat(r->sqe.fd, path_first(r), (int)r->sqe.len,
                             path_second(r), (int)r->sqe.hardlink_flags));
}
