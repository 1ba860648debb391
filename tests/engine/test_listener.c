/* SPDX-License-Identifier: MIT */
/*
 * Listeners: where connections are served, how many at a time, and how the
 * accepting ends. On one engine and on several.
 */
#include <netinet/tcp.h>
#include <unistd.h>

#include "engine/callers.h"

enum { ENGINES = 2, CALLERS = 8 };

struct stage {
    gyre_listener_options options;
    gyre_listener *listener;
    gyre_scope *scope;
    gyre_connection_fn *fn;
    unsigned calls; /* of each caller */
    atomic_uint served;
    atomic_uint held; /* connections that wait for `go` */
    gyre_event go;
};

static int serve(void *arg)
{
    struct stage *stage = arg;

    return gyre_listener_serve(stage->listener, stage->scope, stage->fn, stage);
}

/* A listener that serves, in a scope of the caller's. */
static void stage_open(struct stage *stage, gyre_scope *scope)
{
    stage->listener = listen_with(&stage->options);
    stage->scope = scope;
    gyre_scope_open(scope, NULL);
    CHECK_OK(gyre_spawn(scope, serve, stage));
}

static void stage_close(struct stage *stage)
{
    gyre_listener_stop(stage->listener);
    CHECK_OK(gyre_scope_close(stage->scope));
    CHECK_EQ(open_at(stage->listener, -1), 0);
    gyre_listener_close(stage->listener);
}

static int give_byte(gyre_connection *connection)
{
    struct stage *stage = connection->arg;

    CHECK(connection->listener == stage->listener);
    CHECK(connection->peer == NULL);
    atomic_fetch_add(&stage->served, 1);
    return gyre_send_all(connection->fd, "x", 1, 0);
}

static int call_often(void *arg)
{
    struct stage *stage = arg;

    for (unsigned i = 0; i < stage->calls; i++)
        call_for_byte(stage->listener);
    return 0;
}

/* ---- who serves ---------------------------------------------------------- */

/* GYRE_TEST_CONNECTIONS asks for more. */
static unsigned connections_wanted(void)
{
    const char *text = getenv("GYRE_TEST_CONNECTIONS");
    unsigned long count = text != NULL ? strtoul(text, NULL, 10) : 0;

    return count >= 2400 ? (unsigned)count : 2400;
}

static void check_even(const gyre_listener *listener, unsigned all)
{
    uint64_t least = UINT64_MAX, most = 0, sum = 0;

    for (int n = 0; n < ENGINES; n++) {
        uint64_t count = accepted_by(listener, n);

        least = count < least ? count : least;
        most = count > most ? count : most;
        sum += count;
    }
    CHECK_EQ(sum, all);
    CHECK_EQ(accepted_by(listener, -1), all);
    CHECK_LE(most * 10, least * 12);
}

static int call_from_all(void *arg)
{
    struct stage *stage = arg;
    gyre_scope scope, callers;

    stage->calls = connections_wanted() / CALLERS;
    stage_open(stage, &scope);
    gyre_scope_open(&callers, NULL);
    for (int i = 0; i < CALLERS; i++)
        CHECK_OK(spawn_at(&callers, GYRE_NEXT, call_often, stage, NULL));
    CHECK_OK(gyre_scope_close(&callers));
    CHECK_EQ(stage->served, CALLERS * stage->calls);
    check_even(stage->listener, CALLERS * stage->calls);
    stage_close(stage);
    return 0;
}

KERNEL_TEST(V1_handed_off_connections_are_spread_evenly)
{
    struct stage stage = { .fn = give_byte };

    run_on_engines(ENGINES, call_from_all, &stage);
}

KERNEL_TEST(V1_engines_with_sockets_of_their_own_serve_alike)
{
    struct stage stage = { .fn = give_byte,
                           .options.spread = GYRE_SPREAD_REUSEPORT };

    run_on_engines(ENGINES, call_from_all, &stage);
}

/* ---- long ones ----------------------------------------------------------- */

/* Every other one is long: going round would give one engine all of these. */
static int hold_every_other(gyre_connection *connection)
{
    struct stage *stage = connection->arg;
    char byte;

    if (gyre_recv(connection->fd, &byte, 1, 0) != 1)
        return -EPROTO;
    atomic_fetch_add(&stage->served, 1);
    if (byte == 's')
        return 0;
    atomic_fetch_add(&stage->held, 1);
    return gyre_event_wait(&stage->go, NULL);
}

static int call_long(void *arg)
{
    struct stage *stage = arg;
    unsigned count = stage->calls;
    gyre_scope scope;
    int fds[256];

    CHECK_LE(count, 256);
    stage_open(stage, &scope);
    for (unsigned i = 0; i < 2 * count; i++) {
        int fd = call(stage->listener);
        char byte = 0;

        CHECK_GE(fd, 0);
        CHECK_OK(gyre_send_all(fd, i % 2 == 0 ? "l" : "s", 1, 0));
        if (i % 2 == 0) {
            fds[i / 2] = fd;
            continue;
        }
        CHECK_EQ(gyre_recv(fd, &byte, 1, 0), 0);
        CHECK_OK(gyre_close(fd));
    }
    while (atomic_load(&stage->held) < count)
        CHECK_OK(gyre_yield());
    CHECK_LE(open_at(stage->listener, 0) * 10,
             open_at(stage->listener, 1) * 12);
    CHECK_LE(open_at(stage->listener, 1) * 10,
             open_at(stage->listener, 0) * 12);
    CHECK_OK(gyre_event_set(&stage->go, NULL));
    for (unsigned i = 0; i < count; i++)
        CHECK_OK(gyre_close(fds[i]));
    stage_close(stage);
    gyre_event_destroy(&stage->go);
    return 0;
}

KERNEL_TEST(V1_long_connections_even_out_when_they_are_handed_off)
{
    struct stage stage = { .fn = hold_every_other, .calls = 256 };

    run_on_engines(ENGINES, call_long, &stage);
}

/* ---- a bound ------------------------------------------------------------- */

static int count_those_inside(gyre_connection *connection)
{
    struct stage *stage = connection->arg;
    unsigned most = stage->options.connections_max;

    CHECK_LE(atomic_fetch_add(&stage->held, 1) + 1, most);
    CHECK_OK(gyre_sleep(GYRE_MS));
    atomic_fetch_sub(&stage->held, 1);
    return give_byte(connection);
}

static int call_with_bound(void *arg)
{
    struct stage *stage = arg;
    gyre_scope scope, callers;

    stage->calls = 5;
    stage_open(stage, &scope);
    gyre_scope_open(&callers, NULL);
    for (int i = 0; i < CALLERS; i++)
        CHECK_OK(gyre_spawn(&callers, call_often, stage));
    CHECK_OK(gyre_scope_close(&callers));
    CHECK_EQ(stage->served, CALLERS * stage->calls);
    stage_close(stage);
    return 0;
}

KERNEL_TEST(V1_no_more_connections_than_wanted_are_there_at_a_time)
{
    for (unsigned engines = 1; engines <= ENGINES; engines++) {
        struct stage stage = { .fn = count_those_inside,
                               .options.connections_max = 2 };

        run_on_engines(engines, call_with_bound, &stage);
        stage.options.spread = GYRE_SPREAD_REUSEPORT;
        stage.served = 0;
        run_on_engines(engines, call_with_bound, &stage);
    }
}

/* ---- what a connection knows --------------------------------------------- */

static int look_at_peer(gyre_connection *connection)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    int on = 0;
    socklen_t on_size = sizeof on;

    CHECK(connection->peer != NULL);
    CHECK_EQ(connection->peer_size, sizeof peer);
    CHECK_OK(gyre_getpeername(connection->fd, (struct sockaddr *)&peer, &size));
    CHECK_MEM_EQ(connection->peer, &peer, sizeof peer);
    CHECK_EQ(peer.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    CHECK_GE(gyre_getsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on,
                             &on_size),
             0);
    CHECK_EQ(on, 1);
    CHECK_STR_EQ(gyre_task_name(gyre_task_current()), "guest");
    CHECK_GE(gyre_stack_left(), 256 << 10);
    return gyre_send_all(connection->fd, "x", 1, 0);
}

static int call_some(void *arg)
{
    struct stage *stage = arg;
    gyre_scope scope;

    stage->calls = 6;
    stage_open(stage, &scope);
    CHECK_OK(call_often(stage));
    stage_close(stage);
    return 0;
}

KERNEL_TEST(V1_a_connection_knows_its_peer_and_has_what_was_asked_for)
{
    struct stage stage = { .fn = look_at_peer,
                           .options = { .peers = true,
                                        .no_delay = true,
                                        .name = "guest",
                                        .stack_size = 512 << 10 } };

    run_on_engines(ENGINES, call_some, &stage);
}

struct given {
    struct stage stage;
    int fd;
};

static int give_away(gyre_connection *connection)
{
    struct given *given = (struct given *)connection->arg;

    given->fd = connection->fd;
    connection->fd = -1;
    return -EPROTO;
}

static int keep_one(void *arg)
{
    struct given *given = arg;
    gyre_listener_stats stats = { .size = sizeof stats };
    gyre_scope scope;
    char byte = 0;
    int fd;

    stage_open(&given->stage, &scope);
    fd = call(given->stage.listener);
    CHECK_GE(fd, 0);
    do {
        CHECK_OK(gyre_yield());
        gyre_listener_get_stats(given->stage.listener, -1, &stats);
    } while (stats.failed == 0);
    CHECK_EQ(stats.accepted, 1);
    stage_close(&given->stage);
    /* The function's result is nobody's error, and the connection lives. */
    CHECK_OK(gyre_send_all(given->fd, "y", 1, 0));
    CHECK_EQ(gyre_recv(fd, &byte, 1, 0), 1);
    CHECK_OK(gyre_close(fd));
    CHECK_OK(gyre_close(given->fd));
    return 0;
}

KERNEL_TEST(V1_a_connection_can_be_given_away)
{
    struct given given = { .stage.fn = give_away };

    run_on_engines(1, keep_one, &given);
}
