/* SPDX-License-Identifier: MIT */
/*
 * stall - who keeps the thread?
 *
 * One task computes for 300 ms without giving the others their turn. It is
 * named as long as it does so, and once more when it is done. Without a
 * function of one's own the text, with the calls, goes to standard error.
 */
#include <gyre/gyre.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static atomic_bool over;

/* On the watcher's thread. */
static void report(void *user, const gyre_stall *stall)
{
    (void)user;
    printf("stall: '%s' %s\n", stall->task != NULL ? stall->task : "?",
           stall->ended ? "has given it back" : "keeps the thread");
    atomic_store(&over, stall->ended);
}

static int compute(void *arg)
{
    clock_t end = clock() + 3 * CLOCKS_PER_SEC / 10;

    while (clock() < end)
        ;
    return arg != NULL;
}

static int both(gyre_scope *scope, void *arg)
{
    const gyre_stall_options options = { .threshold_ns = 50 * GYRE_MS,
                                         .report = report };
    const gyre_task_options named = { .name = "compute" };
    int err = gyre_loop_watch_stalls(gyre_loop_current(), &options);

    if (err == 0)
        err = gyre_spawn_with(scope, &named, compute, arg, NULL);
    while (err == 0 && !atomic_load(&over))
        err = gyre_sleep(GYRE_MS);
    return err;
}

static int run(void *arg)
{
    return gyre_scope_run(NULL, both, arg);
}

int main(void)
{
    int err = gyre_run(NULL, run, NULL);

    if (err < 0)
        fprintf(stderr, "stall: %s\n", gyre_strerror(err));
    return err < 0;
}
