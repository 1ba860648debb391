/* SPDX-License-Identifier: MIT */
/*
 * What comes in, by iterators: every byte, message and connection once and in
 * order, with a bound, whatever ends it; and what was not taken is disposed of.
 * On every kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/world.h"

struct hall {
    gyre_pool *pool;
    gyre_buffer_group *group;
    int pair[2];
    uint64_t total;
    gyre_incoming in;
};

/* A stream's bytes: these, again and again; so any piece of up to PERIOD bytes
 * is one of `pattern`. */
enum { PERIOD = 65521 };

static unsigned char pattern[2 * PERIOD];

static void pattern_make(void)
{
    for (unsigned i = 0; i < sizeof pattern; i++)
        pattern[i] = (unsigned char)(i % PERIOD * 31 + i % PERIOD / 251);
}

static const unsigned char *bytes_from(uint64_t at)
{
    return pattern + at % PERIOD;
}

static void check_bytes(const void *data, size_t size, uint64_t from)
{
    CHECK_LE(size, (size_t)PERIOD);
    CHECK_MEM_EQ(data, bytes_from(from), size);
}

static void hall_open(struct hall *hall, uint32_t count, uint32_t size,
                      bool incremental)
{
    gyre_pool_options pool = { .bytes_max = 4 << 20,
                               .pages = GYRE_PAGES_SMALL };
    gyre_buffer_group_options group = { .count = count,
                                        .buffer_size = size,
                                        .incremental = incremental };

    memset(hall, 0, sizeof *hall);
    pattern_make();
    CHECK_OK(gyre_pool_create(&hall->pool, gyre_loop_current(), &pool));
    CHECK_OK(gyre_buffer_group_create(&hall->group, hall->pool, &group));
    pair_open(hall->pair);
}

static uint64_t buffers_out(gyre_pool *pool)
{
    gyre_pool_stats stats = { .size = sizeof stats };

    gyre_pool_get_stats(pool, &stats);
    return stats.buffers;
}

static void hall_close(struct hall *hall)
{
    pair_close(hall->pair);
    gyre_buffer_group_destroy(hall->group);
    CHECK_EQ(buffers_out(hall->pool), 0u);
    gyre_pool_destroy(hall->pool);
}

static int send_total(void *arg)
{
    struct hall *hall = arg;
    uint64_t sent = 0;

    while (sent < hall->total) {
        size_t size = 5000 - sent % 977;

        if (size > hall->total - sent)
            size = hall->total - sent;
        CHECK_OK(gyre_send_all(hall->pair[1], bytes_from(sent), size, 0));
        sent += size;
    }
    CHECK_OK(gyre_shutdown(hall->pair[1], SHUT_WR));
    return 0;
}

static void take_total(struct hall *hall)
{
    gyre_slice slice;
    uint64_t got = 0;
    int n;

    while ((n = gyre_incoming_next(&hall->in, &slice)) > 0) {
        CHECK_EQ(n, (int)slice.size);
        check_bytes(slice.data, slice.size, got);
        got += slice.size;
        gyre_slice_release(&slice);
        gyre_slice_release(&slice);
    }
    CHECK_OK(n);
    CHECK_EQ(got, hall->total);
    CHECK_OK(gyre_incoming_next(&hall->in, &slice));
    gyre_incoming_close(&hall->in);
    gyre_incoming_close(&hall->in);
}

static int stream_body(void *arg)
{
    bool incremental = arg != NULL;
    gyre_incoming_options options = { .cap = 20000 };
    struct hall hall;

    hall_open(&hall, 8, 2048, incremental);
    hall.total = 2000000 / test_scale();
    CHECK_OK(gyre_incoming_recv(&hall.in, hall.pair[0], hall.group, &options));
    CHECK_OK(gyre_spawn(gyre_scope_current(), send_total, &hall));
    take_total(&hall);
    hall_close(&hall);
    return 0;
}

KERNEL_TEST(C6_I6_a_stream_comes_whole_and_in_order)
{
    must_run(stream_body, NULL);
}

KERNEL_TEST(I6_so_it_does_into_buffers_that_are_filled_bit_by_bit)
{
    static char yes;

    must_run(stream_body, &yes);
}

/* ---- a bound ------------------------------------------------------------- */

struct flood {
    struct hall hall;
    uint64_t sent;
    uint64_t peak; /* bytes of the pool */
    bool ended;
};

static int pour(void *arg)
{
    struct flood *flood = arg;

    while (flood->sent < flood->hall.total) {
        size_t size = PERIOD;
        ssize_t n;

        if (size > flood->hall.total - flood->sent)
            size = (size_t)(flood->hall.total - flood->sent);
        n = gyre_send(flood->hall.pair[1], bytes_from(flood->sent), size, 0);
        if (n < 0)
            return (int)n;
        flood->sent += (uint64_t)n;
    }
    return 0;
}

static void note_peak(struct flood *flood)
{
    gyre_pool_stats stats = { .size = sizeof stats };

    gyre_pool_get_stats(flood->hall.pool, &stats);
    if (stats.bytes_peak > flood->peak)
        flood->peak = stats.bytes_peak;
}

/* Until the sender gets no further: turns pass, and nothing is sent. */
static void until_still(struct flood *flood)
{
    unsigned still = 0;
    uint64_t before = 0;

    while (still < 20) {
        CHECK_OK(gyre_sleep(GYRE_MS));
        still = flood->sent == before ? still + 1 : 0;
        before = flood->sent;
    }
}

/*
 * 1 GB to who reads slowly: a KiB, then the others may do as much as they like.
 * Under sanitizers less is sent.
 */
static int slow_body(void *arg)
{
    enum { COUNT = 16, SIZE = 4096, CAP = 2 * COUNT * SIZE };
    gyre_incoming_options options = { .cap = CAP };
    struct flood flood;
    gyre_slice slice;
    uint64_t got = 0;
    int room = 0;

    (void)arg;
    memset(&flood, 0, sizeof flood);
    hall_open(&flood.hall, COUNT, SIZE, false);
    flood.hall.total = (UINT64_C(1) << 30) / (test_scale() * test_scale());
    CHECK_OK(gyre_incoming_recv(&flood.hall.in, flood.hall.pair[0],
                                flood.hall.group, &options));
    CHECK_OK(gyre_spawn(gyre_scope_current(), pour, &flood));
    CHECK_GT(gyre_incoming_next(&flood.hall.in, &slice), 0);
    until_still(&flood);
    /* Nobody takes anything: the sender's socket is full, and waits. */
    CHECK_LT(flood.sent, flood.hall.total);
    CHECK_OK(ioctl(flood.hall.pair[0], FIONREAD, &room));
    CHECK_GT(room, 0);
    CHECK_GT(flood.hall.in.stops_, 0u);
    for (;;) {
        int n;

        check_bytes(slice.data, slice.size, got);
        got += slice.size;
        gyre_slice_release(&slice);
        note_peak(&flood);
        if (got == flood.hall.total)
            break;
        if (got % 61 == 0)
            CHECK_OK(gyre_yield());
        n = gyre_incoming_next(&flood.hall.in, &slice);
        CHECK_GT(n, 0);
    }
    /* Those that were with the kernel before, the cap, the slice at hand. */
    CHECK_LE(flood.peak, (uint64_t)COUNT * SIZE + CAP + SIZE);
    gyre_incoming_close(&flood.hall.in);
    hall_close(&flood.hall);
    return 0;
}

TEST_WITH(C6_J6_a_gigabyte_to_a_slow_reader_takes_no_more_than_the_cap,
          .kernels = TEST_URING | TEST_EMU, .timeout_s = 120)
{
    must_run(slow_body, NULL);
}
