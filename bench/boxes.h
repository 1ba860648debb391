/* SPDX-License-Identifier: MIT */
/*
 * boxes.h - threads that are posted to: gyre's, and those by hand
 *
 * What is done with them is in peers/mail.h.
 */
#ifndef BENCH_BOXES_H
#define BENCH_BOXES_H

#include "bench.h"
#include "peers/mail.h"

extern const struct box_class box_of_loop; /* gyre_loop_post() */

/* A list without locks and a futex: nothing is there but the letters. */
extern const struct box_class box_by_futex;
/* What programs on epoll have: a queue under a mutex, and an eventfd. */
extern const struct box_class box_by_eventfd;
/* A ring each; messages between rings. */
extern const struct box_class box_by_ring;

#endif
