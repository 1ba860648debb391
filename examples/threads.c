/* SPDX-License-Identifier: MIT */
/*
 * threads - other threads hand work to a loop
 *
 * Four threads post a thousand pieces of work each. The loop runs them on its
 * own thread, so the counter needs no lock; and it wakes once for many.
 */
#include <gyre/gyre.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, EACH = 1000 };

static gyre_loop *loop;
static unsigned count;

static void add_one(gyre_work *work)
{
    free(work);
    if (++count == THREADS * EACH)
        gyre_loop_stop(loop);
}

static void *post_many(void *arg)
{
    for (int i = 0; i < EACH; i++) {
        gyre_work *work = malloc(sizeof *work);

        if (work == NULL)
            abort();
        gyre_loop_post(loop, work, add_one);
    }
    return arg;
}

int main(void)
{
    pthread_t threads[THREADS];
    gyre_loop_stats stats = { .size = sizeof stats };
    gyre_wake_counts wakes;

    if (gyre_loop_create(&loop, NULL) < 0) {
        fprintf(stderr, "threads: %s\n", gyre_loop_create_error());
        return 1;
    }
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, post_many, NULL) != 0)
            abort();
    gyre_loop_run(loop, GYRE_RUN_FOREVER);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    wakes = gyre_loop_take_wakes(loop);
    gyre_loop_get_stats(loop, &stats);
    printf("threads: %u pieces of work (%u posted), %s\n", count, wakes.tasks,
           stats.wakes < THREADS * EACH ? "fewer wakes" : "a wake for each");
    gyre_loop_destroy(loop);
    return 0;
}
