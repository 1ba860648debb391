/* SPDX-License-Identifier: MIT */
/*
 * select - wait for bytes, messages, a time and a task at once
 *
 * Exactly one case is done each time, and the others have taken nothing. The
 * receive is a request to the kernel: if it loses, it is cancelled, and has
 * ended when gyre_select() returns.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <stdio.h>
#include <sys/socket.h>

static gyre_channel *messages;
static int sockets[2];

static int other_side(void *arg)
{
    (void)arg;
    gyre_send_all(sockets[1], "hello", 5, 0);
    gyre_sleep(5 * GYRE_MS);
    for (int i = 1; i <= 2; i++)
        if (gyre_channel_send(messages, &i) != 0)
            break;
    gyre_sleep(300 * GYRE_MS);
    return 42;
}

static int loop_until_it_ends(gyre_scope *scope, void *arg)
{
    gyre_task *task;
    bool ticked = false;
    int err = gyre_spawn_with(scope, NULL, other_side, NULL, &task);

    (void)arg;
    while (err == 0) {
        uint64_t now = gyre_loop_update_now(gyre_loop_current());
        int message, result;
        char buffer[16];
        gyre_op op;
        gyre_case cases[] = {
            gyre_on_op(&op),
            gyre_on_recv(messages, &message),
            gyre_on_timer(ticked ? GYRE_NEVER : now + 60 * GYRE_MS),
            gyre_on_task(task, &result),
        };

        gyre_op_recv(&op, sockets[0], buffer, sizeof buffer, 0);
        switch (gyre_select(cases, 4)) {
        case 0:
            printf("select: %.*s\n", cases[0].result, buffer);
            break;
        case 1:
            printf("select: message %d\n", message);
            break;
        case 2:
            printf("select: nothing for 60 ms\n");
            ticked = true;
            break;
        case 3:
            printf("select: the other side has ended with %d\n", result);
            return 0;
        default:
            return -ECANCELED;
        }
    }
    return err;
}

static int run(void *arg)
{
    return gyre_scope_run(NULL, loop_until_it_ends, arg);
}

int main(void)
{
    int err = gyre_channel_create(&messages, sizeof(int), NULL);

    if (err != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0)
        return 1;
    err = gyre_run(NULL, run, NULL);
    gyre_channel_destroy(messages);
    return err < 0;
}
