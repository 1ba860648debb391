/* SPDX-License-Identifier: MIT */
/*
 * share.c - see share.h
 */
#include "kernel/share.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "kernel/memory.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* not in the headers of Debian 11 */
#endif

int share_map(int fd, void **memory, size_t *size)
{
    struct stat file;

    if (fstat(fd, &file) < 0)
        return -errno;
    if (!S_ISREG(file.st_mode))
        return -ENODEV;
    if (file.st_size == 0)
        return -ENODATA;
    if (alloc_must_fail())
        return -ENOMEM;
    *size = (size_t)file.st_size;
    *memory = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return *memory == MAP_FAILED ? -errno : 0;
}

void share_unmap(void *memory, size_t size)
{
    int err = munmap(memory, size);

    ASSERT(err == 0 || errno == ENOMEM);
}

int share_make(int fd, size_t size, void **memory)
{
    int err;

    if (ftruncate(fd, (off_t)size) < 0)
        return -errno;
    err = share_map(fd, memory, &size);
    /* It was that a moment ago, so only a disk can refuse. */
    if (err < 0 && ftruncate(fd, 0) < 0)
        err = -errno;
    return err;
}

bool share_prepare(void *memory, size_t size)
{
    int saved_errno = errno;
    size_t page = memory_page_size();
    char *from = (char *)((uintptr_t)memory & ~(page - 1));
    bool refused;

    size += (size_t)((char *)memory - from);
    size = (size + page - 1) & ~(page - 1);
    refused = madvise(from, size, MADV_POPULATE_WRITE) < 0 && errno != EINVAL;
    errno = saved_errno;
    return !refused;
}

uint32_t share_process(void)
{
    return (uint32_t)getpid();
}

const char *share_trace_asked(void)
{
    return secure_getenv("GYRE_TRACE");
}
