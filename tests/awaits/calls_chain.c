/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/chain.h: a chain whose second op waits, alone, and under a
 * limit of time that does not pass.
 */
#include <unistd.h>

#include "awaits/stage.h"
#include "io/world.h"

static void pair_up(struct scene *scene)
{
    pair_open(scene->fds);
}

static void send_byte(struct scene *scene)
{
    linger(scene);
    CHECK_EQ(write(scene->fds[1], "x", 1), 1);
}

static int wait_chain(struct scene *scene)
{
    gyre_op first, second, last;
    gyre_timeout_op limit;
    gyre_result results[4];
    gyre_chain_link links[4] = { { .op = &first }, { .op = &second } };
    unsigned count = 2;

    gyre_op_nop(&first);
    gyre_op_recv(&second, scene->fds[0], scene->bytes, 8, 0);
    gyre_op_nop(&last);
    gyre_timeout_op_link(&limit, 1000 * GYRE_SECOND, 0);
    if (scene->way == 1)
        links[count++].op = &limit.op;
    links[count++].op = &last;
    return AWAIT(scene, gyre_chain_run(links, count, 0, results));
}

SCENARIO(gyre_chain_run) = { .wait = wait_chain,
                             .help = send_byte,
                             .set_up = pair_up,
                             .ways = 2,
                             .result = { 0, 0 } };
