/* SPDX-License-Identifier: MIT */
/*
 * hosted - a gyre loop inside somebody else's poll loop
 *
 * The host knows one descriptor and one deadline of gyre's. Here the host is
 * poll(2), which also watches a pipe of its own.
 */
#include <gyre/gyre.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned ticks;

static void ticked(gyre_timer *timer, int status)
{
    if (status == 0 && ++ticks == 5)
        gyre_timer_stop(timer);
}

static void received(gyre_op *op, gyre_result result)
{
    printf("hosted: received %d bytes: %s\n", result.res, (char *)op->user);
}

/* Milliseconds for poll(), rounded up: never early. */
static int timeout_until(gyre_loop *loop, uint64_t deadline_ns)
{
    uint64_t now = gyre_loop_update_now(loop);

    if (deadline_ns == GYRE_NEVER)
        return -1;
    if (deadline_ns <= now)
        return 0;
    return (int)((deadline_ns - now + GYRE_MS - 1) / GYRE_MS);
}

int main(void)
{
    char buffer[16] = "";
    struct pollfd polled[2];
    gyre_timer timer;
    gyre_loop *loop;
    gyre_op op;
    int pair[2], own[2];
    bool own_seen = false;

    if (gyre_loop_create(&loop, NULL) < 0 || pipe(own) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return 1;
    gyre_op_recv(&op, pair[0], buffer, sizeof buffer - 1, 0);
    gyre_op_start(loop, &op, received, buffer);
    gyre_timer_init(&timer, loop, ticked, NULL);
    gyre_timer_start_repeating(&timer, gyre_loop_now(loop) + GYRE_MS, GYRE_MS);

    polled[0] = (struct pollfd){ gyre_loop_fd(loop), POLLIN, 0 };
    polled[1] = (struct pollfd){ own[0], POLLIN, 0 };
    if (write(own[1], "!", 1) != 1)
        return 1;
    while (ticks < 5 || !own_seen || gyre_op_state(&op) != GYRE_OP_IDLE) {
        uint64_t deadline_ns;

        if (ticks == 3 && gyre_op_state(&op) != GYRE_OP_IDLE &&
            write(pair[1], "a guest", 7) != 7)
            return 1;
        if (gyre_loop_prepare(loop, &deadline_ns) < 0 ||
            poll(polled, 2, timeout_until(loop, deadline_ns)) < 0)
            return 1;
        if ((polled[1].revents & POLLIN) != 0) {
            own_seen = true;
            polled[1].fd = -1;
        }
        if (gyre_loop_run(loop, GYRE_RUN_NOWAIT) < 0)
            return 1;
    }
    printf("hosted: %u ticks, and the host's own pipe was served\n", ticks);
    gyre_loop_destroy(loop);
    return 0;
}
