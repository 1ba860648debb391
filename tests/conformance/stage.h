/* SPDX-License-Identifier: MIT */
/*
 * stage.h - a loop on the kernel under test, and ops that are waited for
 *
 * The tests of this directory use public headers and real descriptors alone,
 * and run on every kernel: what they check is the same everywhere by
 * definition.
 */
#ifndef CONFORMANCE_STAGE_H
#define CONFORMANCE_STAGE_H

#include <gyre/gyre.h>
#include <netinet/in.h>

#include "runner/test.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* An op and what it heard. Fill call.op, then start it. */
struct call {
    gyre_op op;
    unsigned calls;
    unsigned lasts;
    gyre_result result;
};

gyre_loop *stage_open(unsigned entries);

void call_done(gyre_op *op, gyre_result result); /* op.user is the call */
void call_start(gyre_loop *loop, struct call *call);
/* Run until the call has ended, once; its result. */
int call_wait(gyre_loop *loop, struct call *call);
/* Both. */
int call_run(gyre_loop *loop, struct call *call);
/* Start one of the larger ops, whose first member is `op`, and wait. */
int op_run(gyre_loop *loop, gyre_op *op);

gyre_loop_stats stage_stats(gyre_loop *loop);

/* A turn without sleeping, after which the kernel has what was started before;
 * with sqpoll a thread of Linux's takes it in its own time. */
void stage_turn(gyre_loop *loop);

/* Descriptors, made or the test fails; all are CLOEXEC. */
void make_pipe(int fds[2]);
void make_pair(int fds[2]);                     /* unix, stream */
int make_listener(struct sockaddr_in *address); /* loopback, a free port */
int make_datagram(struct sockaddr_in *address); /* likewise */
/* A TCP connection over loopback. */
void make_connection(int fds[2]);
void close_both(const int fds[2]);
/* "name" in the test's directory; the buffer is the caller's. */
const char *scratch_path(char *buffer, size_t size, const char *name);
/* A new file there, open for reading and writing, with `size` bytes of which
 * each is pattern_byte(its offset). */
int make_file(const char *name, size_t size);
unsigned char pattern_byte(size_t offset);

/* CLOCK_MONOTONIC in ns. */
uint64_t clock_ns(void);

#endif
