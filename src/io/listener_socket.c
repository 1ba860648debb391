/* SPDX-License-Identifier: MIT */
/*
 * listener_socket.c - sockets that listen, and why there is none
 *
 * All of it by ops, as a task: what may not be asked of a loop is held here,
 * too.
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/error.h>
#include <gyre/file.h>
#include <gyre/path.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/listener.h"

#define BACKLOG 65535 /* Linux cuts it to net.core.somaxconn */
#define STALE_NS (200 * GYRE_MS)

static _Thread_local char complaint[512];

const char *gyre_listener_error(void)
{
    return complaint;
}

void listener_forgive(void)
{
    complaint[0] = '\0';
}

int listener_complain(const char *text, int error, const char *why)
{
    snprintf(complaint, sizeof complaint, "cannot listen on %.120s: %s", text,
             why);
    return error;
}

/* ---- what Linux says ----------------------------------------------------- */

static const char *remedy_of(int error, int family)
{
    if (error == -EADDRINUSE)
        return family == AF_UNIX
                   ? "stop the program that has it, or choose another name"
                   : "stop the program that has it, or choose another port "
                     "(0: any free one)";
    if (error == -EACCES || error == -EPERM)
        return family == AF_UNIX
                   ? "give this user the right to write to the directory"
                   : "ports below 1024 need CAP_NET_BIND_SERVICE; choose "
                     "another";
    if (error == -EADDRNOTAVAIL)
        return "this machine does not have that address; see ip address";
    return gyre_error_remedy(error);
}

static int complain_of(const gyre_listener *listener, const char *text,
                       int error)
{
    const char *remedy = remedy_of(error, listener->address.any.ss_family);

    snprintf(complaint, sizeof complaint, "cannot listen on %.120s: %s%s%s",
             text, gyre_strerror(error), remedy[0] != '\0' ? "; " : "", remedy);
    return error;
}

/* ---- one that is open already -------------------------------------------- */

static int switch_on(int fd, int level, int name, int on)
{
    return gyre_setsockopt(fd, level, name, &on, sizeof on);
}

static bool is_ip(const struct listener_address *address)
{
    return address->any.ss_family == AF_INET ||
           address->any.ss_family == AF_INET6;
}

static int adopt(gyre_listener *listener, const char *text)
{
    struct listener_address *address = &listener->address;
    int listens = 0;
    socklen_t size = sizeof listens;
    int err = gyre_getsockopt(address->adopted, SOL_SOCKET, SO_ACCEPTCONN,
                              &listens, &size);

    if (err == -ENOTSOCK || (err >= 0 && !listens))
        return listener_complain(text, -EINVAL,
                                 "it is no socket that listens; open, bind and "
                                 "listen first, or name an address");
    if (err < 0)
        return complain_of(listener, text, err);
    address->size = sizeof address->any;
    err = gyre_getsockname(address->adopted, (struct sockaddr *)&address->any,
                           &address->size);
    if (err >= 0 && listener->options.no_delay && is_ip(address))
        err = switch_on(address->adopted, IPPROTO_TCP, TCP_NODELAY, 1);
    return err < 0 ? complain_of(listener, text, err) : address->adopted;
}

/* ---- a new one ----------------------------------------------------------- */

static int set_options(const gyre_listener *listener, int fd)
{
    const struct listener_address *address = &listener->address;
    int err;

    if (!is_ip(address))
        return 0;
    err = switch_on(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (err >= 0 && listener->gate_count > 1)
        err = switch_on(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (err >= 0 && listener->options.no_delay)
        err = switch_on(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (err >= 0 && address->any.ss_family == AF_INET6)
        err = switch_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, !address->any_family);
    return err;
}

/* No IPv6 on this machine: every address is every IPv4 address. */
static void fall_back(struct listener_address *address)
{
    struct sockaddr_in6 in6 = *(struct sockaddr_in6 *)&address->any;
    struct sockaddr_in *in4 = (struct sockaddr_in *)&address->any;

    memset(&address->any, 0, sizeof address->any);
    in4->sin_family = AF_INET;
    in4->sin_port = in6.sin6_port;
    address->size = sizeof *in4;
    address->any_family = false;
}

static int new_socket(struct listener_address *address)
{
    int fd = gyre_socket(address->any.ss_family, SOCK_STREAM, 0);

    if (fd != -EAFNOSUPPORT || !address->any_family)
        return fd;
    fall_back(address);
    return gyre_socket(address->any.ss_family, SOCK_STREAM, 0);
}

static bool is_socket(const char *path)
{
    struct statx status;
    int err =
        gyre_statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status);

    return err >= 0 && S_ISSOCK(status.stx_mode);
}

/* Does nobody answer at the file's socket? Who is there and busy keeps us
 * waiting: then it is no. */
static bool is_stale(const struct listener_address *address, const char *path)
{
    gyre_scope_options soon = { .deadline_ns = gyre_deadline_in(STALE_NS) };
    gyre_scope scope;
    int fd, err;

    if (!is_socket(path))
        return false;
    fd = gyre_socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return false;
    gyre_scope_open(&scope, &soon);
    err =
        gyre_connect(fd, (const struct sockaddr *)&address->any, address->size);
    if (gyre_scope_close(&scope) == -ETIME)
        err = -ETIME;
    (void)gyre_close(fd);
    return err == -ECONNREFUSED;
}

static int bind_to(const struct listener_address *address, int fd)
{
    const struct sockaddr *any = (const struct sockaddr *)&address->any;
    const char *path = listener_path(address);
    int err = gyre_bind(fd, any, address->size);

    if (err != -EADDRINUSE || path == NULL || !is_stale(address, path))
        return err;
    err = gyre_unlink(path);
    return err < 0 ? err : gyre_bind(fd, any, address->size);
}

static int make_listen(gyre_listener *listener, int fd, bool again)
{
    struct listener_address *address = &listener->address;
    int backlog = listener->options.backlog;
    int err = set_options(listener, fd);

    if (err >= 0)
        err = bind_to(address, fd);
    if (err >= 0)
        err = gyre_listen(fd, backlog != 0 ? backlog : BACKLOG);
    if (err < 0 || again)
        return err;
    address->size = sizeof address->any;
    return gyre_getsockname(fd, (struct sockaddr *)&address->any,
                            &address->size);
}

int listener_socket(gyre_listener *listener, const char *text, bool again)
{
    int fd, err;

    if (listener->address.not_passed)
        return listener_complain(text, -ENOENT,
                                 "no such socket was passed to this process "
                                 "(LISTEN_PID, LISTEN_FDS); start it by its "
                                 "socket unit, or name an address");
    if (listener->address.adopted >= 0)
        return adopt(listener, text);
    fd = new_socket(&listener->address);
    if (fd < 0)
        return complain_of(listener, text, fd);
    err = make_listen(listener, fd, again);
    if (err >= 0)
        return fd;
    (void)gyre_close(fd);
    return complain_of(listener, text, err);
}
