/* SPDX-License-Identifier: MIT */
/*
 * Programs that fail: the first of several, and all of them. See programs.h.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "awaits/programs.h"
#include "io/world.h"

static void pair_up(struct stage *stage)
{
    pair_open(stage->fds);
}

static int say(struct stage *stage)
{
    ssize_t n = gyre_send(stage->fds[1], "x", 1, 0);

    return n < 0 ? (int)n : 0;
}

/* ---- select: requests by a channel and bytes by a socket ----------------- */

static int send_request(void *arg)
{
    struct stage *stage = arg;
    unsigned request = 1;
    int err = say(stage);

    return err < 0 ? err : gyre_channel_send(stage->shared, &request);
}

/* Both come, in whatever order. */
static int serve_both(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    bool received = false;
    unsigned request = 0;
    int err = spawn_some(scope, send_request, stage, 1);

    while (err == 0 && (!received || request == 0)) {
        gyre_op op;
        gyre_case cases[2] = {
            gyre_on_recv(stage->shared, &request),
            gyre_on_op(&op),
        };
        int index;

        gyre_op_recv(&op, stage->fds[0], stage->bytes, 8, 0);
        index = gyre_select(cases, 2);
        if (index < 0)
            return index;
        if (cases[index].result < 0)
            err = cases[index].result;
        else if (index == 1)
            received = true;
    }
    return err;
}

static int select_of_two_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    gyre_channel *channel;
    int err = gyre_channel_create(&channel, sizeof(unsigned), NULL);

    (void)scope;
    if (err < 0)
        return err;
    stage->shared = channel;
    err = gyre_scope_run(NULL, serve_both, stage);
    gyre_channel_destroy(channel);
    return err;
}

/* An op that has failed while another case won is a loser, and tried again. */
PROGRAM(select_of_two, .set_up = pair_up,
        .copes = { -EIO, -ENOMEM, -ECANCELED }, .ops = 2, .spawns = 1);

/* ---- race and all -------------------------------------------------------- */

static int receive(void *arg)
{
    struct stage *stage = arg;

    return (int)gyre_recv(stage->fds[0], stage->bytes, 1, 0);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return gyre_sleep(1000 * GYRE_SECOND);
}

static int say_main(void *arg)
{
    return say(arg);
}

static int race_of_three_main(gyre_scope *scope, void *arg)
{
    gyre_branch branches[] = {
        { sleep_long, arg, "sleep", 0 },
        { receive, arg, "receive", 0 },
        { receive, arg, "receive too", 0 },
    };
    int err = spawn_some(scope, say_main, arg, 1);
    int winner = err == 0 ? gyre_race(branches, 3) : err;

    if (winner >= 0)
        CHECK(winner == 1 || winner == 2);
    return winner < 0 ? winner : 0;
}

/* One failing runner does not end the race. */
PROGRAM(race_of_three, .set_up = pair_up,
        .copes = { -EIO, -ENOMEM, -ECANCELED }, .ops = 3, .spawns = 4);

static int all_of_three_main(gyre_scope *scope, void *arg)
{
    gyre_branch branches[] = {
        { receive, arg, "receive", 0 },
        { say_main, arg, "say", 0 },
        { say_main, arg, "say", 0 },
    };

    (void)scope;
    return gyre_all(branches, 3);
}

PROGRAM(all_of_three, .set_up = pair_up, .ops = 3, .spawns = 3);

static int all_settled_main(gyre_scope *scope, void *arg)
{
    gyre_branch branches[] = {
        { say_main, arg, "say", 1 },
        { say_main, arg, "say", 1 },
    };
    int err = gyre_all_settled(branches, 2);

    (void)scope;
    /* Nobody is cancelled for the other's error; but without a stack for both,
     * neither goes on. */
    if (err < 0 && err != -ENOMEM)
        CHECK(branches[0].result == err || branches[1].result == err);
    return err;
}

PROGRAM(all_settled, .set_up = pair_up, .ops = 2, .spawns = 2);
