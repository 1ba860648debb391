/* SPDX-License-Identifier: MIT */
/*
 * mutex - tasks and threads share an account
 *
 * A transfer waits in the middle, so without the lock the sum would be wrong
 * for those who look meanwhile.
 */
#include <gyre/gyre.h>
#include <pthread.h>
#include <stdio.h>

enum { TRANSFERS = 100 };

static gyre_mutex mutex = GYRE_MUTEX_INIT;
static long left = 1000, right = 1000;
static int wrong_sums;

static int transfer(void)
{
    GYRE_GUARD(guard, &mutex); /* unlocks at the end of the block */
    if (guard.error < 0)
        return guard.error;
    wrong_sums += left + right != 2000;
    left -= 7;
    if (gyre_task_current() != NULL)
        (void)gyre_yield();
    right += 7;
    return 0;
}

static int transfer_often(void *arg)
{
    int err = 0;

    (void)arg;
    for (int i = 0; i < TRANSFERS && err == 0; i++)
        err = transfer();
    return err;
}

static void *thread_main(void *arg)
{
    (void)transfer_often(NULL);
    return arg;
}

static int spawn_all(gyre_scope *scope, void *arg)
{
    int err = 0;

    (void)arg;
    for (int i = 0; i < 3 && err == 0; i++)
        err = gyre_spawn(scope, transfer_often, NULL);
    return err;
}

static int run(void *arg)
{
    return gyre_scope_run(NULL, spawn_all, arg);
}

int main(void)
{
    pthread_t thread;
    int err;

    if (pthread_create(&thread, NULL, thread_main, NULL) != 0)
        return 1;
    err = gyre_run(NULL, run, NULL);
    (void)pthread_join(thread, NULL);
    gyre_mutex_destroy(&mutex);
    printf("mutex: %ld moved, %d wrong sums\n", right - 1000, wrong_sums);
    return err < 0;
}
