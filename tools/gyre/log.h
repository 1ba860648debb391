/* SPDX-License-Identifier: MIT */
/*
 * log.h - lines for a file, a terminal or a pipe that may be stuck
 *
 * Writing a line puts it into a ring of memory, which never waits; one task
 * carries the ring to the descriptor. What does not fit because the reader
 * does not keep up is dropped, counted, and told of when there is room again.
 * Tasks of any engine write; the lock is held for a copy of the line.
 */
#ifndef GYRE_TOOL_LOG_H
#define GYRE_TOOL_LOG_H

#include <gyre/sync.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

#define LOG_LINE_MAX 4096

struct log {
    int fd; /* the caller's; -1: lines are dropped without being counted */
    gyre_spinlock lock; /* of all that follows but `size` and `ready` */
    char *ring;
    size_t size;
    size_t first; /* the oldest byte */
    size_t used;
    uint64_t dropped;          /* lines, in all */
    uint64_t dropped_reported; /* of them, told of */
    bool stopping;
    bool waiting; /* log_run() waits for `ready` */
    gyre_event ready;
};

/* `size` bytes for lines on their way. 0, or -ENOMEM. */
int log_open(struct log *log, int fd, size_t size);
void log_close(struct log *log);

/* Is there anybody to read it? */
bool log_is_open(const struct log *log);

/* Add a line, which ends with a newline. Never waits. */
void log_put(struct log *log, struct span line);

/* A task: carry lines to the descriptor until log_stop() and no line is left,
 * or its scope is cancelled. `arg` is the struct log. Gives 0. */
int log_run(void *arg);

/* Let log_run() return when it has written what is there. */
void log_stop(struct log *log);

#endif
