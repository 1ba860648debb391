/* SPDX-License-Identifier: MIT */
/*
 * incoming.h - what the end of an iterator leaves
 */
#ifndef IO_INCOMING_H
#define IO_INCOMING_H

#include <gyre/incoming.h>

/* As gyre_incoming_accept(), but each connection into a slot of the loop's that
 * is free, and next_fd gives handles. With none free Linux drops who comes. */
int incoming_accept_slots(gyre_incoming *in, int fd,
                          const gyre_incoming_options *options) GYRE_MUST_USE;

/* Stop it, wait until the kernel has, also if the caller is cancelled, and take
 * a connection that had come; -1: there is none. It is still to be closed. */
int incoming_last_fd(gyre_incoming *in);

#endif
