/* SPDX-License-Identifier: MIT */
/*
 * Accepting when descriptors run out: it pauses, does not spin, loses nobody,
 * and goes on by itself. On every kernel.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/world.h"

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

/* The clients are a process of their own, with descriptors of its own. */
static pid_t clients_start(const struct sockaddr_in *address)
{
    int fds[CLIENTS];
    pid_t child = fork();

    if (child != 0)
        return child;
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fds[i] < 0 || connect(fds[i], (const struct sockaddr *)address,
                                  sizeof *address) < 0)
            _exit(1);
    }
    for (int i = 0; i < CLIENTS; i++) {
        char byte = (char)i;

        if (write(fds[i], &byte, 1) != 1)
            _exit(2);
    }
    for (int i = 0; i < CLIENTS; i++) {
        char byte;

        if (read(fds[i], &byte, 1) != 1 || byte != (char)i)
            _exit(3);
    }
    _exit(0);
}

static int serve_scope(gyre_scope *scope, void *arg)
{
    (void)scope;
    return serve_all(arg);
}

static int serve_in_need(void *arg)
{
    struct server *server = arg;
    struct rlimit limit, tight;
    gyre_loop_stats stats = { .size = sizeof stats };
    int highest = dup(server->listener);

    CHECK(highest >= 0);
    CHECK_OK(close(highest));
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    tight = limit;
    tight.rlim_cur = (rlim_t)highest + ROOM;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &tight));
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
    int status;
    pid_t child;

    test_quiet();
    if (test_on_valgrind())
        TEST_SKIP("valgrind keeps descriptors of its own");
    server.listener = listen_open(&server.address, CLIENTS);
    child = clients_start(&server.address);
    CHECK(child > 0);
    must_run(serve_in_need, &server);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
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
