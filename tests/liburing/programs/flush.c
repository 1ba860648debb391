/* SPDX-License-Identifier: MIT */
/*
 * flush.c - for the tests of liburing: what liburing does not export
 *
 * Two of them call a function of the library's inside, which a program that is
 * linked with liburing.so.2 cannot. This does what its name says by what
 * liburing.h shows of a ring.
 */
#include <liburing.h>

unsigned __io_uring_flush_sq(struct io_uring *ring);

unsigned __io_uring_flush_sq(struct io_uring *ring)
{
    struct io_uring_sq *sq = &ring->sq;

    if (sq->sqe_head != sq->sqe_tail) {
        sq->sqe_head = sq->sqe_tail;
        io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    }
    return sq->sqe_tail - *sq->khead;
}
