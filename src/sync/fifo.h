/* SPDX-License-Identifier: MIT */
/*
 * fifo.h - elements of one size, first in, first out
 *
 * What a channel keeps its elements in; knows nothing of waiting or locks. With
 * a bound it is a ring, allocated once. Without, a list of chunks: a push may
 * allocate one, and the last one that was emptied is kept for the next.
 */
#ifndef SYNC_FIFO_H
#define SYNC_FIFO_H

#include <stdbool.h>
#include <stddef.h>

struct fifo_chunk;

struct fifo {
    size_t size;     /* of an element, in bytes */
    size_t capacity; /* elements; SIZE_MAX: no bound */
    size_t length;   /* elements in it */
    size_t first;    /* where the oldest is, in the ring or its chunk */
    unsigned char *ring;
    struct fifo_chunk *head; /* has the oldest */
    struct fifo_chunk *tail; /* has the youngest */
    struct fifo_chunk *spare;
    size_t tail_used;
    size_t per_chunk;
};

/* 0 or -ENOMEM. `capacity` may be 0. */
int fifo_init(struct fifo *fifo, size_t size, size_t capacity);
void fifo_deinit(struct fifo *fifo);

static inline bool fifo_is_full(const struct fifo *fifo)
{
    return fifo->length >= fifo->capacity;
}

/* Append a copy, when it is not full. 0; -ENOMEM: no chunk. */
int fifo_push(struct fifo *fifo, const void *element);

/* The oldest; only when there is one. */
void *fifo_oldest(const struct fifo *fifo);

/* Copy the oldest out (`element` NULL: do not) and drop it. */
void fifo_pop(struct fifo *fifo, void *element);

#endif
