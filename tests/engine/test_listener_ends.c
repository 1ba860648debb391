/* SPDX-License-Identifier: MIT */
/*
 * How listening begins and ends: addresses, errors in words, the stop, a cancel
 * in the midst of it, shortages. Nobody who was accepted is lost.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "engine/callers.h"
#include "runner/patient.h"

/* ---- errors in words ----------------------------------------------------- */

static int open_badly(void *arg)
{
    static const char *const BAD[] = {
        "",         "80",     "localhost:80",     "127.0.0.1:65536", "1.2.3:80",
        "[::1]",    "[]:80",  "::1:80",           "127.0.0.1: 80",   "fd:",
        "fd:three", "unix:",  "[x]:80",           "127.0.0.1:",      "fd:-1",
        "[::1:80",  "fd:1x0", "127.0.0.1:000080",
    };
    const gyre_listener_options apart = { .spread = GYRE_SPREAD_REUSEPORT };
    gyre_listener *listener, *other;
    char address[160];
    int fd;

    (void)arg;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        listen_refused(BAD[i], NULL, -EINVAL, "no such form of address");
    memcpy(address, "unix:", 6);
    memset(address + 5, 'x', sizeof address - 6);
    address[sizeof address - 1] = '\0';
    CHECK_ERR(gyre_listener_open(&other, address, NULL), -EINVAL);

    listener = listen_with(NULL);
    snprintf(address, sizeof address, "%s", gyre_listener_address(listener));
    listen_refused(address, NULL, -EADDRINUSE, "choose another port");
    listen_refused(address, &apart, -EADDRINUSE, "choose another port");
    gyre_listener_close(listener);
    CHECK_OK(gyre_listener_open(&other, address, &apart));
    CHECK_STR_EQ(gyre_listener_error(), "");
    CHECK_STR_EQ(gyre_listener_address(other), address);
    listen_refused(address, NULL, -EADDRINUSE, "choose another port");
    gyre_listener_close(other);

    listen_refused("192.0.2.1:0", NULL, -EADDRNOTAVAIL, "ip address");
    listen_refused("unix:/nowhere/x", NULL, -ENOENT, "No such file");
    listen_refused("unix:@gyre", &apart, -EINVAL, "GYRE_SPREAD_HAND_OFF");
    listen_refused("fd:0", &apart, -EINVAL, "GYRE_SPREAD_HAND_OFF");
    listen_refused("127.0.0.1:0", &(gyre_listener_options){ .backlog = -1 },
                   -EINVAL, "options.backlog");
    listen_refused("127.0.0.1:0", &(gyre_listener_options){ .stack_size = 1 },
                   -EINVAL, "options.stack_size");
    listen_refused("127.0.0.1:0",
                   &(gyre_listener_options){ .spread = (gyre_spread)7 },
                   -EINVAL, "options.spread");
    listen_refused("127.0.0.1:0",
                   &(gyre_listener_options){ .slots = GYRE_SLOTS_MAX + 1 },
                   -EINVAL, "options.slots");
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address, sizeof address, "fd:%d", fd);
    listen_refused(address, NULL, -EINVAL, "no socket that listens");
    CHECK_OK(close(fd));
    listen_refused(address, NULL, -EBADF, "Bad file descriptor");
    gyre_listener_close(NULL);
    return 0;
}

KERNEL_TEST(V1_what_cannot_be_listened_on_is_told_with_its_remedy)
{
    run_on_engines(2, open_badly, NULL);
}

/* ---- addresses ----------------------------------------------------------- */

static int greet(gyre_connection *connection)
{
    return gyre_send_all(connection->fd, "x", 1, 0);
}

struct place {
    const char *text;
    gyre_listener *listener;
    gyre_scope scope;
};

static int serve_place(void *arg)
{
    struct place *place = arg;

    return gyre_listener_serve(place->listener, &place->scope, greet, NULL);
}

static void place_open(struct place *place, const char *text)
{
    place->text = text;
    if (gyre_listener_open(&place->listener, text, NULL) < 0)
        FAIL("%s", gyre_listener_error());
    gyre_scope_open(&place->scope, NULL);
    CHECK_OK(gyre_spawn(&place->scope, serve_place, place));
}

static void place_close(struct place *place)
{
    gyre_listener_stop(place->listener);
    gyre_listener_stop(place->listener);
    CHECK_OK(gyre_scope_close(&place->scope));
    gyre_listener_close(place->listener);
}

static void call_unix(const char *name, size_t size)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = gyre_socket(AF_UNIX, SOCK_STREAM, 0);
    char byte = 0;

    memcpy(address.sun_path, name, size);
    CHECK_OK(gyre_connect(
        fd, (struct sockaddr *)&address,
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)));
    CHECK_EQ(gyre_recv(fd, &byte, 1, 0), 1);
    CHECK_EQ(byte, 'x');
    CHECK_OK(gyre_close(fd));
}

static int listen_on_unix(void *arg)
{
    struct place place;
    char text[160], dead[100];
    struct stat status;
    gyre_listener *other;
    int fd;

    (void)arg;
    snprintf(text, sizeof text, "unix:%s/s", test_directory());
    place_open(&place, text);
    CHECK_STR_EQ(gyre_listener_address(place.listener), text);
    call_unix(text + 5, strlen(text + 5) + 1);
    listen_refused(text, NULL, -EADDRINUSE, "choose another name");
    place_close(&place);
    CHECK(stat(text + 5, &status) != 0);

    /* Whoever had it is gone without removing it. */
    snprintf(dead, sizeof dead, "%s/dead", test_directory());
    {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        snprintf(address.sun_path, sizeof address.sun_path, "%s", dead);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_OK(bind(fd, (struct sockaddr *)&address, sizeof address));
        CHECK_OK(listen(fd, 1));
        CHECK_OK(close(fd));
    }
    snprintf(text, sizeof text, "unix:%s", dead);
    place_open(&place, text);
    call_unix(dead, strlen(dead) + 1);
    place_close(&place);

    /* A file that is no socket stays what it is. */
    snprintf(dead, sizeof dead, "%s/file", test_directory());
    fd = gyre_open(dead, O_CREAT | O_WRONLY, 0600);
    CHECK_OK(gyre_close(fd));
    snprintf(text, sizeof text, "unix:%s", dead);
    listen_refused(text, NULL, -EADDRINUSE, "choose another name");
    CHECK_OK(stat(dead, &status));

    snprintf(text, sizeof text, "unix:@gyre-%d", (int)getpid());
    place_open(&place, text);
    CHECK_STR_EQ(gyre_listener_address(place.listener), text);
    text[5] = '\0';
    call_unix(text + 5, 1 + strlen(text + 6));
    text[5] = '@';
    CHECK_ERR(gyre_listener_open(&other, text, NULL), -EADDRINUSE);
    place_close(&place);
    return 0;
}

KERNEL_TEST(V1_unix_sockets_are_listened_on_with_and_without_a_file)
{
    run_on_engines(2, listen_on_unix, NULL);
}

static int listen_on_given(void *arg)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    struct place place;
    char text[16];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)arg;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_OK(bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_OK(listen(fd, 8));
    snprintf(text, sizeof text, "fd:%d", fd);
    place_open(&place, text);
    call_for_byte(place.listener);
    place_close(&place);
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
    return 0;
}

KERNEL_TEST(V1_a_socket_that_listens_already_is_taken_over)
{
    run_on_engines(2, listen_on_given, NULL);
}

static int listen_on_passed(void *arg)
{
    char pid[16];
    struct place place;
    gyre_listener *other;
    struct sockaddr_in address = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)arg;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_OK(bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_OK(listen(fd, 8));
    CHECK_ERR(gyre_listener_open(&other, "systemd:0", NULL), -ENOENT);
    CHECK_STR_HAS(gyre_listener_error(), "LISTEN_FDS");
    /* As systemd does: whatever is at 3 gives way, for a while. */
    int away = fcntl(3, F_DUPFD_CLOEXEC, 3);

    CHECK_EQ(dup2(fd, 3), 3);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    CHECK_OK(setenv("LISTEN_FDS", "1", 1));
    CHECK_OK(setenv("LISTEN_PID", "1", 1));
    CHECK_ERR(gyre_listener_open(&other, "systemd:0", NULL), -ENOENT);
    CHECK_OK(setenv("LISTEN_PID", pid, 1));
    CHECK_ERR(gyre_listener_open(&other, "systemd:1", NULL), -ENOENT);
    place_open(&place, "systemd:0");
    call_for_byte(place.listener);
    place_close(&place);
    CHECK_EQ(fcntl(3, F_GETFD), -1);
    if (away >= 0) {
        CHECK_EQ(dup2(away, 3), 3);
        CHECK_OK(close(away));
    }
    CHECK_OK(close(fd));
    return 0;
}

/* With one engine: what has descriptor 3 is not ours to move while others use
 * it. */
TEST(V1_sockets_that_systemd_passes_are_taken_over)
{
    int held[8], count = 0;

    /* Nobody is at 3 when the loop is made. */
    for (int fd = -1; fd < 3 && count < 8; count++)
        held[count] = fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    run_on_engines(1, listen_on_passed, NULL);
    while (count > 0)
        CHECK_OK(close(held[--count]));
}

static int listen_on_vsock(void *arg)
{
    gyre_listener *listener, *other;
    const char *name;

    (void)arg;
    CHECK_OK(gyre_listener_open(&listener, "vsock:0", NULL));
    name = gyre_listener_address(listener);
    CHECK_EQ(strncmp(name, "vsock:", 6), 0);
    CHECK_NE(strtoul(name + 6, NULL, 10), 0UL);
    CHECK_ERR(gyre_listener_open(&other, name, NULL), -EADDRINUSE);
    CHECK_ERR(gyre_listener_open(
                  &other, name,
                  &(gyre_listener_options){ .spread = GYRE_SPREAD_REUSEPORT }),
              -EINVAL);
    CHECK_STR_HAS(gyre_listener_error(), "GYRE_SPREAD_HAND_OFF");
    CHECK_ERR(gyre_listener_open(&other, "vsock:4294967296", NULL), -EINVAL);
    CHECK_ERR(gyre_listener_open(&other, "vsock:1:", NULL), -EINVAL);
    gyre_listener_close(listener);
    return 0;
}

KERNEL_TEST2(V1_vsock_ports_are_listened_on)
{
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        TEST_SKIP("this Linux has no AF_VSOCK");
    CHECK_OK(close(fd));
    run_on_engines(2, listen_on_vsock, NULL);
}

static int listen_on_all(void *arg)
{
    struct place place;
    gyre_listener *other;
    char text[64];
    const char *port;

    (void)arg;
    place_open(&place, ":0");
    port = strrchr(gyre_listener_address(place.listener), ':');
    snprintf(text, sizeof text, "127.0.0.1%s", port);
    CHECK_ERR(gyre_listener_open(&other, text, NULL), -EADDRINUSE);
    place_close(&place);
    if (gyre_listener_open(&other, "[::1]:0", NULL) == 0) {
        CHECK_STR_HAS(gyre_listener_address(other), "[::1]:");
        gyre_listener_close(other);
    }
    return 0;
}

KERNEL_TEST2(V1_every_address_is_of_both_families)
{
    run_on_engines(1, listen_on_all, NULL);
}

/* ---- the stop ------------------------------------------------------------ */

struct stop {
    gyre_listener_options options;
    gyre_listener *listener;
    gyre_scope scope;
    atomic_uint served;
    atomic_uint open;
    unsigned yields;
    int result;
    bool returned;
    bool by_cancel;
};

/* Echoes, until the caller has gone. */
static int stay(gyre_connection *connection)
{
    struct stop *stop = connection->arg;
    char byte;

    atomic_fetch_add(&stop->open, 1);
    while (gyre_recv(connection->fd, &byte, 1, 0) == 1)
        CHECK_OK(gyre_send_all(connection->fd, &byte, 1, 0));
    return 0;
}

static int serve_until_stopped(void *arg)
{
    struct stop *stop = arg;

    stop->result = gyre_listener_serve(stop->listener, &stop->scope, stay, arg);
    stop->returned = true;
    return 0;
}

static void *stop_it(void *arg)
{
    gyre_listener_stop(arg);
    return NULL;
}

static int stop_from_a_thread(void *arg)
{
    struct stop *stop = arg;
    struct sockaddr_in address;
    pthread_t thread;
    char byte = 'a';
    int fd, late;

    stop->listener = listen_with(&stop->options);
    address = address_of(stop->listener);
    gyre_scope_open(&stop->scope, NULL);
    CHECK_OK(gyre_spawn(&stop->scope, serve_until_stopped, stop));
    fd = call(stop->listener);
    CHECK_GE(fd, 0);
    while (atomic_load(&stop->open) == 0)
        CHECK_OK(gyre_yield());
    CHECK_EQ(pthread_create(&thread, NULL, stop_it, stop->listener), 0);
    while (!stop->returned)
        CHECK_OK(gyre_yield());
    CHECK_OK(stop->result);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    /* Nobody else comes in; who is inside stays. */
    late = gyre_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(gyre_connect(late, (struct sockaddr *)&address, sizeof address),
              -ECONNREFUSED);
    CHECK_OK(gyre_close(late));
    CHECK_OK(gyre_send_all(fd, &byte, 1, 0));
    CHECK_EQ(gyre_recv(fd, &byte, 1, 0), 1);
    CHECK_OK(gyre_close(fd));
    CHECK_OK(gyre_scope_close(&stop->scope));
    gyre_listener_close(stop->listener);
    return 0;
}

KERNEL_TEST(V1_a_stop_ends_the_accepting_and_connections_go_on)
{
    for (unsigned engines = 1; engines <= 2; engines++) {
        struct stop stop = { .options.spread = GYRE_SPREAD_HAND_OFF };

        run_on_engines(engines, stop_from_a_thread, &stop);
        stop = (struct stop){ .options.spread = GYRE_SPREAD_REUSEPORT };
        run_on_engines(engines, stop_from_a_thread, &stop);
        stop = (struct stop){ .options.connections_max = 3 };
        run_on_engines(engines, stop_from_a_thread, &stop);
    }
}

static int stop_before(void *arg)
{
    gyre_listener_options options = { .spread = GYRE_SPREAD_REUSEPORT };
    gyre_listener *listener = listen_with(&options);
    gyre_scope scope;

    (void)arg;
    gyre_listener_stop(listener);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_listener_serve(listener, &scope, stay, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    gyre_listener_close(listener);
    return 0;
}

KERNEL_TEST(V1_a_stop_before_the_serving_holds)
{
    run_on_engines(1, stop_before, NULL);
    run_on_engines(2, stop_before, NULL);
}

/* ---- a stop or a cancel while connections come --------------------------- */

enum { CROWD = 6 };

static int serve_in_a_crowd(gyre_connection *connection)
{
    struct stop *stop = connection->arg;

    atomic_fetch_add(&stop->served, 1);
    /* Also if it is cancelled: it is here. */
    if (send(connection->fd, "x", 1, MSG_NOSIGNAL) != 1)
        return -errno;
    return 0;
}

static int serve_crowd(void *arg)
{
    struct stop *stop = arg;
    int result = gyre_listener_serve(stop->listener, &stop->scope,
                                     serve_in_a_crowd, stop);

    CHECK(result == (stop->by_cancel ? -ECANCELED : 0));
    return result;
}

/* They are in the queue, accepted, or with their tasks when the end comes: each
 * was either served or refused. */
static int end_in_a_crowd(void *arg)
{
    struct stop *stop = arg;
    struct sockaddr_in address;
    unsigned answered = 0;
    int fds[CROWD];

    stop->listener = listen_with(&stop->options);
    address = address_of(stop->listener);
    gyre_scope_open(&stop->scope, NULL);
    CHECK_OK(gyre_spawn(&stop->scope, serve_crowd, stop));
    for (unsigned i = 0; i < stop->yields; i++)
        CHECK_OK(gyre_yield());
    for (int i = 0; i < CROWD; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_OK(connect(fds[i], (struct sockaddr *)&address, sizeof address));
    }
    for (unsigned i = 0; i < stop->yields; i++)
        CHECK_OK(gyre_yield());
    if (stop->by_cancel)
        gyre_scope_cancel(&stop->scope);
    else
        gyre_listener_stop(stop->listener);
    CHECK_OK(gyre_scope_close(&stop->scope));
    for (int i = 0; i < CROWD; i++) {
        char byte = 0;
        ssize_t n = recv(fds[i], &byte, 1, 0);

        if (n == 1)
            answered++;
        else if (n == 0) /* and not ECONNRESET */
            FAIL("connection %d was accepted and closed unserved", i);
        CHECK_OK(close(fds[i]));
    }
    CHECK_EQ(answered, stop->served);
    CHECK_EQ(accepted_by(stop->listener, -1), answered);
    gyre_listener_close(stop->listener);
    return 0;
}

static void end_at_each_moment(const gyre_listener_options *options)
{
    for (unsigned i = 0; i < 24; i++) {
        struct stop stop = { .options = *options,
                             .yields = i / 2,
                             .by_cancel = i % 2 == 0 };

        run_on_engines(1 + i % 3, end_in_a_crowd, &stop);
    }
}

KERNEL_TEST(V1_whoever_was_accepted_when_the_end_came_is_served)
{
    test_quiet();
    end_at_each_moment(&(gyre_listener_options){ .backlog = 0 });
    end_at_each_moment(&(gyre_listener_options){ .peers = true });
    end_at_each_moment(
        &(gyre_listener_options){ .spread = GYRE_SPREAD_REUSEPORT });
    end_at_each_moment(&(gyre_listener_options){ .slots = 16 });
    end_at_each_moment(&(gyre_listener_options){ .slots = 16, .peers = true });
}

/* ---- misuse -------------------------------------------------------------- */

static int serve_twice(void *arg)
{
    gyre_listener *listener = listen_with(NULL);
    gyre_scope scope;

    (void)arg;
    gyre_listener_stop(listener);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_listener_serve(listener, &scope, stay, NULL));
    return gyre_listener_serve(listener, &scope, stay, NULL);
}

TEST_PANICS(V1_serving_twice_panics, "a listener serves once")
{
    run_on_engines(1, serve_twice, NULL);
}

static int close_too_early(void *arg)
{
    struct stop *stop = arg;

    stop->listener = listen_with(NULL);
    gyre_scope_open(&stop->scope, NULL);
    CHECK_OK(gyre_spawn(&stop->scope, serve_until_stopped, stop));
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_yield());
    gyre_listener_close(stop->listener);
    return 0;
}

TEST_PANICS(V1_closing_what_serves_panics, "when serving has ended")
{
    struct stop stop = { .result = 0 };

    run_on_engines(1, close_too_early, &stop);
}

static int serve_elsewhere(void *arg)
{
    gyre_listener *listener = listen_with(NULL);
    gyre_scope *other = arg;

    return gyre_listener_serve(listener, other, stay, NULL);
}

static int serve_beside(void *arg)
{
    gyre_scope one;
    gyre_task *task;

    (void)arg;
    gyre_scope_open(&one, NULL);
    CHECK_OK(spawn_at(gyre_engine_scope(gyre_engines_current(), 0), GYRE_HERE,
                      serve_elsewhere, &one, &task));
    CHECK_OK(gyre_join(task, NULL));
    return 0;
}

TEST_PANICS(V1_serving_outside_of_the_scope_panics, "in one below it")
{
    run_on_engines(1, serve_beside, NULL);
}
