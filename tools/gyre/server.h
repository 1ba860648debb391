/* SPDX-License-Identifier: MIT */
/*
 * server.h - gyre serve: its options, and what all its connections share
 *
 *   serve.c       start-up; serve_options.c: the command line
 *   server.c      the tasks: serve, drain, log
 *   room.c        the bound of connections, and who rests
 *   connection.c  a task for each connection: read heads, keep time
 *   exchange.h    one request and its response
 *
 * Accepting, and where a client is served, is the library's (gyre/listener.h),
 * and so are the phases of the end (gyre/shutdown.h). Each engine has a server
 * of its own, with its connections and its share of the files. So nearly
 * everything here belongs to one loop and its thread; what the engines share is
 * in struct service, the servers' counts, which the status page reads, and what
 * room.c says of it. listing.c and markdown.c run on the blocking pool, on data
 * that nobody else touches.
 */
#ifndef GYRE_TOOL_SERVER_H
#define GYRE_TOOL_SERVER_H

#include <gyre/listener.h>
#include <gyre/shutdown.h>
#include <gyre/sync.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "confine.h"
#include "date.h"
#include "event.h"
#include "log.h"

struct exchange;

#define SERVE_LISTEN_MAX 16
#define SERVE_CPUS_MAX 1024

struct serve_options {
    const char *directory;
    gyre_loop_options loop;
    const char *listens[SERVE_LISTEN_MAX]; /* as given */
    unsigned listen_count;
    bool reuseport; /* a socket for each engine, where it can be had */
    unsigned connections_max;
    uint64_t header_timeout_ns;   /* a head must have come: 408 */
    uint64_t idle_timeout_ns;     /* a kept-alive connection may rest */
    uint64_t send_timeout_ns;     /* something must have been sent */
    uint64_t response_timeout_ns; /* the whole response must have been sent */
    gyre_shutdown_options end;    /* what a signal begins */
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
    uint64_t requests;
    uint64_t bytes;      /* of bodies */
    uint64_t classes[6]; /* responses, by the first digit of the status */
    uint64_t timeouts;   /* connections cut for being slow */
    uint64_t evicted;    /* idle ones closed to make room */
    uint64_t cut;        /* responses that the end of the drain ended */
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
    gyre_listener *listeners[SERVE_LISTEN_MAX];
    unsigned listener_count;
    int root;   /* O_PATH */
    int log_fd; /* -1: none */
    uint64_t started_ns;
    struct log log;
    gyre_scope *writing;   /* the log's; NULL: nobody does. On engine 0 */
    gyre_semaphore places; /* a connection that is served has one */
    unsigned places_max;
    unsigned files_max;     /* of all servers together */
    atomic_bool crowded;    /* somebody has waited for a place */
    gyre_scope *clients;    /* on engine 0 */
    struct server *servers; /* by number of the engine */
    unsigned server_count;
};

/* One engine's. */
struct server {
    struct service *service;
    const struct serve_options *options;
    struct wall_clock wall;
    struct server_counts counts;

    struct list idle; /* connections between requests, longest first */
    _Atomic uint64_t rest_since_ns; /* the first of them; GYRE_NEVER: none */
    atomic_uint room_wanted;        /* so many of them are to end */
    gyre_work room_work;
    /* Files open for responses: bounded too, so that opening one never fails
     * for want of a descriptor; a response waits for its turn instead. */
    unsigned files;
    unsigned files_max;
    struct event file_free;
    bool draining;
    struct exchange *spares;
    unsigned spare_count;
};

/* The first task; `arg` is the struct service with its descriptors and
 * listeners open. 0, or why it ended otherwise than by a signal. */
int service_run(void *arg);

/* When its engines have ended, and left nothing. */
void service_destroy(struct service *service);

/* The wall clock, read afresh if a second may have passed. */
const struct wall_clock *server_wall_clock(struct server *server);

#endif
