/* SPDX-License-Identifier: MIT */
/*
 * file.c - OPENAT, OPENAT2, CLOSE, STATX, FSYNC, GETDENTS, CALL
 *
 * An open is tried at once from the cache of directory entries alone
 * (RESOLVE_CACHED, Linux 5.12), and with O_NONBLOCK, for a FIFO's sake; that
 * flag is taken away again if the caller did not ask for it. This is what Linux
 * does with these requests. Whatever could wait for a disk goes to a thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/emu/internal.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

enum { HOW_SIZE = 24 };

/* What O_PATH leaves of the flags, what the cache cannot serve, and what
 * fcntl(F_SETFL) can change. */
#define PATH_FLAGS (uint64_t)(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)
#define CREATING_FLAGS                                                         \
    (uint64_t)(O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))
#define STATUS_FLAGS                                                           \
    (uint64_t)(O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK)

int file_open_check(const struct io_uring_sqe *sqe)
{
    bool cloexec = sqe->opcode == IORING_OP_OPENAT &&
                   (sqe->open_flags & O_CLOEXEC) != 0;

    return sqe->buf_index != 0 || (sqe->file_index != 0 && cloexec) ? -EINVAL
                                                                    : 0;
}

/* What goes into a slot is a descriptor of ours, which no program inherits. */
static uint64_t file_flags(const struct io_uring_sqe *sqe, uint64_t flags)
{
    return sqe->file_index != 0 ? flags | O_CLOEXEC : flags;
}

int file_open_keep(struct request *r)
{
    return copy_path(r, r->sqe.addr);
}

static const char *file_path(const struct request *r)
{
    return r->copied ? r->kept.path.text : emu_pointer(r->sqe.addr);
}

/* Open without waiting: a descriptor, an error, or EMU_POOL. */
static int file_open_cached(int dirfd, const char *path, struct open_how how)
{
    static atomic_bool missing;
    uint64_t asked = how.flags;
    int fd;

    /* Linux has no cached way to create or truncate. */
    if (atomic_load_explicit(&missing, memory_order_relaxed) ||
        (how.flags & CREATING_FLAGS) != 0)
        return EMU_POOL;
    how.resolve |= RESOLVE_CACHED;
    if ((how.flags & O_PATH) == 0)
        how.flags |= O_NONBLOCK;
    fd = emu_result(syscall(SYS_openat2, dirfd, path, &how, sizeof how));
    if (fd == -ENOSYS || fd == -EPERM || fd == -EINVAL) {
        /* Absent, forbidden by a filter, or 5.6 to 5.11; or the request itself
         * is wrong, which the thread will find. */
        if (fd == -ENOSYS)
            atomic_store_explicit(&missing, true, memory_order_relaxed);
        return EMU_POOL;
    }
    if (fd == -EAGAIN)
        return EMU_POOL;
    if (fd >= 0 && (asked & (O_NONBLOCK | O_PATH)) == 0)
        (void)fcntl(fd, F_SETFL, (int)(asked & STATUS_FLAGS));
    return fd;
}

int file_open(struct request *r)
{
    struct open_how how = { .flags = file_flags(&r->sqe, r->sqe.open_flags) };

    if ((how.flags & O_PATH) != 0)
        how.flags &= PATH_FLAGS;
    return file_open_cached(r->sqe.fd, file_path(r), how);
}

int file_open_work(struct request *r)
{
    uint64_t flags = file_flags(&r->sqe, r->sqe.open_flags);

    return emu_result(
        openat(r->sqe.fd, file_path(r), (int)flags, (mode_t)r->sqe.len));
}

/* The caller's open_how: zeros beyond what is known here are fine. */
static int file_how(const struct io_uring_sqe *sqe, struct open_how *how)
{
    char tail[256];
    uint64_t at = sqe->off + HOW_SIZE;
    size_t left = sqe->len;
    int error;

    if (left < HOW_SIZE)
        return -EINVAL;
    error = copy_in(how, sqe->off, HOW_SIZE);
    for (left -= HOW_SIZE; error == 0 && left > 0;) {
        size_t part = left < sizeof tail ? left : sizeof tail;

        error = copy_in(tail, at, part);
        for (size_t i = 0; error == 0 && i < part; i++)
            if (tail[i] != 0)
                error = -E2BIG;
        at += part;
        left -= part;
    }
    if (error == 0 && sqe->file_index != 0 && (how->flags & O_CLOEXEC) != 0)
        return -EINVAL;
    how->flags = error == 0 ? file_flags(sqe, how->flags) : 0;
    return error;
}

int file_open2_keep(struct request *r)
{
    struct open_how how;
    int error = file_how(&r->sqe, &how);

    if (error == 0)
        error = copy_path(r, r->sqe.addr);
    if (error != 0)
        return error;
    r->kept.path.how_flags = how.flags;
    r->kept.path.how_mode = how.mode;
    r->kept.path.how_resolve = how.resolve;
    return 0;
}

int file_open2(struct request *r)
{
    struct open_how how;
    int error = file_how(&r->sqe, &how);

    if (error != 0)
        return error;
    if ((how.resolve & RESOLVE_CACHED) != 0)
        return emu_result(
            syscall(SYS_openat2, r->sqe.fd, file_path(r), &how, sizeof how));
    return file_open_cached(r->sqe.fd, file_path(r), how);
}

int file_open2_work(struct request *r)
{
    struct open_how how = {
        .flags = r->kept.path.how_flags,
        .mode = r->kept.path.how_mode,
        .resolve = r->kept.path.how_resolve,
    };

    int result = emu_result(
        syscall(SYS_openat2, r->sqe.fd, file_path(r), &how, sizeof how));

    /* Before Linux 5.6. What asks for no special lookup is an openat(). */
    if (result != -ENOSYS || how.resolve != 0)
        return result;
    return emu_result(
        openat(r->sqe.fd, file_path(r), (int)how.flags, (mode_t)how.mode));
}

int file_close_check(const struct io_uring_sqe *sqe)
{
    return sqe->off != 0 || sqe->addr != 0 || sqe->len != 0 ||
                   sqe->op_flags != 0 || sqe->buf_index != 0 ||
                   (sqe->file_index != 0 && sqe->fd != 0)
               ? -EINVAL
               : 0;
}

int file_close(struct request *r)
{
    return emu_result(close(r->sqe.fd));
}

int file_close_begin(struct emu *emu, struct request *r)
{
    int kept;

    if (r->sqe.file_index != 0)
        return files_close(emu, r->sqe.file_index - 1);
    kept = keep_instead(emu, r->sqe.fd);
    return kept <= 0 ? kept : file_close(r);
}

void file_close_after(struct emu *emu, const struct request *r, int result)
{
    if (result == 0 && r->sqe.file_index == 0)
        wait_forget(emu, r->sqe.fd);
}

int file_statx_check(const struct io_uring_sqe *sqe)
{
    return sqe->buf_index != 0 || sqe->splice_fd_in != 0 ? -EINVAL : 0;
}

int file_statx_keep(struct request *r)
{
    int error;

    /* Since Linux 6.11 no path is the empty path. */
    if (r->sqe.addr == 0 && (r->sqe.statx_flags & AT_EMPTY_PATH) != 0) {
        r->kept.path.text = "";
        return 0;
    }
    error = copy_path(r, r->sqe.addr);
    if (error == -ENOENT && (r->sqe.statx_flags & AT_EMPTY_PATH) != 0) {
        r->kept.path.text = "";
        error = 0;
    }
    return error;
}

int file_statx_work(struct request *r)
{
    const uint32_t known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
                           AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;

    /* statx(2) looks at them only where there is a path. */
    if (*file_path(r) == '\0' && (r->sqe.statx_flags & ~known) != 0)
        return -EINVAL;
    /* Not statx(): the C library's declaration promises a result that is not
     * NULL, which here is for Linux to judge. */
    return emu_result(syscall(SYS_statx, r->sqe.fd, file_path(r),
                              r->sqe.statx_flags, r->sqe.len,
                              emu_pointer(r->sqe.addr2)));
}

int file_fsync_check(const struct io_uring_sqe *sqe)
{
    return sqe->addr != 0 || sqe->buf_index != 0 || sqe->splice_fd_in != 0 ||
                   (sqe->fsync_flags & ~IORING_FSYNC_DATASYNC) != 0
               ? -EINVAL
               : 0;
}

/* A range is a hint that less would do: here all is synced. */
int file_fsync_work(struct request *r)
{
    bool data = (r->sqe.fsync_flags & IORING_FSYNC_DATASYNC) != 0;

    return emu_result(data ? fdatasync(r->sqe.fd) : fsync(r->sqe.fd));
}

int file_getdents_work(struct request *r)
{
    return emu_result(syscall(SYS_getdents64, r->sqe.fd,
                              emu_pointer(r->sqe.addr), r->sqe.len));
}

int file_call_work(struct request *r)
{
    int (*function)(void *) = (int (*)(void *))(uintptr_t)r->sqe.addr;

    return function(emu_pointer(r->sqe.addr2));
}
