/* SPDX-License-Identifier: MIT */
/*
 * path.h - from the target of a request to a path below the root
 *
 * Escapes are decoded exactly once. The result is relative, has no empty, "."
 * or ".." components, and no component that begins with a dot, except
 * ".well-known" (RFC 8615). It is opened with RESOLVE_BENEATH all the same:
 * this file decides what is a fair question, the kernel what is inside.
 */
#ifndef GYRE_TOOL_PATH_H
#define GYRE_TOOL_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

#define PATH_SIZE 4096 /* with the NUL, as Linux has it */

struct path {
    char text[PATH_SIZE]; /* "" is the root itself */
    size_t size;
    bool is_directory; /* the target ended with a slash */
    struct span query; /* of the target, without the '?'; data NULL: none */
};

/*
 * Decode the target of a GET: "/a/b?c", or "http://host/a/b?c". 0, or the
 * status to answer with: 400 for an escape that is none, an encoded slash or
 * NUL, a ".." component, a fragment, or no path at all; 404 for a hidden name;
 * 414 if it is longer than Linux's longest path.
 */
int path_decode(struct span target, struct path *path);

#endif
