/* SPDX-License-Identifier: MIT */
/*
 * trace_life.h - from records to the lives of ops and tasks
 *
 * An op's life goes from its start to the moment when whoever asked goes on:
 * the task that waited for it runs again, or its callback has returned. Records
 * that are lost leave gaps: a life of which the start is lost is not told, and
 * a moment that is lost is 0.
 */
#ifndef GYRE_TOOL_TRACE_LIFE_H
#define GYRE_TOOL_TRACE_LIFE_H

#include "trace_read.h"

struct life;

/* A task. */
struct being {
    uint64_t task;   /* its address */
    uint64_t serial; /* 1, 2, 3 ... */
    unsigned source;
    bool returned;
    char name[TRACE_TASK_TEXT];
    struct life *awaits; /* the op that it waits for, until it runs again */
    struct being *next;  /* of those with this hash */
};

/* An op, from a start to its end. */
struct life {
    uint64_t id;     /* its user_data */
    uint64_t serial; /* 1, 2, 3 ... */
    unsigned source;
    uint8_t opcode;
    uint8_t sqe_flags;
    int fd;
    uint32_t len;
    int32_t result;
    uint32_t cqe_flags;
    uint64_t started_ns;
    uint64_t submitted_ns; /* 0: never */
    uint64_t ended_ns;     /* 0: not yet, as far as is known */
    uint64_t resumed_ns;   /* likewise */
    unsigned results;      /* before the last */
    unsigned again;
    uint32_t chain;
    bool is_chained;
    bool beside;
    bool held;
    bool cancelled;
    bool has_deadline;
    bool expired;
    bool tried;           /* done without the loop: the result is all */
    struct being *owner;  /* the task that started it; NULL: a callback, or
                          * nobody knows */
    struct being *waiter; /* the task that waits for it */
    struct life *next;    /* of those with this hash */
};

/* Called in order of time. */
struct life_listener {
    void *user;
    /* Each record; `life` is the op's and `being` the task's that it is about,
     * or NULL. */
    void (*event)(void *user, const struct trace_event *event,
                  const struct life *life, const struct being *being);
    /* A life that is over; and at the end those that are not. */
    void (*life)(void *user, const struct life *life);
};

/* Walk over the whole trace: 0 or -ENOMEM. Either function may be NULL. */
int trace_live(const struct trace *trace, const struct life_listener *listener);

static inline uint64_t life_queued_ns(const struct life *life)
{
    return life->submitted_ns - life->started_ns;
}

static inline uint64_t life_kernel_ns(const struct life *life)
{
    return life->ended_ns - life->submitted_ns;
}

static inline uint64_t life_resume_ns(const struct life *life)
{
    return life->resumed_ns - life->ended_ns;
}

#endif
