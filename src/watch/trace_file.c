/* SPDX-License-Identifier: MIT */
/*
 * trace_file.c - see trace_file.h
 */
#include "watch/trace_file.h"

#include <errno.h>
#include <stdbool.h>
#include <gyre/trace.h>
#include <pthread.h>

#include "base/assert.h"
#include "kernel/share.h"
#include "kernel/thread.h"

#define CHUNKS_WANTED 16U

_Static_assert(sizeof(struct trace_file) <= TRACE_HEADER_BYTES, "a page");
_Static_assert(sizeof(struct trace_chunk) == 64, "as docs/TRACE.md says");
_Static_assert(sizeof(struct trace_op) == 32, "as docs/TRACE.md says");
_Static_assert(sizeof(struct trace_task) == 56, "as docs/TRACE.md says");
_Static_assert(sizeof(struct trace_loop) == 128, "as docs/TRACE.md says");

struct trace_chunk *trace_chunk_at(const struct trace_file *file, uint32_t i)
{
    char *first = (char *)(uintptr_t)file + TRACE_HEADER_BYTES;

    ASSERT(i < file->chunk_count);
    return (struct trace_chunk *)(void *)(first +
                                          (size_t)i * file->chunk_bytes);
}

static void trace_format(void *memory, size_t size, uint64_t now_ns)
{
    struct trace_file *file = memory;
    size_t room = size - TRACE_HEADER_BYTES;
    size_t bytes = TRACE_CHUNK_MAX;

    ASSERT(size >= GYRE_TRACE_BYTES_MIN);
    while (bytes > TRACE_CHUNK_MIN && room / bytes < CHUNKS_WANTED)
        bytes /= 2;
    file->version = TRACE_VERSION;
    file->chunk_bytes = (uint32_t)bytes;
    file->chunk_count = (uint32_t)(room / bytes);
    file->begun_ns = now_ns;
    file->magic = TRACE_MAGIC;
}

/* Others may have written it: nothing of it is taken for granted. */
static bool is_trace(const struct trace_mapping *mapping)
{
    const struct trace_file *file = mapping->file;

    return mapping->size >= GYRE_TRACE_BYTES_MIN &&
           file->magic == TRACE_MAGIC && file->version == TRACE_VERSION &&
           file->chunk_bytes >= TRACE_CHUNK_MIN &&
           file->chunk_bytes <= TRACE_CHUNK_MAX &&
           file->chunk_bytes % TRACE_CHUNK_MIN == 0 &&
           file->chunk_count <=
               (mapping->size - TRACE_HEADER_BYTES) / file->chunk_bytes;
}

int trace_open(struct trace_mapping *mapping, int fd)
{
    void *memory;
    int err = share_map(fd, &memory, &mapping->size);

    if (err < 0)
        return err;
    mapping->file = memory;
    if (is_trace(mapping))
        return 0;
    share_unmap(memory, mapping->size);
    return -EINVAL;
}

/* The file is empty. */
static int mapping_make(struct trace_mapping *mapping, int fd, size_t bytes)
{
    void *memory;
    int err = share_make(fd, bytes, &memory);

    if (err < 0)
        return err;
    trace_format(memory, bytes, thread_clock());
    *mapping = (struct trace_mapping){ memory, bytes };
    return 0;
}

/* One at a time, so that two loops of the process do not both find the file
 * empty. */
int trace_get(struct trace_mapping *mapping, int fd, size_t bytes)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int err;

    pthread_mutex_lock(&lock);
    err = trace_open(mapping, fd);
    if (err == -ENODATA)
        err = mapping_make(mapping, fd, bytes);
    pthread_mutex_unlock(&lock);
    return err;
}

struct trace_chunk *trace_chunk_take(struct trace_file *file)
{
    uint32_t taken = atomic_load_explicit(&file->taken, memory_order_relaxed);
    struct trace_chunk *chunk;

    do {
        if (taken >= file->chunk_count)
            return NULL;
    } while (!atomic_compare_exchange_weak(&file->taken, &taken, taken + 1));
    chunk = trace_chunk_at(file, taken);
    if (!share_prepare(chunk, file->chunk_bytes))
        return NULL; /* it stays empty */
    chunk->next = taken;
    return chunk;
}
