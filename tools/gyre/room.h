/* SPDX-License-Identifier: MIT */
/*
 * room.h - room for one more connection: one that rests makes it
 *
 * All addresses and all engines share one bound, a semaphore of places, which
 * the listeners take and give back (gyre_listener_options). When a client is
 * there and no place, the connection that has been at rest for longest, on
 * whichever engine, is ended; while one waits, none comes to rest.
 */
#ifndef GYRE_TOOL_ROOM_H
#define GYRE_TOOL_ROOM_H

#include <stdbool.h>

struct connection;
struct server;
struct service;

/* On no engine does a connection rest yet. */
void room_init(struct server *server);

/* The connection waits for its next request from now on; false: it may not,
 * for it is asked to make room. */
bool room_rest(struct connection *connection);

/* It waits no more. Nothing happens if it has been ended. */
void room_wake(struct connection *connection);

/* End all that rest here. */
void room_clear(struct server *server);

/* Does a client wait for room? */
bool room_is_wanted(struct service *service);

/* A client waits for room; `arg` is the service. */
void room_make(void *arg);

#endif
