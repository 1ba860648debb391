/* SPDX-License-Identifier: MIT */
/*
 * once - the first who needs it connects; the others wait for it
 *
 * The first try fails, so the next in line tries again.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <stdio.h>

static gyre_once connected = GYRE_ONCE_INIT;
static int tries, users, failures;

static int connect_slowly(void *arg)
{
    int err = gyre_sleep(GYRE_MS);

    (void)arg;
    if (err < 0)
        return err;
    return ++tries == 1 ? -ECONNREFUSED : 0;
}

static int user(void *arg)
{
    if (gyre_once_run(&connected, connect_slowly, arg) < 0)
        failures++;
    else
        users++;
    return 0;
}

static int spawn_all(gyre_scope *scope, void *arg)
{
    int err = 0;

    for (int i = 0; i < 5 && err == 0; i++)
        err = gyre_spawn(scope, user, arg);
    return err;
}

static int run(void *arg)
{
    return gyre_scope_run(NULL, spawn_all, arg);
}

int main(void)
{
    int err = gyre_run(NULL, run, NULL);

    printf("once: %d tries, %d failed, %d use it\n", tries, failures, users);
    gyre_once_destroy(&connected);
    return err < 0;
}
