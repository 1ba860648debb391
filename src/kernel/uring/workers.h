/* SPDX-License-Identifier: MIT */
/*
 * workers.h - Linux's threads for requests that block
 *
 * The members iowq_... of gyre_ring_options, for the table in wanted.c.
 */
#ifndef KERNEL_URING_WORKERS_H
#define KERNEL_URING_WORKERS_H

#include "kernel/uring/uring.h"

/* Once the ring is there: 0, or a negative errno. */
int workers_limit(struct uring *uring);
int workers_check_cpus(struct uring *uring);

/* Once its thread has entered it. If Linux refuses, kernel.ring says so. */
void workers_bind(struct uring *uring);

#endif
