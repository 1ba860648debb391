/* SPDX-License-Identifier: MIT */
/*
 * trace_run.h - run a program whose loops are traced
 */
#ifndef GYRE_TOOL_TRACE_RUN_H
#define GYRE_TOOL_TRACE_RUN_H

#include <stdbool.h>
#include <stddef.h>

/* What shells say. */
enum { EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127, EXIT_SIGNAL = 128 };

/* A trace in the file `path`, or in memory if that is NULL: its descriptor; or
 * a negative errno. */
int trace_make(const char *path, size_t bytes, const char *program);

/* Run argv[0] with its arguments, found as a shell does, and wait for its end.
 * It inherits the trace. *code is its exit code, or 128 and the signal that
 * killed it. False: it could not be run, which was said; *code is 126 or 127.
 */
bool trace_run(char **argv, int trace_fd, int *code);

#endif
