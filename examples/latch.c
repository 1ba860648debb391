/* SPDX-License-Identifier: MIT */
/*
 * latch - serving begins when all parts have started
 */
#include <gyre/gyre.h>
#include <stdio.h>

enum { PARTS = 3 };

static gyre_latch started = GYRE_LATCH_INIT(PARTS);
static int parts_up, served, too_early;

static int start_part(void *arg)
{
    int *part = arg;
    int err = gyre_sleep((uint64_t)*part * GYRE_MS);

    if (err < 0)
        return err;
    parts_up++;
    gyre_latch_count_down(&started, 1);
    return 0;
}

static int serve(void *arg)
{
    int err = gyre_latch_wait(&started);

    (void)arg;
    if (err < 0)
        return err;
    too_early += parts_up < PARTS;
    served++;
    return 0;
}

static int spawn_all(gyre_scope *scope, void *arg)
{
    int *delays = arg;
    int err = 0;

    for (int i = 0; i < 5 && err == 0; i++)
        err = gyre_spawn(scope, serve, NULL);
    for (int i = 0; i < PARTS && err == 0; i++)
        err = gyre_spawn(scope, start_part, &delays[i]);
    return err;
}

static int run(void *arg)
{
    int delays[PARTS] = { 2, 0, 1 };

    (void)arg;
    return gyre_scope_run(NULL, spawn_all, delays);
}

int main(void)
{
    int err = gyre_run(NULL, run, NULL);
    bool is_open = gyre_latch_is_open(&started);

    gyre_latch_destroy(&started);
    printf("latch: %s, %d served, %d too early\n", is_open ? "open" : "closed",
           served, too_early);
    return err < 0;
}
