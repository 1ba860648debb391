/* SPDX-License-Identifier: MIT */
/*
 * server.c - the service's tasks: serve each address, drain, write the log
 *
 * Four scopes, one inside the other, and each is closed when what it holds is
 * over. They are engine 0's, and their tasks where it says:
 *
 *   logging      the task that writes the log                ends last
 *   watching     a task on each engine that ends the connections that rest when
 *                the engines are shut down
 *   clients      a task for each connection, on any engine
 *   accepting    a listener for each address                 a shutdown ends it
 *
 * So the life of a service is the order in which service_run() closes them, and
 * the phases of gyre/shutdown.h go along: listeners stop at once, clients are
 * waited for, and cancelled when the drain has lasted too long, which the log
 * outlives in a shield.
 */
#include "server.h"

#include <errno.h>
#include <gyre/gyre.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "connection.h"
#include "exchange.h"
#include "kernel/choose.h"
#include "room.h"
#include "signals.h"

#define LOG_RING_SIZE (1 << 20)
#define LOG_END_NS GYRE_SECOND

/* A task with a name, for dumps. */
static int spawn(gyre_scope *scope, const char *name, gyre_task_fn *fn,
                 void *arg)
{
    return gyre_spawn_with(scope, &(gyre_task_options){ .name = name }, fn, arg,
                           NULL);
}

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

/* ---- what is printed ---------------------------------------------------- */

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

/* "http://127.0.0.1:8080/" or "unix:/run/x.sock" */
static const char *announced(const gyre_listener *listener, char *name,
                             size_t size)
{
    const char *address = gyre_listener_address(listener);

    if (strncmp(address, "unix:", 5) == 0 || strncmp(address, "vsock:", 6) == 0)
        return address;
    snprintf(name, size, "http://%s/", address);
    return name;
}

static void announce(const struct service *service)
{
    char name[160];

    explain_kernel();
    for (unsigned i = 0; i < service->listener_count; i++)
        printf("gyre: serving %s at %s\n", service->options->directory,
               announced(service->listeners[i], name, sizeof name));
    fflush(stdout);
}

/* ---- accepting ---------------------------------------------------------- */

struct door {
    struct service *service;
    gyre_listener *listener;
};

/* A task: accept until it is stopped. */
static int serve_address(void *arg)
{
    struct door *door = arg;

    return gyre_listener_serve(door->listener, door->service->clients,
                               connection_serve, door->service);
}

/* Until the engines are shut down: 0. Else why it ended. */
static int serve_addresses(struct service *service)
{
    struct door doors[SERVE_LISTEN_MAX];
    gyre_scope accepting;
    int error = 0;

    gyre_scope_open(&accepting, NULL);
    for (unsigned i = 0; i < service->listener_count && error == 0; i++) {
        doors[i] = (struct door){ service, service->listeners[i] };
        error = spawn(&accepting, "listener", serve_address, &doors[i]);
    }
    if (error == 0)
        announce(service);
    else
        gyre_scope_cancel(&accepting);

    int closed = gyre_scope_close(&accepting);

    return error != 0 ? error : closed;
}

/* ---- the drain ---------------------------------------------------------- */

/* A task on each engine: what is being answered is answered to its end, or to
 * the drain timeout; connections that rest are over. `arg` is the service. */
static int drain_run(void *arg)
{
    struct service *service = arg;
    struct server *server = &service->servers[gyre_engine_current()];
    int error = gyre_wait_shutdown();

    server->draining = true;
    room_clear(server);
    return error;
}

/* ---- the log ------------------------------------------------------------- */

/* A task: nobody cancels it but log_end(). */
static int write_log(void *arg)
{
    const gyre_scope_options alone = { .shield = true,
                                       .deadline_ns = GYRE_NEVER };
    struct service *service = arg;
    gyre_scope writing;

    gyre_scope_open(&writing, &alone);
    service->writing = &writing;
    (void)log_run(&service->log);
    service->writing = NULL;
    return gyre_scope_close(&writing);
}

/* What is in it is written, unless its reader is stuck. */
static void end_log(struct service *service, gyre_scope *logging)
{
    log_stop(&service->log);
    if (service->writing != NULL)
        gyre_scope_set_deadline(
            service->writing, gyre_loop_now(gyre_loop_current()) + LOG_END_NS);

    int logged = gyre_scope_close(logging);

    (void)logged; /* -ETIME: it was stuck */
    log_close(&service->log);
}

/* ---- the service --------------------------------------------------------- */

/* Each has its share of the files. */
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
        server->files_max = service->files_max / n;
        if (server->files_max == 0)
            server->files_max = 1;
        room_init(server);
        event_init(&server->file_free);
    }
    return 0;
}

void service_destroy(struct service *service)
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
    service->servers = NULL;
}

/* A task on each engine. */
static int dump_when_told(void *arg)
{
    (void)arg;
    return gyre_dump_on_signal(gyre_loop_current(), SIGUSR1, STDERR_FILENO);
}

/* On all engines, before anybody is told that there is a server. */
static int prepare_dumps(void)
{
    gyre_scope scope;
    int error, closed;

    gyre_scope_open(&scope, NULL);
    error = gyre_spawn_all(&scope, NULL, dump_when_told, NULL, NULL);
    closed = gyre_scope_close(&scope);
    return error != 0 ? error : closed;
}

/* Serve, then wait for the last client. Signals begin nothing before and after
 * it: the engines may end. */
static int serve_and_drain(struct service *service)
{
    const gyre_scope_options go_on = { .on_error = GYRE_ERROR_CONTINUES };
    const gyre_task_options draining = { .name = "drain" };
    gyre_scope watching, clients;
    int error, watched;

    signals_heed(&service->options->end);
    gyre_scope_open(&watching, &go_on);
    gyre_scope_open(&clients, &go_on);
    service->clients = &clients;
    error = prepare_dumps();
    if (error == 0)
        error = gyre_spawn_all(&watching, &draining, drain_run, service, NULL);
    if (error == 0)
        error = serve_addresses(service);
    signals_forestall();

    int ended = gyre_scope_close(&clients);

    (void)ended; /* cancelled: serve.c tells of it */
    if (service->options->stats)
        print_stats(service);
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
    if (error != 0)
        return error;
    gyre_scope_open(&logging, &go_on);
    error = spawn(&logging, "log", write_log, service);
    if (error == 0)
        error = serve_and_drain(service);
    end_log(service, &logging);
    return error;
}
