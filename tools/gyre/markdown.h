/* SPDX-License-Identifier: MIT */
/*
 * markdown.h - CommonMark to HTML, by libcmark
 *
 * Raw HTML and dangerous links in the source are left out. Beyond CommonMark:
 * headings get an id as GitHub gives it, so that links to a section work, and
 * simple pipe tables are shown as tables.
 */
#ifndef GYRE_TOOL_MARKDOWN_H
#define GYRE_TOOL_MARKDOWN_H

#include <stdbool.h>

#include "text.h"

#define MARKDOWN_TITLE_SIZE 256

/* Was the program built with libcmark? */
bool markdown_is_available(void);

/* Append `source` as HTML. The text of the first heading goes to `title`, with
 * a NUL, cut where it must be; "" if there is none. Takes time in proportion to
 * the source: not for the loop's thread. */
void markdown_render(struct text *text, struct span source,
                     char title[MARKDOWN_TITLE_SIZE]);

#endif
