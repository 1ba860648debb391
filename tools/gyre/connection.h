/* SPDX-License-Identifier: MIT */
/*
 * connection.h - one client, from accept to close
 */
#ifndef GYRE_TOOL_CONNECTION_H
#define GYRE_TOOL_CONNECTION_H

#include <gyre/listener.h>
#include <gyre/scope.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "head.h"
#include "peer.h"

struct server;

struct connection {
    struct server *server;
    int fd;
    char peer[PEER_NAME_SIZE];
    char *in; /* bytes of requests, as they came */
    size_t in_used;
    size_t in_size;
    struct head_scan scan;
    unsigned requests;
    uint64_t wait_since_ns; /* when it began to wait for the present head */
    struct list idle;       /* on the server's list, while it waits */
    gyre_scope *waiting;    /* what to cancel to end that wait */
    bool linger; /* the client may still be sending: let it read first */
};

/* Serve one that has been accepted; its `arg` is the struct service. 0. */
int connection_serve(gyre_connection *accepted);

/* End one that waits for its next request; it closes at its next turn. */
void connection_end_idle(struct connection *connection);

/* Send everything, or as far as the timeouts allow. 0, or a negative errno. */
int connection_send(struct connection *connection, const void *data,
                    size_t size, int flags, uint64_t deadline_ns);

/* Send `size` bytes of a file from `offset`; *sent counts them. GYRE_EOF if
 * the file was shorter. */
int connection_send_file(struct connection *connection, int file,
                         uint64_t offset, uint64_t size, uint64_t deadline_ns,
                         uint64_t *sent);

#endif
