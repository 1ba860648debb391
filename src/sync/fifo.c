/* SPDX-License-Identifier: MIT */
/*
 * fifo.c - a ring of fixed size, or chunks
 *
 * A chunk is a page or so: an allocation is paid by many elements, and what a
 * long queue took is given back while it is emptied.
 */
#include "sync/fifo.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define CHUNK_BYTES 4096U

struct fifo_chunk {
    struct fifo_chunk *next;
    _Alignas(max_align_t) unsigned char elements[];
};

static bool is_bounded(const struct fifo *fifo)
{
    return fifo->capacity != SIZE_MAX;
}

static struct fifo_chunk *chunk_create(const struct fifo *fifo)
{
    return alloc_zeroed(1, sizeof(struct fifo_chunk) +
                               fifo->per_chunk * fifo->size);
}

int fifo_init(struct fifo *fifo, size_t size, size_t capacity)
{
    ASSERT(size > 0);
    *fifo = (struct fifo){ .size = size, .capacity = capacity };
    if (!is_bounded(fifo)) {
        fifo->per_chunk = size < CHUNK_BYTES ? CHUNK_BYTES / size : 1;
        fifo->head = fifo->tail = chunk_create(fifo);
        return fifo->head == NULL ? -ENOMEM : 0;
    }
    if (capacity == 0)
        return 0;
    fifo->ring = alloc_zeroed(capacity, size);
    return fifo->ring == NULL ? -ENOMEM : 0;
}

void fifo_deinit(struct fifo *fifo)
{
    while (fifo->head != NULL) {
        struct fifo_chunk *next = fifo->head->next;

        alloc_free(fifo->head);
        fifo->head = next;
    }
    alloc_free(fifo->spare);
    alloc_free(fifo->ring);
}

/* ---- push ---------------------------------------------------------------- */

static int add_chunk(struct fifo *fifo)
{
    struct fifo_chunk *chunk = fifo->spare;

    if (chunk == NULL)
        chunk = chunk_create(fifo);
    if (chunk == NULL)
        return -ENOMEM;
    fifo->spare = NULL;
    chunk->next = NULL;
    fifo->tail->next = chunk;
    fifo->tail = chunk;
    fifo->tail_used = 0;
    return 0;
}

int fifo_push(struct fifo *fifo, const void *element)
{
    unsigned char *to;

    ASSERT(!fifo_is_full(fifo));
    if (is_bounded(fifo)) {
        size_t at = fifo->first + fifo->length;

        to = fifo->ring +
             (at < fifo->capacity ? at : at - fifo->capacity) * fifo->size;
    } else {
        if (fifo->tail_used == fifo->per_chunk && add_chunk(fifo) < 0)
            return -ENOMEM;
        to = fifo->tail->elements + fifo->tail_used++ * fifo->size;
    }
    memcpy(to, element, fifo->size);
    fifo->length++;
    return 0;
}

/* ---- pop ----------------------------------------------------------------- */

void *fifo_oldest(const struct fifo *fifo)
{
    ASSERT(fifo->length > 0);
    return (is_bounded(fifo) ? fifo->ring : fifo->head->elements) +
           fifo->first * fifo->size;
}

/* The head has been emptied. */
static void drop_chunk(struct fifo *fifo)
{
    struct fifo_chunk *chunk = fifo->head;

    if (chunk == fifo->tail) {
        ASSERT(fifo->length == 0);
        fifo->tail_used = 0;
        return;
    }
    fifo->head = chunk->next;
    if (fifo->spare == NULL)
        fifo->spare = chunk;
    else
        alloc_free(chunk);
}

void fifo_pop(struct fifo *fifo, void *element)
{
    if (element != NULL)
        memcpy(element, fifo_oldest(fifo), fifo->size);
    ASSERT(fifo->length > 0);
    fifo->length--;
    fifo->first++;
    if (is_bounded(fifo)) {
        if (fifo->first == fifo->capacity)
            fifo->first = 0;
    } else if (fifo->first == fifo->per_chunk || fifo->length == 0) {
        drop_chunk(fifo);
        fifo->first = 0;
    }
}
