/* SPDX-License-Identifier: MIT */
/*
 * gyre/loop.h - one thread's ops, timers and posted work, turned until done
 *
 *     gyre_loop *loop;
 *     int err = gyre_loop_create(&loop, NULL);
 *     gyre_op_start(loop, &op, got, user);
 *     err = gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE);
 *     gyre_loop_destroy(loop);
 *
 * Life.     create, run as often as you like, destroy. A turn has five phases:
 *           run what is ready, expire timers, put the backlog into the queue,
 *           enter the kernel once, dispatch completions.
 *
 * Memory.   The loop is gyre's; ops, timers and work are the caller's.
 *
 * Threads.  A loop belongs to the first thread that runs it (until then, to the
 *           one that made it) and every call is for that thread, except those
 *           that say "any thread". A wrong thread panics with a sentence.
 *
 * Cancel.   Destroying a loop cancels what is in flight and waits for it.
 *
 * Errors.   EINTR, EAGAIN, EBUSY, ETIME and completion queue overflow are dealt
 *           with inside the turn, counted in gyre_loop_stats, never returned.
 */
#ifndef GYRE_LOOP_H
#define GYRE_LOOP_H

#include <gyre/op.h>
#include <gyre/ring.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gyre_blocking_pool;
struct gyre_restriction;

/* Zero is the default of every member. */
typedef struct gyre_loop_options {
    size_t size; /* sizeof(gyre_loop_options), or 0 */
    /* Submission queue: 1 to 32768, rounded up to a power of two. 0: 256. What
     * does not fit waits in the loop's backlog, so this bounds a batch, not the
     * ops in flight. */
    unsigned entries;
    /* Completion queue; 0: twice the entries, at least 1024. What does not fit
     * is kept by the kernel and costs an extra system call (overflow). */
    unsigned cq_entries;
    /* More entries than this kernel has: take the most, instead of -EINVAL. */
    bool clamp;
    /* Completions dispatched, and pieces of ready work run, in one turn before
     * the other phases have theirs; 0: 256. */
    unsigned dispatch_max;
    unsigned ready_max;
    /* Threads for blocking calls and emulated ops; 0: 8, at most 1024. */
    unsigned blocking_threads_max;
    /* How many blocking calls may wait for a thread; one more ends with
     * -EAGAIN. 0: any number. Emulated ops wait always. */
    unsigned blocking_queue_max;
    /* How long a thread without work stays, in ms; 0: 5000. */
    unsigned blocking_idle_ms;
    /* Use these threads in place of the loop's own: gyre/blocking_pool.h. The
     * three above are then to be 0. */
    struct gyre_blocking_pool *blocking_pool;
    /* How many ops the kernel may have at a time; 0: any number. The others
     * wait in the backlog, in order of start, cancels and timeouts among them:
     * so choose more than what can wait for each other. A task's op waits like
     * any, and the task with it. */
    unsigned in_flight_max;
    /* How long the backlog may grow before gyre_op_try_start() refuses; 0: any
     * length. gyre_op_start() and tasks are never refused. */
    unsigned backlog_max;
    /* What the loop may do, from its beginning: gyre/restrict.h. Borrowed.
     * NULL: anything. */
    const struct gyre_restriction *restriction;
    /* How Linux's ring is to be: gyre/ring.h. */
    gyre_ring_options ring;
} gyre_loop_options;

/*
 * Make a loop. `options` may be NULL. 0; -EINVAL (a member is out of range, or
 * GYRE_KERNEL names no kernel), -ENOMEM (also: RLIMIT_MEMLOCK), -EMFILE,
 * -ENFILE. gyre_loop_create_error() says which limit and what to do.
 *
 * What is left at zero may be set by the environment: GYRE_LOOP=sqpoll,... is
 * read as gyre_loop_options_set() does, unless the program gained privileges.
 */
GYRE_API int gyre_loop_create(gyre_loop **loop,
                              const gyre_loop_options *options) GYRE_MUST_USE;

/* A sentence for this thread's last failed gyre_loop_create(); "" if none. */
GYRE_API const char *gyre_loop_create_error(void);

/*
 * Set members of `options` by their names, those of `ring` by theirs, as a
 * program's own configuration may have them: "entries=64,sqpoll". A member that
 * is no number is set by its name alone. 0, or -EINVAL: then `why` (may be
 * NULL) is a sentence for this thread, until its next failed call, and the
 * members before the mistake are set.
 */
GYRE_API int gyre_loop_options_set(gyre_loop_options *options, const char *text,
                                   const char **why) GYRE_MUST_USE;

/* What the loop has: each number as it was resolved, each member of `ring` as
 * it was had. `options->size` is set by the caller. Any thread. */
GYRE_API void gyre_loop_get_options(const gyre_loop *loop,
                                    gyre_loop_options *options);

/*
 * Cancel every started op but closes, which are carried out; turn until each
 * had its last completion (callbacks are called, and may not start anything
 * new); drop timers and posted work without calling them; free the loop. NULL
 * is allowed. Panics inside a turn. Calls of other threads that have begun to
 * act (their work ran, their stop stopped a run) are waited for; none may begin
 * after this.
 */
GYRE_API void gyre_loop_destroy(gyre_loop *loop);

typedef enum gyre_run_mode {
    GYRE_RUN_UNTIL_DONE, /* until no op, timer or work is left */
    GYRE_RUN_ONCE,    /* sleep until something was called back, at most once */
    GYRE_RUN_NOWAIT,  /* one turn without sleeping; always enters, but for
                       * sqpoll, where only looking is needed */
    GYRE_RUN_FOREVER, /* until gyre_loop_stop() */
} gyre_run_mode;

/*
 * Turn the loop. 0: the mode's end was reached. 1: stopped by gyre_loop_stop().
 * -EDEADLK: called from inside a turn of the same loop. Other negative errors
 * mean that the kernel refuses to go on (-EPERM after a seccomp filter came
 * over the ring); nothing was lost, and it may be called again.
 */
GYRE_API int gyre_loop_run(gyre_loop *loop, gyre_run_mode mode);

/* Let the present or the next run return 1 at the end of its turn. Any thread,
 * also inside callbacks and signal handlers. Stops one run; not permanent. */
GYRE_API void gyre_loop_stop(gyre_loop *loop);

/* The turn's clock, monotonic ns: read at most once a turn, on first use, and
 * afresh outside of turns. The second form always reads it afresh. */
GYRE_API uint64_t gyre_loop_now(gyre_loop *loop);
GYRE_API uint64_t gyre_loop_update_now(gyre_loop *loop);

/* ---- cancelling many ---------------------------------------------------- */

/* Ask every started op on `fd`, or every op at all, to end; the number asked.
 * The ops of tasks are among them. */
GYRE_API unsigned gyre_loop_cancel_fd(gyre_loop *loop, int fd);
GYRE_API unsigned gyre_loop_cancel_all(gyre_loop *loop);

/* ---- from other threads ------------------------------------------------ */

/* A piece of work, embedded by the caller. */
struct gyre_work {
    gyre_work *next_;
    void (*run_)(gyre_work *work);
};

/*
 * Any thread: call run(work) on the loop's thread at its next turn, in order of
 * posting by each thread. The work is the loop's until run() is entered, which
 * may free or post it again. Wakes the loop (reason GYRE_WAKE_TASK), once for
 * many. A loop that is kept alive only by posts to come needs
 * GYRE_RUN_FOREVER or gyre_loop_hold().
 */
GYRE_API void gyre_loop_post(gyre_loop *loop, gyre_work *work,
                             void (*run)(gyre_work *work));

/* Keep GYRE_RUN_UNTIL_DONE from ending, until released as often. */
GYRE_API void gyre_loop_hold(gyre_loop *loop);
GYRE_API void gyre_loop_release(gyre_loop *loop);

typedef enum gyre_wake_reason {
    GYRE_WAKE_TASK,
    GYRE_WAKE_IO,
    GYRE_WAKE_COMPLETION,
} gyre_wake_reason;

/* How often each reason was given; a count that is full stays full. */
typedef struct gyre_wake_counts {
    uint32_t tasks;       /* at most 2^20 - 1 */
    uint32_t io;          /* at most 2^20 - 1 */
    uint32_t completions; /* at most 2^24 - 1: CQEs, not signals */
} gyre_wake_counts;

/* Any thread: make a sleeping loop turn, and add `count` to a reason. A wake
 * before the loop sleeps is remembered; many cost one. */
GYRE_API void gyre_loop_wake(gyre_loop *loop, gyre_wake_reason reason,
                             uint32_t count);

/* What woke the loop since the last call; sets the counts to zero. */
GYRE_API gyre_wake_counts gyre_loop_take_wakes(gyre_loop *loop);

/* ---- inside another event loop ----------------------------------------- */

/*
 * A descriptor for poll(2) or epoll(7) that becomes readable when the loop has
 * something to do; do not read it. It stays the loop's. Or a negative errno.
 * The host does, in this order: gyre_loop_prepare(), sleep until readable or
 * the deadline, then gyre_loop_run(loop, GYRE_RUN_NOWAIT).
 */
GYRE_API int gyre_loop_fd(gyre_loop *loop);

/* Submit what waits and say until when the host may sleep: *deadline_ns is 0
 * (do not), a monotonic time, or GYRE_NEVER. 0, or a negative errno. */
GYRE_API int gyre_loop_prepare(gyre_loop *loop, uint64_t *deadline_ns);

/* ---- an eventfd that tells of completions -------------------------------- */

/*
 * Let the kernel signal the eventfd `fd` (which may be closed afterwards) when
 * completions are there for the loop to take: at least once for what came since
 * the last signal, and never if nothing came; the loop's own wakes are among
 * them. With `async_only`, only for what a thread of the kernel has done. For
 * who watches a loop; who waits for it uses gyre_loop_fd(), beside which this
 * works. Emulated, and in a hosted loop, the signal comes when a turn has found
 * the completions. 0; -EBUSY: there is one, or a hosted loop and `async_only`
 * (gyre_loop_fd() then says so, likewise); -EBADF; -EINVAL: no eventfd.
 */
GYRE_API int gyre_loop_register_eventfd(gyre_loop *loop, int fd,
                                        bool async_only);
/* 0; -ENXIO: there is none. */
GYRE_API int gyre_loop_unregister_eventfd(gyre_loop *loop);
/* Leave the signals out until told otherwise. Costs no system call. */
GYRE_API void gyre_loop_mute_eventfd(gyre_loop *loop, bool muted);

/* ---- from thread to thread ---------------------------------------------- */

/*
 * Give the loop up: it is nobody's until a thread takes it over, or runs it.
 * The caller sees to it that this happens after, as when it starts the thread
 * or posts to it. Outside of a turn. 0; -EOPNOTSUPP: the loop was not made
 * `movable`; -EBUSY: ops are in flight on a ring without sqpoll, of which the
 * requests belong to the thread; or the loop has, or had, tasks, a host, dumps
 * on a signal, a watch for stalls, or a ring that is polled.
 */
GYRE_API int gyre_loop_hand_over(gyre_loop *loop) GYRE_MUST_USE;
/* Be the owner of a loop that was handed over: 0 or a negative errno. */
GYRE_API int gyre_loop_take_over(gyre_loop *loop) GYRE_MUST_USE;

/* ---- single steps, for main loops of one's own ------------------------- */

GYRE_API bool gyre_loop_run_one_ready(gyre_loop *loop); /* ran something? */
/* Enter, without waiting and reaping: what has been started is in flight, as
 * far as there is room, and what is held until submission may go. With sqpoll
 * Linux's thread is waited for, some microseconds. */
GYRE_API int gyre_loop_submit(gyre_loop *loop);
GYRE_API unsigned gyre_loop_reap(gyre_loop *loop); /* dispatch what is there */

/* ---- looking at it ------------------------------------------------------ */

/* The loop that is turning on this thread, or NULL. */
GYRE_API gyre_loop *gyre_loop_current(void);
/* 1, 2, 3 ... in order of creation in this process. Any thread. */
GYRE_API uint64_t gyre_loop_id(const gyre_loop *loop);
/* Does the calling thread own it? Any thread. */
GYRE_API bool gyre_loop_is_mine(const gyre_loop *loop);
/* "uring" or "emu". Any thread. */
GYRE_API const char *gyre_loop_kernel(const gyre_loop *loop);
/* The io_uring descriptor for what gyre has no call for, or -1. */
GYRE_API int gyre_loop_ring_fd(const gyre_loop *loop);

typedef struct gyre_loop_stats {
    size_t size; /* set by the caller: sizeof(gyre_loop_stats) */
    /* Now. */
    uint64_t ready;     /* pieces of work ready to run */
    uint64_t queued;    /* ops started and not yet submitted */
    uint64_t in_flight; /* ops the kernel has */
    uint64_t timers;    /* timers and deadlines armed */
    /* Since the loop was made. */
    uint64_t turns;
    uint64_t enters;      /* calls of the kernel; with sqpoll, system calls */
    uint64_t submitted;   /* requests, cancels among them */
    uint64_t completions; /* CQEs that answer a request */
    uint64_t backlog_max; /* the longest the backlog was when flushed */
    uint64_t overflows;   /* turns that found the completion queue overflown */
    uint64_t eintr;
    uint64_t eagain;
    uint64_t ebusy;
    uint64_t wakes;    /* calls of the kernel's wake */
    uint64_t cancels;  /* requests to cancel */
    uint64_t emulated; /* ops executed beside the ring */
    uint64_t retried;  /* ops restarted after -EINTR */
    uint64_t shared;   /* ops that others put into the ring: `shared` */
    uint64_t fixed;    /* plain ops that became fixed: gyre/registered.h */
} gyre_loop_stats;

/* Any thread; on another thread than the loop's the numbers are approximate,
 * each for itself. */
GYRE_API void gyre_loop_get_stats(const gyre_loop *loop,
                                  gyre_loop_stats *stats);

/* Any thread, approximate there: is no op queued or in flight? */
GYRE_API bool gyre_loop_is_io_idle(const gyre_loop *loop);

#ifdef __cplusplus
}
#endif

#endif
