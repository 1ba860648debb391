/* SPDX-License-Identifier: MIT */
/*
 * crowd.h - tasks that each make one call on a channel, and what came of it
 */
#ifndef TESTS_SYNC_CROWD_H
#define TESTS_SYNC_CROWD_H

#include "sync/lab.h"

static const size_t capacities[] = { 0, 1, 2, 16, GYRE_UNBOUNDED };

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/* One call in a task of its own, and what came of it. */
struct call {
    gyre_channel *channel;
    int value;
    uint64_t deadline_ns;
    int result;
    unsigned order; /* the how many-th to end; 0: not yet */
    unsigned *ended;
};

static inline void call_ended(struct call *call, int result)
{
    /* The frame that waited is gone; whoever still writes to it is seen. */
    volatile unsigned char scribble[400];

    for (size_t i = 0; i < sizeof scribble; i++)
        scribble[i] = (unsigned char)i;
    call->result = result;
    call->order = ++*call->ended;
    gyre_yield();
    for (size_t i = 0; i < sizeof scribble; i++)
        CHECK_EQ(scribble[i], (unsigned char)i);
}

static inline int call_send(void *arg)
{
    struct call *call = arg;
    int value = call->value;

    call_ended(call, call->deadline_ns == 0
                         ? gyre_channel_send(call->channel, &value)
                         : gyre_channel_send_until(call->channel, &value,
                                                   call->deadline_ns));
    return 0;
}

static inline int call_recv(void *arg)
{
    struct call *call = arg;
    int value = -1;
    int result =
        call->deadline_ns == 0
            ? gyre_channel_recv(call->channel, &value)
            : gyre_channel_recv_until(call->channel, &value, call->deadline_ns);

    call->value = value;
    call_ended(call, result);
    return 0;
}

/* Tasks that each make one call on a channel. */
struct crowd {
    gyre_channel *channel;
    gyre_scope scope;
    unsigned count;
    unsigned ended;
    struct call calls[64];
};

static inline void crowd_begin(struct crowd *crowd, size_t capacity)
{
    memset(crowd, 0, sizeof *crowd);
    crowd->channel = make_channel(sizeof(int), capacity, 0);
    gyre_scope_open(&crowd->scope, NULL);
}

static inline struct call *crowd_add(struct crowd *crowd, gyre_task_fn *fn,
                                     int value, uint64_t deadline_ns)
{
    struct call *call = &crowd->calls[crowd->count++];

    CHECK(crowd->count <= COUNT_OF(crowd->calls));
    *call = (struct call){ .channel = crowd->channel,
                           .value = value,
                           .deadline_ns = deadline_ns,
                           .result = 1,
                           .ended = &crowd->ended };
    must_spawn(&crowd->scope, fn, call);
    return call;
}

static inline void crowd_end(struct crowd *crowd)
{
    CHECK_OK(gyre_scope_close(&crowd->scope));
    CHECK_EQ(crowd->ended, crowd->count);
    gyre_channel_destroy(crowd->channel);
}

#endif
