/* SPDX-License-Identifier: MIT */
/*
 * signals.h - SIGINT and SIGTERM: the first begins the shutdown, the second
 * ends the process
 */
#ifndef GYRE_TOOL_SIGNALS_H
#define GYRE_TOOL_SIGNALS_H

#include <gyre/shutdown.h>

/* Before there is another thread: keep both until signals_heed(). */
void signals_hold(void);

/* On engine 0: from now on a signal shuts its engines down, with these options,
 * which are held. */
void signals_heed(const gyre_shutdown_options *options);

/* Shut the engines down without a signal: one that comes now is the second. */
void signals_forestall(void);

#endif
