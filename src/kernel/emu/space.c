/* SPDX-License-Identifier: MIT */
/*
 * space.c - FALLOCATE, FTRUNCATE, SYNC_FILE_RANGE, FADVISE, MADVISE
 *
 * All may wait for a disk, so all go to a thread, as on Linux. Advice about
 * memory is good from any thread: it is about the process.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/emu/internal.h"

int space_fallocate_check(const struct io_uring_sqe *sqe)
{
    return sqe->ioprio != 0 || sqe->buf_index != 0 || sqe->rw_flags != 0 ||
                   sqe->splice_fd_in != 0
               ? -EINVAL
               : 0;
}

int space_fallocate_work(struct request *r)
{
    return emu_result(fallocate(r->sqe.fd, (int)r->sqe.len, (off_t)r->sqe.off,
                                (off_t)r->sqe.addr));
}

int space_ftruncate_check(const struct io_uring_sqe *sqe)
{
    return sqe->ioprio != 0 || sqe->rw_flags != 0 || sqe->addr != 0 ||
                   sqe->len != 0 || sqe->buf_index != 0 ||
                   sqe->splice_fd_in != 0 || sqe->addr3 != 0
               ? -EINVAL
               : 0;
}

int space_ftruncate_work(struct request *r)
{
    return emu_result(ftruncate(r->sqe.fd, (off_t)r->sqe.off));
}

int space_sync_range_check(const struct io_uring_sqe *sqe)
{
    return sqe->ioprio != 0 || sqe->addr != 0 || sqe->buf_index != 0 ||
                   sqe->splice_fd_in != 0
               ? -EINVAL
               : 0;
}

int space_sync_range_work(struct request *r)
{
    return emu_result(sync_file_range(r->sqe.fd, (off_t)r->sqe.off,
                                      (off_t)r->sqe.len,
                                      r->sqe.sync_range_flags));
}

int space_advice_check(const struct io_uring_sqe *sqe)
{
    return sqe->ioprio != 0 || sqe->buf_index != 0 || sqe->splice_fd_in != 0
               ? -EINVAL
               : 0;
}

/* A size of more than 32 bits lies in another field (Linux 6.11). */
static uint64_t advice_size(uint64_t large, uint32_t small)
{
    return large != 0 ? large : small;
}

int space_fadvise_work(struct request *r)
{
    uint64_t size = advice_size(r->sqe.addr, r->sqe.len);

    return -posix_fadvise(r->sqe.fd, (off_t)r->sqe.off, (off_t)size,
                          (int)r->sqe.fadvise_advice);
}

int space_madvise_work(struct request *r)
{
    uint64_t size = advice_size(r->sqe.off, r->sqe.len);

    return emu_result(
        madvise(emu_pointer(r->sqe.addr), size, (int)r->sqe.fadvise_advice));
}
