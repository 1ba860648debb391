/* SPDX-License-Identifier: MIT */
/*
 * trace_show.h - a trace as text: ops, steps, or a table of opcodes
 */
#ifndef GYRE_TOOL_TRACE_SHOW_H
#define GYRE_TOOL_TRACE_SHOW_H

#include <stdio.h>

#include "trace_life.h"

/* What is to be shown; nothing set: everything. */
struct trace_filter {
    const char *ops;  /* names, separated by commas, in any case; or NULL */
    const char *task; /* a name; or NULL */
    int fd;           /* -1: any */
};

bool trace_wants_op(const struct trace_filter *filter, const struct life *life);
bool trace_wants_task(const struct trace_filter *filter,
                      const struct being *being);
/* Is anything left out? */
bool trace_filters(const struct trace_filter *filter);

/* "RECV"; "?" for an opcode that this gyre does not know. */
const char *trace_op_name(uint8_t opcode);

/* "started", "ended" ...; "?" for a step that this gyre does not know. */
const char *trace_step_name(uint8_t step);

/* The loops, and on which kernel each was; what was lost. */
void trace_show_head(FILE *out, const struct trace *trace);

/* Each 0, or -ENOMEM. One line an op, at its end; one line a record; one line
 * an opcode. */
int trace_show_ops(FILE *out, const struct trace *trace,
                   const struct trace_filter *filter);
int trace_show_steps(FILE *out, const struct trace *trace,
                     const struct trace_filter *filter);
int trace_show_summary(FILE *out, const struct trace *trace,
                       const struct trace_filter *filter);

/* For ui.perfetto.dev: Chrome's JSON format for traces. */
int trace_write_json(FILE *out, const struct trace *trace,
                     const struct trace_filter *filter);

#endif
