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
    gyre_event_init(&log->ready, 0);
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
    gyre_event_destroy(&log->ready);
}

bool log_is_open(const struct log *log)
{
    return __atomic_load_n(&log->fd, __ATOMIC_RELAXED) >= 0;
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

/* Tell of lines that were dropped, if there is room for it now. With the lock.
 */
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

/* Who waits is to be told, by who has given the lock back. */
static bool log_calls(struct log *log)
{
    bool waiting = log->waiting;

    log->waiting = false;
    return waiting;
}

void log_put(struct log *log, struct span line)
{
    bool call = false;

    if (!log_is_open(log))
        return;
    ASSERT(line.size > 0 && line.data[line.size - 1] == '\n');
    gyre_spin_lock(&log->lock);
    report_dropped(log);
    /* While lines are missing none follows before the note that says so. */
    if (log->dropped != log->dropped_reported ||
        line.size > log->size - log->used) {
        /* The status page reads it. */
        __atomic_store_n(&log->dropped, log->dropped + 1, __ATOMIC_RELAXED);
    } else {
        ring_put(log, line);
        call = log_calls(log);
    }
    gyre_spin_unlock(&log->lock);
    if (call)
        (void)gyre_event_set(&log->ready, NULL);
}

/* Write what is there, up to the ring's edge. */
static int write_some(struct log *log, size_t first, size_t used)
{
    size_t part = log->size - first;

    if (part > used)
        part = used;

    ssize_t n =
        gyre_write(log->fd, log->ring + first, part, GYRE_CURRENT_POSITION);

    if (n == -EAGAIN) {
        /* Somebody made the descriptor non-blocking, and it is full. */
        return gyre_sleep(GATHER_NS);
    }
    if (n < 0)
        return (int)n;
    gyre_spin_lock(&log->lock);
    log->first = (log->first + (size_t)n) % log->size;
    log->used -= (size_t)n;
    report_dropped(log);
    gyre_spin_unlock(&log->lock);
    return 0;
}

/* Until there is something, or it is to stop. */
static int await_lines(struct log *log)
{
    int error = gyre_event_wait(&log->ready, NULL);

    gyre_event_reset(&log->ready);
    return error == 0 && !__atomic_load_n(&log->stopping, __ATOMIC_RELAXED)
               ? gyre_sleep(GATHER_NS)
               : error;
}

int log_run(void *arg)
{
    struct log *log = arg;
    int error = 0;

    while (error == 0) {
        size_t first, used;
        bool stopping;

        gyre_spin_lock(&log->lock);
        first = log->first;
        used = log->used;
        stopping = log->stopping;
        log->waiting = used == 0 && !stopping;
        gyre_spin_unlock(&log->lock);
        if (used > 0)
            error = write_some(log, first, used);
        else if (stopping)
            break;
        else
            error = await_lines(log);
    }
    /* The reader is gone, the disk is full, or our time is up: from here on
     * there is no log, and the server does not care. */
    __atomic_store_n(&log->fd, -1, __ATOMIC_RELAXED);
    return 0;
}

void log_stop(struct log *log)
{
    bool call;

    gyre_spin_lock(&log->lock);
    log->stopping = true;
    call = log_calls(log);
    gyre_spin_unlock(&log->lock);
    if (call)
        (void)gyre_event_set(&log->ready, NULL);
}
