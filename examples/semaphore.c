/* SPDX-License-Identifier: MIT */
/*
 * semaphore - at most three jobs at a time, and a large one that counts double
 *
 * Who cannot start before a deadline does without.
 */
#include <gyre/gyre.h>
#include <stdio.h>

enum { UNITS = 3 };

static gyre_semaphore units = GYRE_SEMAPHORE_INIT(UNITS);
static unsigned busy, most, done, given_up;

static int job(void *arg)
{
    unsigned weight = arg != NULL ? 2 : 1;
    int err = gyre_semaphore_acquire(&units, weight);

    if (err < 0)
        return err;
    busy += weight;
    if (busy > most)
        most = busy;
    err = gyre_sleep(GYRE_MS);
    busy -= weight;
    done++;
    gyre_semaphore_release(&units, weight);
    return err;
}

static int impatient(void *arg)
{
    uint64_t now = gyre_loop_update_now(gyre_loop_current());
    int err = gyre_semaphore_acquire_until(&units, UNITS, now);

    (void)arg;
    if (err == 0)
        gyre_semaphore_release(&units, UNITS);
    else
        given_up++; /* -ETIMEDOUT, or a cancel */
    return 0;
}

static int spawn_all(gyre_scope *scope, void *arg)
{
    int err = 0;

    for (int i = 0; i < 9 && err == 0; i++)
        err = gyre_spawn(scope, job, i % 3 == 0 ? arg : NULL);
    return err == 0 ? gyre_spawn(scope, impatient, NULL) : err;
}

static int run(void *arg)
{
    return gyre_scope_run(NULL, spawn_all, arg);
}

int main(void)
{
    int err = gyre_run(NULL, run, &units);

    printf("semaphore: %u jobs, at most %u units busy, %u gave up, %u left\n",
           done, most, given_up, (unsigned)gyre_semaphore_units(&units));
    gyre_semaphore_destroy(&units);
    return err < 0;
}
