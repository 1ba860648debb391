/* SPDX-License-Identifier: MIT */
/*
 * boxes_by_gyre.c - a thread with a loop, which is posted to
 */
#include <gyre/gyre.h>

#include "boxes.h"

struct box {
    gyre_loop *loop;
    pthread_t thread;
    int cpu;
    int error;
    sem_t ready;
};

_Static_assert(sizeof(gyre_work) <= sizeof((struct letter *)0)->room,
               "a letter has room for work");

static void *run_box(void *arg)
{
    struct box *box = arg;

    mail_bind(box->cpu);
    box->error = gyre_loop_create(&box->loop, &bench_loop);
    sem_post(&box->ready);
    if (box->error < 0)
        return NULL;
    if (gyre_loop_run(box->loop, GYRE_RUN_FOREVER) != 1)
        abort();
    gyre_loop_destroy(box->loop);
    return NULL;
}

static struct box *create(int cpu)
{
    struct box *box = mail_alloc(sizeof *box);

    box->cpu = cpu;
    sem_init(&box->ready, 0, 0);
    if (pthread_create(&box->thread, NULL, run_box, box) != 0)
        abort();
    mail_wait(&box->ready);
    return box->error < 0 ? NULL : box;
}

static void open_letter(gyre_work *work)
{
    struct letter *letter = (void *)work;

    letter->open(letter);
}

static void post(struct box *box, struct letter *letter)
{
    gyre_loop_post(box->loop, (void *)letter->room, open_letter);
}

static void destroy(struct box *box)
{
    gyre_loop_stop(box->loop);
    pthread_join(box->thread, NULL);
    free(box);
}

const struct box_class box_of_loop = { create, post, destroy };
