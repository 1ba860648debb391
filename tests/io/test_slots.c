/* SPDX-License-Identifier: MIT */
/*
 * Registered files in direct style: a small server, and what becomes of a slot
 * that was filled for somebody who was cancelled.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/world.h"
#include "runner/patient.h"

static uint32_t used(void)
{
    gyre_slots_stats stats = { .size = sizeof stats };

    gyre_slots_get_stats(gyre_loop_current(), &stats);
    return stats.used;
}

static uint64_t started(void)
{
    gyre_slots_stats stats = { .size = sizeof stats };

    gyre_slots_get_stats(gyre_loop_current(), &stats);
    return stats.ops;
}

/* ---- a server whose connections have no descriptors ---------------------- */

enum { CLIENTS = 20, ROUNDS = 5 };

static int serve_one(void *arg)
{
    int connection = *(int *)arg;
    char buffer[64];
    ssize_t n;

    CHECK(gyre_is_slot(connection));
    while ((n = gyre_recv(connection, buffer, sizeof buffer, 0)) > 0)
        CHECK_OK(gyre_send_all(connection, buffer, (size_t)n, 0));
    CHECK_EQ(n, 0);
    CHECK_OK(gyre_close(connection));
    return 0;
}

static int client(void *arg)
{
    char text[32], got[32];
    int fd = gyre_socket_slot(AF_INET, SOCK_STREAM, 0, GYRE_SLOT_ANY);

    CHECK(gyre_is_slot(fd));
    CHECK_OK(gyre_connect(fd, arg, sizeof(struct sockaddr_in)));
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(text, sizeof text, "%d %d", fd, i);
        CHECK_OK(gyre_send_all(fd, text, sizeof text, 0));
        CHECK_OK(gyre_recv_all(fd, got, sizeof got, 0));
        CHECK_EQ(memcmp(text, got, sizeof text), 0);
    }
    CHECK_OK(gyre_close(fd));
    return 0;
}

static int serve(void *arg)
{
    static int handles[CLIENTS];
    struct sockaddr_in address;
    int listener = listen_open(&address, CLIENTS);
    gyre_scope scope;

    (void)arg;
    CHECK_OK(gyre_slots_create(gyre_loop_current(), 2 * CLIENTS));
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(gyre_spawn(&scope, client, &address));
    for (int i = 0; i < CLIENTS; i++) {
        handles[i] = gyre_accept_slot(listener, NULL, NULL, 0, GYRE_SLOT_ANY);
        CHECK_OK(gyre_spawn(&scope, serve_one, &handles[i]));
    }
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(used(), 0u);
    CHECK_GT(started(), 4u * CLIENTS * ROUNDS);
    CHECK_OK(close(listener));
    return 0;
}

KERNEL_TEST(C2_C11_B20_a_server_without_descriptors)
{
    must_run(serve, NULL);
}

/* ---- files --------------------------------------------------------------- */

static int use_files(void *arg)
{
    const char *path = file_make("f", 500);
    char byte;
    int handle, fd, fds[1], none = GYRE_SLOT_EMPTY;

    (void)arg;
    CHECK_OK(gyre_slots_create(gyre_loop_current(), 4));
    handle = gyre_open_slot(AT_FDCWD, path, O_RDONLY, 0, 3);
    CHECK_EQ(handle, gyre_slot_handle(3));
    CHECK_EQ(gyre_read(handle, &byte, 1, 300), 1);
    CHECK_EQ((unsigned char)byte, 300 % 251);
    fd = gyre_slot_install(handle);
    if (fd != -EOPNOTSUPP) {
        CHECK_EQ(gyre_read(fd, &byte, 1, 301), 1);
        CHECK_EQ((unsigned char)byte, 301 % 251);
        fds[0] = fd;
        CHECK_EQ(gyre_fill_slots(GYRE_SLOT_ANY, fds, 1), 1);
        CHECK_OK(gyre_close(fd));
        CHECK_EQ(gyre_read(gyre_slot_handle((uint32_t)fds[0]), &byte, 1, 302),
                 1);
        CHECK_EQ((unsigned char)byte, 302 % 251);
        CHECK_EQ(used(), 2u);
        CHECK_EQ(gyre_fill_slots((uint32_t)fds[0], &none, 1), 1);
    }
    CHECK_OK(gyre_close(handle));
    CHECK_EQ(used(), 0u);
    CHECK_ERR(gyre_close(handle), -EBADF);
    CHECK_ERR(gyre_read(handle, &byte, 1, 0), -EBADF);
    return 0;
}

KERNEL_TEST(B11_B12_D8_files_in_slots_for_tasks)
{
    must_run(use_files, NULL);
}

/* ---- an accept that was cancelled and won -------------------------------- */

struct race {
    int listener;
    struct sockaddr_in address;
    int result;
};

static int accept_one(void *arg)
{
    struct race *race = arg;

    race->result =
        gyre_accept_slot(race->listener, NULL, NULL, 0, GYRE_SLOT_ANY);
    if (race->result >= 0)
        CHECK_OK(gyre_close(race->result)); /* also in a cancelled scope */
    return 0;
}

static int race_once(void *arg)
{
    struct race race = { .listener = listen_open(&race.address, 4) };
    unsigned won = 0;

    (void)arg;
    CHECK_OK(gyre_slots_create(gyre_loop_current(), 2));
    for (int i = 0; i < 40; i++) {
        int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), next;
        gyre_scope scope;

        gyre_scope_open(&scope, NULL);
        CHECK_OK(gyre_spawn(&scope, accept_one, &race));
        for (int turns = i % 4; turns > 0; turns--)
            CHECK_OK(gyre_yield());
        CHECK_OK(patient_connect(peer, (struct sockaddr *)&race.address,
                                 sizeof race.address));
        gyre_scope_cancel(&scope);
        CHECK_OK(gyre_scope_close(&scope));
        CHECK_EQ(used(), 0u);
        won += race.result >= 0;
        if (race.result < 0) {
            CHECK_ERR(race.result, -ECANCELED);
            next = gyre_accept(race.listener, NULL, NULL, 0);
            CHECK_GE(next, 0);
            CHECK_OK(close(next));
        }
        CHECK_OK(close(peer));
    }
    (void)won; /* either way it is right */
    CHECK_OK(close(race.listener));
    return 0;
}

KERNEL_TEST(C2_I4_a_cancelled_accept_leaves_no_slot_behind)
{
    must_run(race_once, NULL);
}

/* ---- a case of a select that lost and won -------------------------------- */

static int select_both(void *arg)
{
    struct race race = { .listener = listen_open(&race.address, 4) };
    int second = listen_open(&race.address, 4), peers[2], winner;
    struct sockaddr_in other;
    socklen_t size = sizeof other;
    gyre_op ops[2];
    gyre_case cases[2];

    (void)arg;
    CHECK_OK(gyre_slots_create(gyre_loop_current(), 4));
    CHECK_OK(getsockname(race.listener, (struct sockaddr *)&other, &size));
    for (int i = 0; i < 2; i++)
        peers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(
        patient_connect(peers[0], (struct sockaddr *)&other, sizeof other));
    CHECK_OK(patient_connect(peers[1], (struct sockaddr *)&race.address,
                             sizeof race.address));
    gyre_op_accept_slot(&ops[0], race.listener, NULL, NULL, 0, GYRE_SLOT_ANY);
    gyre_op_accept_slot(&ops[1], second, NULL, NULL, 0, GYRE_SLOT_ANY);
    cases[0] = gyre_on_op(&ops[0]);
    cases[1] = gyre_on_op(&ops[1]);
    winner = gyre_select(cases, 2);
    CHECK_GE(winner, 0);
    CHECK_EQ(used(), 1u); /* the loser's was given back */
    CHECK_OK(gyre_close(gyre_op_slot(
        &ops[winner], (gyre_result){ .res = cases[winner].result })));
    CHECK_EQ(used(), 0u);
    for (int i = 0; i < 2; i++)
        CHECK_OK(close(peers[i]));
    CHECK_OK(close(race.listener));
    CHECK_OK(close(second));
    return 0;
}

KERNEL_TEST(C2_a_select_gives_back_the_slot_of_the_case_that_lost)
{
    must_run(select_both, NULL);
}

/* ---- dumps --------------------------------------------------------------- */

static int receive_on(void *arg)
{
    char byte;

    return (int)gyre_recv(*(int *)arg, &byte, 1, 0);
}

static int dump_a_wait(void *arg)
{
    static char text[1 << 16];
    gyre_scope scope;
    int pair[2], out[2], handle = gyre_slot_handle(2);
    ssize_t size;

    (void)arg;
    CHECK_OK(gyre_slots_create(gyre_loop_current(), 4));
    pair_open(pair);
    CHECK_EQ(gyre_slots_set(gyre_loop_current(), 2, &pair[0], 1), 1);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, receive_on, &handle));
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_yield());
    CHECK_OK(pipe2(out, O_CLOEXEC | O_NONBLOCK));
    CHECK_OK(gyre_dump_fd(gyre_loop_current(), out[1]));
    size = read(out[0], text, sizeof text - 1);
    CHECK_GT(size, 0);
    text[size] = '\0';
    CHECK_STR_HAS(text, "RECV on slot 2, ");
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_OK(close(out[0]));
    CHECK_OK(close(out[1]));
    pair_close(pair);
    return 0;
}

KERNEL_TEST(U2_B20_a_dump_names_slots)
{
    must_run(dump_a_wait, NULL);
}
