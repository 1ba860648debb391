/* SPDX-License-Identifier: MIT */
/*
 * bound - no more than so many at a time
 *
 * A hundred jobs, of which eight are under way at most: when the scope is full,
 * the spawn waits until one has ended. So a slow consumer slows its producer
 * down, and no job is dropped.
 */
#include <gyre/gyre.h>
#include <stdio.h>

static int running, most, done;

static int job(void *arg)
{
    (void)arg;
    if (++running > most)
        most = running;
    gyre_sleep(GYRE_MS);
    running--;
    done++;
    return 0;
}

static int produce(gyre_scope *scope, void *arg)
{
    for (int i = 0; i < 100; i++) {
        int err = gyre_spawn(scope, job, arg);

        if (err != 0)
            return err;
    }
    return 0;
}

static int run(void *arg)
{
    int err =
        gyre_scope_run(&(gyre_scope_options){ .max_tasks = 8 }, produce, arg);

    printf("%d jobs, %d at a time\n", done, most);
    return err;
}

int main(void)
{
    return gyre_run(NULL, run, NULL) < 0;
}
