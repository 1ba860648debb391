/* SPDX-License-Identifier: MIT */
/*
 * wanted.h - what a program asks of its ring beyond what every ring has
 *
 * Each member of gyre_ring_options is a row of the table in wanted.c: how to
 * ask for it, when the ring is made or once it is there, and what to say when
 * that is refused. May rely on ring/ and on uring.h.
 */
#ifndef KERNEL_URING_WANTED_H
#define KERNEL_URING_WANTED_H

#include "kernel/uring/uring.h"

/*
 * Make uring->ring as uring->options says, with all that options.ring asks for
 * or, best_effort, with what can be had of it; kernel.ring then says what that
 * is. 0, or a negative errno; if a member is refused, *options.why says which.
 */
int wanted_open(struct uring *uring);

#endif
