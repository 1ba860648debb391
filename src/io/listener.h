/* SPDX-License-Identifier: MIT */
/*
 * listener.h - a listener from the inside
 *
 *   listener.c          open, stop, close, numbers
 *   listener_address.c  addresses as text
 *   listener_socket.c   sockets that listen, and why there is none
 *   listener_serve.c    gates: who accepts
 *   listener_connect.c  connections: where each is served, and how it ends
 *
 * A *gate* is a listening socket and the tasks that accept from it, on one
 * loop: one gate in all, or one for each engine. A *house* is what an engine
 * has of the listener's connections: a few numbers. The acceptor of one gate
 * sends to all houses, or only to its own. A *place* is what a connection has
 * of a bound that listeners share.
 *
 * Needs task/, sync/ and engine/'s public face.
 */
#ifndef IO_LISTENER_H
#define IO_LISTENER_H

#include <gyre/acceptor.h>
#include <gyre/incoming.h>
#include <gyre/listener.h>
#include <gyre/shutdown.h>
#include <gyre/sync.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "task/task.h"

#define LISTENER_NAME_SIZE 128

struct listener_address {
    struct sockaddr_storage any;
    socklen_t size;
    int adopted;     /* "fd:3": 3; else -1 */
    bool not_passed; /* "systemd:0", and there is none */
    bool any_family; /* ":80": IPv6 and IPv4 */
};

/* An engine's connections. Written by the acceptor and by the engine. */
struct house {
    _Alignas(64) _Atomic uint64_t accepted;
    _Atomic uint64_t open;
    _Atomic uint64_t failed;
};

struct gate {
    _Alignas(64) gyre_listener *listener;
    int fd;                   /* -1: closed */
    unsigned engine;          /* where it accepts */
    gyre_scope *scope;        /* what its connections are tasks of */
    gyre_semaphore room;      /* for connections, if there is a bound */
    _Atomic uint64_t waiting; /* in hand, for one of options.places */
    _Atomic uint64_t pauses;
    _Atomic int last_error;
};

enum listener_state { LISTENER_OPEN, LISTENER_SERVES, LISTENER_OVER };

struct gyre_listener {
    gyre_listener_options options;
    char name[LISTENER_NAME_SIZE];
    struct listener_address address;
    gyre_connection_fn *fn;
    void *arg;
    gyre_event stop;
    gyre_shutdown_hook hook;
    gyre_latch shut; /* gates that are yet to be closed */
    _Atomic int error;
    _Atomic enum listener_state state;
    gyre_engines *engines; /* NULL: there is but the loop, or: */
    bool from_outside;     /* a plain thread's, until it serves */
    unsigned turn;         /* of the engine that is looked at first */
    unsigned gate_count;
    unsigned house_count;
    struct gate *gates;
    struct house houses[];
};

/* What is not in the header of a connection. */
struct connection_record {
    gyre_connection connection;
    struct gate *gate;
    struct house *house;
    struct sockaddr_storage peer; /* left out unless it is wanted */
};

/* ---- listener.c ---------------------------------------------------------- */

/* The calling engines serve it, also if a plain thread has opened it. */
void listener_come_in(gyre_listener *listener);

/* ---- listener_address.c -------------------------------------------------- */

/* False: no such form. */
bool listener_parse(const char *text, struct listener_address *address);
/* In the same form, but for "fd:3". */
void listener_name(const struct listener_address *address, char *name,
                   size_t size);
/* "unix:/run/x": the path; NULL: it has no file. */
const char *listener_path(const struct listener_address *address);

/* ---- listener_socket.c --------------------------------------------------- */

/* A socket that listens there; another one at the same port if `again`. A
 * descriptor, or an error that has been told (listener_complain()). */
int listener_socket(gyre_listener *listener, const char *text, bool again);
void listener_forgive(void);
/* "cannot listen on TEXT: WHY"; gives `error` back. */
int listener_complain(const char *text, int error, const char *why);

/* ---- listener_serve.c ---------------------------------------------------- */

/* Close the gate's socket, and remove the file of a unix socket; also when the
 * caller is cancelled. */
void gate_close(struct gate *gate);

/* ---- listener_connect.c -------------------------------------------------- */

/* Memory for the gate's next connection, or NULL. */
struct connection_record *connection_record_new(struct gate *gate);
/* It has its descriptor: off it goes. If that fails, it is still the caller's.
 */
int connection_start(struct connection_record *record);

#endif
