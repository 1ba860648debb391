/* SPDX-License-Identifier: MIT */
/* trace_read.c - see trace_read.h */
#include "trace_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORD 8U

/* All of it: 0, or a negative errno; -EINVAL: the file is too short. */
static int read_at(int fd, void *buffer, size_t size, off_t offset)
{
    size_t got = 0;

    while (got < size) {
        ssize_t n =
            pread(fd, (char *)buffer + got, size - got, offset + (off_t)got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EINVAL;
        got += (size_t)n;
    }
    return 0;
}

bool trace_is_one(int fd)
{
    uint64_t magic = 0;

    return read_at(fd, &magic, sizeof magic, 0) == 0 && magic == TRACE_MAGIC;
}

bool trace_is_empty(int fd)
{
    struct trace_file file;

    return read_at(fd, &file, sizeof file, 0) == 0 && file.taken == 0;
}

static bool header_is_good(const struct trace_file *file)
{
    return file->magic == TRACE_MAGIC && file->version == TRACE_VERSION &&
           file->chunk_bytes >= TRACE_CHUNK_MIN &&
           file->chunk_bytes <= TRACE_CHUNK_MAX &&
           file->chunk_bytes % TRACE_CHUNK_MIN == 0 &&
           file->taken <= file->chunk_count;
}

/* ---- chunks -------------------------------------------------------------- */

static size_t chunk_used(const struct trace_chunk *chunk,
                         const struct trace_file *file)
{
    uint32_t used = chunk->used;

    return used >= sizeof *chunk && used <= file->chunk_bytes ? used : 0;
}

static int chunk_compare(const void *a, const void *b)
{
    const struct trace_chunk *x = *(const struct trace_chunk *const *)a;
    const struct trace_chunk *y = *(const struct trace_chunk *const *)b;

    if (x->process != y->process)
        return x->process < y->process ? -1 : 1;
    if (x->loop != y->loop)
        return x->loop < y->loop ? -1 : 1;
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* The size of a record of that step; 0: there is no such step. */
static size_t step_bytes(uint8_t step)
{
    switch ((enum loop_step)step) {
    case STEP_STARTED:
    case STEP_HELD:
    case STEP_SUBMITTED:
    case STEP_MORE:
    case STEP_ENDED:
    case STEP_RETURNED:
    case STEP_AGAIN:
    case STEP_CANCEL:
    case STEP_DEADLINE:
    case STEP_EXPIRED:
    case STEP_TRIED:
    case STEP_ASKED:
    case STEP_TURN:
    case STEP_ENTER:
    case STEP_ENTERED:
    case STEP_CLOSED:
        return sizeof(struct trace_op);
    case STEP_OPENED:
        return sizeof(struct trace_loop);
    case STEP_SPAWNED:
    case STEP_RUNS:
    case STEP_WAITS:
    case STEP_RETURNS:
        return sizeof(struct trace_task);
    }
    return 0;
}

/* Texts in records are written with a NUL. */
static bool text_is_ended(const struct trace_record *record)
{
    size_t size = step_bytes(record->step);

    return size == sizeof(struct trace_op) ||
           ((const char *)record)[size - 1] == '\0';
}

/* The record at `at`, of which there are `left` bytes; NULL: it is none. */
static const struct trace_record *record_at(const char *at, size_t left)
{
    const struct trace_record *record = (const void *)at;

    if (left < sizeof *record || record->words * WORD > left ||
        step_bytes(record->step) != record->words * WORD ||
        !text_is_ended(record))
        return NULL;
    return record;
}

/* ---- from chunks to events ----------------------------------------------- */

static bool is_of(const struct trace_source *source,
                  const struct trace_chunk *chunk)
{
    return source->process == chunk->process && source->loop == chunk->loop;
}

/* Chunks come in the order of their loops. */
static unsigned source_of(struct trace *trace, const struct trace_chunk *chunk)
{
    struct trace_source *source = &trace->sources[trace->source_count];

    if (trace->source_count > 0 && is_of(source - 1, chunk)) {
        source--;
    } else {
        *source = (struct trace_source){ .process = chunk->process,
                                         .loop = chunk->loop,
                                         .reason = "" };
        memcpy(source->kernel, chunk->kernel, sizeof source->kernel - 1);
        trace->source_count++;
    }
    if (chunk->lost > source->lost)
        source->lost = chunk->lost;
    return (unsigned)(source - trace->sources);
}

static void take_chunk(struct trace *trace, const struct trace_chunk *chunk,
                       size_t used)
{
    unsigned source = source_of(trace, chunk);
    size_t at = sizeof *chunk;

    while (at < used) {
        const struct trace_record *record =
            record_at((const char *)chunk + at, used - at);

        if (record == NULL) {
            trace->damaged++;
            return;
        }
        if (record->step == STEP_OPENED)
            trace->sources[source].reason =
                ((const struct trace_loop *)record)->text;
        trace->events[trace->event_count] =
            (struct trace_event){ record, trace->event_count, source };
        trace->event_count++;
        at += record->words * WORD;
    }
}

static int event_compare(const void *a, const void *b)
{
    const struct trace_event *x = a;
    const struct trace_event *y = b;

    if (x->record->time_ns != y->record->time_ns)
        return x->record->time_ns < y->record->time_ns ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static int take_chunks(struct trace *trace, const struct trace_file *file)
{
    const struct trace_chunk **order = calloc(file->taken + 1, sizeof(*order));
    size_t bytes = 0;
    unsigned count = 0;

    for (uint32_t i = 0; order != NULL && i < file->taken; i++) {
        const struct trace_chunk *chunk =
            (const void *)(trace->chunks + (size_t)i * file->chunk_bytes);

        if (chunk_used(chunk, file) == 0)
            continue;
        bytes += chunk_used(chunk, file);
        order[count++] = chunk;
    }
    trace->sources = calloc(count + 1, sizeof *trace->sources);
    trace->events =
        calloc(bytes / sizeof(struct trace_op) + 1, sizeof *trace->events);
    if (order == NULL || trace->sources == NULL || trace->events == NULL) {
        free(order);
        return -ENOMEM;
    }
    qsort(order, count, sizeof(*order), chunk_compare);
    for (unsigned i = 0; i < count; i++)
        take_chunk(trace, order[i], chunk_used(order[i], file));
    free(order);
    qsort(trace->events, trace->event_count, sizeof *trace->events,
          event_compare);
    return 0;
}

int trace_read(struct trace *trace, int fd)
{
    struct trace_file file;
    size_t bytes;
    int err = read_at(fd, &file, sizeof file, 0);

    *trace = (struct trace){ NULL };
    if (err < 0)
        return err;
    if (!header_is_good(&file))
        return -EINVAL;
    bytes = (size_t)file.taken * file.chunk_bytes;
    trace->chunks = malloc(bytes + 1);
    if (trace->chunks == NULL)
        return -ENOMEM;
    trace->begun_ns = file.begun_ns;
    trace->lost = file.lost;
    memcpy(trace->program, file.program, sizeof file.program);
    err = read_at(fd, trace->chunks, bytes, TRACE_HEADER_BYTES);
    if (err == 0)
        err = take_chunks(trace, &file);
    if (err < 0)
        trace_free(trace);
    return err;
}

void trace_free(struct trace *trace)
{
    free(trace->chunks);
    free(trace->sources);
    free(trace->events);
    *trace = (struct trace){ NULL };
}
