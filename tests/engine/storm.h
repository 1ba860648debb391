/* SPDX-License-Identifier: MIT */
/*
 * storm.h - loops that turn, threads that call them, and what disturbs both
 *
 * A mill turns one loop, in one of several ways. A caller posts work, hands
 * over ops, wakes or stops mills, and checks that each arrives: work in order,
 * a wake with what was stored before it. If one is lost it waits for ever, and
 * the test's time-out says so.
 *
 * So much as fits in a test; GYRE_TEST_CALLS=1000000 makes each thread call
 * that often (./dev test --part=wakes).
 */
#ifndef TESTS_ENGINE_STORM_H
#define TESTS_ENGINE_STORM_H

#include <gyre/gyre.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "runner/test.h"

enum mill_kind {
    MILL_FOREVER, /* GYRE_RUN_FOREVER, again when it is stopped */
    MILL_ONCE,    /* GYRE_RUN_ONCE again and again */
    MILL_HOSTED,  /* poll(2), then GYRE_RUN_NOWAIT */
    MILL_ENGINE   /* an engine of gyre_engines_create() */
};

struct mill {
    enum mill_kind kind;
    gyre_loop *loop;
    gyre_engines *engines;
    pthread_t thread;
    atomic_bool ready;
    atomic_bool over;
    atomic_uint wanted; /* written before each wake, relaxed */
    atomic_uint seen;   /* as a turn found it */
    atomic_uint stops;
    atomic_ulong calls; /* by callers that have ended */
};

enum { MILL_THREADS = 2 }; /* at most: engines */

void mill_start(struct mill *mill, enum mill_kind kind);
/* Those that turn it: how many. */
unsigned mill_threads(const struct mill *mill, pthread_t *threads);
uint64_t mill_wakes(const struct mill *mill);
void mill_end(struct mill *mill);

enum caller_kind { CALL_POST, CALL_OP, CALL_WAKE, CALL_STOP };

enum { CALLER_WINDOW = 64 };

struct call {
    gyre_work work;
    gyre_op op;
    struct caller *caller;
    unsigned long number;
};

struct caller {
    enum caller_kind kind;
    struct mill *mill;
    unsigned long count;
    unsigned window; /* calls that may be under way, at most CALLER_WINDOW */
    pthread_t thread;
    atomic_ulong arrived;
    atomic_bool ended;
    struct call calls[CALLER_WINDOW];
};

void caller_start(struct caller *caller, enum caller_kind kind,
                  struct mill *mill, unsigned window, unsigned long count);
void caller_await(const struct caller *caller); /* it has called enough */
void caller_join(struct caller *caller);

/* How often each thread calls: `count`, or less where it is slow. */
unsigned long storm_count(unsigned long count);

/* A process that stops this one for a moment, again and again. */
struct stopper {
    pid_t pid;
    atomic_bool *over; /* seen by both */
};

void stopper_start(struct stopper *stopper); /* before there are threads */
void stopper_end(struct stopper *stopper);

/* A thread that sends a signal to each of `threads`, which are not joined yet,
 * again and again. */
struct signaller {
    pthread_t thread;
    const pthread_t *threads;
    unsigned count;
    atomic_bool over;
    unsigned long sent;
    unsigned long engines_interrupted; /* of them, in an engine's thread */
};

void signaller_start(struct signaller *signaller, const pthread_t *threads,
                     unsigned count);
void signaller_end(struct signaller *signaller);

#endif
