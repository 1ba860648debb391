/* SPDX-License-Identifier: MIT */
/*
 * range.h - the Range header, for one range of bytes
 *
 * Several ranges in one request are answered with the whole file, which
 * RFC 9110 14.2 allows: a multipart answer is how small requests make a server
 * send much.
 */
#ifndef GYRE_TOOL_RANGE_H
#define GYRE_TOOL_RANGE_H

#include <stdint.h>

#include "text.h"

enum range_kind {
    RANGE_WHOLE, /* no range, several, or not understood: send it all */
    RANGE_PART,  /* first and size are set */
    RANGE_NONE,  /* nothing of the file is in it: 416 */
};

struct range {
    uint64_t first;
    uint64_t size;
};

/* What a Range header asks of a file of `file_size` bytes. */
enum range_kind range_parse(struct span header, uint64_t file_size,
                            struct range *range);

#endif
