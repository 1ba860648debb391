/* SPDX-License-Identifier: MIT */
/*
 * A bound that listeners share: places. Who has none waits, those who rest are
 * asked to make place, and every place comes back.
 */
#include "engine/callers.h"

enum { CALLERS = 6, CALLS = 4, DOORS = 2 };

struct hall {
    gyre_listener_options options;
    gyre_semaphore places;
    gyre_listener *doors[DOORS];
    unsigned door_count;
    gyre_connection_fn *fn;
    gyre_scope *scope;
    unsigned next;      /* door to be served, to be called */
    atomic_uint inside; /* connections */
    atomic_uint asked;  /* how often make_place() was called */
    gyre_event go;      /* for those who rest */
};

static uint64_t waiting_at(const gyre_listener *listener)
{
    gyre_listener_stats stats = { .size = sizeof stats };

    gyre_listener_get_stats(listener, -1, &stats);
    return stats.waiting;
}

static int serve_door(void *arg)
{
    struct hall *hall = arg;
    gyre_listener *door = hall->doors[hall->next++];

    return gyre_listener_serve(door, hall->scope, hall->fn, hall);
}

static void hall_open(struct hall *hall, gyre_scope *scope, uint64_t places)
{
    gyre_semaphore_init(&hall->places, places, 0);
    gyre_event_init(&hall->go, 0);
    hall->options.places = &hall->places;
    hall->scope = scope;
    hall->next = 0;
    gyre_scope_open(scope, NULL);
    for (unsigned i = 0; i < hall->door_count; i++) {
        hall->doors[i] = listen_with(&hall->options);
        CHECK_OK(gyre_spawn(scope, serve_door, hall));
    }
}

/* All places are there again, and nobody waits for one. */
static void hall_close(struct hall *hall, uint64_t places)
{
    for (unsigned i = 0; i < hall->door_count; i++)
        gyre_listener_stop(hall->doors[i]);
    CHECK_OK(gyre_scope_close(hall->scope));
    for (unsigned i = 0; i < hall->door_count; i++) {
        CHECK_EQ(waiting_at(hall->doors[i]), 0);
        gyre_listener_close(hall->doors[i]);
    }
    CHECK_EQ(gyre_semaphore_units(&hall->places), places);
    gyre_semaphore_destroy(&hall->places);
    gyre_event_destroy(&hall->go);
}

/* ---- one bound, many doors ----------------------------------------------- */

static int be_one_of_three(gyre_connection *connection)
{
    struct hall *hall = connection->arg;

    CHECK_LE(atomic_fetch_add(&hall->inside, 1) + 1, 3);
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_sleep(GYRE_MS / 4));
    atomic_fetch_sub(&hall->inside, 1);
    return gyre_send_all(connection->fd, "x", 1, 0);
}

static int call_each_door(void *arg)
{
    struct hall *hall = arg;

    for (unsigned i = 0; i < CALLS; i++)
        call_for_byte(hall->doors[i % hall->door_count]);
    return 0;
}

static int share_places(void *arg)
{
    struct hall *hall = arg;
    gyre_scope scope, callers;

    hall_open(hall, &scope, 3);
    gyre_scope_open(&callers, NULL);
    for (int i = 0; i < CALLERS; i++)
        CHECK_OK(spawn_at(&callers, GYRE_NEXT, call_each_door, hall, NULL));
    CHECK_OK(gyre_scope_close(&callers));
    hall_close(hall, 3);
    return 0;
}

KERNEL_TEST(V1_listeners_share_a_bound)
{
    struct hall hall = { .fn = be_one_of_three, .door_count = DOORS };

    for (unsigned engines = 1; engines <= 2; engines++) {
        hall.options.spread = GYRE_SPREAD_HAND_OFF;
        run_on_engines(engines, share_places, &hall);
        hall.options.spread = GYRE_SPREAD_REUSEPORT;
        run_on_engines(engines, share_places, &hall);
    }
}

/* ---- who rests ----------------------------------------------------------- */

static void end_who_rests(void *arg)
{
    struct hall *hall = arg;
    uint64_t waiting = waiting_at(hall->doors[0]);

    CHECK_GE(waiting, 1);
    atomic_fetch_add(&hall->asked, 1);
    CHECK_OK(gyre_event_set(&hall->go, NULL));
}

static int rest_until_asked(gyre_connection *connection)
{
    struct hall *hall = connection->arg;

    atomic_fetch_add(&hall->inside, 1);
    CHECK_OK(gyre_event_wait(&hall->go, NULL));
    atomic_fetch_sub(&hall->inside, 1);
    return gyre_send_all(connection->fd, "x", 1, 0);
}

static int fill_and_call(void *arg)
{
    struct hall *hall = arg;
    gyre_scope scope;
    char byte = 0;
    int fd;

    hall_open(hall, &scope, 1);
    fd = call(hall->doors[0]);
    CHECK_GE(fd, 0);
    while (atomic_load(&hall->inside) == 0)
        CHECK_OK(gyre_yield());
    CHECK_EQ(hall->asked, 0); /* there was one */
    call_for_byte(hall->doors[0]);
    CHECK_EQ(hall->asked, 1);
    CHECK_EQ(gyre_recv(fd, &byte, 1, 0), 1);
    CHECK_OK(gyre_close(fd));
    hall_close(hall, 1);
    return 0;
}

KERNEL_TEST(V1_those_who_rest_are_asked_to_make_place)
{
    for (unsigned engines = 1; engines <= 2; engines++) {
        struct hall hall = { .fn = rest_until_asked,
                             .door_count = 1,
                             .options.make_place = end_who_rests };

        run_on_engines(engines, fill_and_call, &hall);
    }
}

/* ---- the end ------------------------------------------------------------- */

static int stop_when_full(void *arg)
{
    struct hall *hall = arg;
    gyre_scope scope;
    char byte = 0;
    int first, second;
    ssize_t n;

    hall_open(hall, &scope, 1);
    first = call(hall->doors[0]);
    CHECK_GE(first, 0);
    while (atomic_load(&hall->inside) == 0)
        CHECK_OK(gyre_yield());
    second = call(hall->doors[0]);
    CHECK_GE(second, 0);
    while (waiting_at(hall->doors[0]) == 0)
        CHECK_OK(gyre_yield());
    CHECK_EQ(accepted_by(hall->doors[0], -1), 1);
    gyre_listener_stop(hall->doors[0]);
    n = gyre_recv(second, &byte, 1, 0);
    CHECK(n == 0 || n == -ECONNRESET);
    /* Who is inside goes on. */
    CHECK_OK(gyre_event_set(&hall->go, NULL));
    CHECK_EQ(gyre_recv(first, &byte, 1, 0), 1);
    CHECK_OK(gyre_close(first));
    CHECK_OK(gyre_close(second));
    hall_close(hall, 1);
    return 0;
}

KERNEL_TEST(V1_who_waits_for_a_place_when_the_end_comes_is_closed)
{
    for (unsigned engines = 1; engines <= 2; engines++) {
        struct hall hall = { .fn = rest_until_asked, .door_count = 1 };

        run_on_engines(engines, stop_when_full, &hall);
    }
}
