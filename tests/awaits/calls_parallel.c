/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/parallel.h.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "awaits/stage.h"
#include "io/world.h"

static void pair_up(struct scene *scene)
{
    pair_open(scene->fds);
}

static void send_four(struct scene *scene)
{
    CHECK_EQ(send(scene->fds[1], "abcd", 4, MSG_NOSIGNAL), 4);
}

/* A byte for each index. What it has received is its caller's. */
static int receive(size_t from, size_t to, void *arg)
{
    struct scene *scene = arg;

    for (size_t i = from; i < to; i++) {
        int n = (int)gyre_recv(scene->fds[0], scene->bytes, 1, 0);

        if (n < 0)
            return n;
    }
    return 0;
}

static int wait_parallel_for(struct scene *scene)
{
    return AWAIT(scene, gyre_parallel_for(4, 1, receive, scene));
}

SCENARIO(gyre_parallel_for) = { .wait = wait_parallel_for,
                                .help = send_four,
                                .set_up = pair_up,
                                .many = true };

/* A thread takes each piece, which does not block, or is waited for. */
static int count_pieces(size_t from, size_t to, void *arg)
{
    (void)from, (void)to, (void)arg;
    return 0;
}

static int wait_parallel_blocking(struct scene *scene)
{
    return AWAIT(scene, gyre_parallel_blocking(4, 1, count_pieces, scene));
}

SCENARIO(gyre_parallel_blocking) = { .wait = wait_parallel_blocking,
                                     .many = true };

static int receive_into(void *value, size_t from, size_t to, void *arg)
{
    int err = receive(from, to, arg);

    *(int *)value += (int)(to - from);
    return err;
}

static void add_up(void *value, const void *other, void *arg)
{
    (void)arg;
    *(int *)value += *(const int *)other;
}

static int wait_parallel_reduce(struct scene *scene)
{
    static const gyre_reduction counts = { .size = sizeof(int),
                                           .fold = receive_into,
                                           .combine = add_up };
    int count = 0;
    int err = AWAIT(scene, gyre_parallel_reduce(4, 2, &counts, &count, scene));

    return err < 0 ? err : count;
}

SCENARIO(gyre_parallel_reduce) = { .wait = wait_parallel_reduce,
                                   .help = send_four,
                                   .set_up = pair_up,
                                   .result = { 4 },
                                   .many = true };
