/* SPDX-License-Identifier: MIT */
/*
 * locals - a value for a task and all that is below it
 *
 * Each request binds its number; the functions deep down that log look it up,
 * also in tasks that the request has spawned, and nobody passes it along.
 */
#include <gyre/gyre.h>
#include <stdio.h>

static const char request_key;

static void say(const char *what)
{
    const int *request = gyre_local_get(&request_key);

    printf("[request %d] %s\n", request != NULL ? *request : 0, what);
}

static int query(void *arg)
{
    (void)arg;
    gyre_yield();
    say("a query, in a task of its own");
    return 0;
}

static int handle(gyre_scope *scope, void *arg)
{
    (void)arg;
    say("begins");
    return gyre_spawn(scope, query, NULL);
}

static int request(void *arg)
{
    gyre_local local;
    int err;

    gyre_local_bind(&local, &request_key, arg);
    err = gyre_scope_run(NULL, handle, NULL);
    say("ends");
    return err;
}

static int both(gyre_scope *scope, void *arg)
{
    static int numbers[2] = { 1, 2 };
    int err = gyre_spawn(scope, request, &numbers[0]);

    (void)arg;
    if (err == 0)
        err = gyre_spawn(scope, request, &numbers[1]);
    return err;
}

static int run(void *arg)
{
    int err;

    say("not in a request");
    err = gyre_scope_run(NULL, both, arg);
    return err;
}

int main(void)
{
    return gyre_run(NULL, run, NULL) < 0;
}
