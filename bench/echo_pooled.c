/* SPDX-License-Identifier: MIT */
/*
 * echo_pooled.c - the echo server with buffers of a pool: a multishot receive
 * for each connection, into a group that all share, and sends from where the
 * bytes lie
 *
 * So a connection that is silent has no buffer, and one that talks needs no
 * request to receive.
 */
#include <gyre/gyre.h>
#include <stdlib.h>

#include "echo.h"

enum { BUFFER = 4096, BUFFERS_LEAST = 64 };

struct pooled {
    gyre_loop *loop;
    gyre_pool *pool;
    gyre_buffer_group *group;
    struct echo_job *job;
};

static int pooled_open(struct pooled *pooled, struct echo_job *job,
                       gyre_pool_pages pages)
{
    gyre_pool_options pool = { .pages = pages };
    gyre_buffer_group_options group = { .count = BUFFERS_LEAST,
                                        .buffer_size = BUFFER };
    int err = gyre_loop_create(&pooled->loop, &bench_loop);

    pooled->job = job;
    if (err < 0)
        return err;
    while (group.count < 2 * job->count)
        group.count *= 2;
    err = gyre_pool_create(&pooled->pool, pooled->loop, &pool);
    if (err == 0)
        err = gyre_buffer_group_create(&pooled->group, pooled->pool, &group);
    if (err < 0)
        abort();
    return 0;
}

static int pooled_run(struct pooled *pooled)
{
    gyre_loop_stats stats = { .size = sizeof stats };
    int err = gyre_loop_run(pooled->loop, GYRE_RUN_UNTIL_DONE);

    gyre_loop_get_stats(pooled->loop, &stats);
    if (gyre_loop_ring_fd(pooled->loop) >= 0)
        pooled->job->calls = stats.enters;
    gyre_buffer_group_destroy(pooled->group);
    gyre_pool_destroy(pooled->pool);
    gyre_loop_destroy(pooled->loop);
    return err;
}

/* ---- callbacks ----------------------------------------------------------- */

struct connection {
    gyre_op recv;
    gyre_op send;
    struct pooled *pooled;
    gyre_slice slice; /* being sent back */
    uint32_t size;    /* of the reply that is left */
    const char *reply;
    int fd;
};

static void sent(gyre_op *op, gyre_result result)
{
    struct connection *c = op->user;

    if (result.res > 0 && (uint32_t)result.res < c->size) {
        c->reply += result.res;
        c->size -= (uint32_t)result.res;
        gyre_op_send(op, c->fd, c->reply, c->size, 0);
        gyre_op_restart(op);
        return;
    }
    gyre_slice_release(&c->slice);
}

/* A client waits for its answer, so there is one slice at a time. */
static void received(gyre_op *op, gyre_result result)
{
    struct connection *c = op->user;
    struct echo_job *job = c->pooled->job;
    bool again = gyre_result_is_last(result) && result.res > 0;

    if (gyre_buffer_group_take(c->pooled->group, &result, &c->slice)) {
        job->requests++;
        c->size = (uint32_t)c->slice.size;
        c->reply = echo_reply(job, c->slice.data, &c->size);
        if (c->reply == NULL)
            abort();
        gyre_op_send(&c->send, c->fd, c->reply, c->size, 0);
        gyre_op_start(c->pooled->loop, &c->send, sent, c);
    }
    if (again)
        gyre_op_restart(op);
}

int serve_callbacks_pooled(struct echo_job *job)
{
    struct pooled pooled;
    struct connection *all;
    int err = pooled_open(&pooled, job, GYRE_PAGES_HUGE);

    if (err < 0)
        return err;
    all = aligned_alloc(64, job->count * sizeof *all);
    if (all == NULL)
        abort();
    for (unsigned i = 0; i < job->count; i++) {
        struct connection *c = &all[i];

        c->pooled = &pooled;
        c->fd = job->fds[i];
        gyre_op_recv_multishot(&c->recv, c->fd,
                               gyre_buffer_group_id(pooled.group), 0);
        gyre_op_start(pooled.loop, &c->recv, received, c);
    }
    err = pooled_run(&pooled);
    free(all);
    return err;
}

/* ---- tasks --------------------------------------------------------------- */

struct client {
    struct pooled *pooled;
    int fd;
};

static int client_task(void *arg)
{
    struct client *client = arg;
    struct echo_job *job = client->pooled->job;
    gyre_incoming in;
    gyre_slice slice;
    int n = gyre_incoming_recv(&in, client->fd, client->pooled->group, NULL);

    while (n >= 0 && (n = gyre_incoming_next(&in, &slice)) > 0) {
        unsigned size = (unsigned)n;
        const char *reply = echo_reply(job, slice.data, &size);

        job->requests++;
        n = reply == NULL ? -1 : gyre_send_all(client->fd, reply, size, 0);
        gyre_slice_release(&slice);
    }
    gyre_incoming_close(&in);
    return 0;
}

static int serve_incoming(struct echo_job *job, gyre_pool_pages pages)
{
    struct client *all = calloc(job->count, sizeof *all);
    struct pooled pooled;
    int err = pooled_open(&pooled, job, pages);

    if (err < 0 || all == NULL) {
        free(all);
        return err;
    }
    for (unsigned i = 0; i < job->count; i++) {
        all[i] = (struct client){ &pooled, job->fds[i] };
        err = gyre_spawn(gyre_loop_scope(pooled.loop), client_task, &all[i]);
        if (err < 0)
            abort();
    }
    err = pooled_run(&pooled);
    free(all);
    return err;
}

int serve_tasks_pooled(struct echo_job *job)
{
    return serve_incoming(job, GYRE_PAGES_HUGE);
}

int serve_tasks_pooled_small(struct echo_job *job)
{
    return serve_incoming(job, GYRE_PAGES_SMALL);
}
