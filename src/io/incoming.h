/* SPDX-License-Identifier: MIT */
/*
 * incoming.h - what the end of an iterator leaves
 */
#ifndef IO_INCOMING_H
#define IO_INCOMING_H

#include <gyre/incoming.h>

/* Stop it, wait until the kernel has, also if the caller is cancelled, and take
 * a connection that had come; -1: there is none. It is still to be closed. */
int incoming_last_fd(gyre_incoming *in);

#endif
