/* SPDX-License-Identifier: MIT */
/*
 * gyre/stall.h - which task keeps its thread for too long?
 *
 *     err = gyre_loop_watch_stalls(gyre_loop_current(), NULL);
 *
 *     gyre: stall: task 'resize' has held the thread of loop 1 for 112 ms,
 *     computing (111 ms of processor time)
 *       spawned at serve+0x9d (server+0x7a1d); runs resize+0x0 (...
 *       #0  scale_row+0x3c (server+0x81c4)
 *       #1  resize+0x117 (server+0x8523)
 *     gyre: stall: task 'resize' held the thread of loop 1 for 1.20 s in all,
 *     computing (1.19 s of processor time)
 *
 * All tasks and callbacks of a loop share its thread, so one that computes for
 * long, or makes a system call that blocks, holds up the others. A watcher
 * looks at the loop four times in the threshold: if it has been in one and the
 * same piece of work for so long, the watcher sends the thread a signal, whose
 * handler says what runs. Time in which the process is stopped (a debugger,
 * SIGSTOP) or the machine suspended is not counted. A loop that waits in the
 * kernel, or that nobody runs at the time, does not stall.
 *
 * Life.     From gyre_loop_watch_stalls() to gyre_loop_unwatch_stalls(), or the
 *           end of the loop. The watcher is one thread for all the loops of the
 *           process; it ends with the last that is watched.
 *
 * Memory.   Some for each loop that is watched; a report takes none. The
 *           thread of the loop gets an alternate signal stack if it has none,
 *           and the signal if it is blocked there.
 *
 * Threads.  Calls are for the loop's own. Reports come on the watcher's, which
 *           may use the CPUs of the thread that made the first watched loop's
 *           tasks, and the main thread's: not only the one that an engine is
 *           bound to.
 *
 * Cost.     None for the loop: what is looked at it keeps anyway. Four wakes of
 *           the watcher in the threshold. The signal interrupts what blocks: a
 *           nanosleep() in a task, say, then ends with EINTR, but most calls
 *           are begun again by themselves (SA_RESTART).
 *
 * See docs/DEBUGGING.md.
 */
#ifndef GYRE_STALL_H
#define GYRE_STALL_H

#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the thread did most of the time. */
typedef enum gyre_stall_kind {
    GYRE_STALL_COMPUTING,
    GYRE_STALL_BLOCKED, /* it slept in a system call */
    GYRE_STALL_WAITING, /* it could have run, but others had the processor */
} gyre_stall_kind;

/* All of it is borrowed for the call. */
typedef struct gyre_stall {
    uint64_t loop_id; /* as gyre_loop_id() */
    int engine;       /* its number (gyre/engine.h); -1: there are no others */
    bool ended;       /* false: found, and it goes on */
    gyre_stall_kind kind;
    uint64_t held_ns; /* so far, or in all; exact to a quarter of the threshold
                       */
    uint64_t cpu_ns;  /* of these, in which the thread had a processor */
    const char *task; /* its name; NULL: a callback, or not known */
    const void *site; /* where the task was spawned, and ... */
    const void *fn;   /* ... what it runs; NULL likewise */
    /* Where it was found, innermost first; of one that goes on. */
    const void *const *calls;
    unsigned call_count;
    uint64_t untold;  /* other stalls of the loop since the last report */
    const char *text; /* all of this in words, lines that end with a newline */
} gyre_stall;

/* Must not wait for the loop, and must not call what is declared below. */
typedef void gyre_stall_fn(void *user, const gyre_stall *stall);

/* Zero is the default of every member. */
typedef struct gyre_stall_options {
    size_t size; /* sizeof(gyre_stall_options), or 0 */
    /* What is too long, in nanoseconds: 1 ms to 1 hour; 0: 100 ms. */
    uint64_t threshold_ns;
    /* At most one stall is told of in so many nanoseconds; the others are
     * counted. 0: a second. */
    uint64_t interval_ns;
    /* What asks the thread; a handler that was there before is called, too. 0:
     * SIGURG, which does nothing to who does not expect it. */
    int signal;
    /* Called when a stall is found, and when that one has ended; NULL: the text
     * goes to standard error. */
    gyre_stall_fn *report;
    void *user;
} gyre_stall_options;

/*
 * Watch the loop, which belongs to the calling thread from now on; `options`
 * may be NULL. Again: with other options. 0; -ERANGE: no such threshold;
 * -EINVAL: no signal that can be caught; -EBUSY: gyre_dump_on_signal() has it;
 * -ENOMEM; -EAGAIN: no thread to watch; or why the loop cannot be run here.
 */
GYRE_API int gyre_loop_watch_stalls(
    gyre_loop *loop, const gyre_stall_options *options) GYRE_MUST_USE;

/* No more. Waits for a report under way. */
GYRE_API void gyre_loop_unwatch_stalls(gyre_loop *loop);

typedef struct gyre_stall_stats {
    size_t size;         /* set by the caller: sizeof(gyre_stall_stats) */
    uint64_t stalls;     /* found, told of or not, since it was first watched */
    uint64_t longest_ns; /* so far, if it goes on */
    uint64_t total_ns;   /* of those that have ended */
} gyre_stall_stats;

/* Zeros if the loop was never watched. */
GYRE_API void gyre_loop_get_stall_stats(const gyre_loop *loop,
                                        gyre_stall_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
