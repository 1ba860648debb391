/* SPDX-License-Identifier: MIT */
/*
 * page.h - the frame around every page that the server makes itself
 *
 * No script, no font, no picture, nothing from elsewhere: a page is one
 * response, and its Content-Security-Policy (response.c) says so.
 */
#ifndef GYRE_TOOL_PAGE_H
#define GYRE_TOOL_PAGE_H

#include "text.h"

/* Everything before the content. `path` is the decoded path without its first
 * slash, for the crumbs; data NULL: no crumbs. */
void page_begin(struct text *text, struct span title, struct span path);

/* Everything after it. */
void page_end(struct text *text);

#endif
