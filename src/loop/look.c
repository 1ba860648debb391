/* SPDX-License-Identifier: MIT */
/*
 * look.c - what a loop says of itself
 *
 * The counters have one writer and are read without locks: exact on the loop's
 * own thread; elsewhere each number was true at some moment, but not all at the
 * same one.
 */
#include "loop/look.h"

#include <string.h>

#include "loop/loop.h"

/* The owner writes these by plain stores: an atomic one is what compilers keep
 * apart, two instructions more for each callback. Each is of a size that is
 * stored whole on every machine there is (none has less than 64 bits), and
 * stored before the next call of a function that may be anybody's. */
#define WRITTEN_PLAINLY __attribute__((no_sanitize("thread")))

WRITTEN_PLAINLY struct loop_pulse loop_pulse(const gyre_loop *loop)
{
    struct loop_entry entry;

    __atomic_load(&loop->entry, &entry, __ATOMIC_RELAXED);
    return (struct loop_pulse){
        .called = __atomic_load_n(&loop->called, __ATOMIC_RELAXED),
        .turns = counter_get(&loop->turns),
        .enters = counter_get(&loop->enters),
        .runs = __atomic_load_n(&loop->turning, __ATOMIC_RELAXED) &&
                !entry.entered,
    };
}

uint64_t gyre_loop_id(const gyre_loop *loop)
{
    return loop->id;
}

bool gyre_loop_is_mine(const gyre_loop *loop)
{
    return loop_owner(loop) == loop_thread();
}

const char *gyre_loop_kernel(const gyre_loop *loop)
{
    return loop->kernel->class->name;
}

int gyre_loop_ring_fd(const gyre_loop *loop)
{
    return loop->kernel->ring_fd;
}

void gyre_loop_hold(gyre_loop *loop)
{
    loop_assert_owner(loop);
    loop->holds++;
}

void gyre_loop_release(gyre_loop *loop)
{
    loop_assert_owner(loop);
    ASSERT_API(loop->holds > 0, "released more often than held");
    loop->holds--;
}

void gyre_loop_get_stats(const gyre_loop *loop, gyre_loop_stats *stats)
{
    ASSERT_API(stats->size == sizeof *stats,
               "set gyre_loop_stats.size to sizeof(gyre_loop_stats)");
    *stats = (gyre_loop_stats){
        .size = sizeof *stats,
        .ready = counter_get(&loop->ready),
        .queued = counter_get(&loop->queued),
        .in_flight = counter_get(&loop->in_flight),
        .timers = counter_get(&loop->timers),
        .turns = counter_get(&loop->turns),
        .enters = counter_get(loop->kernel->sq_thread ? &loop->kernel->calls
                                                      : &loop->enters),
        .submitted = counter_get(&loop->submitted),
        .completions = counter_get(&loop->completions),
        .backlog_max = counter_get(&loop->backlog_max),
        .overflows = counter_get(&loop->overflows),
        .eintr = counter_get(&loop->eintr),
        .eagain = counter_get(&loop->eagain),
        .ebusy = counter_get(&loop->ebusy),
        .wakes = counter_get(&loop->wakes),
        .cancels = counter_get(&loop->cancel_requests),
        .emulated = counter_get(&loop->emulated),
        .retried = counter_get(&loop->retried),
        .shared = counter_get(&loop->shared_ops),
        .fixed = counter_get(&loop->fixed_ops),
    };
}

bool gyre_loop_is_io_idle(const gyre_loop *loop)
{
    return counter_get(&loop->queued) == 0 &&
           counter_get(&loop->in_flight) == 0;
}
