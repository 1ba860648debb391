/* SPDX-License-Identifier: MIT */
/*
 * wait-group - a shutdown waits for the requests under way, but not for ever
 */
#include <gyre/gyre.h>
#include <stdio.h>

static gyre_wait_group requests = GYRE_WAIT_GROUP_INIT;
static int answered;

static int request(void *arg)
{
    const uint64_t *delay_ns = arg;

    if (gyre_sleep(*delay_ns) == 0)
        answered++;
    gyre_wait_group_done(&requests);
    return 0;
}

static int begin(gyre_scope *scope, uint64_t *delay_ns)
{
    int err;

    gyre_wait_group_add(&requests, 1);
    err = gyre_spawn(scope, request, delay_ns);
    if (err < 0)
        gyre_wait_group_done(&requests);
    return err;
}

static int serve(gyre_scope *scope, void *arg)
{
    static uint64_t delays[] = { GYRE_MS, 2 * GYRE_MS, 1000 * GYRE_SECOND };
    uint64_t now;
    int err = 0;

    (void)arg;
    for (int i = 0; i < 2 && err == 0; i++)
        err = begin(scope, &delays[i]);
    if (err == 0)
        err = gyre_wait_group_wait(&requests);
    if (err == 0)
        err = begin(scope, &delays[2]);
    if (err < 0)
        return err;
    now = gyre_loop_update_now(gyre_loop_current());
    err = gyre_wait_group_wait_until(&requests, now + 20 * GYRE_MS);
    printf("wait-group: %d answered, the last: %s\n", answered,
           gyre_error_name(err));
    gyre_scope_cancel(scope);
    return 0;
}

static int run(void *arg)
{
    int err = gyre_scope_run(NULL, serve, arg);

    gyre_wait_group_destroy(&requests);
    return err;
}

int main(void)
{
    return gyre_run(NULL, run, NULL) < 0;
}
