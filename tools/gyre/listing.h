/* SPDX-License-Identifier: MIT */
/*
 * listing.h - a directory as a page
 *
 * Shows exactly what the server would serve: no hidden names, no links that
 * lead out of the root, nothing but regular files and directories that may be
 * read. Directories come first, then files, both by name.
 */
#ifndef GYRE_TOOL_LISTING_H
#define GYRE_TOOL_LISTING_H

#include "text.h"

struct listing {
    int root;         /* the root's descriptor */
    const char *path; /* below it; "" is the root */
    int fd;           /* the directory; listing_make() closes it */
    struct text page; /* growing, and empty */
};

#define LISTING_ENTRIES_MAX 20000 /* more are counted, and not shown */

/* Read the directory and make its page. `arg` is the struct listing. 0, or a
 * negative errno. Blocks: for the pool's threads. */
int listing_make(void *arg);

#endif
