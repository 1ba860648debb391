/* SPDX-License-Identifier: MIT */
/*
 * hall.h - what the tests of iterators share: a pool, a group, a pair of
 * sockets, and a stream of bytes that tells when one is missing
 */
#ifndef TESTS_MEM_HALL_H
#define TESTS_MEM_HALL_H

#include <string.h>

#include "io/world.h"

struct hall {
    gyre_pool *pool;
    gyre_buffer_group *group;
    int pair[2];
    uint64_t total;
    gyre_incoming in;
};

/* A stream's bytes: these, again and again; so any piece of up to PERIOD bytes
 * is one of the pattern. */
enum { PERIOD = 65521 };

const unsigned char *bytes_from(uint64_t at);
void check_bytes(const void *data, size_t size, uint64_t from);

/* On the running loop: a pool of `bytes_max` (0: 4 MiB), a group. */
void hall_open_in(struct hall *hall, size_t bytes_max, uint32_t count,
                  uint32_t size, bool incremental);
void hall_open(struct hall *hall, uint32_t count, uint32_t size,
               bool incremental);

/* All buffers must have come back. */
void hall_close(struct hall *hall);

gyre_pool_stats stats_of(gyre_pool *pool);

#endif
