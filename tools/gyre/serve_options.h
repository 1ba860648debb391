/* SPDX-License-Identifier: MIT */
/*
 * serve_options.h - the command line of gyre serve
 */
#ifndef GYRE_TOOL_SERVE_OPTIONS_H
#define GYRE_TOOL_SERVE_OPTIONS_H

struct serve_options;

/* -1: go on; else the exit code, and what there is to say has been said. The
 * options hold what is in argv. */
int serve_options_read(struct serve_options *serve, int argc, char **argv);

#endif
