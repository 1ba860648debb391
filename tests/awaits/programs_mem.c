/* SPDX-License-Identifier: MIT */
/*
 * Programs that fail: pools, groups, what comes in. See programs.h.
 */
#include <gyre/error.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "awaits/programs.h"
#include "io/world.h"

struct kitchen {
    gyre_pool *pool;
    gyre_buffer_group *group;
};

static int kitchen_open(struct kitchen *kitchen)
{
    gyre_pool_options pool = { .bytes_max = 65536 };
    gyre_buffer_group_options group = { .count = 4, .buffer_size = 256 };
    int err = gyre_pool_create(&kitchen->pool, gyre_loop_current(), &pool);

    if (err < 0)
        return err;
    err = gyre_buffer_group_create(&kitchen->group, kitchen->pool, &group);
    if (err < 0)
        gyre_pool_destroy(kitchen->pool);
    return err;
}

static void kitchen_close(struct kitchen *kitchen)
{
    gyre_buffer_group_destroy(kitchen->group);
    gyre_pool_destroy(kitchen->pool);
}

/* ---- bytes --------------------------------------------------------------- */

static void pair_up(struct stage *stage)
{
    pair_open(stage->fds);
}

static int send_and_end(void *arg)
{
    struct stage *stage = arg;
    char bytes[3000];
    int err;

    memset(bytes, 'b', sizeof bytes);
    err = gyre_send_all(stage->fds[1], bytes, sizeof bytes, 0);
    return err < 0 ? err : gyre_shutdown(stage->fds[1], SHUT_WR);
}

static int take_to_the_end(struct stage *stage, gyre_incoming *in)
{
    gyre_slice slice;
    int n;

    stage->count = 0;
    while ((n = gyre_incoming_next(in, &slice)) > 0) {
        stage->count += (unsigned)n;
        gyre_slice_release(&slice);
    }
    if (n == 0)
        CHECK_EQ(stage->count, 3000u);
    return n;
}

static int stream_taken_in_pieces_main(gyre_scope *scope, void *arg)
{
    gyre_incoming_options options = { .cap = 1024 };
    struct stage *stage = arg;
    struct kitchen kitchen;
    gyre_incoming in;
    int err = kitchen_open(&kitchen);

    if (err < 0)
        return err;
    err = gyre_incoming_recv(&in, stage->fds[0], kitchen.group, &options);
    if (err == 0)
        err = spawn_some(scope, send_and_end, stage, 1);
    if (err == 0)
        err = take_to_the_end(stage, &in);
    gyre_incoming_close(&in);
    kitchen_close(&kitchen);
    return err;
}

PROGRAM(stream_taken_in_pieces, .set_up = pair_up, .ops = 3, .spawns = 1);

/* ---- connections --------------------------------------------------------- */

static struct sockaddr_in address;

static void listen_up(struct stage *stage)
{
    stage->fds[0] = listen_open(&address, 4);
}

static int call_twice(void *arg)
{
    struct stage *stage = arg;

    for (int i = 1; i <= 2; i++) {
        int err;

        stage->fds[i] =
            socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        CHECK(stage->fds[i] >= 0);
        err = gyre_connect(stage->fds[i], (struct sockaddr *)&address,
                           sizeof address);
        if (err < 0)
            return err;
    }
    return 0;
}

static int connections_taken_one_by_one_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    gyre_incoming in;
    int err = gyre_incoming_accept(&in, stage->fds[0], NULL);

    if (err == 0)
        err = spawn_some(scope, call_twice, stage, 1);
    for (unsigned i = 0; err >= 0 && i < 2; i++)
        err = hold(stage, scope, gyre_incoming_next_fd(&in));
    gyre_incoming_close(&in);
    return err < 0 ? err : 0;
}

PROGRAM(connections_taken_one_by_one, .set_up = listen_up, .ops = 3,
        .spawns = 1);

/* ---- buffers ------------------------------------------------------------- */

static int use_a_buffer(void *arg)
{
    struct stage *stage = arg;
    struct kitchen *kitchen = stage->shared;
    void *buffer;
    int err = gyre_pool_get_wait(kitchen->pool, 32768, &buffer);

    if (err < 0)
        return err;
    stage->count++;
    err = gyre_yield();
    gyre_pool_put(kitchen->pool, buffer);
    return err;
}

static int use_buffers(gyre_scope *scope, void *arg)
{
    return spawn_some(scope, use_a_buffer, arg, 5);
}

/* Two at a time. */
static int buffers_taken_in_turn_main(gyre_scope *scope, void *arg)
{
    gyre_pool_options options = { .bytes_max = 65536 };
    struct stage *stage = arg;
    struct kitchen kitchen;
    int err = gyre_pool_create(&kitchen.pool, gyre_loop_current(), &options);

    (void)scope;
    if (err < 0)
        return err;
    stage->shared = &kitchen;
    stage->count = 0;
    err = gyre_scope_run(NULL, use_buffers, stage);
    if (err == 0)
        CHECK_EQ(stage->count, 5u);
    gyre_pool_destroy(kitchen.pool);
    return err;
}

PROGRAM(buffers_taken_in_turn, .spawns = 5);
