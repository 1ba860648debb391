/* SPDX-License-Identifier: MIT */
/*
 * hall.c - see hall.h
 */
#include "mem/hall.h"

static unsigned char pattern[2 * PERIOD];

__attribute__((constructor)) static void pattern_make(void)
{
    for (unsigned i = 0; i < sizeof pattern; i++)
        pattern[i] = (unsigned char)(i % PERIOD * 31 + i % PERIOD / 251);
}

const unsigned char *bytes_from(uint64_t at)
{
    return pattern + at % PERIOD;
}

void check_bytes(const void *data, size_t size, uint64_t from)
{
    CHECK_LE(size, (size_t)PERIOD);
    CHECK_MEM_EQ(data, bytes_from(from), size);
}

void hall_open_in(struct hall *hall, size_t bytes_max, uint32_t count,
                  uint32_t size, bool incremental)
{
    gyre_pool_options pool = { .bytes_max = bytes_max,
                               .pages = GYRE_PAGES_SMALL };
    gyre_buffer_group_options group = { .count = count,
                                        .buffer_size = size,
                                        .incremental = incremental };

    memset(hall, 0, sizeof *hall);
    if (bytes_max == 0)
        pool.bytes_max = 4 << 20;
    CHECK_OK(gyre_pool_create(&hall->pool, gyre_loop_current(), &pool));
    CHECK_OK(gyre_buffer_group_create(&hall->group, hall->pool, &group));
    pair_open(hall->pair);
}

void hall_open(struct hall *hall, uint32_t count, uint32_t size,
               bool incremental)
{
    hall_open_in(hall, 0, count, size, incremental);
}

gyre_pool_stats stats_of(gyre_pool *pool)
{
    gyre_pool_stats stats = { .size = sizeof stats };

    gyre_pool_get_stats(pool, &stats);
    return stats;
}

void hall_close(struct hall *hall)
{
    pair_close(hall->pair);
    gyre_buffer_group_destroy(hall->group);
    CHECK_EQ(stats_of(hall->pool).buffers, 0u);
    gyre_pool_destroy(hall->pool);
}
