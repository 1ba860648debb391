/* SPDX-License-Identifier: MIT */
/*
 * gyre/intake.h - receiving without copying
 *
 *     gyre_loop_options options = { .ring.mixed_cqes = true };
 *     gyre_intake_options card = { .interface = if_nametoindex("eth0"),
 *                                  .queue = 7 };
 *     ...
 *     int err = gyre_intake_create(&intake, loop, &card, &why);
 *
 *     gyre_incoming_options in = { .zero_copy = err == 0 ? intake : NULL };
 *     gyre_incoming_recv(&incoming, fd, group, &in);
 *
 * An intake is memory into which a network card puts what comes in on one of
 * its receive queues (Linux's zero-copy receive, io_uring's zcrx). Receivers of
 * TCP connections take it from there, piece by piece, by the same slices as
 * from a group of buffers. What came on another queue is copied into it by
 * Linux: so a connection works whatever way its packets take. The card splits
 * headers from data, and steers flows to the queue: that is set up by its
 * administrator (ethtool). Without a card all is copied, which is for tests.
 *
 * Life.     Made after the loop, destroyed before it when all slices have come
 *           back and no receiver is open on it. Linux keeps the memory locked,
 *           and the card's queue, until the loop is destroyed.
 *
 * Memory.   The intake's own. Each piece holds a whole page until its slice is
 *           released. When all are held, receivers wait for one.
 *
 * Threads.  The loop's own; slices may be released by any thread.
 *
 * Errors.   -EOPNOTSUPP: not on this Linux or not on this loop; -EPERM: needs
 *           CAP_NET_ADMIN; -ENODEV, -EBUSY and others of the card's. *why says
 *           which, and what to do.
 */
#ifndef GYRE_INTAKE_H
#define GYRE_INTAKE_H

#include <gyre/buffers.h>
#include <gyre/loop.h>
#include <gyre/op.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_intake gyre_intake;

/* Zero is the default of every member. */
typedef struct gyre_intake_options {
    size_t size;        /* sizeof(gyre_intake_options), or 0 */
    uint32_t interface; /* of the card, as if_nametoindex(3) says; 0: none,
                           and all is copied. since 6.15, without a card 7.1 */
    uint32_t queue;     /* which of its receive queues */
    size_t bytes;       /* of memory, in whole pages; 0: 4 MiB; to 1 GiB */
    uint32_t piece;     /* how much of it at a time, a power of two; 0: a page.
                           Others are for cards, since 7.0 */
} gyre_intake_options;

/* Make an intake of a loop with gyre_ring_options.mixed_cqes or big_cqes. 0, or
 * an error and in *why (may be NULL) a sentence. */
GYRE_API int gyre_intake_create(gyre_intake **intake, gyre_loop *loop,
                                const gyre_intake_options *options,
                                const char **why) GYRE_MUST_USE;

/* Panics if a slice is still out or a receiver is open. NULL is allowed. */
GYRE_API void gyre_intake_destroy(gyre_intake *intake);

typedef struct gyre_intake_stats {
    size_t size; /* set by the caller: sizeof(gyre_intake_stats) */
    /* Now. */
    uint32_t pages; /* in all, each of `piece` bytes */
    uint32_t out;   /* pieces that have not come back */
    uint32_t receivers;
    uint32_t waiting; /* of these, for a piece to come back */
    /* Since it was made. */
    uint64_t pieces;
    uint64_t bytes;
    uint64_t dry;     /* how often a receiver found none */
    uint64_t refused; /* receivers that use their group instead: no TCP */
    /* As Linux counts; since 7.2, before that 0. */
    uint64_t copied_pieces;
    uint64_t copied_bytes;
    uint64_t card_dry; /* how often it told that the card found none */
} gyre_intake_stats;

GYRE_API void gyre_intake_get_stats(gyre_intake *intake,
                                    gyre_intake_stats *stats);

/* ---- as an op ----------------------------------------------------------- */

/* Receive again and again. Each completion but the last brings a piece: its
 * callback has to take it. The last says why: 0 at the end of the stream,
 * -ENOMEM when no page is free, -ENOSPC when the completion queue was full
 * (start it again), -EPROTONOSUPPORT: no TCP. since 6.15 */
GYRE_API void gyre_op_recv_zc(gyre_op *op, int fd, const gyre_intake *intake);

/* In its callback: the piece, to be released. False: there is none. */
GYRE_API bool gyre_intake_take(gyre_intake *intake, const gyre_op *op,
                               gyre_result result, gyre_slice *slice);

#ifdef __cplusplus
}
#endif

#endif
