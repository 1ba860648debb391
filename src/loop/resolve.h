/* SPDX-License-Identifier: MIT */
/*
 * resolve.h - the part of a resolve op that blocks
 */
#ifndef LOOP_RESOLVE_H
#define LOOP_RESOLVE_H

/* Of a filled gyre_resolve_op whose answer is not there yet; on a thread that
 * may block. 0 and its `addresses`, or an error. */
int resolve_work(void *arg);

#endif
