/* SPDX-License-Identifier: MIT */
/*
 * race - ask several, take the first good answer
 *
 * The slow ones are cancelled, down to their receives in the kernel, and have
 * ended when gyre_race() returns; the one that failed does not win.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <stdio.h>
#include <sys/socket.h>

struct server {
    const char *name;
    uint64_t delay_ns;
    int error;
    int pair[2]; /* to it and back */
};

static int serve(void *arg)
{
    struct server *server = arg;
    int err = gyre_sleep(server->delay_ns);

    if (err == 0 && server->error == 0)
        err = gyre_send_all(server->pair[1], "42", 3, 0) < 0 ? -EPIPE : 0;
    return err;
}

static int ask(void *arg)
{
    struct server *server = arg;
    char answer[8];

    if (server->error != 0)
        return server->error;
    return (int)gyre_recv(server->pair[0], answer, sizeof answer, 0);
}

static int race(gyre_scope *scope, void *arg)
{
    struct server *servers = arg;
    gyre_branch branches[3];
    int winner;

    for (int i = 0; i < 3; i++) {
        int err = gyre_spawn(scope, serve, &servers[i]);

        if (err != 0)
            return err;
        branches[i] = (gyre_branch){ .fn = ask, .arg = &servers[i] };
    }
    winner = gyre_race(branches, 3);
    gyre_scope_cancel(scope); /* the servers go home */
    if (winner < 0)
        return winner;
    printf("race: %s was first\n", servers[winner].name);
    for (int i = 0; i < 3; i++)
        if (i != winner)
            printf("race: %s: %s\n", servers[i].name,
                   gyre_error_name(branches[i].result));
    return 0;
}

static int run(void *arg)
{
    struct server servers[] = {
        { .name = "the broken one", .error = -EIO },
        { .name = "the quick one", .delay_ns = 5 * GYRE_MS },
        { .name = "the slow one", .delay_ns = 1000 * GYRE_SECOND }
    };
    int err;

    (void)arg;
    for (int i = 0; i < 3; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, servers[i].pair) != 0)
            return -1;
    err = gyre_scope_run(NULL, race, servers);
    for (int i = 0; i < 3; i++) {
        gyre_close(servers[i].pair[0]);
        gyre_close(servers[i].pair[1]);
    }
    return err;
}

int main(void)
{
    return gyre_run(NULL, run, NULL) < 0;
}
