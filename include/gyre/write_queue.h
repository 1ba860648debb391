/* SPDX-License-Identifier: MIT */
/*
 * gyre/write_queue.h - whole writes to one stream, in order
 *
 *     gyre_write_queue queue;
 *     gyre_write_queue_init(&queue, loop, fd, GYRE_QUEUE_SENDS);
 *     gyre_write_queue_add(&queue, &request, data, size, written, user);
 *
 * For callbacks: a send may be short, and two in flight on one socket may mix.
 * A queue has one op in flight at a time, sends the rest of what was short, and
 * goes on with the next request when all of one is out. (A task needs none:
 * gyre_send_all() in one task at a time.)
 *
 * Life.     The first request starts the op; the last that ends leaves the
 *           queue idle, to be added to again, or forgotten.
 * Memory.   Queue, requests and data are the caller's, and held until the
 *           request's `done`, in which the last one may also free the queue;
 *           nothing is allocated. Keep an eye on
 *           gyre_write_queue_bytes(): it is what a slow reader makes you keep.
 * Errors.   After a write has failed nothing more is written: the stream would
 *           have a hole. Every request in the queue ends with that error, in
 *           order, and add refuses with it.
 * Threads.  The loop's own.
 */
#ifndef GYRE_WRITE_QUEUE_H
#define GYRE_WRITE_QUEUE_H

#include <gyre/op.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_queued_write gyre_queued_write;

/* `result` is 0 when all bytes are written, or a negative errno. The request is
 * idle when it is called, and may be freed or added again. */
typedef void gyre_queued_write_fn(gyre_queued_write *request, int result);

struct gyre_queued_write {
    gyre_queued_write *next_;
    const char *data_;
    size_t left_;
    gyre_queued_write_fn *done_;
    void *user; /* the caller's */
};

enum gyre_queue_kind {
    GYRE_QUEUE_SENDS,  /* to a socket: no SIGPIPE */
    GYRE_QUEUE_WRITES, /* to a pipe, a terminal, or a file's position */
};

typedef struct gyre_write_queue {
    gyre_op op_;
    gyre_loop *loop_;
    gyre_queued_write *first_;
    gyre_queued_write *last_;
    size_t bytes_;
    int fd_;
    int error_;
    bool sends_;
    bool busy_;
} gyre_write_queue;

GYRE_API void gyre_write_queue_init(gyre_write_queue *queue, gyre_loop *loop,
                                    int fd, enum gyre_queue_kind kind);

/* Write `size` bytes after all that was added before. 0; or the error that has
 * ended the queue, and `done` is not called. Panics if `size` is 0. */
GYRE_API int gyre_write_queue_add(gyre_write_queue *queue,
                                  gyre_queued_write *request, const void *data,
                                  size_t size, gyre_queued_write_fn *done,
                                  void *user) GYRE_MUST_USE;

/* Bytes that were added and are not written. */
GYRE_API size_t gyre_write_queue_bytes(const gyre_write_queue *queue);

/* End all requests with -ECANCELED; the first may have been written in part.
 * Their `done` is called when the op in flight has ended, not in here. */
GYRE_API void gyre_write_queue_cancel(gyre_write_queue *queue);

#ifdef __cplusplus
}
#endif

#endif
