/* SPDX-License-Identifier: MIT */
/*
 * server.c - the server's tasks: accept, watch for signals, drain
 *
 * Four scopes, one inside the other, and each is closed when what it holds is
 * over:
 *
 *   logging      the task that writes the log         ends last
 *   watching     the task that reads signals
 *   clients      a task for each connection           the drain waits for it
 *   accepting    the tasks that accept                a signal cancels it
 *
 * So the life of a server is the order in which server_run() closes them.
 */
#include "server.h"

#include <errno.h>
#include <gyre/gyre.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "connection.h"
#include "exchange.h"
#include "kernel/choose.h"

/* A task with a name, for dumps. */
static int spawn(gyre_scope *scope, const char *name, gyre_task_fn *fn,
                 void *arg)
{
    return gyre_spawn_with(scope, &(gyre_task_options){ .name = name }, fn, arg,
                           NULL);
}

#define LOG_RING_SIZE (1 << 20)
#define LOG_END_NS GYRE_SECOND

struct accepting {
    struct server *server;
    int fd;
};

const struct wall_clock *server_wall_clock(struct server *server)
{
    struct wall_clock *wall = &server->wall;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != wall->second || wall->http[0] == '\0') {
        wall->second = now.tv_sec;
        date_format(wall->http, now.tv_sec);
        date_format_log(wall->log, now.tv_sec);
    }
    return wall;
}

/* ---- accepting ---------------------------------------------------------- */

/* Take a place for a client that is here; wait for one if need be, and let the
 * connection that has rested for longest make room. */
static int take_slot(struct server *server)
{
    int error = 0;

    while (server->slots >= server->slots_max && error == 0) {
        struct list *oldest = list_take_first(&server->idle);

        if (oldest != NULL) {
            server->counts.evicted++;
            connection_end_idle(CONTAINER_OF(oldest, struct connection, idle));
        }
        server->slot_waiters++;
        error = event_wait(&server->slot_free, GYRE_NEVER);
        server->slot_waiters--;
    }
    if (error == 0)
        server->slots++;
    return error;
}

static int serve_client(struct server *server, int fd,
                        const struct sockaddr_storage *peer)
{
    struct connection *connection;
    int error = take_slot(server);

    if (error != 0)
        return error;
    connection = connection_new(server, fd, peer);
    error = connection == NULL ? -ENOMEM
                               : spawn(server->clients, "connection",
                                       connection_run, connection);
    if (error != 0) {
        alloc_free(connection);
        server->slots--;
        event_signal(&server->slot_free);
    }
    return error;
}

/* A task: accept for ever. `arg` is a struct accepting, which it frees. */
static int accept_run(void *arg)
{
    struct accepting accepting = *(struct accepting *)arg;
    struct server *server = accepting.server;
    gyre_acceptor acceptor;

    alloc_free(arg);
    gyre_acceptor_init(&acceptor, accepting.fd);
    for (;;) {
        struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
        socklen_t size = sizeof peer;
        uint64_t pauses = acceptor.pauses;
        int fd = gyre_acceptor_next(&acceptor, (struct sockaddr *)&peer, &size);

        server->counts.accept_pauses += acceptor.pauses - pauses;
        if (fd < 0)
            return fd;
        server->counts.accepted++;

        int error = serve_client(server, fd, &peer);

        if (error != 0)
            gyre_close(fd);
        /* No memory for one more: it was turned away, the others go on. */
        if (error != 0 && error != -ENOMEM)
            return error;
    }
}

static int spawn_acceptors(struct server *server)
{
    for (unsigned i = 0; i < server->listener_count * SERVE_ACCEPTORS; i++) {
        struct accepting *accepting = alloc_zeroed(1, sizeof *accepting);

        if (accepting == NULL)
            return -ENOMEM;
        accepting->server = server;
        accepting->fd = server->listeners[i / SERVE_ACCEPTORS].fd;

        int error = spawn(server->accepting, "accept", accept_run, accepting);

        if (error != 0) {
            alloc_free(accepting);
            return error;
        }
    }
    return 0;
}

/* ---- signals and the drain ---------------------------------------------- */

/* A task: the first signal begins the drain, the second ends the process. */
static int watch_run(void *arg)
{
    struct server *server = arg;
    struct signalfd_siginfo info;

    for (;;) {
        ssize_t n = gyre_read(server->signal_fd, &info, sizeof info,
                              GYRE_CURRENT_POSITION);

        if (n == -ECANCELED)
            return 0;
        if (n < 0)
            return (int)n;
        if (server->draining)
            _exit(128 + (int)info.ssi_signo);
        server->draining = true;
        gyre_scope_cancel(server->accepting);
    }
}

/* No new connections, no new requests on old ones: what is being answered is
 * answered to its end, or to the drain timeout. */
static void drain(struct server *server)
{
    struct list *link;

    server->draining = true;
    for (unsigned i = 0; i < server->listener_count; i++)
        listen_close(&server->listeners[i]);
    while ((link = list_take_first(&server->idle)) != NULL)
        connection_end_idle(CONTAINER_OF(link, struct connection, idle));
    gyre_scope_set_deadline(server->clients,
                            gyre_loop_now(gyre_loop_current()) +
                                server->options->drain_timeout_ns);

    int error = gyre_scope_close(server->clients);

    if (error == -ETIME)
        fprintf(stderr,
                "gyre: the drain timeout (%llu s) ended responses that were "
                "still being sent; --drain-timeout changes it\n",
                (unsigned long long)(server->options->drain_timeout_ns /
                                     GYRE_SECOND));
    while (server->spares != NULL) {
        struct exchange *spare = server->spares;

        server->spares = spare->next_spare;
        alloc_free(spare);
    }
}

static void print_stats(const struct server *server)
{
    gyre_loop_stats stats = { .size = sizeof stats };

    gyre_loop_get_stats(gyre_loop_current(), &stats);
    printf("turns=%llu enters=%llu requests=%llu cqes=%llu backlog=%llu "
           "overflows=%llu\n",
           (unsigned long long)stats.turns, (unsigned long long)stats.enters,
           (unsigned long long)server->counts.requests,
           (unsigned long long)stats.completions,
           (unsigned long long)stats.backlog_max,
           (unsigned long long)stats.overflows);
    fflush(stdout);
}

/* Why it is not io_uring that serves, in one line. */
static void explain_kernel(void)
{
    const char *reason = kernel_chosen_reason();

    if (strcmp(gyre_loop_kernel(gyre_loop_current()), "emu") != 0)
        return;
    if (strncmp(reason, "GYRE_KERNEL", 11) == 0)
        fprintf(stderr, "gyre: using the emulated kernel: %s\n", reason);
    else
        fprintf(stderr,
                "gyre: io_uring refused: %s; using the emulated kernel\n",
                reason);
}

static void announce(const struct server *server)
{
    explain_kernel();
    for (unsigned i = 0; i < server->listener_count; i++)
        printf("gyre: serving %s at %s\n", server->options->directory,
               server->listeners[i].name);
    fflush(stdout);
}

/* Accept until a signal comes. 0, or why it ended otherwise. */
static int accept_until_told(struct server *server, gyre_scope *watching)
{
    gyre_scope accepting;

    gyre_scope_open(&accepting, NULL);
    server->accepting = &accepting;

    int error = spawn(watching, "signals", watch_run, server);

    if (error == 0)
        error = spawn_acceptors(server);
    if (error == 0)
        error =
            gyre_dump_on_signal(gyre_loop_current(), SIGUSR1, STDERR_FILENO);
    if (error == 0)
        announce(server);
    else
        gyre_scope_cancel(&accepting);

    int closed = gyre_scope_close(&accepting);

    /* Nobody may cancel it any more: a signal now is the second one. */
    server->draining = true;
    return error != 0 ? error : closed;
}

/* Serve, then wait for the last client. */
static int serve_and_drain(struct server *server)
{
    const gyre_scope_options go_on = { .on_error = GYRE_ERROR_CONTINUES };
    gyre_scope watching;
    gyre_scope clients;

    gyre_scope_open(&watching, &go_on);
    gyre_scope_open(&clients, &go_on);
    server->clients = &clients;

    int error = accept_until_told(server, &watching);

    drain(server);
    if (server->options->stats)
        print_stats(server);
    gyre_scope_cancel(&watching);

    int watched = gyre_scope_close(&watching);

    return error != 0 ? error : watched;
}

int server_run(void *arg)
{
    struct server *server = arg;
    const gyre_scope_options go_on = { .on_error = GYRE_ERROR_CONTINUES };
    gyre_scope logging;

    list_init(&server->idle);
    event_init(&server->slot_free);
    event_init(&server->file_free);
    server->started_ns = gyre_loop_now(gyre_loop_current());

    int error = log_open(&server->log, server->log_fd, LOG_RING_SIZE);

    if (error != 0)
        return error;
    gyre_scope_open(&logging, &go_on);
    error = spawn(&logging, "log", log_run, &server->log);
    if (error == 0)
        error = serve_and_drain(server);

    /* What is in the log is written, unless its reader is stuck. */
    log_stop(&server->log);
    gyre_scope_set_deadline(&logging,
                            gyre_loop_now(gyre_loop_current()) + LOG_END_NS);

    int logged = gyre_scope_close(&logging);

    (void)logged; /* -ETIME: it was stuck */
    log_close(&server->log);
    return error;
}
