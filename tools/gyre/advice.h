/* SPDX-License-Identifier: MIT */
/*
 * advice.h - what is known of single releases of Linux, told
 */
#ifndef GYRE_TOOL_ADVICE_H
#define GYRE_TOOL_ADVICE_H

#include <stdbool.h>

#include "json.h"
#include "text.h"

struct advice;

/* All there is, as the table of docs/KERNELS.md. */
void advice_page(struct text *out);

/* Of this Linux: an array "advice". `kernel` is that which loops get. */
void advice_json(struct json *json, const char *kernel);

/* The n-th piece about this Linux, and what gyre does, as one line; false:
 * there are no more. `line` has room for `size` bytes. */
bool advice_line(unsigned n, const char *kernel, char *line, size_t size);

#endif
