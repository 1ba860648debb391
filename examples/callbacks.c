/* SPDX-License-Identifier: MIT */
/*
 * callbacks - the completion tier: no stacks, no allocation, one struct each
 *
 * Sends a counter back and forth over a pair of sockets ROUNDS times, while a
 * timer ticks. An op is started again from its own callback.
 */
#include <gyre/gyre.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 1000 };

struct end {
    gyre_op receive;
    gyre_op send;
    int fd;
    unsigned count;
    gyre_loop *loop;
};

static void sent(gyre_op *op, gyre_result result)
{
    (void)op;
    if (result.res < 0)
        fprintf(stderr, "send: %s\n", gyre_strerror(result.res));
}

static void received(gyre_op *op, gyre_result result)
{
    struct end *end = op->user;

    if (result.res != sizeof end->count) /* the other end has closed */
        return;
    if (++end->count == ROUNDS) {
        shutdown(end->fd, SHUT_RDWR);
        return;
    }
    gyre_op_send(&end->send, end->fd, &end->count, sizeof end->count, 0);
    gyre_op_start(end->loop, &end->send, sent, end);
    gyre_op_restart(op); /* the same request again */
}

static void ticked(gyre_timer *timer, int status)
{
    unsigned *ticks = timer->user;

    if (status == 0 && ++*ticks == 3)
        gyre_timer_stop(timer);
}

int main(void)
{
    struct end ends[2] = { { .count = 0 }, { .count = 0 } };
    gyre_timer timer;
    unsigned ticks = 0;
    gyre_loop *loop;
    int fds[2], err;

    err = gyre_loop_create(&loop, NULL);
    if (err < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
        fprintf(stderr, "callbacks: %s\n", gyre_loop_create_error());
        return 1;
    }
    for (int i = 0; i < 2; i++) {
        struct end *end = &ends[i];

        end->fd = fds[i];
        end->loop = loop;
        gyre_op_recv(&end->receive, fds[i], &end->count, sizeof end->count,
                     MSG_WAITALL);
        gyre_op_start(loop, &end->receive, received, end);
    }
    gyre_timer_init(&timer, loop, ticked, &ticks);
    gyre_timer_start_repeating(&timer, gyre_loop_now(loop) + GYRE_MS, GYRE_MS);
    gyre_op_send(&ends[0].send, fds[0], &ends[0].count, sizeof ends[0].count,
                 0);
    gyre_op_start(loop, &ends[0].send, sent, &ends[0]);

    err = gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE);
    printf("callbacks: counted to %u, ticked %u times\n",
           ends[0].count > ends[1].count ? ends[0].count : ends[1].count,
           ticks);
    gyre_loop_destroy(loop);
    close(fds[0]);
    close(fds[1]);
    return err < 0;
}
