/* SPDX-License-Identifier: MIT */
/*
 * lab.h - what the tests of channels and select share: runs that must succeed,
 * children in scopes, threads, and numbers from a seed.
 */
#ifndef TESTS_SYNC_LAB_H
#define TESTS_SYNC_LAB_H

#include <errno.h>
#include <gyre/gyre.h>
#include <pthread.h>
#include <string.h>

#include "runner/test.h"

/* Run a body that reports by CHECK and returns 0, as a first task. */
static inline void must_run(gyre_task_fn *fn, void *arg)
{
    CHECK_OK(gyre_run(NULL, fn, arg));
}

static inline void must_spawn(gyre_scope *scope, gyre_task_fn *fn, void *arg)
{
    CHECK_OK(gyre_spawn(scope, fn, arg));
}

/* Let everybody who is ready run up to his next wait. */
static inline void let_others_run(void)
{
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_yield());
}

static inline gyre_channel *make_channel(size_t size, size_t capacity,
                                         unsigned flags)
{
    gyre_channel_options options = { .capacity = capacity, .flags = flags };
    gyre_channel *channel;

    CHECK_OK(gyre_channel_create(&channel, size, &options));
    return channel;
}

static inline void thread_start(pthread_t *thread, void *(*fn)(void *),
                                void *arg)
{
    CHECK_EQ(pthread_create(thread, NULL, fn, arg), 0);
}

static inline void thread_join(pthread_t thread)
{
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

struct chance {
    uint64_t state;
};

static inline uint64_t chance_next(struct chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static inline unsigned below(struct chance *chance, unsigned n)
{
    return (unsigned)(chance_next(chance) % n);
}

#endif
