/* SPDX-License-Identifier: MIT */
/*
 * echo_engines_by_gyre.c - echo servers of several threads
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "echo_engines.h"

/* ---- callbacks: a loop and a socket that listens for each thread --------- */

struct connection {
    gyre_op recv;
    gyre_op send;
    gyre_loop *loop;
    int fd;
    uint32_t size; /* of a request; what came is in the send */
    char buffer[REQUEST_MAX];
};

struct loop_server {
    gyre_op accept;
    gyre_loop *loop;
    unsigned size;
};

static void sent(gyre_op *op, gyre_result result)
{
    struct connection *c = op->user;

    if (result.res > 0)
        gyre_op_restart(&c->recv);
}

static void received(gyre_op *op, gyre_result result)
{
    struct connection *c = op->user;

    if (result.res <= 0) {
        close(c->fd);
        free(c);
        return;
    }
    gyre_op_send(&c->send, c->fd, c->buffer, (size_t)result.res, MSG_WAITALL);
    gyre_op_start(c->loop, &c->send, sent, c);
}

static void accepted(gyre_op *op, gyre_result result)
{
    struct loop_server *server = op->user;
    struct connection *c =
        aligned_alloc(_Alignof(struct connection), sizeof *c);

    if (result.res < 0 || c == NULL)
        abort();
    c->loop = server->loop;
    c->fd = result.res;
    c->size = server->size;
    gyre_op_recv(&c->recv, c->fd, c->buffer, c->size, 0);
    gyre_op_start(c->loop, &c->recv, received, c);
}

static int serve_loop(const struct engines_job *job, unsigned n)
{
    struct loop_server server = { .size = job->size };
    int err = gyre_loop_create(&server.loop, &bench_loop);

    if (err < 0)
        return err;
    gyre_op_accept_multishot(&server.accept, job->listeners[n], SOCK_CLOEXEC);
    gyre_op_start(server.loop, &server.accept, accepted, &server);
    err = gyre_loop_run(server.loop, GYRE_RUN_FOREVER);
    gyre_loop_destroy(server.loop);
    return err;
}

int serve_engines_loops(const struct engines_job *job)
{
    return serve_on_threads(job, serve_loop);
}

/* ---- tasks: a listener for all engines ----------------------------------- */

#define SLOTS 512 /* of each engine: as many as connections */

struct task_server {
    const struct engines_job *job;
    gyre_spread spread;
    uint32_t slots;
};

static int client_task(gyre_connection *connection)
{
    const struct engines_job *job = connection->arg;
    char buffer[REQUEST_MAX];
    ssize_t n;

    while ((n = gyre_recv(connection->fd, buffer, job->size, 0)) > 0)
        if (gyre_send_all(connection->fd, buffer, (size_t)n, 0) < 0)
            break;
    return (int)n;
}

static int serve_tasks(void *arg)
{
    const struct task_server *server = arg;
    const gyre_listener_options options = { .spread = server->spread,
                                            .slots = server->slots };
    gyre_listener *listener;
    int err = gyre_listener_open(&listener, "127.0.0.1:0", &options);

    if (err < 0)
        return err;
    dprintf(server->job->port_to, "port %s\n",
            strchr(gyre_listener_address(listener), ':') + 1);
    err = gyre_listener_serve(listener, gyre_scope_current(), client_task,
                              (void *)(uintptr_t)server->job);
    gyre_listener_close(listener);
    return err;
}

/* A table is bounded as descriptors are. */
static void allow_slots(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int serve_by(const struct engines_job *job, gyre_spread spread,
                    uint32_t slots)
{
    struct task_server server = { job, spread, slots };
    const gyre_run_options options = { .loop = &bench_loop,
                                       .engines = job->engines };

    if (slots > 0)
        allow_slots();
    return gyre_run(&options, serve_tasks, &server);
}

int serve_engines_reuseport(const struct engines_job *job)
{
    return serve_by(job, GYRE_SPREAD_REUSEPORT, 0);
}

int serve_engines_hand_off(const struct engines_job *job)
{
    return serve_by(job, GYRE_SPREAD_HAND_OFF, 0);
}

int serve_engines_reuseport_slots(const struct engines_job *job)
{
    return serve_by(job, GYRE_SPREAD_REUSEPORT, SLOTS);
}

int serve_engines_hand_off_slots(const struct engines_job *job)
{
    return serve_by(job, GYRE_SPREAD_HAND_OFF, SLOTS);
}
