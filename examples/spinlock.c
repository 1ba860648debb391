/* SPDX-License-Identifier: MIT */
/*
 * spinlock - a few instructions between threads and a loop's callbacks
 *
 * A callback must not wait, so a list that threads and callbacks share is
 * guarded by a lock that is held for a moment only.
 */
#include <gyre/gyre.h>
#include <pthread.h>
#include <stdio.h>

enum { EACH = 10000 };

static gyre_spinlock lock = GYRE_SPINLOCK_INIT;
static unsigned long total;

static void add(void)
{
    gyre_spin_lock(&lock);
    total++;
    gyre_spin_unlock(&lock);
}

static void *thread_main(void *arg)
{
    for (int i = 0; i < EACH; i++)
        add();
    return arg;
}

static void in_callback(gyre_work *work)
{
    (void)work;
    for (int i = 0; i < EACH; i++)
        add();
}

int main(void)
{
    pthread_t threads[2];
    gyre_loop *loop;
    gyre_work work;

    if (gyre_loop_create(&loop, NULL) < 0) {
        fprintf(stderr, "spinlock: %s\n", gyre_loop_create_error());
        return 1;
    }
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, thread_main, NULL) != 0)
            return 1;
    gyre_loop_post(loop, &work, in_callback);
    (void)gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE);
    for (int i = 0; i < 2; i++)
        (void)pthread_join(threads[i], NULL);
    gyre_loop_destroy(loop);
    printf("spinlock: counted to %lu\n", total);
    return 0;
}
