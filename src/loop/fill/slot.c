/* SPDX-License-Identifier: MIT */
/*
 * slot.c - requests that have to do with registered files
 */
#include <gyre/op_file.h>
#include <gyre/op_group.h>
#include <gyre/op_slot.h>
#include <gyre/op_socket.h>

#include <fcntl.h>

#include "loop/fill/fill.h"

/* Linux counts from one, for zero is no slot. */
static void into_slot(gyre_op *op, uint32_t slot)
{
    gyre_op_sqe(op)->file_index =
        slot == GYRE_SLOT_ANY ? IORING_FILE_INDEX_ALLOC : slot + 1;
}

void gyre_op_open_slot(gyre_op *op, int dirfd, const char *path, int flags,
                       unsigned mode, uint32_t slot)
{
    gyre_op_openat(op, dirfd, path, flags, mode);
    gyre_op_sqe(op)->open_flags &= ~(uint32_t)O_CLOEXEC;
    into_slot(op, slot);
}

void gyre_op_accept_slot(gyre_op *op, int fd, struct sockaddr *address,
                         socklen_t *size, int flags, uint32_t slot)
{
    gyre_op_accept(op, fd, address, size, flags);
    gyre_op_sqe(op)->accept_flags &= ~(uint32_t)SOCK_CLOEXEC;
    into_slot(op, slot);
}

void gyre_op_accept_slot_multishot(gyre_op *op, int fd, int flags)
{
    gyre_op_accept_multishot(op, fd, flags);
    gyre_op_sqe(op)->accept_flags &= ~(uint32_t)SOCK_CLOEXEC;
    into_slot(op, GYRE_SLOT_ANY);
}

void gyre_op_socket_slot(gyre_op *op, int domain, int type, int protocol,
                         uint32_t slot)
{
    gyre_op_socket(op, domain, type, protocol);
    gyre_op_sqe(op)->off &= ~(uint64_t)SOCK_CLOEXEC;
    into_slot(op, slot);
}

int gyre_op_slot(const gyre_op *op, gyre_result result)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe((gyre_op *)(uintptr_t)op);

    if (result.res < 0)
        return result.res;
    return gyre_slot_handle(sqe->file_index == IORING_FILE_INDEX_ALLOC
                                ? (uint32_t)result.res
                                : sqe->file_index - 1);
}

void gyre_op_fill_slots(gyre_op *op, uint32_t first, int *fds, uint32_t count)
{
    op_fill(op, IORING_OP_FILES_UPDATE, -1, fds, count,
            first == GYRE_SLOT_ANY ? IORING_FILE_INDEX_ALLOC : first);
}

void gyre_op_slot_install(gyre_op *op, int handle)
{
    op_fill(op, IORING_OP_FIXED_FD_INSTALL, handle, NULL, 0, 0);
}
