/* SPDX-License-Identifier: MIT */
/*
 * listen.c - see listen.h
 *
 * Plain system calls: this happens before there is a loop, and none of them
 * can block.
 */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"

#define BACKLOG 65535 /* Linux cuts it to net.core.somaxconn */

static bool parse_port(const char *text, in_port_t *port)
{
    unsigned value = 0;

    if (text[0] == '\0' || strlen(text) > 5)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
    }
    *port = htons((uint16_t)value);
    return value <= UINT16_MAX;
}

static bool parse_unix(const char *path, struct listen_address *address)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&address->address;
    size_t size = strlen(path);

    if (size == 0 || size >= sizeof un->sun_path)
        return false;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, size + 1);
    address->size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
    return true;
}

bool listen_parse(const char *text, struct listen_address *address)
{
    *address = (struct listen_address){ .size = 0 };
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, address);

    struct sockaddr_in *in4 = (struct sockaddr_in *)&address->address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->address;
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    size_t size = colon != NULL ? (size_t)(colon - text) : sizeof host;
    in_port_t port;

    if (size >= sizeof host || !parse_port(colon + 1, &port))
        return false;
    memcpy(host, text, size);
    host[size] = '\0';
    if (size == 0 || host[0] == '[') {
        address->any_family = size == 0;
        address->size = sizeof *in6;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = port;
        if (size == 0)
            return true;
        if (host[size - 1] != ']')
            return false;
        host[size - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1;
    }
    address->size = sizeof *in4;
    in4->sin_family = AF_INET;
    in4->sin_port = port;
    return inet_pton(AF_INET, host, &in4->sin_addr) == 1;
}

static void name_listener(struct listener *listener)
{
    const struct sockaddr_storage *a = &listener->bound.address;
    char host[INET6_ADDRSTRLEN];

    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)a;

        inet_ntop(AF_INET, &in4->sin_addr, host, sizeof host);
        snprintf(listener->name, LISTEN_NAME_SIZE, "http://%s:%u/", host,
                 ntohs(in4->sin_port));
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;

        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(listener->name, LISTEN_NAME_SIZE, "http://[%s]:%u/", host,
                 ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_un *un = (const struct sockaddr_un *)a;

        snprintf(listener->name, LISTEN_NAME_SIZE, "unix:%s", un->sun_path);
    }
}

/* A unix socket that nobody listens on any more may be taken over. */
static void remove_stale(const struct listen_address *address)
{
    const struct sockaddr_un *un =
        (const struct sockaddr_un *)&address->address;
    struct stat status;

    if (lstat(un->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)un, address->size) != 0 &&
        errno == ECONNREFUSED)
        unlink(un->sun_path);
    close(fd);
}

static int open_socket(struct listen_address *address)
{
    int family = address->address.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 && errno == EAFNOSUPPORT && address->any_family) {
        /* No IPv6 on this machine: every address is every IPv4 address. */
        struct sockaddr_in6 in6 = *(struct sockaddr_in6 *)&address->address;
        struct sockaddr_in *in4 = (struct sockaddr_in *)&address->address;

        *in4 = (struct sockaddr_in){ .sin_family = AF_INET,
                                     .sin_port = in6.sin6_port };
        address->size = sizeof *in4;
        address->any_family = false;
        return open_socket(address);
    }
    return fd < 0 ? -errno : fd;
}

/* Settings that accepted sockets inherit; none is vital. */
static void set_options(int fd, const struct listen_address *address)
{
    int on = 1;
    int v6_only = !address->any_family;

    if (address->address.ss_family == AF_UNIX)
        return;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* Heads are held back for their bodies by MSG_MORE, never by Nagle. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (address->address.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
}

int listen_open(const struct listen_address *address, struct listener *listener)
{
    struct sockaddr *raw = (struct sockaddr *)&listener->bound.address;

    listener->bound = *address;
    listener->fd = open_socket(&listener->bound);
    if (listener->fd < 0)
        return listener->fd;
    set_options(listener->fd, &listener->bound);
    if (raw->sa_family == AF_UNIX)
        remove_stale(&listener->bound);
    if (bind(listener->fd, raw, listener->bound.size) != 0 ||
        listen(listener->fd, BACKLOG) != 0) {
        int error = -errno;

        close(listener->fd);
        listener->fd = -1;
        return error;
    }

    socklen_t size = sizeof listener->bound.address;

    if (getsockname(listener->fd, raw, &size) == 0)
        listener->bound.size = size;
    name_listener(listener);
    return 0;
}

void listen_close(struct listener *listener)
{
    const struct sockaddr_un *un =
        (const struct sockaddr_un *)&listener->bound.address;

    if (listener->fd < 0)
        return;
    if (un->sun_family == AF_UNIX)
        unlink(un->sun_path);
    close(listener->fd);
    listener->fd = -1;
}

void listen_peer_name(const struct sockaddr_storage *peer, char *name,
                      size_t size)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)peer;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;
    const char *given = NULL;

    ASSERT(size >= INET6_ADDRSTRLEN);
    if (peer->ss_family == AF_INET)
        given = inet_ntop(AF_INET, &in4->sin_addr, name, (socklen_t)size);
    else if (peer->ss_family == AF_INET6)
        given = inet_ntop(AF_INET6, &in6->sin6_addr, name, (socklen_t)size);
    if (given == NULL)
        snprintf(name, size, "unix");
}
