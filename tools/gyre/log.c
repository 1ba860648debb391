/* SPDX-License-Identifier: MIT */
/*
 * log.c - see log.h
 *
 * Lines are gathered for a moment before they are written, so that a thousand
 * requests cost one write and not a thousand. A line is in the ring whole or
 * not at all. The ring's bytes are given free only after the write has ended,
 * since until then the kernel reads them.
 */
#include "log.h"

#include <errno.h>
#include <gyre/file.h>
#include <gyre/task.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define GATHER_NS (20 * GYRE_MS)

int log_open(struct log *log, int fd, size_t size)
{
    ASSERT(size >= LOG_LINE_MAX);
    *log = (struct log){ .fd = fd, .size = size };
    event_init(&log->ready);
    if (fd < 0)
        return 0;
    log->ring = alloc_zeroed(1, size);
    return log->ring != NULL ? 0 : -ENOMEM;
}

void log_close(struct log *log)
{
    alloc_free(log->ring);
    log->ring = NULL;
    log->fd = -1;
}

static void ring_put(struct log *log, struct span line)
{
    size_t end = (log->first + log->used) % log->size;
    size_t part = log->size - end;

    ASSERT(line.size <= log->size - log->used);
    if (part > line.size)
        part = line.size;
    memcpy(log->ring + end, line.data, part);
    memcpy(log->ring, line.data + part, line.size - part);
    log->used += line.size;
}

/* Tell of lines that were dropped, if there is room for it now. */
static void report_dropped(struct log *log)
{
    char line[128];
    uint64_t count = log->dropped - log->dropped_reported;

    if (count == 0)
        return;

    int size = snprintf(line, sizeof line,
                        "gyre: %llu lines of the log were dropped: its reader "
                        "did not keep up\n",
                        (unsigned long long)count);

    ASSERT(size > 0 && (size_t)size < sizeof line);
    if ((size_t)size > log->size - log->used)
        return;
    ring_put(log, span_of(line, (size_t)size));
    log->dropped_reported = log->dropped;
}

void log_put(struct log *log, struct span line)
{
    if (log->fd < 0)
        return;
    ASSERT(line.size > 0 && line.data[line.size - 1] == '\n');
    report_dropped(log);
    /* While lines are missing none follows before the note that says so. */
    if (log->dropped != log->dropped_reported ||
        line.size > log->size - log->used) {
        log->dropped++;
        return;
    }
    ring_put(log, line);
    event_signal(&log->ready);
}

/* Write what is there, up to the ring's edge. */
static int write_some(struct log *log)
{
    size_t part = log->size - log->first;

    if (part > log->used)
        part = log->used;

    ssize_t n = gyre_write(log->fd, log->ring + log->first, part,
                           GYRE_CURRENT_POSITION);

    if (n == -EAGAIN) {
        /* Somebody made the descriptor non-blocking, and it is full. */
        return gyre_sleep(GATHER_NS);
    }
    if (n < 0)
        return (int)n;
    log->first = (log->first + (size_t)n) % log->size;
    log->used -= (size_t)n;
    return 0;
}

int log_run(void *arg)
{
    struct log *log = arg;
    int error = 0;

    while (error == 0 && !(log->stopping && log->used == 0)) {
        if (log->used == 0) {
            error = event_wait(&log->ready, GYRE_NEVER);
            if (error == 0 && !log->stopping)
                error = gyre_sleep(GATHER_NS);
        } else {
            error = write_some(log);
            report_dropped(log);
        }
    }
    /* The reader is gone, the disk is full, or our time is up: from here on
     * there is no log, and the server does not care. */
    log->fd = -1;
    return 0;
}

void log_stop(struct log *log)
{
    log->stopping = true;
    event_signal(&log->ready);
}
