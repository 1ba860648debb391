/* SPDX-License-Identifier: MIT */
/*
 * libuv.c - the peer libuv: loops on threads, which are posted to
 *
 * uv_async_send() wakes a loop and may say so once for many, so whoever posts
 * needs a queue of his own, here under libuv's mutex.
 */
#include <uv.h>

#include "mail_peer.h"

struct box {
    uv_loop_t loop;
    uv_async_t async;
    uv_mutex_t mutex;
    uv_thread_t thread;
    struct letter *first, *last;
    int cpu;
};

static void on_async(uv_async_t *async)
{
    struct box *box = async->data;
    struct letter *letter;

    uv_mutex_lock(&box->mutex);
    letter = box->first;
    box->first = NULL;
    uv_mutex_unlock(&box->mutex);
    while (letter != NULL) {
        struct letter *next = letter->room[0];

        letter->open(letter);
        letter = next;
    }
}

static void run_box(void *arg)
{
    struct box *box = arg;

    mail_bind(box->cpu);
    uv_run(&box->loop, UV_RUN_DEFAULT);
}

static struct box *create(int cpu)
{
    struct box *box = mail_alloc(sizeof *box);

    box->cpu = cpu;
    box->async.data = box;
    if (uv_loop_init(&box->loop) != 0 || uv_mutex_init(&box->mutex) != 0 ||
        uv_async_init(&box->loop, &box->async, on_async) != 0 ||
        uv_thread_create(&box->thread, run_box, box) != 0)
        return NULL;
    return box;
}

static void post(struct box *box, struct letter *letter)
{
    letter->room[0] = NULL;
    uv_mutex_lock(&box->mutex);
    if (box->first == NULL)
        box->first = letter;
    else
        box->last->room[0] = letter;
    box->last = letter;
    uv_mutex_unlock(&box->mutex);
    uv_async_send(&box->async);
}

const struct box_class peer_boxes = { create, post, NULL };

static const struct peer_test tests[] = { PEER_MAIL_TESTS };

int main(void)
{
    return peer_main(tests, sizeof tests / sizeof tests[0]);
}
