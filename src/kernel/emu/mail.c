/* SPDX-License-Identifier: MIT */
/*
 * mail.c - MSG_RING, and what others send to this emulator
 *
 * A message is a CQE for another kernel of the process: an emulator's box, or a
 * ring, which takes it by a call that needs no ring. What is in the box is
 * moved to the CQ when the owner collects what has finished. A file is put into
 * the other's table by whoever passes it, and only told of so.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/alloc.h"
#include "kernel/emu/emu.h"
#include "kernel/emu/internal.h"

int mail_check(const struct io_uring_sqe *sqe)
{
    uint32_t flags = sqe->msg_ring_flags;
    uint32_t known = IORING_MSG_RING_CQE_SKIP | IORING_MSG_RING_FLAGS_PASS;

    if (sqe->buf_index != 0 || (flags & ~known) != 0)
        return -EINVAL;
    return 0;
}

/* What Linux looks at when it knows whom the message is for. */
static int mail_refusal(const struct io_uring_sqe *sqe)
{
    uint32_t flags = sqe->msg_ring_flags;

    /* A file that nobody is told of, Linux only passes. */
    if ((flags & IORING_MSG_RING_CQE_SKIP) != 0)
        return -EINVAL;
    if (files_are_passed(sqe))
        return sqe->len != 0 ? -EINVAL : 0;
    if (sqe->addr != IORING_MSG_DATA || sqe->addr3 != 0)
        return -EINVAL;
    return (flags & IORING_MSG_RING_FLAGS_PASS) == 0 && sqe->file_index != 0
               ? -EINVAL
               : 0;
}

int mail_pass(struct request *r)
{
    return kernel_give_to(r->sqe.fd, r->emu, files_passed(r), r->sqe.file_index,
                          r->sqe.off);
}

int mail_send(struct request *r)
{
    int error = mail_refusal(&r->sqe);

    /* In a slot there is no emulator. */
    if ((r->sqe.flags & IOSQE_FIXED_FILE) != 0)
        return files_look(r->emu, (uint32_t)r->sqe.fd) < 0 ? -EBADF : -EBADFD;
    if (error != 0) {
        if (kernel_kind_at(r->sqe.fd) != KERNEL_NONE)
            return error;
        return fcntl(r->sqe.fd, F_GETFD) < 0 ? -EBADF : -EBADFD;
    }
    if (!files_are_passed(&r->sqe))
        return kernel_post_to(r->sqe.fd, r->sqe.off, (int32_t)r->sqe.len,
                              r->sqe.file_index);
    return kernel_takes_files_itself(r->sqe.fd) ? (int)EMU_POOL : mail_pass(r);
}

int emu_give(struct kernel *kernel, struct kernel *told, const void *from,
             int fd, uint32_t index, uint64_t user_data)
{
    struct emu *emu = emu_of(kernel);

    if (from == emu)
        return -EINVAL;
    return fd < 0 ? fd : files_give(emu, told, fd, index, user_data);
}

/* Any thread. */
int mail_give(struct kernel *kernel, const void *from, int fd, uint32_t index,
              uint64_t user_data)
{
    return emu_give(kernel, kernel, from, fd, index, user_data);
}

/* Any thread. */
int mail_post(struct kernel *kernel, uint64_t user_data, int32_t res,
              uint32_t flags)
{
    struct emu *emu = emu_of(kernel);
    int error = post_box_put(&emu->mail, user_data, res, flags);

    if (error == 0)
        emu_signal(emu->event_fd);
    return error;
}

void mail_collect(struct emu *emu)
{
    files_collect(emu);
    if (UNLIKELY(!post_box_is_empty(&emu->mail)))
        emu_deliver(&emu->kernel, post_box_take(&emu->mail));
}

void emu_deliver(struct kernel *kernel, struct posted *posted)
{
    struct emu *emu = emu_of(kernel);

    while (posted != NULL) {
        struct posted *next = posted->next;

        request_post_for_others(emu, posted);
        alloc_free(posted);
        posted = next;
    }
}
