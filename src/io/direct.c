/* SPDX-License-Identifier: MIT */
/*
 * direct.c - what files without the page cache want, and memory for them
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/direct.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "io/call.h"

enum {
    USUAL_ALIGN = 4096,
    /* In struct statx since Linux 6.1; the C library's may be older. */
    MEMORY_ALIGN_AT = 0x98,
    OFFSET_ALIGN_AT = 0x9c,
};

_Static_assert(sizeof(struct statx) == 256, "as Linux has it for ever");

static uint32_t field_at(const struct statx *status, size_t at)
{
    uint32_t value;

    memcpy(&value, (const char *)status + at, sizeof value);
    return value;
}

int gyre_direct_from(const struct statx *status, gyre_direct *direct)
{
    *direct = (gyre_direct){ USUAL_ALIGN, USUAL_ALIGN };
    if ((status->stx_mask & GYRE_STATX_DIOALIGN) == 0)
        return 0;
    if (field_at(status, OFFSET_ALIGN_AT) == 0)
        return -EOPNOTSUPP;
    direct->memory = field_at(status, MEMORY_ALIGN_AT);
    direct->offset = field_at(status, OFFSET_ALIGN_AT);
    return 0;
}

int gyre_direct_of(int fd, gyre_direct *direct)
{
    struct statx status;
    int err = gyre_statx(fd, "", AT_EMPTY_PATH, GYRE_STATX_DIOALIGN, &status);

    return err < 0 ? err : gyre_direct_from(&status, direct);
}

void *gyre_direct_alloc(const gyre_direct *direct, size_t size)
{
    size_t align = direct->memory > direct->offset ? direct->memory
                                                   : direct->offset;
    uint64_t whole = gyre_direct_up(direct, size);

    ASSERT_API(direct->memory != 0 && direct->offset != 0 &&
                   (align & (align - 1)) == 0,
               "the alignment is to be had from gyre_direct_from()");
    /* Rounded up beyond what there is. */
    if (whole < size)
        return NULL;
    return alloc_aligned(align, whole != 0 ? whole : align);
}

void gyre_direct_free(void *buffer)
{
    alloc_free(buffer);
}
