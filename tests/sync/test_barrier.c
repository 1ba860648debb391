/* SPDX-License-Identifier: MIT */
/*
 * The barrier: rounds, one who is told to be the last, and arrivals that are
 * taken back.
 */
#include <errno.h>

#include "sync/kinds.h"

static void both(int (*fn)(void *flags))
{
    must_run(fn, NULL);
    must_run(fn, (void *)(uintptr_t)GYRE_LOCAL);
}

enum { PARTIES = 4, ROUNDS = 5 };

struct round {
    gyre_barrier barrier;
    unsigned inside;
    unsigned last;
};

static int go_rounds(void *arg)
{
    struct round *r = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        int last;

        CHECK_EQ(r->inside / PARTIES, i); /* nobody is a round ahead */
        r->inside++;
        last = gyre_barrier_wait(&r->barrier);
        CHECK_GE(last, 0);
        r->last += (unsigned)last;
        CHECK_GE(r->inside, (i + 1) * PARTIES);
        CHECK_GE(gyre_barrier_wait(&r->barrier), 0);
    }
    return 0;
}

static int rounds(void *flags)
{
    struct round r = { .inside = 0 };
    gyre_scope scope;

    gyre_barrier_init(&r.barrier, PARTIES, (unsigned)(uintptr_t)flags);
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < PARTIES; i++)
        CHECK_OK(gyre_spawn(&scope, go_rounds, &r));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(r.last, (unsigned)ROUNDS);
    gyre_barrier_destroy(&r.barrier);
    return 0;
}

KERNEL_TEST2(M8_a_barrier_opens_again_and_again_and_tells_one)
{
    both(rounds);
}

static int alone(void *flags)
{
    gyre_barrier barrier;

    gyre_barrier_init(&barrier, 1, (unsigned)(uintptr_t)flags);
    CHECK_EQ(gyre_barrier_wait(&barrier), 1);
    CHECK_EQ(gyre_barrier_wait_until(&barrier, 1), 1);
    gyre_barrier_destroy(&barrier);
    gyre_barrier_init(&barrier, 2, (unsigned)(uintptr_t)flags);
    CHECK_ERR(gyre_barrier_wait_until(&barrier, 1), -ETIMEDOUT);
    CHECK_ERR(gyre_barrier_wait_until(&barrier, 1), -ETIMEDOUT);
    gyre_barrier_destroy(&barrier);
    return 0;
}

KERNEL_TEST2(M8_a_barrier_for_one_is_always_open)
{
    both(alone);
}

struct party {
    gyre_barrier *barrier;
    gyre_task *task;
    int result;
};

static int arrive(void *arg)
{
    struct party *p = arg;

    p->result = gyre_barrier_wait(p->barrier);
    return 0;
}

static void send_party(struct party *p, gyre_barrier *barrier,
                       gyre_scope *scope)
{
    *p = (struct party){ .barrier = barrier, .result = 42 };
    CHECK_OK(gyre_spawn_with(scope, NULL, arrive, p, &p->task));
}

/* Each set of three waiters, cancelled; at once followed by one who would be
 * the last if the cancelled ones still counted. */
static int take_back(void *flags)
{
    for (unsigned which = 1; which < 8; which++) {
        struct party p[8];
        gyre_barrier barrier;
        gyre_scope scope;
        unsigned cancelled = 0;

        gyre_barrier_init(&barrier, 4, (unsigned)(uintptr_t)flags);
        gyre_scope_open(&scope, NULL);
        for (int i = 0; i < 3; i++)
            send_party(&p[i], &barrier, &scope);
        CHECK_OK(gyre_yield());
        send_party(&p[3], &barrier, &scope); /* ready before those we cancel */
        for (int i = 0; i < 3; i++)
            if ((which >> i & 1) != 0) {
                gyre_task_cancel(p[i].task);
                cancelled++;
            }
        for (int i = 0; i < 3; i++)
            CHECK_OK(gyre_yield());
        CHECK_EQ(p[3].result, 42);
        for (unsigned i = 0; i < cancelled; i++)
            send_party(&p[4 + i], &barrier, &scope);
        CHECK_OK(gyre_scope_close(&scope));
        for (unsigned i = 0; i < 4 + cancelled; i++)
            CHECK_ERR(p[i].result, i < 3 && (which >> i & 1) ? -ECANCELED
                                   : i == 3 + cancelled      ? 1
                                                             : 0);
        gyre_barrier_destroy(&barrier);
    }
    return 0;
}

/* I12 */
KERNEL_TEST2(M8_M12_who_is_cancelled_takes_his_arrival_back)
{
    both(take_back);
}

TEST_PANICS(M8_a_barrier_for_nobody_panics, "at least one party")
{
    gyre_barrier barrier;

    gyre_barrier_init(&barrier, 0, 0);
}
