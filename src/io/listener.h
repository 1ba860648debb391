/* SPDX-License-Identifier: MIT */
/*
 * listener.h - a listener from the inside
 *
 *   listener.c          open, stop, close, numbers
 *   listener_address.c  addresses as text
 *   listener_socket.c   sockets that listen, and why there is none
 *   listener_serve.c    gates: who accepts
 *   listener_connect.c  connections: where each is served, and how it ends
 *   listener_slots.c    connections in slots, and how they are passed on
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
#include <gyre/slot.h>
#include <gyre/sync.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "task/task.h"

#define LISTENER_NAME_SIZE 128

static inline uint64_t count_of(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* Acceptor and engine both write some. */
static inline void count_add(_Atomic uint64_t *count, uint64_t n)
{
    atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

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
    _Atomic uint64_t slotted;
    _Atomic uint64_t passed;
    _Atomic uint64_t in_slots; /* now, or on their way there */
    atomic_bool narrow;        /* few are free: no more are passed there */
    bool has_slots;            /* since the listener was opened */
    int address;               /* of its kernel, for messages */
};

struct gate {
    _Alignas(64) gyre_listener *listener;
    int fd;                   /* -1: closed */
    unsigned engine;          /* where it accepts */
    gyre_scope *scope;        /* what its connections are tasks of */
    gyre_scope passing;       /* tasks that pass connections on */
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
    gyre_work drop;
    bool in_slot;  /* counts as one of house->in_slots */
    bool is_there; /* the handle is of the house's loop, not of the gate's */
    struct sockaddr_storage peer; /* left out unless it is wanted */
};

/* ---- listener.c ---------------------------------------------------------- */

/* The calling engines serve it, also if a plain thread has opened it: then its
 * slots are made now. 0, or why not, told as by opening. */
int listener_come_in(gyre_listener *listener);

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
/* Start the task of a record that has its house, through a shortage. 0, or the
 * error that ends the accepting; then the record is gone. */
int gate_spawn(struct gate *gate, gyre_acceptor *acceptor,
               struct connection_record *record);

/* ---- listener_connect.c -------------------------------------------------- */

/* Memory for the gate's next connection, or NULL. */
struct connection_record *connection_record_new(struct gate *gate);
/* Choose where it is served: from now on it counts there. */
void connection_place(struct connection_record *record);
/* Somewhere else. */
void connection_move(struct connection_record *record, struct house *house);
/* Off it goes. If that fails, it is still the caller's. */
int connection_spawn(struct connection_record *record);
/* Nobody serves it: it is closed, and the record is gone. */
void connection_drop(struct connection_record *record);

/* ---- listener_slots.c ---------------------------------------------------- */

/* Make the tables of options.slots. 0, or an error that has been told. */
int slots_open(gyre_listener *listener, const char *text);
/* Are connections to be accepted into slots? `already`: it is so now. */
bool slots_are_wanted(const struct gate *gate, bool already);
/* Does it lie in a slot of another loop than where it is to be served? */
bool slots_must_pass(const struct connection_record *record);
/* Have it passed and started; a task does so. If that fails, it is still the
 * caller's. */
int slots_pass(struct connection_record *record);
/* It counts as one in a slot of its house, if it is in one; no longer. */
void slots_enter(struct connection_record *record);
void slots_leave(struct connection_record *record);
/* Where it is served, first of all. */
void slots_arrive(const struct connection_record *record);
/* A connection that was passed, and is not served after all. */
void slots_drop(struct connection_record *record);

#endif
