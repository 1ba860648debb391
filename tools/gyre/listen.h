/* SPDX-License-Identifier: MIT */
/*
 * listen.h - the addresses that a server listens on
 *
 *     127.0.0.1:8080   [::1]:8080   :8080 (every address)   unix:/run/x.sock
 *
 * Port 0 asks for any free port. Names of hosts are not looked up: which of a
 * name's addresses was meant is for the user to say.
 */
#ifndef GYRE_TOOL_LISTEN_H
#define GYRE_TOOL_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

#define LISTEN_NAME_SIZE 128

struct listen_address {
    struct sockaddr_storage address;
    socklen_t size;
    bool any_family; /* ":8080": IPv6 and IPv4 */
};

struct listener {
    int fd;
    /* "http://127.0.0.1:8080/" or "unix:/run/x.sock" */
    char name[LISTEN_NAME_SIZE];
    struct listen_address bound;
};

/* False if the text is no address. */
bool listen_parse(const char *text, struct listen_address *address);

/* Open a listening socket, non-blocking and close-on-exec. 0, or a negative
 * errno, which also says what went wrong: -EADDRINUSE, -EACCES, ... */
int listen_open(const struct listen_address *address,
                struct listener *listener);

/* Close, and remove the name of a unix socket. */
void listen_close(struct listener *listener);

/* A peer's address for the log, without its port; "unix" for a unix socket. */
void listen_peer_name(const struct sockaddr_storage *peer, char *name,
                      size_t size);

#endif
