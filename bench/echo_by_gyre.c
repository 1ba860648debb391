/* SPDX-License-Identifier: MIT */
/*
 * echo_by_gyre.c - the echo server, by callbacks and by tasks
 *
 * Written as a user would: a receive, a send, again.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <stdlib.h>

#include "echo.h"

static uint64_t enters(gyre_loop *loop)
{
    gyre_loop_stats stats = { .size = sizeof stats };

    gyre_loop_get_stats(loop, &stats);
    /* The emulator's enter is many system calls; how many, nobody counts. */
    return gyre_loop_ring_fd(loop) >= 0 ? stats.enters : CALLS_UNKNOWN;
}

/* ---- callbacks ---------------------------------------------------------- */

struct connection {
    gyre_op recv;
    gyre_op send;
    gyre_loop *loop;
    struct echo_job *job;
    int fd;
    uint32_t sent;
    uint32_t size; /* of the reply */
    const char *reply;
    char *buffer;
};

/* The connection is over: nothing is started any more. */
static void sent(gyre_op *op, gyre_result result)
{
    struct connection *c = op->user;

    if (result.res < 0)
        return;
    c->sent += (uint32_t)result.res;
    if (c->sent < c->size) {
        gyre_op_send(op, c->fd, c->reply + c->sent, c->size - c->sent, 0);
        gyre_op_restart(op);
    } else {
        gyre_op_restart(&c->recv);
    }
}

static void received(gyre_op *op, gyre_result result)
{
    struct connection *c = op->user;

    if (result.res <= 0)
        return;
    c->job->requests++;
    c->size = (uint32_t)result.res;
    c->sent = 0;
    c->reply = echo_reply(c->job, c->buffer, &c->size);
    if (c->reply == NULL)
        return;
    gyre_op_send(&c->send, c->fd, c->reply, c->size, 0);
    gyre_op_start(c->loop, &c->send, sent, c);
}

/* Each connection goes from its descriptor to the slot of its number. */
static int into_slots(gyre_loop *loop, const struct echo_job *job)
{
    int err = gyre_slots_create(loop, job->count);

    return err < 0 ? err : gyre_slots_set(loop, 0, job->fds, job->count);
}

static int serve_by_callbacks(struct echo_job *job, bool slots)
{
    struct connection *all;
    char *buffers;
    gyre_loop *loop;
    int err = gyre_loop_create(&loop, &bench_loop);

    if (err < 0)
        return err;
    if (slots && into_slots(loop, job) != (int)job->count)
        abort();
    all = aligned_alloc(64, job->count * sizeof *all);
    buffers = malloc((size_t)job->count * job->size);
    if (all == NULL || buffers == NULL)
        abort();
    for (unsigned i = 0; i < job->count; i++) {
        struct connection *c = &all[i];

        c->loop = loop;
        c->fd = slots ? gyre_slot_handle(i) : job->fds[i];
        c->job = job;
        c->buffer = buffers + (size_t)i * job->size;
        gyre_op_recv(&c->recv, c->fd, c->buffer, job->size, 0);
        gyre_op_start(loop, &c->recv, received, c);
    }
    err = gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE);
    job->calls = enters(loop);
    gyre_loop_destroy(loop);
    free(buffers);
    free(all);
    return err;
}

int serve_callbacks(struct echo_job *job)
{
    return serve_by_callbacks(job, false);
}

int serve_slots(struct echo_job *job)
{
    return serve_by_callbacks(job, true);
}

/* ---- tasks -------------------------------------------------------------- */

struct client {
    int fd;
    struct echo_job *job;
};

static int client_task(void *arg)
{
    struct client *client = arg;
    char buffer[4096];
    ssize_t n;

    while ((n = gyre_recv(client->fd, buffer, sizeof buffer, 0)) > 0) {
        unsigned size = (unsigned)n;
        const char *reply = echo_reply(client->job, buffer, &size);

        client->job->requests++;
        if (reply == NULL || gyre_send_all(client->fd, reply, size, 0) != 0)
            break;
    }
    return 0;
}

int serve_tasks(struct echo_job *job)
{
    struct client *all = calloc(job->count, sizeof *all);
    gyre_loop *loop;
    int err = gyre_loop_create(&loop, &bench_loop);

    if (err < 0 || all == NULL) {
        free(all);
        return err < 0 ? err : -ENOMEM;
    }
    for (unsigned i = 0; i < job->count; i++) {
        all[i] = (struct client){ job->fds[i], job };
        err = gyre_spawn(gyre_loop_scope(loop), client_task, &all[i]);
        if (err < 0)
            abort();
    }
    err = gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE);
    job->calls = enters(loop);
    gyre_loop_destroy(loop);
    free(all);
    return err;
}
