/* SPDX-License-Identifier: MIT */
/*
 * server.h - gyre serve: its options, and what all its connections share
 *
 *   serve.c       options, start-up, what is printed
 *   server.c      the tasks: accept, drain, signals
 *   connection.c  a task for each connection: read heads, keep time
 *   exchange.h    one request and its response
 *
 * Each engine has a server of its own, with its connections and its share of
 * the limits. Engine 0 accepts for all and gives each client to the server that
 * has the fewest. So nearly everything here belongs to one loop and its thread;
 * what the engines share is in struct service, the servers' counts, which the
 * status page reads, and their slots. listing.c and markdown.c run on the
 * blocking pool, on data that nobody else touches.
 */
#ifndef GYRE_TOOL_SERVER_H
#define GYRE_TOOL_SERVER_H

#include <gyre/sync.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "confine.h"
#include "date.h"
#include "event.h"
#include "listen.h"
#include "log.h"

struct exchange;

#define SERVE_LISTEN_MAX 16
#define SERVE_CPUS_MAX 1024

/* Accepts in flight for each address: how many clients one turn can take, and
 * how many may be held without a slot. */
#define SERVE_ACCEPTORS 4

struct serve_options {
    const char *directory;
    gyre_loop_options loop;
    struct listen_address listens[SERVE_LISTEN_MAX];
    const char *listen_names[SERVE_LISTEN_MAX]; /* as given */
    unsigned listen_count;
    unsigned connections_max;
    uint64_t header_timeout_ns;   /* a head must have come: 408 */
    uint64_t idle_timeout_ns;     /* a kept-alive connection may rest */
    uint64_t send_timeout_ns;     /* something must have been sent */
    uint64_t response_timeout_ns; /* the whole response must have been sent */
    uint64_t drain_timeout_ns;    /* from the first signal to the end */
    uint64_t stall_ns;            /* tell of longer slices; 0: do not watch */
    const char *log_path;         /* NULL: standard error */
    struct confine confine;
    bool quiet;
    bool stats;
    bool status; /* show STATUS_PATH */
    unsigned engines;
    unsigned cpus[SERVE_CPUS_MAX];
    unsigned cpu_count; /* 0: any */
};

/* Written by its own engine, read by any. */
struct server_counts {
    uint64_t accepted;
    uint64_t requests;
    uint64_t bytes;      /* of bodies */
    uint64_t classes[6]; /* responses, by the first digit of the status */
    uint64_t timeouts;   /* connections cut for being slow */
    uint64_t evicted;    /* idle ones closed to make room */
    uint64_t accept_pauses;
};

static inline void count(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n,
                     __ATOMIC_RELAXED);
}

static inline uint64_t counted(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* The wall clock's present second, written out once for all who need it. */
struct wall_clock {
    int64_t second;
    char http[DATE_SIZE];
    char log[DATE_LOG_SIZE];
};

/* What all engines share. */
struct service {
    const struct serve_options *options;
    struct listener listeners[SERVE_LISTEN_MAX];
    unsigned listener_count;
    int root;      /* O_PATH */
    int signal_fd; /* SIGINT and SIGTERM */
    int log_fd;    /* -1: none */
    uint64_t started_ns;
    struct log log;
    unsigned slots_max; /* of all servers together, as files_max */
    unsigned files_max;
    gyre_event drain;      /* no new connections, no new requests */
    gyre_scope *accepting; /* on engine 0, as the next */
    gyre_scope *clients;
    struct server *servers; /* by number of the engine */
    unsigned server_count;
    unsigned server_next; /* who is asked first for a slot */
};

/* One engine's. */
struct server {
    struct service *service;
    const struct serve_options *options;
    struct wall_clock wall;
    struct server_counts counts;

    /* A slot is a connection that is served. */
    _Atomic uint64_t slots; /* taken by engine 0, given back by its own */
    uint64_t slots_max;
    unsigned slot_waiters; /* for acceptors with a client in hand */
    struct event slot_free;
    /* Files open for responses: bounded too, so that opening one never fails
     * for want of a descriptor; a response waits for its turn instead. */
    unsigned files;
    unsigned files_max;
    struct event file_free;
    struct list idle; /* connections between requests, longest first */
    bool draining;
    struct exchange *spares;
    unsigned spare_count;
};

/* The first task; `arg` is the struct service with its descriptors open. 0, or
 * why it ended otherwise than by a signal. */
int service_run(void *arg);

/* A connection has ended. On the server's engine. */
void server_give_slot(struct server *server);

/* The wall clock, read afresh if a second may have passed. */
const struct wall_clock *server_wall_clock(struct server *server);

#endif
