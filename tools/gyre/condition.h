/* SPDX-License-Identifier: MIT */
/*
 * condition.h - entity tags and conditional requests (RFC 9110 13)
 *
 * A tag is made of inode, size and modification time in nanoseconds, so it is
 * a strong one for all practical purposes: a file that was changed within the
 * same tick of the kernel's clock, to the same size, is the exception that
 * every file server makes.
 */
#ifndef GYRE_TOOL_CONDITION_H
#define GYRE_TOOL_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "request.h"
#include "text.h"

#define ETAG_SIZE 64

/* What a file's representation is known by. */
struct version {
    char etag[ETAG_SIZE]; /* with its quotes, and a NUL */
    int64_t modified;     /* seconds since 1970 */
};

/* `variant` tells apart what is made from the same file ("" or "-html"). */
void version_make(struct version *version, uint64_t inode, uint64_t size,
                  int64_t modified_s, uint32_t modified_ns,
                  const char *variant);

/* 200: go on. 304 or 412: that is the answer. */
int condition_check(const struct request *request,
                    const struct version *version);

/* May a Range be honoured, as far as If-Range is concerned? */
bool condition_allows_range(const struct request *request,
                            const struct version *version);

#endif
