/* SPDX-License-Identifier: MIT */
/*
 * loop_options.h - a loop's options: --loop, docs/OPTIONS.md, what a loop got
 */
#ifndef GYRE_TOOL_LOOP_OPTIONS_H
#define GYRE_TOOL_LOOP_OPTIONS_H

#include <gyre/loop.h>

#include "json.h"
#include "options.h"
#include "text.h"

/* The value of the present option, set in `loop`. */
void loop_options_read(struct options *options, gyre_loop_options *loop);

/* docs/OPTIONS.md, as Markdown. */
void loop_options_page(struct text *out);

/* Make a loop with `asked`; what it has, as member "options", or why there is
 * none, as member "options_error". False: there is none. */
bool loop_options_report(struct json *json, const gyre_loop_options *asked);

#endif
