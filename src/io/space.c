/* SPDX-License-Identifier: MIT */
/*
 * space.c - calls on the room that files take, and advice
 */
#include <gyre/file.h>

#include "io/call.h"

int gyre_sync_file_range(int fd, uint64_t offset, uint64_t size, unsigned flags)
{
    gyre_op op;

    gyre_op_sync_file_range(&op, fd, offset, size, flags);
    return gyre_await(&op).res;
}

int gyre_fallocate(int fd, int mode, uint64_t offset, uint64_t size)
{
    gyre_op op;

    gyre_op_fallocate(&op, fd, mode, offset, size);
    return gyre_await(&op).res;
}

int gyre_ftruncate(int fd, uint64_t size)
{
    gyre_op op;

    gyre_op_ftruncate(&op, fd, size);
    return gyre_await(&op).res;
}

int gyre_fadvise(int fd, uint64_t offset, uint64_t size, int advice)
{
    gyre_op op;

    gyre_op_fadvise(&op, fd, offset, size, advice);
    return gyre_await(&op).res;
}

int gyre_madvise(void *memory, size_t size, int advice)
{
    gyre_op op;

    gyre_op_madvise(&op, memory, size, advice);
    return gyre_await(&op).res;
}
