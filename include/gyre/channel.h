/* SPDX-License-Identifier: MIT */
/*
 * gyre/channel.h - hand values from one task or thread to another
 *
 *     gyre_channel *lines;
 *     int err = gyre_channel_create(&lines, sizeof(struct line),
 *                                   &(gyre_channel_options){ .capacity = 16 });
 *
 *     gyre_channel_send(lines, &line);                     one task
 *     while (gyre_channel_recv(lines, &line) == 0) ...     others
 *
 * Life.     Created, closed by whoever knows that no more will come, destroyed
 *           when nobody uses it any more. After the close, receivers still get
 *           what was sent, and then GYRE_EOF.
 *
 * Memory.   Elements are copied in and out, `size` bytes each. The channel's
 *           buffer is allocated when it is created, and, without a bound, when
 *           it grows. No wait allocates.
 *
 * Threads.  Any number of senders and receivers: tasks of one or several loops
 *           and plain threads. With GYRE_LOCAL those of one loop only, without
 *           an atomic instruction. Callbacks can use the try_ forms and close.
 *
 * Order.    First in, first out; of those who wait, first come, first served.
 *           Each element is received exactly once.
 *
 * Cancel.   As for gyre/sync.h: -ECANCELED, -ETIME, and -ETIMEDOUT for the
 *           call's own deadline. An element was then neither sent nor taken.
 *
 * Errors.   Sending into a closed channel: -EPIPE, also for those who waited
 *           when it was closed. -EAGAIN: a try_ form would have to wait.
 */
#ifndef GYRE_CHANNEL_H
#define GYRE_CHANNEL_H

#include <gyre/error.h>
#include <gyre/sync.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_channel gyre_channel;

#define GYRE_UNBOUNDED SIZE_MAX

/* Zero is the default of every member. */
typedef struct gyre_channel_options {
    size_t size;     /* sizeof(gyre_channel_options), or 0 */
    size_t capacity; /* elements; 0: each send waits for its receiver;
                        GYRE_UNBOUNDED: a send never waits */
    unsigned flags;  /* GYRE_LOCAL */
    /* Called for each element that nobody received, by the call that drains or
     * destroys the channel; may be NULL. It must not drain the channel; what
     * the caller may do (wait, in a task), it may. */
    void (*dispose)(void *element, void *user);
    void *user;
} gyre_channel_options;

/* For elements of `element_size` bytes (at least 1, at most 64 KiB). `options`
 * may be NULL. 0; -ENOMEM; -EINVAL: a size or capacity out of bounds. */
GYRE_API int gyre_channel_create(gyre_channel **channel, size_t element_size,
                                 const gyre_channel_options *options);

/* Dispose of what is left, free. Panics if somebody waits. NULL is allowed. */
GYRE_API void gyre_channel_destroy(gyre_channel *channel);

/* Copy *element into the channel. 0; -EPIPE; -ENOMEM (unbounded only); the
 * errors of a wait. */
GYRE_API int gyre_channel_send(gyre_channel *channel,
                               const void *element) GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_channel_send_until(gyre_channel *channel, const void *element,
                                     uint64_t deadline_ns)
    GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_channel_try_send(gyre_channel *channel,
                                   const void *element) GYRE_MUST_USE;

/* Take the oldest element into *element. 0; GYRE_EOF: closed, and nothing is
 * left; the errors of a wait. */
GYRE_API int gyre_channel_recv(gyre_channel *channel,
                               void *element) GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_channel_recv_until(gyre_channel *channel, void *element,
                                     uint64_t deadline_ns)
    GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_channel_try_recv(gyre_channel *channel,
                                   void *element) GYRE_MUST_USE;

/* No more will be sent. Senders that wait get -EPIPE, receivers that wait
 * GYRE_EOF. 0; -EALREADY: it is closed. */
GYRE_API int gyre_channel_close(gyre_channel *channel);
GYRE_API bool gyre_channel_is_closed(const gyre_channel *channel);

/* Take out and dispose of every element now in it; how many. Senders who waited
 * for room then have it. Waits only if `dispose` does. By one at a time. */
GYRE_API size_t gyre_channel_drain(gyre_channel *channel);

/* Elements now in it; old when it returns. */
GYRE_API size_t gyre_channel_length(const gyre_channel *channel);

/* ---- oneshot ------------------------------------------------------------ */

/*
 * One value, from one sender to one receiver, in a structure of the caller's.
 * Each side ends it exactly once: the sender by a send or a close, the receiver
 * by a receive or a close; a close of what has ended does nothing. Who has the
 * value, or was told that none comes, may let go of the structure at once, if
 * the other side makes no further call.
 */
typedef struct gyre_oneshot {
    gyre_sync_ sync_;
    void *value_;
    uint32_t state_;
    uint32_t reserved_;
} gyre_oneshot;

#define GYRE_ONESHOT_INIT                                                      \
    {                                                                          \
        GYRE_SYNC_INIT_, 0, 0, 0                                               \
    }

GYRE_API void gyre_oneshot_init(gyre_oneshot *oneshot, unsigned flags);
GYRE_API void gyre_oneshot_destroy(gyre_oneshot *oneshot);

/* Never waits. 0: the receiver will get the value, or has. -EPIPE: the receiver
 * has closed; the value stays with the sender. */
GYRE_API int gyre_oneshot_send(gyre_oneshot *oneshot,
                               void *value) GYRE_MUST_USE;

/* 0; GYRE_EOF: the sender has closed without a value; the errors of a wait,
 * after which it can be tried again. */
GYRE_API int gyre_oneshot_recv(gyre_oneshot *oneshot,
                               void **value) GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_oneshot_recv_until(gyre_oneshot *oneshot, void **value,
                                     uint64_t deadline_ns)
    GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_oneshot_try_recv(gyre_oneshot *oneshot,
                                   void **value) GYRE_MUST_USE;

/* The sender gives up: the receiver gets GYRE_EOF. */
GYRE_API void gyre_oneshot_close_send(gyre_oneshot *oneshot);

/* The receiver gives up. True: a value had been sent, and is now in *value for
 * the receiver to dispose of. */
GYRE_API bool gyre_oneshot_close_recv(gyre_oneshot *oneshot, void **value);

/* For the sender: wait until the receiver has closed (0) or received (0), to
 * stop work nobody wants. */
GYRE_API int gyre_oneshot_wait_closed(gyre_oneshot *oneshot)
    GYRE_WAITS GYRE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
