/* SPDX-License-Identifier: MIT */
/*
 * Accepting when descriptors run out: it pauses, does not spin, loses nobody,
 * and goes on by itself. On every kernel.
 */
#include <errno.h>

#include "io/world.h"
#include "runner/clients.h"

enum { CLIENTS = 30, ROOM = 8 };

struct server {
    struct sockaddr_in address;
    int listener;
    unsigned served;
    gyre_acceptor acceptor;
};

struct connection {
    struct server *server;
    int fd;
};

static int serve_one(void *arg)
{
    const struct connection *connection = arg;
    int fd = connection->fd;
    char byte;

    CHECK_EQ(gyre_recv(fd, &byte, 1, 0), 1);
    while (connection->server->acceptor.pauses == 0)
        CHECK_OK(gyre_sleep(GYRE_MS)); /* others come, until there is need */
    CHECK_EQ(gyre_send(fd, &byte, 1, 0), 1);
    CHECK_OK(gyre_close(fd));
    return 0;
}

static int serve_all(void *arg)
{
    struct server *server = arg;
    static struct connection connections[CLIENTS];
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;

    gyre_acceptor_init(&server->acceptor, server->listener);
    while (server->served < CLIENTS) {
        int fd = gyre_acceptor_next(&server->acceptor, (struct sockaddr *)&peer,
                                    &size);

        CHECK(fd >= 0);
        CHECK_EQ(size, sizeof peer);
        connections[server->served] = (struct connection){ server, fd };
        CHECK_OK(gyre_spawn(gyre_scope_current(), serve_one,
                            &connections[server->served++]));
    }
    return 0;
}

static int serve_scope(gyre_scope *scope, void *arg)
{
    (void)scope;
    return serve_all(arg);
}

static int serve_in_need(void *arg)
{
    struct server *server = arg;
    gyre_loop_stats stats = { .size = sizeof stats };
    struct rlimit limit = leave_descriptors(ROOM);

    CHECK_OK(gyre_scope_run(NULL, serve_scope, server));
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));

    CHECK_EQ(server->served, (unsigned)CLIENTS);
    CHECK_GT(server->acceptor.pauses, 0u);
    CHECK_ERR(server->acceptor.last_error, -EMFILE);
    /* A loop that spins makes a hundred thousand turns in the time. */
    gyre_loop_get_stats(gyre_loop_current(), &stats);
    CHECK_LT(stats.turns, 100u * CLIENTS);
    return 0;
}

KERNEL_TEST(accepting_pauses_without_descriptors_and_loses_nobody)
{
    struct server server = { 0 };
    pid_t child;

    test_quiet();
    if (test_on_valgrind())
        TEST_SKIP("valgrind keeps descriptors of its own");
    server.listener = listen_open(&server.address, CLIENTS);
    child = clients_start(&server.address, CLIENTS);
    must_run(serve_in_need, &server);
    clients_end(child);
    CHECK_OK(close(server.listener));
}

static int accept_on_nothing(void *arg)
{
    gyre_acceptor acceptor;

    (void)arg;
    gyre_acceptor_init(&acceptor, -1);
    CHECK_ERR(gyre_acceptor_next(&acceptor, NULL, NULL), -EBADF);
    return 0;
}

KERNEL_TEST2(a_listening_descriptor_that_is_none_ends_the_accepting)
{
    must_run(accept_on_nothing, NULL);
}
