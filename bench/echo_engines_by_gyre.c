/* SPDX-License-Identifier: MIT */
/*
 * echo_engines_by_gyre.c - echo servers of several threads
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <stdlib.h>
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

/* ---- tasks: one for each connection -------------------------------------- */

struct client {
    int fd;
    unsigned size;
};

static int client_task(void *arg)
{
    struct client client = *(struct client *)arg;
    char buffer[REQUEST_MAX];
    ssize_t n;

    free(arg);
    while ((n = gyre_recv(client.fd, buffer, client.size, 0)) > 0)
        if (gyre_send_all(client.fd, buffer, (size_t)n, 0) != 0)
            break;
    return gyre_close(client.fd);
}

static int accept_clients(const struct engines_job *job, int listener,
                          int where)
{
    const gyre_task_options options = { .where = where };

    for (;;) {
        struct client *client = malloc(sizeof *client);
        int fd = gyre_accept(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0 || client == NULL)
            return fd < 0 ? fd : -ENOMEM;
        *client = (struct client){ fd, job->size };
        fd = gyre_spawn_with(gyre_scope_current(), &options, client_task,
                             client, NULL);
        if (fd < 0)
            return fd;
    }
}

/* On each engine: its own listener, and whom it accepts stays with it. */
static int accept_here(void *arg)
{
    const struct engines_job *job = arg;

    return accept_clients(job, job->listeners[gyre_engine_current()],
                          GYRE_HERE);
}

static int each_accepts(void *arg)
{
    gyre_scope scope;
    int err;

    gyre_scope_open(&scope, NULL);
    err = gyre_spawn_all(&scope, NULL, accept_here, arg, NULL);
    if (err < 0)
        abort();
    return gyre_scope_close(&scope);
}

static int one_accepts(void *arg)
{
    const struct engines_job *job = arg;

    return accept_clients(job, job->listeners[0], GYRE_LEAST_LOADED);
}

static int serve_tasks_by(const struct engines_job *job, gyre_task_fn *first)
{
    const gyre_run_options options = { .loop = &bench_loop,
                                       .engines = job->engines };

    return gyre_run(&options, first, (void *)(uintptr_t)job);
}

int serve_engines_each(const struct engines_job *job)
{
    return serve_tasks_by(job, each_accepts);
}

int serve_engines_placed(const struct engines_job *job)
{
    return serve_tasks_by(job, one_accepts);
}
