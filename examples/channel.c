/* SPDX-License-Identifier: MIT */
/*
 * channel - tasks and a plain thread share work through two channels
 *
 * Four tasks take numbers and give back squares; a thread, which blocks where a
 * task would let others run, adds them up. The channels have few places: who is
 * too fast waits. Closing tells the other side that no more will come.
 */
#include <gyre/gyre.h>
#include <pthread.h>
#include <stdio.h>

static gyre_channel *numbers, *squares;

static int worker(void *arg)
{
    int n;

    (void)arg;
    while (gyre_channel_recv(numbers, &n) == 0) {
        n *= n;
        if (gyre_channel_send(squares, &n) != 0)
            break;
    }
    return 0;
}

static void *adder(void *arg)
{
    long *sum = arg;
    int n;

    while (gyre_channel_recv(squares, &n) == 0)
        *sum += n;
    return NULL;
}

static int start_workers(gyre_scope *scope, void *arg)
{
    int err = 0;

    for (int i = 0; err == 0 && i < 4; i++)
        err = gyre_spawn(scope, worker, arg);
    for (int n = 1; err == 0 && n <= 1000; n++)
        err = gyre_channel_send(numbers, &n);
    gyre_channel_close(numbers);
    return err;
}

static int run(void *arg)
{
    int err =
        gyre_scope_run(NULL, start_workers, arg); /* all have ended here */

    gyre_channel_close(squares);
    return err;
}

int main(void)
{
    gyre_channel_options options = { .capacity = 8 };
    pthread_t thread;
    long sum = 0;
    int err;

    if (gyre_channel_create(&numbers, sizeof(int), &options) != 0 ||
        gyre_channel_create(&squares, sizeof(int), &options) != 0 ||
        pthread_create(&thread, NULL, adder, &sum) != 0)
        return 1;
    err = gyre_run(NULL, run, NULL);
    gyre_channel_close(squares); /* also if there was no loop to run */
    pthread_join(thread, NULL);
    printf("channel: the squares up to 1000 add up to %ld\n", sum);
    gyre_channel_destroy(numbers);
    gyre_channel_destroy(squares);
    return err < 0;
}
