/* SPDX-License-Identifier: MIT */
/*
 * trace_file.h - the file of a trace, mapped
 *
 * Made here, or by another process: so nothing in it is taken for granted.
 *
 * Threads.  All of it may be called from any thread.
 */
#ifndef WATCH_TRACE_FILE_H
#define WATCH_TRACE_FILE_H

#include <stddef.h>

#include "watch/trace_format.h"

struct trace_mapping {
    struct trace_file *file;
    size_t size;
};

/* Map the trace of a descriptor: 0; -EINVAL: it is none of this version; or as
 * share_map(). */
int trace_open(struct trace_mapping *mapping, int fd);

/* Likewise, or make an empty file one of that many bytes. */
int trace_get(struct trace_mapping *mapping, int fd, size_t bytes);

struct trace_chunk *trace_chunk_at(const struct trace_file *file, uint32_t i);

/* A chunk that is nobody's, or NULL. It is the only one of its ring. */
struct trace_chunk *trace_chunk_take(struct trace_file *file);

#endif
