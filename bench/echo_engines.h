/* SPDX-License-Identifier: MIT */
/*
 * echo_engines.h - echo servers of several threads
 *
 * Such a server is given sockets that listen, and accepts and answers on as
 * many threads as it has engines, until its process is killed.
 */
#ifndef BENCH_ECHO_ENGINES_H
#define BENCH_ECHO_ENGINES_H

#include "bench.h"

#define REQUEST_MAX 4096

struct engines_job {
    unsigned engines;
    /* One for each engine, on one port (SO_REUSEPORT), or one alone. */
    int listeners[ENGINES_MAX];
    unsigned size; /* of a request */
};

/* A negative errno, if it comes to that. */
typedef int engines_server(const struct engines_job *job);

engines_server serve_engines_uring;  /* by hand, a ring each */
engines_server serve_engines_epoll;  /* by hand, an epoll each */
engines_server serve_engines_loops;  /* gyre's loops, each a thread's own */
engines_server serve_engines_each;   /* gyre's engines, each of which accepts */
engines_server serve_engines_placed; /* one accepts and spawns on the others */

/* Run fn(job, n) on a thread for each engine but the first, and here for that.
 */
int serve_on_threads(const struct engines_job *job,
                     int (*fn)(const struct engines_job *job, unsigned n));

#endif
