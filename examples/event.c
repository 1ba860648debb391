/* SPDX-License-Identifier: MIT */
/*
 * event - a configuration is loaded by a thread, and tasks wait for it
 *
 * The value goes to all who wait and to all who come later.
 */
#include <gyre/gyre.h>
#include <pthread.h>
#include <stdio.h>

struct config {
    int port;
};

static gyre_event loaded = GYRE_EVENT_INIT;
static struct config config;
static int sum;

static void *load(void *arg)
{
    config.port = 8080; /* as if it took long */
    if (gyre_event_set(&loaded, &config) < 0)
        fprintf(stderr, "event: somebody has loaded it already\n");
    return arg;
}

static int serve(void *arg)
{
    void *value;
    int err = gyre_event_wait(&loaded, &value);

    (void)arg;
    if (err < 0)
        return err;
    sum += ((const struct config *)value)->port;
    return 0;
}

static int spawn_all(gyre_scope *scope, void *arg)
{
    int err = 0;

    for (int i = 0; i < 3 && err == 0; i++)
        err = gyre_spawn(scope, serve, arg);
    return err;
}

static int run(void *arg)
{
    pthread_t thread;
    int err;

    if (pthread_create(&thread, NULL, load, NULL) != 0)
        return -1;
    err = gyre_scope_run(NULL, spawn_all, arg);
    (void)pthread_join(thread, NULL);
    return err;
}

int main(void)
{
    int err = gyre_run(NULL, run, NULL);
    bool is_set = gyre_event_is_set(&loaded);

    gyre_event_destroy(&loaded);
    printf("event: sum of ports %d, %s\n", sum, is_set ? "set" : "not set");
    return err < 0;
}
