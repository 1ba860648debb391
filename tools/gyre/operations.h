/* SPDX-License-Identifier: MIT */
/*
 * operations.h - docs/OPERATIONS.md, from the table of ops
 */
#ifndef GYRE_TOOL_OPERATIONS_H
#define GYRE_TOOL_OPERATIONS_H

#include "text.h"

/* The page, as Markdown. */
void operations_page(struct text *out);

#endif
