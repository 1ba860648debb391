/* SPDX-License-Identifier: MIT */
/*
 * stall.h - the parts of the stall detector
 *
 *   stall.c         the calls: who is watched, and with which signal
 *   stall_watcher.c the thread that looks at them, and tells
 *   stall_slice.c   from sample to sample: is it still the same slice?
 *   stall_ask.c     the signal, and what its handler finds
 *   stall_report.c  in words
 *
 * A slice (loop/look.h) that is seen in samples over more than the threshold is
 * a stall. All of it is the watcher's thread but what stall_ask.c says of its
 * handler.
 */
#ifndef TASK_STALL_H
#define TASK_STALL_H

#include <gyre/stall.h>
#include <stdatomic.h>

#include "base/list.h"
#include "kernel/thread_look.h"
#include "loop/look.h"
#include "loop/loop.h"
#include "watch/unwind.h"

#define STALL_NAME_BYTES 64U
/* Samples in a threshold. */
#define STALL_SAMPLES 4U

/* ---- stall_slice.c ------------------------------------------------------- */

struct slice {
    struct loop_pulse pulse;
    uint64_t held_ns;      /* since it was first seen, by the samples */
    uint64_t cpu_since_ns; /* the thread's clock then */
    bool stalls;
};

enum slice_news {
    SLICE_NEW, /* another than in the last sample, or none at all */
    SLICE_GOES_ON,
    SLICE_STALLS, /* it has just become too long */
    SLICE_ENDED,  /* one that was: held_ns is its length. The next sample says
                   * SLICE_NEW. */
};

/* One sample; `elapsed_ns` since the one before. */
enum slice_news slice_look(struct slice *slice, const struct loop_pulse *pulse,
                           uint64_t elapsed_ns, uint64_t threshold_ns);

/* What passed in a sleep that was to end `late_ns` ago: the watcher is late
 * because nobody runs, most of all if it is by more than a sample. */
uint64_t slice_elapsed(uint64_t elapsed_ns, uint64_t late_ns,
                       uint64_t sample_ns);

/* ---- stall_ask.c --------------------------------------------------------- */

struct stall_answer {
    bool came; /* else nothing else is known */
    bool same; /* it is the slice that was asked about */
    bool has_task;
    char name[STALL_NAME_BYTES + 1];
    const void *site;
    const void *fn;
    unsigned call_count;
    const void *calls[UNWIND_FRAMES_MAX];
};

/* How long it waits for the answer; tests set it. */
extern uint64_t stall_patience_ns;

/* What runs on the thread of the loop, which is in that slice? Only one
 * thread asks. */
void stall_ask(const gyre_loop *loop, const struct thread_handle *thread,
               int number, const struct loop_pulse *pulse,
               struct stall_answer *answer);

/* The handler of stall_ask()'s signals. */
void stall_on_signal(int number, const void *machine);

/* In the child of a fork(). */
void stall_ask_forget(void);

/* ---- stall_report.c ------------------------------------------------------ */

#define STALL_TEXT_BYTES 8192U

/* The text of a report, terminated, and cut if it is too long. `answer` is what
 * came of asking. */
void stall_text(char text[static STALL_TEXT_BYTES], const gyre_stall *stall,
                const struct stall_answer *answer);

/* ---- stall_watcher.c ----------------------------------------------------- */

/* Lies beside its loop from the first call to the loop's end, for its counts;
 * on the watcher's list or not. */
struct stall_watch {
    struct list link;
    gyre_loop *loop;
    gyre_stall_options options; /* as they are in force */
    int engine;                 /* -1: there are no others */
    struct thread_handle thread;
    bool has_signal_stack;
    bool was_blocked; /* the signal, on that thread */

    /* The watcher's, while it is listed. */
    struct slice slice;
    bool told;  /* of this stall, when it was found */
    char state; /* of the thread, in the last sample */
    uint64_t quiet_until_ns;
    uint64_t untold;
    struct stall_answer answer;

    /* Written by the watcher. */
    loop_counter stalls;
    loop_counter longest_ns;
    loop_counter total_ns;
};

/* Look at it from now on: 0 or -EAGAIN, no thread. By one caller at a time, as
 * the next. */
int watcher_add(struct stall_watch *watch);
/* No more; waits for what is told of it. */
void watcher_remove(struct stall_watch *watch);
bool watcher_has_signal(int number);

/* For fork(): nobody changes the list meanwhile, and in the child there is
 * none. */
void watcher_hold(void);
void watcher_release(void);
void watcher_forget(void);

#endif
