/* SPDX-License-Identifier: MIT */
/*
 * echo.h - an echo server to be measured, and the client that drives it
 *
 * A server gets its connections ready made, so that it is nothing but the
 * loop of receive and send: it sends back whatever comes, on each connection,
 * until the other side has closed all of them.
 */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#include "bench.h"

struct echo_job {
    const int *fds;
    unsigned count;
    unsigned size;     /* of a request; a buffer this large is enough */
    uint64_t requests; /* out: received */
    uint64_t calls;    /* out: of the kernel; CALLS_UNKNOWN */
};

/* 0, or a negative errno. */
typedef int echo_server(struct echo_job *job);

echo_server serve_callbacks;
echo_server serve_tasks;
echo_server serve_uring_plain; /* the ops that gyre uses */
echo_server serve_uring_best;  /* all that io_uring offers */
echo_server serve_epoll;

struct echo_client {
    const int *fds;
    unsigned count;
    unsigned size;
};

/* Send a request on each connection, and another as soon as one was answered,
 * until the budget is used up. The number answered, or a negative errno. */
int64_t echo_client_run(struct echo_client *client,
                        const struct budget *budget);

#endif
