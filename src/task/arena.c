/* SPDX-License-Identifier: MIT */
/*
 * arena.c - memory that a task owns
 *
 * Pieces are cut from chunks, one after the other, and never given back singly.
 * A large piece is a chunk of its own, put behind the one that is being cut, so
 * that it ends no half-used one.
 */
#include <gyre/alloc.h>

#include "base/alloc.h"
#include "task/task.h"

#define PIECE_ALIGN 16
#define CHUNK_BYTES 1024U /* with its head */
#define LARGE_BYTES 256U

struct task_chunk {
    struct task_chunk *next;
    size_t left; /* bytes at the end that are yet to be cut */
    _Alignas(PIECE_ALIGN) char bytes[];
};

#define CHUNK_ROOM (CHUNK_BYTES - sizeof(struct task_chunk))

static struct task_chunk *chunk_create(size_t room)
{
    return room > SIZE_MAX - sizeof(struct task_chunk)
               ? NULL
               : alloc_zeroed(1, sizeof(struct task_chunk) + room);
}

static void *allocate_large(gyre_task *task, size_t size)
{
    struct task_chunk *first = task->memory;
    struct task_chunk *chunk = chunk_create(size);

    if (chunk == NULL)
        return NULL;
    if (first == NULL) {
        task->memory = chunk;
    } else {
        chunk->next = first->next;
        first->next = chunk;
    }
    return chunk->bytes;
}

void *gyre_task_alloc(size_t size)
{
    gyre_task *task = task_running();
    struct task_chunk *chunk = task->memory;

    if (size > SIZE_MAX - PIECE_ALIGN)
        return NULL;
    size = size == 0 ? PIECE_ALIGN
                     : (size + PIECE_ALIGN - 1) & ~(size_t)(PIECE_ALIGN - 1);
    if (chunk == NULL || chunk->left < size) {
        if (size > LARGE_BYTES)
            return allocate_large(task, size);
        chunk = chunk_create(CHUNK_ROOM);
        if (chunk == NULL)
            return NULL;
        chunk->left = CHUNK_ROOM;
        chunk->next = task->memory;
        task->memory = chunk;
    }
    chunk->left -= size;
    return chunk->bytes + (CHUNK_ROOM - size - chunk->left);
}

void task_free_memory(gyre_task *task)
{
    while (task->memory != NULL) {
        struct task_chunk *chunk = task->memory;

        task->memory = chunk->next;
        alloc_free(chunk);
    }
}
