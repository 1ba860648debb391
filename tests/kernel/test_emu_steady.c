/* SPDX-License-Identifier: MIT */
/*
 * The emulator in its steady state: requests that come and go cost no memory of
 * the heap. That no lock is shared between loops is tests/scripts/steady.sh's.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "runner/test.h"

enum { OPS = 32, ROUNDS = 100 };

struct traffic {
    gyre_loop *loop;
    gyre_op receive[OPS];
    gyre_op send;
    char in[OPS];
    int pair[2];
    unsigned ended;
};

static void ended(gyre_op *op, gyre_result result)
{
    struct traffic *traffic = op->user;

    CHECK_EQ(result.res, op == &traffic->send ? OPS : 1);
    traffic->ended++;
}

/* Receives that wait, and then data for all of them. */
static void one_round(struct traffic *traffic)
{
    static const char out[OPS];

    traffic->ended = 0;
    for (unsigned i = 0; i < OPS; i++) {
        gyre_op_recv(&traffic->receive[i], traffic->pair[0], &traffic->in[i], 1,
                     0);
        gyre_op_start(traffic->loop, &traffic->receive[i], ended, traffic);
    }
    CHECK_OK(gyre_loop_run(traffic->loop, GYRE_RUN_NOWAIT));
    gyre_op_send(&traffic->send, traffic->pair[1], out, sizeof out, 0);
    gyre_op_start(traffic->loop, &traffic->send, ended, traffic);
    CHECK_OK(gyre_loop_run(traffic->loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(traffic->ended, OPS + 1u);
}

KERNEL_TEST_ON(S8_requests_in_the_steady_state_allocate_nothing, TEST_EMU)
{
    struct traffic traffic;

    CHECK_OK(gyre_loop_create(&traffic.loop, NULL));
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, traffic.pair));
    one_round(&traffic);
    alloc_fail_nth(1); /* the next allocation would fail, and be seen */
    for (unsigned i = 0; i < ROUNDS; i++)
        one_round(&traffic);
    CHECK(!alloc_did_fail());
    alloc_fail_nth(0);
    close(traffic.pair[0]);
    close(traffic.pair[1]);
    gyre_loop_destroy(traffic.loop);
}
