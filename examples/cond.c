/* SPDX-License-Identifier: MIT */
/*
 * cond - a bounded buffer: producers wait for room, consumers for items
 */
#include <gyre/gyre.h>
#include <stdio.h>

enum { ITEMS = 100, ROOM = 4 };

struct buffer {
    gyre_mutex mutex;
    gyre_cond has_room, has_items;
    int items[ROOM];
    int count;
};

static struct buffer buffer = { .mutex = GYRE_MUTEX_INIT,
                                .has_room = GYRE_COND_INIT,
                                .has_items = GYRE_COND_INIT };
static long sum;

static bool is_roomy(void *arg)
{
    struct buffer *b = arg;

    return b->count < ROOM;
}

static bool is_filled(void *arg)
{
    struct buffer *b = arg;

    return b->count > 0;
}

static int produce(void *arg)
{
    (void)arg;
    for (int i = 1; i <= ITEMS; i++) {
        int err = gyre_mutex_lock(&buffer.mutex);

        if (err < 0)
            return err;
        err = gyre_cond_wait_for(&buffer.has_room, &buffer.mutex, is_roomy,
                                 &buffer, GYRE_NEVER);
        if (err == 0)
            buffer.items[buffer.count++] = i;
        gyre_cond_notify_one(&buffer.has_items);
        gyre_mutex_unlock(&buffer.mutex);
        if (err < 0)
            return err;
    }
    return 0;
}

static int consume(void *arg)
{
    (void)arg;
    for (int i = 0; i < ITEMS; i++) {
        int err = gyre_mutex_lock(&buffer.mutex);

        if (err < 0)
            return err;
        err = gyre_cond_wait_for(&buffer.has_items, &buffer.mutex, is_filled,
                                 &buffer, GYRE_NEVER);
        if (err == 0)
            sum += buffer.items[--buffer.count];
        gyre_cond_notify_one(&buffer.has_room);
        gyre_mutex_unlock(&buffer.mutex);
        if (err < 0)
            return err;
    }
    return 0;
}

static int spawn_all(gyre_scope *scope, void *arg)
{
    int err = 0;

    (void)arg;
    for (int i = 0; i < 3 && err == 0; i++) {
        err = gyre_spawn(scope, consume, NULL);
        if (err == 0)
            err = gyre_spawn(scope, produce, NULL);
    }
    return err;
}

static int run(void *arg)
{
    return gyre_scope_run(NULL, spawn_all, arg);
}

int main(void)
{
    int err = gyre_run(NULL, run, NULL);

    printf("cond: sum %ld, %d left\n", sum, buffer.count);
    return err < 0;
}
