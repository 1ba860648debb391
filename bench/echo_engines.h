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
    int listeners[ENGINES_MAX]; /* one for each, on one port (SO_REUSEPORT) */
    int port_to;   /* who listens by himself says "port N" there; -1: nobody */
    unsigned size; /* of a request */
};

/* A negative errno, if it comes to that. */
typedef int engines_server(const struct engines_job *job);

engines_server serve_engines_uring; /* by hand, a ring each */
engines_server serve_engines_epoll; /* by hand, an epoll each */
engines_server serve_engines_loops; /* gyre's loops, each a thread's own */
/* gyre's engines, with a listener of gyre's for all. */
engines_server serve_engines_reuseport;
engines_server serve_engines_hand_off;
engines_server serve_engines_reuseport_slots;
engines_server serve_engines_hand_off_slots;

/* Run fn(job, n) on a thread for each engine but the first, and here for that.
 */
int serve_on_threads(const struct engines_job *job,
                     int (*fn)(const struct engines_job *job, unsigned n));

#endif
