/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/channel.h.
 *
 * As in calls_sync.c: the second way is GYRE_LOCAL, and the _until forms are
 * ended by their own deadline in it.
 */
#include <errno.h>
#include <gyre/error.h>

#include "awaits/stage.h"

static unsigned flags(const struct scene *scene)
{
    return scene->way == 1 ? GYRE_LOCAL : 0;
}

static void keep(struct scene *scene)
{
    if (scene->scenario->result[scene->way] == -ETIMEDOUT)
        linger_until_done(scene);
    else
        linger(scene);
}

/* ---- channel: an element is sent or it is not, received or still there --- */

/* For one element. */
static void channel_up(struct scene *scene)
{
    gyre_channel_options options = { .capacity = 1, .flags = flags(scene) };

    CHECK_OK(gyre_channel_create(&scene->channel, sizeof(unsigned), &options));
}

static void full_up(struct scene *scene)
{
    const unsigned first = 1;

    channel_up(scene);
    CHECK_OK(gyre_channel_try_send(scene->channel, &first));
}

static void channel_down(struct scene *scene)
{
    gyre_channel_destroy(scene->channel);
}

/* After a send of 2 that succeeded it is the one element left. */
static void sent_down(struct scene *scene)
{
    unsigned element = 0;

    if (scene->result == 0) {
        CHECK_OK(gyre_channel_try_recv(scene->channel, &element));
        CHECK_EQ(element, 2u);
    }
    CHECK_ERR(gyre_channel_try_recv(scene->channel, &element), -EAGAIN);
    channel_down(scene);
}

static void take_first(struct scene *scene)
{
    unsigned element = 0;

    keep(scene);
    CHECK_OK(gyre_channel_try_recv(scene->channel, &element));
    CHECK_EQ(element, 1u);
}

static int wait_send(struct scene *scene)
{
    const unsigned second = 2;

    return AWAIT(scene, gyre_channel_send(scene->channel, &second));
}

SCENARIO(gyre_channel_send) = { .wait = wait_send,
                                .help = take_first,
                                .set_up = full_up,
                                .tear_down = sent_down,
                                .ways = 2 };

static int wait_send_until(struct scene *scene)
{
    const unsigned second = 2;
    uint64_t deadline = own_deadline(scene);

    return AWAIT(scene,
                 gyre_channel_send_until(scene->channel, &second, deadline));
}

SCENARIO(gyre_channel_send_until) = { .wait = wait_send_until,
                                      .help = take_first,
                                      .set_up = full_up,
                                      .tear_down = sent_down,
                                      .ways = 2,
                                      .result = { 0, -ETIMEDOUT } };

static void send_seven(struct scene *scene)
{
    const unsigned seven = 7;

    keep(scene);
    CHECK_OK(gyre_channel_try_send(scene->channel, &seven));
}

/* What was sent was received, or is still there. */
static void received_down(struct scene *scene)
{
    CHECK_EQ(scene->count, scene->result == 0 ? 7u : 0u);
    CHECK_EQ(gyre_channel_length(scene->channel), scene->result == 0 ? 0u : 1u);
    channel_down(scene);
}

static int wait_recv(struct scene *scene)
{
    return AWAIT(scene, gyre_channel_recv(scene->channel, &scene->count));
}

SCENARIO(gyre_channel_recv) = { .wait = wait_recv,
                                .help = send_seven,
                                .set_up = channel_up,
                                .tear_down = received_down,
                                .ways = 2 };

static int wait_recv_until(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);

    return AWAIT(scene, gyre_channel_recv_until(scene->channel, &scene->count,
                                                deadline));
}

SCENARIO(gyre_channel_recv_until) = { .wait = wait_recv_until,
                                      .help = send_seven,
                                      .set_up = channel_up,
                                      .tear_down = received_down,
                                      .ways = 2,
                                      .result = { 0, -ETIMEDOUT } };

/* ---- oneshot ------------------------------------------------------------- */

static void oneshot_up(struct scene *scene)
{
    gyre_oneshot_init(&scene->sync.oneshot, flags(scene));
}

/* The value came to the receiver, in the call or now. */
static void oneshot_received(struct scene *scene)
{
    void *value = NULL;

    if (scene->result != 0) {
        CHECK(gyre_oneshot_close_recv(&scene->sync.oneshot, &value));
        CHECK(value == scene);
    }
    gyre_oneshot_destroy(&scene->sync.oneshot);
}

static void oneshot_send(struct scene *scene)
{
    keep(scene);
    CHECK_OK(gyre_oneshot_send(&scene->sync.oneshot, scene));
}

static int wait_oneshot(struct scene *scene)
{
    int err =
        AWAIT(scene, gyre_oneshot_recv(&scene->sync.oneshot, &scene->value));

    CHECK(scene->value == (err == 0 ? scene : NULL));
    return err;
}

SCENARIO(gyre_oneshot_recv) = { .wait = wait_oneshot,
                                .help = oneshot_send,
                                .set_up = oneshot_up,
                                .tear_down = oneshot_received,
                                .ways = 2 };

static int wait_oneshot_until(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);
    int err = AWAIT(scene, gyre_oneshot_recv_until(&scene->sync.oneshot,
                                                   &scene->value, deadline));

    CHECK(scene->value == (err == 0 ? scene : NULL));
    return err;
}

SCENARIO(gyre_oneshot_recv_until) = { .wait = wait_oneshot_until,
                                      .help = oneshot_send,
                                      .set_up = oneshot_up,
                                      .tear_down = oneshot_received,
                                      .ways = 2,
                                      .result = { 0, -ETIMEDOUT } };

static void receiver_closes(struct scene *scene)
{
    void *value;

    keep(scene);
    CHECK(!gyre_oneshot_close_recv(&scene->sync.oneshot, &value));
}

static void oneshot_closed(struct scene *scene)
{
    gyre_oneshot_close_send(&scene->sync.oneshot);
    gyre_oneshot_destroy(&scene->sync.oneshot);
}

static int wait_closed(struct scene *scene)
{
    return AWAIT(scene, gyre_oneshot_wait_closed(&scene->sync.oneshot));
}

SCENARIO(gyre_oneshot_wait_closed) = { .wait = wait_closed,
                                       .help = receiver_closes,
                                       .set_up = oneshot_up,
                                       .tear_down = oneshot_closed,
                                       .ways = 2 };
