/* SPDX-License-Identifier: MIT */
/*
 * A shared loop where Linux lacks something of some requests, so that each is
 * looked at on its way.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "kernel/uring_test.h"
#include "loop/loop.h"
#include "ring/feature.h"

struct sender {
    gyre_loop *loop;
    gyre_op op;
    atomic_bool ended;
};

static void ended(gyre_op *op, gyre_result result)
{
    struct sender *sender = op->user;

    CHECK_OK(result.res);
    atomic_store(&sender->ended, true);
}

static uint64_t shared_by(const gyre_loop *loop)
{
    gyre_loop_stats stats = { .size = sizeof stats };

    gyre_loop_get_stats(loop, &stats);
    return stats.shared;
}

/* Until the owner was met asleep: else the test runs out of time. */
static void *send_until_shared(void *arg)
{
    struct sender *sender = arg;

    while (shared_by(sender->loop) == 0) {
        usleep(1000);
        atomic_store(&sender->ended, false);
        gyre_op_nop(&sender->op);
        gyre_op_start_remote(sender->loop, &sender->op, ended, sender);
        while (!atomic_load(&sender->ended))
            sched_yield();
    }
    gyre_loop_stop(sender->loop);
    return NULL;
}

RING_TEST(A21_requests_that_are_looked_at_are_submitted_by_others)
{
    gyre_loop_options options = { .ring.shared = true };
    struct sender sender = { .loop = NULL };
    pthread_t thread;

    CHECK_EQ(ring_features_restrict("sparse_files"), 0u);
    CHECK_OK(gyre_loop_create(&sender.loop, &options));
    CHECK_EQ(pthread_create(&thread, NULL, send_until_shared, &sender), 0);
    CHECK_EQ(gyre_loop_run(sender.loop, GYRE_RUN_FOREVER), 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_GT(shared_by(sender.loop), 0u);
    gyre_loop_destroy(sender.loop);
}
