/* SPDX-License-Identifier: MIT */
/*
 * Listeners in need: of descriptors, of memory, of room for tasks. They pause,
 * do not spin, lose nobody, and go on by themselves.
 */
#include <stdio.h>

#include "engine/callers.h"
#include "runner/clients.h"

/* ---- descriptors --------------------------------------------------------- */

enum { CLIENTS = 30, ROOM = 8 };

struct need {
    gyre_listener_options options;
    char text[16]; /* "fd:3" */
    gyre_listener *listener;
    gyre_scope *scope;
    atomic_uint served;
};

static uint64_t pauses_of(const gyre_listener *listener)
{
    gyre_listener_stats stats = { .size = sizeof stats };

    gyre_listener_get_stats(listener, -1, &stats);
    if (stats.pauses > 0)
        CHECK_ERR(stats.last_error, -EMFILE);
    return stats.pauses;
}

/* Stays until there is need. */
static int serve_in_need(gyre_connection *connection)
{
    struct need *need = connection->arg;
    char byte;

    CHECK_EQ(gyre_recv(connection->fd, &byte, 1, 0), 1);
    while (pauses_of(need->listener) == 0)
        CHECK_OK(gyre_sleep(GYRE_MS));
    CHECK_EQ(gyre_send(connection->fd, &byte, 1, 0), 1);
    if (atomic_fetch_add(&need->served, 1) + 1 == CLIENTS)
        gyre_listener_stop(need->listener);
    return 0;
}

static int run_out(void *arg)
{
    struct need *need = arg;
    struct rlimit limit;
    gyre_scope scope;

    CHECK_OK(gyre_listener_open(&need->listener, need->text, &need->options));
    gyre_scope_open(&scope, NULL);
    limit = leave_descriptors(ROOM);
    CHECK_OK(gyre_listener_serve(need->listener, &scope, serve_in_need, need));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_GT(pauses_of(need->listener), 0);
    /* One that spins fails a hundred thousand times in the time. */
    CHECK_LT(pauses_of(need->listener), 1000u);
    CHECK_EQ(need->served, CLIENTS);
    CHECK_EQ(accepted_by(need->listener, -1), CLIENTS);
    gyre_listener_close(need->listener);
    return 0;
}

static void need_descriptors(bool peers)
{
    struct need need = { .options.peers = peers };
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    int fd;
    pid_t child;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_OK(listen(fd, CLIENTS));
    CHECK_OK(getsockname(fd, (struct sockaddr *)&address, &size));
    snprintf(need.text, sizeof need.text, "fd:%d", fd);
    child = clients_start(&address, CLIENTS);
    run_on_engines(2, run_out, &need);
    clients_end(child);
}

KERNEL_TEST(V1_without_descriptors_it_pauses_and_loses_nobody)
{
    test_quiet();
    if (test_on_valgrind())
        TEST_SKIP("valgrind keeps descriptors of its own");
    need_descriptors(false);
    need_descriptors(true);
}

/* ---- memory -------------------------------------------------------------- */

static gyre_listener_options wanted;

static int give_byte(gyre_connection *connection)
{
    return gyre_send_all(connection->fd, "x", 1, 0);
}

struct guest {
    gyre_listener *listener;
    int fd;
    ssize_t got;
};

static int take_byte(void *arg)
{
    struct guest *guest = arg;
    char byte;

    guest->got = gyre_recv(guest->fd, &byte, 1, 0);
    gyre_listener_stop(guest->listener);
    return 0;
}

/* A client is in the queue before it is served. It is served, or the serving
 * has failed, and it hears of that. */
static int serve_guest(gyre_scope *scope, void *arg)
{
    struct guest *guest = arg;
    struct sockaddr_in address = address_of(guest->listener);
    int err;

    CHECK_OK(connect(guest->fd, (struct sockaddr *)&address, sizeof address));
    err = gyre_spawn(scope, take_byte, guest);
    if (err < 0)
        return err;
    return gyre_listener_serve(guest->listener, scope, give_byte, NULL);
}

static int one_guest(void *arg)
{
    struct guest guest = { .got = -1 };
    int err;

    (void)arg;
    err = gyre_listener_open(&guest.listener, "127.0.0.1:0", &wanted);
    if (err < 0) {
        CHECK_STR_HAS(gyre_listener_error(), "memory");
        return err;
    }
    guest.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    err = gyre_scope_run(NULL, serve_guest, &guest);
    /* The client may be the one without memory. */
    CHECK(err < 0 || guest.got == 1 || guest.got == -ENOMEM);
    CHECK_OK(close(guest.fd));
    gyre_listener_close(guest.listener);
    return err;
}

static void run_one_guest(void)
{
    int err = gyre_run(NULL, one_guest, NULL);

    if (err != -ENOMEM)
        CHECK_OK(err);
}

KERNEL_TEST2(V1_without_memory_it_says_so_or_goes_on)
{
    test_quiet();
    CHECK_GT(for_each_failure(run_one_guest), 4);
    wanted = (gyre_listener_options){ .peers = true };
    CHECK_GT(for_each_failure(run_one_guest), 4);
    allow_slots();
    wanted = (gyre_listener_options){ .slots = 4 };
    CHECK_GT(for_each_failure(run_one_guest), 4);
}

/* ---- room for tasks ------------------------------------------------------ */

enum { VISITS = 12 };

struct visits {
    gyre_listener *listener;
    gyre_scope scope;
    atomic_uint inside;
    unsigned left;
};

static int serve_visit(gyre_connection *connection)
{
    struct visits *visits = connection->arg;

    CHECK_EQ(atomic_fetch_add(&visits->inside, 1), 0);
    CHECK_OK(gyre_yield());
    atomic_fetch_sub(&visits->inside, 1);
    return gyre_send_all(connection->fd, "x", 1, 0);
}

static int visit(void *arg)
{
    struct visits *visits = arg;

    call_for_byte(visits->listener);
    if (--visits->left == 0)
        gyre_listener_stop(visits->listener);
    return 0;
}

static int visit_when_full(void *arg)
{
    gyre_scope_options one = { .max_tasks = 1 };
    struct visits visits = { .left = VISITS };
    gyre_scope visitors;

    one.when_full = *(gyre_full_policy *)arg;
    visits.listener = listen_with(NULL);
    gyre_scope_open(&visitors, NULL);
    for (int i = 0; i < VISITS; i++)
        CHECK_OK(gyre_spawn(&visitors, visit, &visits));
    gyre_scope_open(&visits.scope, &one);
    CHECK_OK(gyre_listener_serve(visits.listener, &visits.scope, serve_visit,
                                 &visits));
    CHECK_OK(gyre_scope_close(&visits.scope));
    CHECK_OK(gyre_scope_close(&visitors));
    CHECK_EQ(accepted_by(visits.listener, -1), VISITS);
    gyre_listener_close(visits.listener);
    return 0;
}

KERNEL_TEST2(V1_a_scope_that_is_full_holds_the_accepting_up)
{
    static const gyre_full_policy policies[] = { GYRE_FULL_WAITS,
                                                 GYRE_FULL_REFUSES };

    for (size_t i = 0; i < 2; i++) {
        run_on_engines(1, visit_when_full, (void *)(uintptr_t)&policies[i]);
        run_on_engines(2, visit_when_full, (void *)(uintptr_t)&policies[i]);
    }
}

/* One is inside, one waits for room when the cancel comes: it is closed. */
static int stay_inside(gyre_connection *connection)
{
    struct visits *visits = connection->arg;

    atomic_fetch_add(&visits->inside, 1);
    return gyre_sleep(GYRE_NEVER);
}

static int serve_visits(void *arg)
{
    struct visits *visits = arg;

    return gyre_listener_serve(visits->listener, &visits->scope, stay_inside,
                               visits);
}

static int cancel_when_full(void *arg)
{
    gyre_scope_options two = { .max_tasks = 2 };
    struct visits visits = { .left = 2 };
    int fds[2];
    char byte;

    visits.listener = listen_with(arg);
    gyre_scope_open(&visits.scope, &two);
    CHECK_OK(gyre_spawn(&visits.scope, serve_visits, &visits));
    for (int i = 0; i < 2; i++) {
        fds[i] = call(visits.listener);
        CHECK_GE(fds[i], 0);
    }
    while (atomic_load(&visits.inside) == 0)
        CHECK_OK(gyre_yield());
    gyre_scope_cancel(&visits.scope);
    CHECK_OK(gyre_scope_close(&visits.scope));
    for (int i = 0; i < 2; i++) {
        ssize_t n = gyre_recv(fds[i], &byte, 1, 0);

        CHECK(n == 0 || n == -ECONNRESET);
        CHECK_OK(gyre_close(fds[i]));
    }
    gyre_listener_close(visits.listener);
    gyre_scope_open(&visits.scope, NULL);
    CHECK_OK(gyre_spawn_all(&visits.scope, NULL, no_slot_is_used, NULL, NULL));
    CHECK_OK(gyre_scope_close(&visits.scope));
    return 0;
}

KERNEL_TEST(V1_who_waits_for_room_when_the_end_comes_is_closed)
{
    gyre_listener_options slots = { .slots = 4 };

    run_on_engines(1, cancel_when_full, NULL);
    run_on_engines(2, cancel_when_full, NULL);
    run_on_engines(1, cancel_when_full, &slots);
    run_on_engines(2, cancel_when_full, &slots);
}
