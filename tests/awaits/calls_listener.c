/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/listener.h.
 */
#include "awaits/stage.h"

/* Whatever strikes: it is made. */
static gyre_listener *listener_up(void)
{
    gyre_listener *listener;
    gyre_scope shield;

    gyre_scope_open(&shield, &(gyre_scope_options){
                                 .shield = true,
                                 .deadline_ns = GYRE_NEVER,
                             });
    CHECK_OK(gyre_listener_open(&listener, "127.0.0.1:0", NULL));
    CHECK_OK(gyre_scope_close(&shield));
    return listener;
}

static int wait_listener_open(struct scene *scene)
{
    gyre_listener *listener;
    int err = AWAIT(scene, gyre_listener_open(&listener, "127.0.0.1:0", NULL));

    CHECK((err == 0) == (listener != NULL));
    gyre_listener_close(listener);
    return err;
}

SCENARIO(gyre_listener_open) = { .wait = wait_listener_open, .many = true };

static int nobody_calls(gyre_connection *connection)
{
    (void)connection;
    FAIL("nobody called");
}

static int wait_listener_serve(struct scene *scene)
{
    gyre_listener *listener = listener_up();
    gyre_scope scope;
    int err;

    gyre_scope_open(&scope, NULL);
    scene->value = listener;
    err =
        AWAIT(scene, gyre_listener_serve(listener, &scope, nobody_calls, NULL));
    scene->value = NULL;
    CHECK_OK(gyre_scope_close(&scope));
    gyre_listener_close(listener);
    return err;
}

static void stop_listener(struct scene *scene)
{
    while (!scene->begun && !scene->done)
        linger(scene);
    linger(scene);
    linger(scene);
    if (scene->value != NULL)
        gyre_listener_stop(scene->value);
}

SCENARIO(gyre_listener_serve) = { .wait = wait_listener_serve,
                                  .help = stop_listener,
                                  .many = true };

static int wait_listener_close(struct scene *scene)
{
    gyre_listener *listener = listener_up();

    return AWAIT(scene, (gyre_listener_close(listener), 0));
}

SCENARIO(gyre_listener_close) = { .wait = wait_listener_close,
                                  .deaf = { true } };
