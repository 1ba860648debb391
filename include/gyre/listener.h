/* SPDX-License-Identifier: MIT */
/*
 * gyre/listener.h - connections, each a task, on all engines
 *
 *     static int echo(gyre_connection *connection)
 *     {
 *         char buffer[4096];
 *         ssize_t n;
 *
 *         while ((n = gyre_recv(connection->fd, buffer, sizeof buffer, 0)) > 0)
 *             if (gyre_send_all(connection->fd, buffer, (size_t)n, 0) < 0)
 *                 break;
 *         return (int)n;
 *     }
 *
 *     err = gyre_listener_open(&listener, ":7000", NULL);
 *     err = gyre_listener_serve(listener, scope, echo, NULL);
 *
 * Life.     Open, serve once, close. Serving ends when the listener is stopped,
 *           its engines are shut down (gyre/shutdown.h), the caller is
 *           cancelled, or the socket fails; then the listening sockets are
 *           closed, so that Linux refuses who comes later and
 *           resets who was in the queue. Connections go on: they are tasks of
 *           the scope. The listener is closed when they have ended.
 *
 * Memory.   The listener and each connection's record are on the heap. With no
 *           memory or descriptor left it pauses, as gyre/acceptor.h says, and
 *           goes on by itself; nobody is turned away.
 *
 * Threads.  Stop and the numbers: any thread. Serve and close: in a task, on
 *           the loop of its scope. A plain thread may open a listener, and
 *           close one before it is served, or when its engines have ended.
 *
 * Rights.   A server that begins as root listens first, as a plain thread, and
 *           becomes another user by its run, which serves:
 *               err = gyre_listener_open(&listener, ":80", &options);
 *               err = gyre_run(&options_with_sandbox, server, listener);
 *
 * Cancel.   As all calls. A connection that was accepted when the cancel came
 *           is served all the same: its task runs, and finds itself cancelled
 *           if its scope is.
 *
 * Errors.   Those of socket, bind and listen, in words by
 *           gyre_listener_error(). What a connection's function returns is
 *           counted; it is no error of the scope: what happens to one client is
 *           no matter of the others.
 */
#ifndef GYRE_LISTENER_H
#define GYRE_LISTENER_H

#include <gyre/engine.h>
#include <gyre/socket.h>
#include <gyre/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_listener gyre_listener;

/* Who accepts, and where a connection is served. With one engine there is no
 * difference. */
typedef enum gyre_spread {
    /* One engine, the scope's, accepts; each connection goes to the engine that
     * has the fewest of this listener. Even, also when some live long. */
    GYRE_SPREAD_HAND_OFF,
    /* Each engine has a socket of its own (SO_REUSEPORT) and serves what it
     * accepts. Nothing crosses engines. Linux chooses by a hash of addresses
     * and ports: even over many, but not by who lives long. TCP only. */
    GYRE_SPREAD_REUSEPORT
} gyre_spread;

/* Zero is the default of every member. */
typedef struct gyre_listener_options {
    size_t size; /* sizeof(gyre_listener_options), or 0 */
    gyre_spread spread;
    int backlog;   /* of listen(2); 0: all that net.core.somaxconn allows */
    bool no_delay; /* TCP_NODELAY, for every connection */
    /* Have connection->peer filled. Then, and with a bound, connections are
     * accepted by single requests, else by multishot. */
    bool peers;
    /* Connections at a time; 0: no bound. At the bound accepting stops until
     * one has ended; who comes meanwhile waits in Linux's queue. Of
     * GYRE_SPREAD_REUSEPORT each engine has an equal share, rounded up. */
    uint32_t connections_max;
    /* So many connections of each engine may lie in slots of its loop
     * (gyre/slot.h) at a time: connection->fd is then a handle, for gyre's
     * calls on that engine, and uses up no descriptor. The rest have
     * descriptors, and so have all before Linux 6.14 and emulated. A loop that
     * has no table is given one, for so many and some 2300 more, 8 bytes each;
     * -EMFILE: RLIMIT_NOFILE is less. Whoever fills it beside the listener
     * leaves some free: Linux drops whom it has accepted and has no slot for.
     * What it is good for, and what not, says docs/LISTENING.md. 0: none. */
    uint32_t slots;
    size_t stack_size; /* of each connection's task; 0: the loop's */
    const char *name;  /* of these tasks, held; NULL: "connection" */
    /* A bound that listeners share: units of a semaphore, held. A connection
     * takes one when it has been accepted, and gives it back at its end. While
     * there is none, four of each socket at most, which have been accepted,
     * wait for one in turn, and the others in Linux's queue. NULL: none. */
    gyre_semaphore *places;
    /* Called with gyre_listener_serve()'s `arg` when one begins to wait for a
     * place, by the task that has accepted it: let a connection end that rests.
     * gyre_listener_stats.waiting counts it already. NULL: nobody. */
    void (*make_place)(void *arg);
    /* If a plain thread opens it: how many engines will serve it, as in
     * gyre_run_options. Else it is for those of the task, and not looked at. */
    unsigned engines;
} gyre_listener_options;

/*
 * Make a socket and listen:
 *
 *     127.0.0.1:80   [::1]:80   :80 (every address)     port 0: any free one
 *     unix:/run/x    unix:@x (abstract: no file)
 *     vsock:80       a virtual machine's port (AF_VSOCK; Linux 4.8, 5.6 for
 *                    loopback); vsock:2:80: of that CID alone; port 0: any
 *     fd:3           an open listening socket, from now on the listener's
 *     systemd:0      the first that was passed by LISTEN_FDS to this process:
 *                    sd_listen_fds(3); -ENOENT if there is none
 *
 * Hosts are addresses, not names. A unix socket's file that nobody listens on
 * any more is replaced; it is removed when serving ends. 0; -EINVAL: no such
 * form of address, or options that do not fit it; -EADDRINUSE, -EACCES ...:
 * gyre_listener_error() says it in words. `options` may be NULL.
 *
 * A plain thread sleeps meanwhile, and has a loop for as long as that takes. In
 * a callback it panics.
 */
GYRE_API int gyre_listener_open(gyre_listener **listener, const char *address,
                                const gyre_listener_options *options)
    GYRE_WAITS GYRE_MUST_USE;

/* Why the last gyre_listener_open() of this thread failed, or, for its options,
 * gyre_listener_serve(), and what to do, in a sentence that names the address;
 * "" if it did not. Until the next one. */
GYRE_API const char *gyre_listener_error(void);

/* As above, with the port that it has: "127.0.0.1:40123". */
GYRE_API const char *gyre_listener_address(const gyre_listener *listener);

/* ---- serving ------------------------------------------------------------- */

typedef struct gyre_connection {
    /* A descriptor, or a handle (options.slots). Closed when the function
     * returns; -1: it has been given away. */
    int fd;
    socklen_t peer_size;
    const struct sockaddr *peer; /* NULL unless options.peers */
    void *arg;                   /* of gyre_listener_serve() */
    gyre_listener *listener;
} gyre_connection;

/* The function of a connection's task; the record is its for as long. */
typedef int gyre_connection_fn(gyre_connection *connection);

/*
 * Accept for ever; each connection is a task in `scope`, on whichever engine.
 * In the scope or one below it, on its loop. 0: it was stopped, or its engines
 * are being shut down; -ECANCELED, -ETIME; else what is wrong with the socket
 * or, of one that a plain thread has opened, with options.slots
 * (gyre_listener_error() has words for it). Then nothing is accepted any more.
 */
GYRE_API int gyre_listener_serve(gyre_listener *listener, gyre_scope *scope,
                                 gyre_connection_fn *fn,
                                 void *arg) GYRE_WAITS GYRE_MUST_USE;

/* End gyre_listener_serve() with 0, now or when it is called; connections go
 * on. As often as you like, by any thread or callback, until the listener is
 * closed. */
GYRE_API void gyre_listener_stop(gyre_listener *listener);

/* Free it, when serving and all connections have ended; NULL is allowed. By a
 * plain thread, too, before it is served and after its engines' end; but if a
 * shutdown has left connections (-ETIMEDOUT), it stays with them. */
GYRE_API void gyre_listener_close(gyre_listener *listener) GYRE_WAITS;

/* ---- numbers ------------------------------------------------------------- */

typedef struct gyre_listener_stats {
    size_t size;       /* set by the caller: sizeof(gyre_listener_stats) */
    uint64_t accepted; /* connections given to the engine */
    uint64_t open;     /* of these, yet to end */
    uint64_t failed;   /* whose function returned an error, but for cancels */
    uint64_t slotted;  /* that began in a slot */
    uint64_t passed; /* of these, by a message from the engine that accepted */
    /* Of the engine that accepts. */
    uint64_t pauses;  /* for want of descriptors or memory */
    int last_error;   /* of the last pause */
    uint64_t waiting; /* accepted, but without one of options.places; exact */
} gyre_listener_stats;

/* Of engine `engine`, or of all: -1. Approximate, each number for itself. */
GYRE_API void gyre_listener_get_stats(const gyre_listener *listener, int engine,
                                      gyre_listener_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
