/* SPDX-License-Identifier: MIT */
/*
 * Where tasks go that are sent by turn or by load: histograms of ten thousand,
 * from one engine and from several at the same time.
 */
#include "engine/crew.h"

enum { ENGINES = 4, MOST = 8 };

struct histogram {
    int where;
    unsigned count; /* of each spawner */
    atomic_uint on[MOST];
    atomic_uint left;
    gyre_event go;
};

/* All are there at the same time, so that a load is what was sent there. */
static int land(void *arg)
{
    struct histogram *histogram = arg;

    atomic_fetch_add(&histogram->on[gyre_engine_current()], 1);
    if (atomic_fetch_sub(&histogram->left, 1) == 1)
        CHECK_OK(gyre_event_set(&histogram->go, NULL));
    return gyre_event_wait(&histogram->go, NULL);
}

static int send_out(void *arg)
{
    struct histogram *histogram = arg;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < histogram->count; i++) {
        CHECK_OK(spawn_at(&scope, histogram->where, land, histogram, NULL));
        if (i % 64 == 63)
            CHECK_OK(gyre_yield());
    }
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

static int send_from_all(void *arg)
{
    CHECK_OK(gyre_spawn_all(gyre_scope_current(), NULL, send_out, arg, NULL));
    return 0;
}

static unsigned most_of(const struct histogram *histogram, unsigned engines,
                        unsigned *least)
{
    unsigned most = 0;

    *least = UINT32_MAX;
    for (unsigned n = 0; n < engines; n++) {
        unsigned count = histogram->on[n];

        most = count > most ? count : most;
        *least = count < *least ? count : *least;
    }
    return most;
}

/* The busiest has at most so many tenths of what the idlest has. */
static void check_spread(int where, unsigned engines, bool from_all,
                         unsigned tenths)
{
    unsigned senders = from_all ? engines : 1;
    struct histogram histogram = { .where = where,
                                   .count = test_tasks(10000) / senders };
    unsigned least, most;

    histogram.left = histogram.count * senders;
    run_on_engines(engines, from_all ? send_from_all : send_out, &histogram);
    gyre_event_destroy(&histogram.go);
    most = most_of(&histogram, engines, &least);
    CHECK_LE(most * 10, least * tenths + 20);
}

KERNEL_TEST2(L4_tasks_go_round_the_engines_in_turn)
{
    check_spread(GYRE_NEXT, ENGINES, false, 10);
    check_spread(GYRE_NEXT, ENGINES, true, 10);
}

KERNEL_TEST2(L5_tasks_go_to_the_less_loaded_engine)
{
    check_spread(GYRE_LEAST_LOADED, 2, false, 11);
    check_spread(GYRE_LEAST_LOADED, ENGINES, false, 11);
    check_spread(GYRE_LEAST_LOADED, ENGINES, true, 12);
}

/* ---- who has more already gets less -------------------------------------- */

static int fill_one(void *arg)
{
    struct histogram *histogram = arg;
    unsigned filled = histogram->count / 2;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < histogram->count; i++)
        CHECK_OK(spawn_at(&scope,
                          i < filled ? GYRE_ENGINE(1) : GYRE_LEAST_LOADED, land,
                          histogram, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST2(L5_an_engine_that_is_full_gets_none)
{
    struct histogram histogram = { .count = test_tasks(1000) };
    unsigned least, most;

    histogram.left = histogram.count;
    run_on_engines(2, fill_one, &histogram);
    gyre_event_destroy(&histogram.go);
    most = most_of(&histogram, 2, &least);
    CHECK_EQ(most + least, histogram.count);
    CHECK_LE(most, least + 8);
}

/* ---- how many were sent -------------------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static uint64_t placed_on(unsigned engine)
{
    gyre_engine_stats stats = { .size = sizeof stats };

    gyre_engine_get_stats(gyre_engines_current(), engine, &stats);
    return stats.placed;
}

static int send_some(void *arg)
{
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 5; i++)
        CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), nothing, NULL, NULL));
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(0), nothing, NULL, NULL));
    CHECK_OK(spawn_at(&scope, GYRE_ANYWHERE, nothing, NULL, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(placed_on(0), 0);
    CHECK_EQ(placed_on(1), 5);
    return 0;
}

TEST(L7_what_is_sent_to_an_engine_is_counted)
{
    run_on_engines(2, send_some, NULL);
}

static int send_astray(void *arg)
{
    gyre_scope *scope = gyre_scope_current();
    unsigned count = gyre_engines_count(gyre_engines_current());

    CHECK_ERR(spawn_at(scope, GYRE_NEXT - 1, nothing, arg, NULL), -EINVAL);
    CHECK_ERR(spawn_at(scope, GYRE_ENGINE(count), nothing, arg, NULL), -EINVAL);
    return 0;
}

TEST(L7_nothing_is_sent_where_there_is_no_engine)
{
    run_on_engines(1, send_astray, NULL);
    run_on_engines(3, send_astray, NULL);
}
