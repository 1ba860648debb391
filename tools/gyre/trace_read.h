/* SPDX-License-Identifier: MIT */
/*
 * trace_read.h - the records of a trace, in order of time
 *
 * The file may be written to while it is read, may have been cut off with its
 * program, may be anything: what is no record ends its chunk, and is counted.
 */
#ifndef GYRE_TOOL_TRACE_READ_H
#define GYRE_TOOL_TRACE_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "watch/trace_format.h"

/* A loop that wrote into it. */
struct trace_source {
    uint32_t process;
    uint32_t loop; /* its number there */
    char kernel[sizeof((struct trace_chunk *)NULL)->kernel];
    const char *reason; /* why it is that kernel; "" if that is lost */
    uint64_t lost;      /* records, at least */
};

struct trace_event {
    const struct trace_record *record;
    uint64_t order;  /* of writing, among one source's */
    unsigned source; /* which of the sources */
};

struct trace {
    char *chunks; /* a copy */
    struct trace_source *sources;
    unsigned source_count;
    struct trace_event *events;
    size_t event_count;
    uint64_t begun_ns;
    uint64_t lost;    /* records, of all loops */
    unsigned damaged; /* chunks of which a part is no record */
    char program[sizeof((struct trace_file *)NULL)->program + 1];
};

/* Is it a file of a trace, of whatever version? */
bool trace_is_one(int fd);

/* Has nobody written into it? */
bool trace_is_empty(int fd);

/* 0; -EINVAL: it is none, or of another version; or an error of reading it. */
int trace_read(struct trace *trace, int fd);
void trace_free(struct trace *trace);

static inline const struct trace_op *trace_op_of(const struct trace_event *of)
{
    return (const struct trace_op *)of->record;
}

static inline const struct trace_task *trace_task_of(
    const struct trace_event *of)
{
    return (const struct trace_task *)of->record;
}

#endif
