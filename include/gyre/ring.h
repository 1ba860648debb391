/* SPDX-License-Identifier: MIT */
/*
 * gyre/ring.h - how the io_uring of a loop is to be
 *
 *     gyre_loop_options options = { .ring.sqpoll = true };
 *     int err = gyre_loop_create(&loop, &options);
 *
 * All of it may be left at zero: a loop's ring is then set up as is best for
 * most on this Linux. What is asked for here is had, or there is no loop: the
 * error is -EOPNOTSUPP for what this Linux lacks, or what Linux says else
 * (-EPERM, -EINVAL ...), and gyre_loop_create_error() names the member. With
 * `best_effort` the loop is made without what is refused, and
 * gyre_loop_get_options() tells what it has. docs/OPTIONS.md has a line for
 * each, with what it is good for.
 *
 * Threads.  gyre_loop_get_options() is for any thread.
 */
#ifndef GYRE_RING_H
#define GYRE_RING_H

#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Processor n is bit n % 64 of bits[n / 64]. */
typedef struct gyre_cpus {
    uint64_t bits[16];
} gyre_cpus;

/* A member of gyre_loop_options. Zero is the default of every member. */
typedef struct gyre_ring_options {
    /* Make the loop without what is refused, instead of refusing it. */
    bool best_effort;

    /* Before it sleeps the loop looks for results so many microseconds, if they
     * have come that soon of late: it keeps the processor busy to spare itself
     * the way into sleep and out of it. At most 1000000. */
    unsigned spin_us;

    /* The loop may change its thread: gyre_loop_hand_over(). */
    bool movable;
    /* Other threads put their requests into the ring themselves, under a lock,
     * while the loop's thread sleeps: gyre_op_start_remote() then costs them
     * the call that submits, and nobody is woken to do it. Without sqpoll a
     * request is its thread's: Linux interrupts that thread for it, and ends it
     * with -ECANCELED if the thread ends first. */
    bool shared;

    /* Rings of this process that have the same number here, which is not 0,
     * share the thread that polls their queues, and its worker threads. Needs
     * sqpoll: without it each thread has one set of workers, for all its
     * rings. A chain of more than 8 ops is refused there (-E2BIG). */
    unsigned share_workers;

    /* A thread of Linux's looks for requests, so that a busy loop needs no
     * system call to submit any, nor to find what has ended. A turn is over
     * before that thread has taken what it published: what is held until
     * submission is held until gyre_op_state() says in flight, or
     * gyre_loop_submit() has returned. It keeps a processor busy, and the
     * privileges and limits that the process had when it was made.
     * since 5.11; without privileges 5.13. */
    bool sqpoll;
    /* After so many milliseconds without a request that thread sleeps, and the
     * next one costs a system call; 0: Linux's choice, a second. */
    unsigned sqpoll_idle_ms;
    /* Bind it to the processor of this number. */
    bool sqpoll_bound;
    unsigned sqpoll_cpu;

    /* Put both queues into memory of gyre's own, in huge pages where Linux has
     * them (transparent ones): fewer misses of the TLB, 2 MiB at least. since
     * 6.5; the queues together within one huge page before 6.10 */
    bool huge_pages;

    /* Submit from the first places of the queue each time, which stay in the
     * processor's cache. since 7.0; not with sqpoll, nor with cq_entries_max */
    bool sq_rewind;

    /* Before more completions can come than the completion queue holds, double
     * it, up to so many entries (a power of two, at most 65536); 0: let Linux
     * keep what does not fit. since 6.13 */
    unsigned cq_entries_max;

    /* Under load, wait so many microseconds for as many completions as the
     * turn before had, instead of for the first; 0: for the first. A loop with
     * less than four a turn never waits longer than it must. since 6.12 */
    unsigned min_wait_us;
    /* Arguments of waits lie in memory that Linux knows, and need not be copied
     * each time. Costs a page. since 6.13 */
    bool registered_waits;

    /* While it waits, Linux asks the network devices of the sockets in use for
     * packets, for so many microseconds, before it sleeps: less delay for more
     * processor time; 0: no. since 6.9; from 7.1 at most 10000 */
    unsigned napi_us;
    /* And keeps their interrupts off meanwhile: see SO_PREFER_BUSY_POLL in
     * socket(7). */
    bool napi_prefer;

    /* Make the ring so that gyre_loop_restrict() and gyre_sandbox() may
     * restrict it until it first runs. The best rings, of Linux 6.1 and later,
     * are made so anyway. since 5.10. */
    bool restrictable;

    /* At most so many threads of Linux's for what blocks for a bounded time
     * (files) and for what may block for ever; 0: Linux's choice. They are
     * shared by all rings of a thread: the last loop that says it decides.
     * since 5.15. */
    unsigned iowq_bounded;
    unsigned iowq_unbounded;
    /* The processors that those threads may use; all zero: Linux's choice.
     * Shared likewise. since 5.14. */
    gyre_cpus iowq_cpus;
    /* Completions of 32 bytes in place of 16, for requests whose result is more
     * than a number: gyre_op_extra(). since 5.19 */
    bool big_cqes;
    /* Completions of 16 bytes, and of 32 where a request wants it: what most
     * programs want that need any. Not both of them. since 6.18 */
    bool mixed_cqes;
    /* Requests of 128 bytes in place of 64, for gyre_op128. since 5.19 */
    bool big_sqes;
    /* Requests of 64 bytes, and of 128 where an op is a gyre_op128. Not both of
     * them. since 6.19 */
    bool mixed_sqes;

    /* Reads and writes with RWF_HIPRI (gyre_op_readv2() and its kin) are done
     * by a second ring, whose disks are asked for results instead of telling by
     * an interrupt: less delay, at the price of a processor, for the loop does
     * not sleep meanwhile. They need files open with O_DIRECT on disks that
     * have queues for it (NVMe: nvme.poll_queues); others end with -EOPNOTSUPP,
     * as do those on slots. They cannot be cancelled: each goes on to its end.
     * Without this option, and on a restricted loop, RWF_HIPRI is -EINVAL. */
    bool iopoll;
    /* And the thread sleeps for half of the time that is to be expected before
     * it asks. since 6.13 */
    bool hybrid_iopoll;
} gyre_ring_options;

#ifdef __cplusplus
}
#endif

#endif
