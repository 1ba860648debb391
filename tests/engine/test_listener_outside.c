/* SPDX-License-Identifier: MIT */
/*
 * Listeners that a plain thread opens, before there are engines: those serve
 * them; or nobody does, and the thread closes them.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/callers.h"

static gyre_listener *listen_outside(const char *text,
                                     const gyre_listener_options *options)
{
    gyre_listener *listener = NULL;

    CHECK(gyre_loop_current() == NULL);
    if (gyre_listener_open(&listener, text, options) < 0)
        FAIL("%s", gyre_listener_error());
    CHECK_STR_EQ(gyre_listener_error(), "");
    CHECK(gyre_loop_current() == NULL);
    return listener;
}

/* ---- served -------------------------------------------------------------- */

enum { CALLS = 8 };

static int greet_and_stop(gyre_connection *connection)
{
    atomic_uint *served = connection->arg;
    int err = gyre_send_all(connection->fd, "x", 1, 0);

    if (atomic_fetch_add(served, 1) + 1 == CALLS)
        gyre_listener_stop(connection->listener);
    return err;
}

static int call_all(void *arg)
{
    for (unsigned i = 0; i < CALLS; i++)
        call_for_byte(arg);
    return 0;
}

/* All who call are served by it. */
static void serve_calls(gyre_listener *listener, gyre_connection_fn *fn)
{
    atomic_uint served = 0;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, call_all, listener));
    CHECK_OK(gyre_listener_serve(listener, &scope, fn, &served));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(served, CALLS);
    CHECK_EQ(accepted_by(listener, -1), CALLS);
}

static int serve_what_is_open(void *arg)
{
    serve_calls(arg, greet_and_stop);
    return 0;
}

static void serve_on(unsigned engines, const gyre_listener_options *options)
{
    gyre_listener *listener = listen_outside("127.0.0.1:0", options);

    run_on_engines(engines, serve_what_is_open, listener);
    CHECK_EQ(open_at(listener, -1), 0);
    gyre_listener_close(listener);
}

KERNEL_TEST(V1_a_thread_listens_before_the_engines_that_serve)
{
    for (unsigned engines = 1; engines <= 3; engines++) {
        gyre_listener_options options = { .engines = engines };

        serve_on(engines, &options);
        options.spread = GYRE_SPREAD_REUSEPORT;
        serve_on(engines, &options);
    }
}

TEST_PANICS(V1_other_engines_than_it_was_told_of_do_not_serve,
            "gyre_listener_options.engines is not the number of the engines")
{
    serve_on(1, &(gyre_listener_options){ .engines = 2 });
}

static void open_in_callback(gyre_timer *timer, int status)
{
    gyre_listener *listener;

    (void)timer;
    (void)status;
    (void)!gyre_listener_open(&listener, "127.0.0.1:0", NULL);
}

TEST_PANICS(V1_a_callback_opens_no_listener, "spawn a task that does")
{
    gyre_loop *loop;
    gyre_timer timer;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_timer_init(&timer, loop, open_in_callback, NULL);
    gyre_timer_start(&timer, 0);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
}

/* ---- not served ---------------------------------------------------------- */

KERNEL_TEST(V1_a_thread_closes_what_nobody_has_served)
{
    const gyre_listener_options apart = { .spread = GYRE_SPREAD_REUSEPORT,
                                          .engines = 2 };
    gyre_listener *listener = listen_outside("127.0.0.1:0", &apart);
    char text[160];
    struct stat status;

    snprintf(text, sizeof text, "%s", gyre_listener_address(listener));
    gyre_listener_close(listener);
    gyre_listener_close(listen_outside(text, NULL)); /* the port is free */

    snprintf(text, sizeof text, "unix:%s/s", test_directory());
    listener = listen_outside(text, NULL);
    CHECK_OK(stat(text + 5, &status));
    gyre_listener_close(listener);
    CHECK(stat(text + 5, &status) != 0);
}

/* ---- refused ------------------------------------------------------------- */

KERNEL_TEST2(V1_a_thread_is_told_why_it_cannot_listen)
{
    const gyre_listener_options many = { .engines = 5000 };
    gyre_listener *listener = listen_outside("127.0.0.1:0", NULL);

    listen_refused(gyre_listener_address(listener), NULL, -EADDRINUSE,
                   "choose another port");
    listen_refused("192.0.2.1:0", NULL, -EADDRNOTAVAIL, "ip address");
    listen_refused("nonsense", NULL, -EINVAL, "no such form of address");
    listen_refused("127.0.0.1:0", &many, -EINVAL, "more than 1024");
    gyre_listener_close(listener);
}

static void open_outside(void)
{
    gyre_listener *listener = NULL;
    int err = gyre_listener_open(&listener, "127.0.0.1:0", NULL);

    if (err < 0) {
        CHECK_ERR(err, -ENOMEM);
        CHECK_STR_HAS(gyre_listener_error(), "memory");
    }
    gyre_listener_close(listener);
}

KERNEL_TEST2(V1_a_thread_without_memory_is_told_so)
{
    test_quiet();
    CHECK_GT(for_each_failure(open_outside), 4);
}

/* A loop takes descriptors: without, there is a sentence, too. */
KERNEL_TEST2(V1_a_thread_without_descriptors_is_told_so)
{
    struct rlimit limit, none;
    gyre_listener *listener = listen_outside("127.0.0.1:0", NULL);
    int next = dup(0);

    CHECK_OK(close(next));
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    none = limit;
    none.rlim_cur = (rlim_t)next;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &none));
    listen_refused("127.0.0.1:0", NULL, -EMFILE, "cannot listen on");
    gyre_listener_close(listener);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

/* ---- given --------------------------------------------------------------- */

static int look_at_delay(gyre_connection *connection)
{
    int on = 0;
    socklen_t size = sizeof on;

    CHECK_GE(
        gyre_getsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, &size),
        0);
    CHECK_EQ(on, 1);
    return greet_and_stop(connection);
}

static int serve_given(void *arg)
{
    serve_calls(arg, look_at_delay);
    gyre_listener_close(arg);
    return 0;
}

/* What is asked for is had of sockets that others have opened, too. */
KERNEL_TEST2(V1_a_socket_that_is_taken_over_has_what_was_asked_for)
{
    const gyre_listener_options options = { .no_delay = true, .engines = 1 };
    struct sockaddr_in address = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[16];

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_OK(bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_OK(listen(fd, 8));
    snprintf(text, sizeof text, "fd:%d", fd);
    run_on_engines(1, serve_given, listen_outside(text, &options));
}
