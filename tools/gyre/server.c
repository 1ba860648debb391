/* SPDX-License-Identifier: MIT */
/*
 * server.c - the server's tasks: accept, watch for signals, drain
 *
 * Four scopes, one inside the other, and each is closed when what it holds is
 * over. They are engine 0's, and their tasks where it says:
 *
 *   logging      the task that writes the log         ends last
 *   watching     the task that reads signals; one on each engine that ends the
 *                connections that rest when the drain begins
 *   clients      a task for each connection, on any   the drain waits for it
 *   accepting    the tasks that accept                a signal cancels it
 *
 * So the life of a service is the order in which service_run() closes them.
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
    struct service *service;
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

/* ---- slots -------------------------------------------------------------- */

static bool slot_try(struct server *server)
{
    uint64_t slots = server->slots;

    do {
        if (slots >= server->slots_max)
            return false;
    } while (!atomic_compare_exchange_weak(&server->slots, &slots, slots + 1));
    return true;
}

void server_give_slot(struct server *server)
{
    uint64_t before = atomic_fetch_sub(&server->slots, 1);

    ASSERT(before > 0);
    (void)before;
    event_signal(&server->slot_free);
}

/* A task, on the server's engine, for a client that is here: wait for a place,
 * and let the connection that has rested for longest make room. */
static int slot_wait(void *arg)
{
    struct server *server = arg;
    int error = 0;

    while (!slot_try(server) && error == 0) {
        struct list *oldest = list_take_first(&server->idle);

        if (oldest != NULL) {
            count(&server->counts.evicted, 1);
            connection_end_idle(CONTAINER_OF(oldest, struct connection, idle));
        }
        server->slot_waiters++;
        /* Engine 0 may give one back without a word. */
        (void)event_wait(&server->slot_free,
                         gyre_loop_now(gyre_loop_current()) + GYRE_SECOND);
        server->slot_waiters--;
        error = gyre_cancelled();
    }
    return error;
}

static uint64_t server_room(const struct server *server)
{
    uint64_t slots = server->slots;

    return server->slots_max > slots ? server->slots_max - slots : 0;
}

/* The next in turn of those that have about as much room as the one that has
 * most: so short connections are spread as evenly as long ones. Where there is
 * no room, one that has a share. */
static struct server *server_for_next(struct service *service)
{
    struct server *servers = service->servers;
    unsigned count = service->server_count;
    uint64_t most = 0;

    for (unsigned i = 0; i < count; i++)
        if (server_room(&servers[i]) > most)
            most = server_room(&servers[i]);
    for (;;) {
        struct server *server = &servers[service->server_next++ % count];
        uint64_t slack = 1 + server->slots / 8;

        if (server->slots_max > 0 && server_room(server) + slack >= most)
            return server;
    }
}

/* A place on one of them, also if all are taken. */
static int take_slot(struct service *service, struct server **server)
{
    gyre_task_options options = { .name = "slot" };
    gyre_task *task;
    int error, result;

    *server = server_for_next(service);
    if (slot_try(*server))
        return 0;
    options.where = GYRE_ENGINE(*server - service->servers);
    error = gyre_spawn_with(service->accepting, &options, slot_wait, *server,
                            &task);
    if (error == 0)
        error = gyre_join(task, &result);
    return error != 0 ? error : result;
}

/* ---- accepting ---------------------------------------------------------- */

static int serve_client(struct service *service, int fd,
                        const struct sockaddr_storage *peer)
{
    gyre_task_options options = { .name = "connection" };
    struct connection *connection;
    struct server *server;
    int error = take_slot(service, &server);

    if (error != 0)
        return error;
    count(&server->counts.accepted, 1); /* engine 0 alone writes it */
    connection = connection_create(server, fd, peer);
    options.where = GYRE_ENGINE(server - service->servers);
    error = connection == NULL
                ? -ENOMEM
                : gyre_spawn_with(service->clients, &options, connection_run,
                                  connection, NULL);
    if (error != 0) {
        alloc_free(connection);
        atomic_fetch_sub(&server->slots, 1); /* slot_wait() will look */
    }
    return error;
}

/* A task: accept for ever. `arg` is a struct accepting, which it frees. */
static int accept_run(void *arg)
{
    struct accepting accepting = *(struct accepting *)arg;
    struct server_counts *counts = &accepting.service->servers[0].counts;
    struct service *service = accepting.service;
    gyre_acceptor acceptor;

    alloc_free(arg);
    gyre_acceptor_init(&acceptor, accepting.fd);
    for (;;) {
        struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
        socklen_t size = sizeof peer;
        uint64_t pauses = acceptor.pauses;
        int fd = gyre_acceptor_next(&acceptor, (struct sockaddr *)&peer, &size);

        count(&counts->accept_pauses, acceptor.pauses - pauses);
        if (fd < 0)
            return fd;

        int error = serve_client(service, fd, &peer);

        if (error != 0)
            gyre_close(fd);
        /* No memory for one more: it was turned away, the others go on. */
        if (error != 0 && error != -ENOMEM)
            return error;
    }
}

static int spawn_acceptors(struct service *service)
{
    for (unsigned i = 0; i < service->listener_count * SERVE_ACCEPTORS; i++) {
        struct accepting *accepting = alloc_zeroed(1, sizeof *accepting);

        if (accepting == NULL)
            return -ENOMEM;
        accepting->service = service;
        accepting->fd = service->listeners[i / SERVE_ACCEPTORS].fd;

        int error = spawn(service->accepting, "accept", accept_run, accepting);

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
    struct service *service = arg;
    struct signalfd_siginfo info;

    for (;;) {
        ssize_t n = gyre_read(service->signal_fd, &info, sizeof info,
                              GYRE_CURRENT_POSITION);

        if (n == -ECANCELED)
            return 0;
        if (n < 0)
            return (int)n;
        if (gyre_event_is_set(&service->drain))
            _exit(128 + (int)info.ssi_signo);
        (void)gyre_event_set(&service->drain, NULL);
    }
}

/* A task among those that accept: they end when the drain begins. */
static int stop_accepting(void *arg)
{
    struct service *service = arg;
    int error = gyre_event_wait(&service->drain, NULL);

    if (error == 0)
        gyre_scope_cancel(service->accepting);
    return error;
}

/* A task on each engine: what is being answered is answered to its end, or to
 * the drain timeout; connections that rest are over. `arg` is the service. */
static int drain_run(void *arg)
{
    struct service *service = arg;
    struct server *server = &service->servers[gyre_engine_current()];
    int error = gyre_event_wait(&service->drain, NULL);
    struct list *link;

    server->draining = true;
    while ((link = list_take_first(&server->idle)) != NULL)
        connection_end_idle(CONTAINER_OF(link, struct connection, idle));
    return error;
}

/* No new connections; wait for those there are. */
static void drain(struct service *service)
{
    for (unsigned i = 0; i < service->listener_count; i++)
        listen_close(&service->listeners[i]);
    gyre_scope_set_deadline(service->clients,
                            gyre_loop_now(gyre_loop_current()) +
                                service->options->drain_timeout_ns);

    int error = gyre_scope_close(service->clients);

    if (error == -ETIME)
        fprintf(stderr,
                "gyre: the drain timeout (%llu s) ended responses that were "
                "still being sent; --drain-timeout changes it\n",
                (unsigned long long)(service->options->drain_timeout_ns /
                                     GYRE_SECOND));
}

static void print_stats(const struct service *service)
{
    gyre_loop_stats sum = { 0 };
    uint64_t requests = 0;

    for (unsigned i = 0; i < service->server_count; i++) {
        gyre_loop_stats stats = { .size = sizeof stats };

        gyre_loop_get_stats(gyre_engine_loop(gyre_engines_current(), i),
                            &stats);
        sum.turns += stats.turns;
        sum.enters += stats.enters;
        sum.completions += stats.completions;
        if (stats.backlog_max > sum.backlog_max)
            sum.backlog_max = stats.backlog_max;
        sum.overflows += stats.overflows;
        requests += counted(&service->servers[i].counts.requests);
    }
    printf("turns=%llu enters=%llu requests=%llu cqes=%llu backlog=%llu "
           "overflows=%llu\n",
           (unsigned long long)sum.turns, (unsigned long long)sum.enters,
           (unsigned long long)requests, (unsigned long long)sum.completions,
           (unsigned long long)sum.backlog_max,
           (unsigned long long)sum.overflows);
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

static void announce(const struct service *service)
{
    explain_kernel();
    for (unsigned i = 0; i < service->listener_count; i++)
        printf("gyre: serving %s at %s\n", service->options->directory,
               service->listeners[i].name);
    fflush(stdout);
}

/* Accept until told to drain. 0, or why it ended otherwise. */
static int accept_until_told(struct service *service)
{
    gyre_scope accepting;
    int error;

    gyre_scope_open(&accepting, NULL);
    service->accepting = &accepting;
    error = spawn(&accepting, "drain", stop_accepting, service);
    if (error == 0)
        error = spawn_acceptors(service);
    if (error == 0)
        announce(service);
    else
        gyre_scope_cancel(&accepting);

    int closed = gyre_scope_close(&accepting);

    /* Whatever the reason: a signal now is the second one. */
    (void)gyre_event_set(&service->drain, NULL);
    return error != 0 ? error : closed;
}

/* ---- the service --------------------------------------------------------- */

/* Each has its share of the limits. */
static int servers_create(struct service *service)
{
    unsigned n = gyre_engines_count(gyre_engines_current());

    service->servers = alloc_zeroed(n, sizeof *service->servers);
    if (service->servers == NULL)
        return -ENOMEM;
    service->server_count = n;
    for (unsigned i = 0; i < n; i++) {
        struct server *server = &service->servers[i];

        server->service = service;
        server->options = service->options;
        server->slots_max = service->slots_max / n +
                            (i < service->slots_max % n);
        server->files_max = service->files_max / n;
        if (server->files_max == 0)
            server->files_max = 1;
        list_init(&server->idle);
        event_init(&server->slot_free);
        event_init(&server->file_free);
    }
    return 0;
}

static void servers_destroy(struct service *service)
{
    for (unsigned i = 0; i < service->server_count; i++) {
        struct server *server = &service->servers[i];

        while (server->spares != NULL) {
            struct exchange *spare = server->spares;

            server->spares = spare->next_spare;
            alloc_free(spare);
        }
    }
    alloc_free(service->servers);
}

/* A task on each engine. */
static int dump_when_told(void *arg)
{
    (void)arg;
    return gyre_dump_on_signal(gyre_loop_current(), SIGUSR1, STDERR_FILENO);
}

/* Serve, then wait for the last client. */
static int serve_and_drain(struct service *service)
{
    const gyre_scope_options go_on = { .on_error = GYRE_ERROR_CONTINUES };
    const gyre_task_options draining = { .name = "drain" };
    gyre_scope watching, clients;
    int error, watched;

    gyre_scope_open(&watching, &go_on);
    gyre_scope_open(&clients, &go_on);
    service->clients = &clients;
    error = spawn(&watching, "signals", watch_run, service);
    if (error == 0)
        error = gyre_spawn_all(&watching, NULL, dump_when_told, NULL, NULL);
    if (error == 0)
        error = gyre_spawn_all(&watching, &draining, drain_run, service, NULL);
    if (error == 0)
        error = accept_until_told(service);
    (void)gyre_event_set(&service->drain, NULL);
    drain(service);
    if (service->options->stats)
        print_stats(service);
    gyre_scope_cancel(&watching);
    watched = gyre_scope_close(&watching);
    return error != 0 ? error : watched;
}

int service_run(void *arg)
{
    struct service *service = arg;
    const gyre_scope_options go_on = { .on_error = GYRE_ERROR_CONTINUES };
    gyre_scope logging;

    service->started_ns = gyre_loop_now(gyre_loop_current());

    int error = servers_create(service);

    if (error == 0)
        error = log_open(&service->log, service->log_fd, LOG_RING_SIZE);
    if (error != 0) {
        servers_destroy(service);
        return error;
    }
    gyre_event_init(&service->drain, 0);
    gyre_scope_open(&logging, &go_on);
    error = spawn(&logging, "log", log_run, &service->log);
    if (error == 0)
        error = serve_and_drain(service);

    /* What is in the log is written, unless its reader is stuck. */
    log_stop(&service->log);
    gyre_scope_set_deadline(&logging,
                            gyre_loop_now(gyre_loop_current()) + LOG_END_NS);

    int logged = gyre_scope_close(&logging);

    (void)logged; /* -ETIME: it was stuck */
    log_close(&service->log);
    gyre_event_destroy(&service->drain);
    servers_destroy(service);
    return error;
}
