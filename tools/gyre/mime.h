/* SPDX-License-Identifier: MIT */
/* mime.h - what is in a file, by its name */
#ifndef GYRE_TOOL_MIME_H
#define GYRE_TOOL_MIME_H

#include <stdbool.h>

#include "text.h"

/* The Content-Type for a path. Text is always UTF-8. */
const char *mime_type(struct span path);

/* Is it Markdown, which may be shown as a page? */
bool mime_is_markdown(struct span path);

#endif
