/* SPDX-License-Identifier: MIT */
/*
 * room.c - see room.h
 *
 * Who accepts says that a client waits, and then looks who rests. Who comes to
 * rest says so, and then looks whether a client waits. All four are of one
 * order (sequentially consistent), so one of them sees the other, and no client
 * waits while a connection rests. What is said of those at rest is since when
 * the first of an engine's list is; it is that engine's to end it, and to ask
 * another if there is none any more.
 */
#include "room.h"

#include <gyre/gyre.h>

#include "connection.h"
#include "server.h"

/* ---- who rests ----------------------------------------------------------- */

static void tell_longest(struct server *server)
{
    uint64_t since_ns = GYRE_NEVER;

    if (!list_is_empty(&server->idle))
        since_ns = CONTAINER_OF(server->idle.next, struct connection, idle)
                       ->wait_since_ns;
    if (since_ns != server->rest_since_ns)
        server->rest_since_ns = since_ns;
}

void room_init(struct server *server)
{
    list_init(&server->idle);
    server->rest_since_ns = GYRE_NEVER;
}

bool room_rest(struct connection *connection)
{
    struct server *server = connection->server;

    list_append(&server->idle, &connection->idle);
    tell_longest(server);
    if (!room_is_wanted(server->service))
        return true;
    room_wake(connection);
    count(&server->counts.evicted, 1);
    return false;
}

void room_wake(struct connection *connection)
{
    if (!list_is_linked(&connection->idle))
        return;
    list_remove(&connection->idle);
    tell_longest(connection->server);
}

static bool end_longest(struct server *server)
{
    struct list *link = list_take_first(&server->idle);

    if (link == NULL)
        return false;
    tell_longest(server);
    connection_end_idle(CONTAINER_OF(link, struct connection, idle));
    return true;
}

void room_clear(struct server *server)
{
    while (end_longest(server))
        ;
}

/* ---- who waits ----------------------------------------------------------- */

bool room_is_wanted(struct service *service)
{
    gyre_listener_stats stats = { .size = sizeof stats };

    for (unsigned i = 0; service->crowded && i < service->listener_count; i++) {
        gyre_listener_get_stats(service->listeners[i], -1, &stats);
        if (stats.waiting > 0)
            return true;
    }
    return false;
}

/* On the server's engine. */
static void make_here(gyre_work *work)
{
    struct server *server = CONTAINER_OF(work, struct server, room_work);
    unsigned wanted = atomic_exchange(&server->room_wanted, 0);

    while (wanted > 0 && end_longest(server)) {
        count(&server->counts.evicted, 1);
        wanted--;
    }
    /* They have work again, or are too few: somebody else, then. */
    for (; wanted > 0 && room_is_wanted(server->service); wanted--)
        room_make(server->service);
}

void room_make(void *arg)
{
    struct service *service = arg;
    uint64_t longest_ns = GYRE_NEVER;
    unsigned at = 0;

    service->crowded = true;
    for (unsigned i = 0; i < service->server_count; i++) {
        uint64_t since_ns = service->servers[i].rest_since_ns;

        if (since_ns < longest_ns) {
            longest_ns = since_ns;
            at = i;
        }
    }
    if (longest_ns != GYRE_NEVER &&
        atomic_fetch_add(&service->servers[at].room_wanted, 1) == 0)
        gyre_loop_post(gyre_engine_loop(gyre_engines_current(), at),
                       &service->servers[at].room_work, make_here);
}
