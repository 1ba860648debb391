/* SPDX-License-Identifier: MIT */
/*
 * test_storm.c - no call of another thread is lost, whatever disturbs it
 *
 * Loops and engines that sleep and that are busy, and threads that call them by
 * every call that any thread may make (storm.h). The models in tests/model/ say
 * why that is so; this is the code itself, on rings and on the emulator.
 */
#include "engine/storm.h"

#include <sched.h>
#include <stdio.h>

#include "loop/loop.h"

static const enum mill_kind kinds[] = { MILL_FOREVER, MILL_FOREVER,
                                        MILL_ONCE,    MILL_ONCE,
                                        MILL_HOSTED,  MILL_FOREVER,
                                        MILL_ENGINE };
enum { MILLS = sizeof kinds / sizeof kinds[0], CALLERS = 9 };

/*
 * Who calls whom. Most mills have one caller, who waits for each call: the next
 * of another would make good for one that is lost. An engine's loop is neither
 * stopped by others nor asked what it has seen.
 */
static const struct {
    enum caller_kind kind;
    unsigned mill;
    unsigned window;
} plan[CALLERS] = {
    { CALL_POST, 0, 1 }, { CALL_STOP, 1, 1 },  { CALL_OP, 2, 1 },
    { CALL_WAKE, 3, 1 }, { CALL_WAKE, 4, 1 },  { CALL_POST, 5, 64 },
    { CALL_OP, 5, 4 },   { CALL_POST, 6, 64 }, { CALL_POST, 6, 1 },
};

static const char *mill_name(enum mill_kind kind)
{
    static const char *const names[] = { "a loop that runs",
                                         "a loop that runs once", "a host",
                                         "an engine" };

    return names[kind];
}

static void check_wakes(struct mill *mill)
{
    uint64_t wakes = mill_wakes(mill);
    unsigned long calls = atomic_load(&mill->calls);

    printf("%s: %lu calls, %llu wakes\n", mill_name(mill->kind), calls,
           (unsigned long long)wakes);
    CHECK_LE(wakes, calls);
}

struct disturbance {
    struct stopper stopper;
    struct signaller signaller;
    pthread_t threads[MILL_THREADS * MILLS + CALLERS];
    unsigned count;
};

/* Everything at once, disturbed or not. */
static void storm(unsigned long count, struct disturbance *d)
{
    static struct mill mills[MILLS];
    static struct caller callers[CALLERS];

    if (d != NULL)
        stopper_start(&d->stopper);
    for (unsigned i = 0; i < MILLS; i++) {
        mill_start(&mills[i], kinds[i]);
        if (d != NULL)
            d->count += mill_threads(&mills[i], d->threads + d->count);
    }
    for (unsigned i = 0; i < CALLERS; i++) {
        caller_start(&callers[i], plan[i].kind, &mills[plan[i].mill],
                     plan[i].window, count);
        if (d != NULL)
            d->threads[d->count++] = callers[i].thread;
    }
    if (d != NULL)
        signaller_start(&d->signaller, d->threads, d->count);
    for (unsigned i = 0; i < CALLERS; i++)
        caller_await(&callers[i]);
    if (d != NULL) {
        signaller_end(&d->signaller);
        stopper_end(&d->stopper);
        printf("%lu signals, %lu to threads of engines\n", d->signaller.sent,
               d->signaller.engines_interrupted);
    }
    for (unsigned i = 0; i < CALLERS; i++)
        caller_join(&callers[i]);
    for (unsigned i = 0; i < MILLS; i++) {
        check_wakes(&mills[i]);
        mill_end(&mills[i]);
    }
}

TEST_WITH(H2_H9_H10_H12_no_call_of_another_thread_is_lost,
          .kernels = TEST_URING | TEST_EMU, .timeout_s = 600)
{
    storm(storm_count(20000), NULL);
}

TEST_WITH(H9_H10_H12_no_call_is_lost_among_signals_and_stops,
          .kernels = TEST_URING | TEST_EMU, .timeout_s = 600)
{
    static struct disturbance disturbance;

    storm(storm_count(10000), &disturbance);
    CHECK_GT(disturbance.signaller.engines_interrupted, 0);
}

/* ---- a busy loop --------------------------------------------------------- */

struct busy {
    gyre_work work;
    struct mill *mill;
    atomic_bool turns;
    atomic_bool over;
};

static void keep_busy(gyre_work *work)
{
    struct busy *busy = CONTAINER_OF(work, struct busy, work);

    atomic_store(&busy->turns, true);
    if (!atomic_load(&busy->over))
        loop_make_ready(busy->mill->loop, work); /* as a task that yields */
}

TEST_WITH(H2_H9_posts_to_a_busy_loop_cost_no_wake,
          .kernels = TEST_URING | TEST_EMU, .timeout_s = 600)
{
    static struct mill mill;
    static struct caller callers[4];
    static struct busy busy = { .mill = &mill };
    uint64_t wakes;

    mill_start(&mill, MILL_FOREVER);
    gyre_loop_post(mill.loop, &busy.work, keep_busy);
    while (!atomic_load(&busy.turns))
        sched_yield();
    wakes = mill_wakes(&mill);
    for (unsigned i = 0; i < 4; i++)
        caller_start(&callers[i], i == 3 ? CALL_OP : CALL_POST, &mill, 64,
                     storm_count(20000));
    for (unsigned i = 0; i < 4; i++)
        caller_join(&callers[i]);
    CHECK_EQ(mill_wakes(&mill), wakes);
    printf("%lu calls, no wake\n", atomic_load(&mill.calls));
    atomic_store(&busy.over, true);
    mill_end(&mill);
}
