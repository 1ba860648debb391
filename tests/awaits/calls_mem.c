/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/buffers.h and gyre/incoming.h.
 *
 * A pool lives no longer than the call: the task that waits makes it, and gives
 * back what the helper had no time to.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "awaits/stage.h"
#include "io/world.h"
#include "runner/patient.h"

static gyre_pool *pool;
static gyre_buffer_group *group;

static void pool_open(void)
{
    CHECK_OK(gyre_pool_create(&pool, gyre_loop_current(),
                              &(gyre_pool_options){ .bytes_max = 65536 }));
}

/* ---- a buffer ------------------------------------------------------------ */

static void give_buffer(struct scene *scene)
{
    if (scene->value != NULL)
        gyre_pool_put(pool, scene->value);
    scene->value = NULL;
}

static void help_with_buffer(struct scene *scene)
{
    linger(scene);
    give_buffer(scene);
}

static int wait_pool(struct scene *scene)
{
    void *buffer = NULL;
    int err;

    pool_open();
    scene->value = gyre_pool_get(pool, 65536);
    err = AWAIT(scene, gyre_pool_get_wait(pool, 65536, &buffer));
    CHECK_EQ(buffer != NULL, err == 0);
    gyre_pool_put(pool, buffer);
    give_buffer(scene);
    gyre_pool_destroy(pool);
    return err;
}

SCENARIO(gyre_pool_get_wait) = { .wait = wait_pool, .help = help_with_buffer };

/* ---- what comes in ------------------------------------------------------- */

static void pair_up(struct scene *scene)
{
    pair_open(scene->fds);
}

static void send_byte(struct scene *scene)
{
    linger(scene);
    CHECK_EQ(write(scene->fds[1], "x", 1), 1);
}

static void group_open(void)
{
    pool_open();
    CHECK_OK(gyre_buffer_group_create(
        &group, pool,
        &(gyre_buffer_group_options){ .count = 4, .buffer_size = 1024 }));
}

static void group_close(gyre_incoming *in)
{
    gyre_incoming_close(in);
    gyre_buffer_group_destroy(group);
    gyre_pool_destroy(pool);
}

static int wait_next(struct scene *scene)
{
    gyre_slice slice = { 0 };
    gyre_incoming in;
    int n;

    group_open();
    CHECK_OK(gyre_incoming_recv(&in, scene->fds[0], group, NULL));
    n = AWAIT(scene, gyre_incoming_next(&in, &slice));
    gyre_slice_release(&slice);
    group_close(&in);
    return n;
}

SCENARIO(gyre_incoming_next) = {
    .wait = wait_next, .help = send_byte, .set_up = pair_up, .result = { 1 }
};

static int wait_next_message(struct scene *scene)
{
    gyre_slice slice = { 0 };
    gyre_message message;
    gyre_incoming in;
    int n;

    group_open();
    CHECK_OK(gyre_incoming_recvmsg(&in, scene->fds[0], group, NULL));
    n = AWAIT(scene, gyre_incoming_next_message(&in, &message, &slice));
    gyre_slice_release(&slice);
    group_close(&in);
    return n;
}

SCENARIO(gyre_incoming_next_message) = { .wait = wait_next_message,
                                         .help = send_byte,
                                         .set_up = pair_up,
                                         .result = { 1 } };

static struct sockaddr_in address;

static void listen_up(struct scene *scene)
{
    scene->fds[0] = listen_open(&address, 4);
}

static void connect_one(struct scene *scene)
{
    linger(scene);
    scene->fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(scene->fds[1] >= 0);
    CHECK_OK(patient_connect(scene->fds[1], (struct sockaddr *)&address,
                             sizeof address));
}

static int wait_next_fd(struct scene *scene)
{
    gyre_incoming in;
    int fd;

    CHECK_OK(gyre_incoming_accept(&in, scene->fds[0], NULL));
    fd = AWAIT(scene, gyre_incoming_next_fd(&in));
    if (fd >= 0) {
        CHECK_OK(close(fd));
        fd = 0;
    }
    gyre_incoming_close(&in);
    return fd;
}

SCENARIO(gyre_incoming_next_fd) = { .wait = wait_next_fd,
                                    .help = connect_one,
                                    .set_up = listen_up };

static int wait_close(struct scene *scene)
{
    gyre_incoming in;

    group_open();
    CHECK_OK(gyre_incoming_recv(&in, scene->fds[0], group, NULL));
    /* Let the kernel have the request, if the scope lets it. */
    (void)gyre_yield();
    (void)AWAIT(scene, (gyre_incoming_close(&in), 0));
    group_close(&in);
    return 0;
}

SCENARIO(gyre_incoming_close) = { .wait = wait_close,
                                  .set_up = pair_up,
                                  .deaf = { true } };
