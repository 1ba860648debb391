/* SPDX-License-Identifier: MIT */
/*
 * proxy LISTEN HOST PORT [IDLE] - a TCP proxy on every CPU
 *
 *     proxy 127.0.0.1:7000 localhost 8080
 *
 * For each client a connection to HOST, and two tasks that copy, one for each
 * direction: when one side has said its last, the other is told, and may go on
 * talking. A connection on which nothing has moved for IDLE seconds (60) is
 * closed. At SIGTERM or SIGINT nobody is accepted any more, and who is
 * connected has ten seconds to finish, or until a second signal.
 */
#include <gyre/gyre.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static const char *host, *port;
static uint64_t idle_ns = 60 * GYRE_SECOND;
static gyre_engines *engines;

/* ---- a connection -------------------------------------------------------- */

struct pair {
    int client, server;
    gyre_timer idle;
};

static int copy(struct pair *pair, int from, int to)
{
    char bytes[32 << 10];
    ssize_t n;
    int err = 0;

    while (err == 0 && (n = gyre_recv(from, bytes, sizeof bytes, 0)) > 0) {
        gyre_timer_reset(&pair->idle, gyre_deadline_in(idle_ns));
        err = gyre_send_all(to, bytes, (size_t)n, 0);
    }
    if (err == 0)
        err = n < 0 ? (int)n : gyre_shutdown(to, SHUT_WR);
    return err;
}

static int copy_back(void *arg)
{
    struct pair *pair = arg;

    return copy(pair, pair->server, pair->client);
}

static void too_long_idle(gyre_timer *timer, int status)
{
    if (status == 0)
        gyre_scope_cancel(timer->user);
}

/* An error of one direction cancels the other. */
static int copy_both(gyre_scope *scope, void *arg)
{
    struct pair *pair = arg;
    int err;

    gyre_timer_init(&pair->idle, gyre_loop_current(), too_long_idle, scope);
    gyre_timer_start_after(&pair->idle, idle_ns);
    pair->server = gyre_dial(host, port, NULL);
    if (pair->server < 0)
        return pair->server;
    err = gyre_spawn(scope, copy_back, pair);
    return err < 0 ? err : copy(pair, pair->client, pair->server);
}

static int serve(gyre_connection *connection)
{
    struct pair pair = { .client = connection->fd, .server = -1 };
    int err = gyre_scope_run(NULL, copy_both, &pair);

    gyre_timer_stop(&pair.idle);
    if (pair.server >= 0)
        gyre_close(pair.server);
    return err;
}

/* ---- from beginning to end ----------------------------------------------- */

static void on_signal(int number)
{
    static atomic_bool again; /* signals come to any thread */
    gyre_shutdown_options phases = { .cancel_ns = 2 * GYRE_SECOND };

    (void)number;
    if (!atomic_exchange(&again, true))
        phases.drain_ns = 10 * GYRE_SECOND;
    gyre_engines_shutdown(engines, &phases);
}

static void catch_signals(void (*handler)(int number))
{
    const struct sigaction action = { .sa_handler = handler };

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static int serve_all(gyre_scope *scope, void *listener)
{
    return gyre_listener_serve(listener, scope, serve, NULL);
}

static int run(void *address)
{
    gyre_listener_stats stats = { .size = sizeof stats };
    gyre_listener *listener;
    int err = gyre_listener_open(&listener, address, NULL);

    if (err < 0) {
        fprintf(stderr, "proxy: %s\n", gyre_listener_error());
        return err;
    }
    printf("proxy: %s\n", gyre_listener_address(listener));
    fflush(stdout);
    engines = gyre_engines_current();
    catch_signals(on_signal);
    err = gyre_scope_run(NULL, serve_all, listener); /* and all connections */
    catch_signals(SIG_IGN);
    gyre_listener_get_stats(listener, -1, &stats);
    printf("proxy: %llu connections, %llu failed\n",
           (unsigned long long)stats.accepted,
           (unsigned long long)stats.failed);
    gyre_listener_close(listener);
    return err;
}

int main(int argc, char **argv)
{
    gyre_shutdown_report report = { .size = sizeof report };
    int err;

    if (argc < 4) {
        fprintf(stderr, "usage: proxy LISTEN HOST PORT [IDLE]\n");
        return 2;
    }
    host = argv[2];
    port = argv[3];
    if (argc > 4)
        idle_ns = strtoull(argv[4], NULL, 10) * GYRE_SECOND;
    err = gyre_run(&(gyre_run_options){ .engines = GYRE_EACH_CPU,
                                        .name = "proxy",
                                        .shutdown_report = &report },
                   run, argv[1]);
    if (err < 0)
        fprintf(stderr, "proxy: %s\n%s", gyre_strerror(err), report.text);
    return err < 0;
}
