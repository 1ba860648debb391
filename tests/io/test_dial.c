/* SPDX-License-Identifier: MIT */
/*
 * Connections to whichever address answers first. An address that does not
 * answer is a listener on loopback whose queue is full.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <gyre/dial.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/world.h"

enum { MOST = 6, FILLERS = 3 };

static gyre_endpoint room[MOST];
static gyre_endpoints list = { 0, room };

static int listeners[MOST];
static int fillers[MOST][FILLERS];
static unsigned made;

/* Listen on loopback of this family: its place, or -1. */
static int listen_on(gyre_endpoint *address, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    memset(address, 0, sizeof *address);
    address->any.sa_family = (sa_family_t)family;
    address->type = SOCK_STREAM;
    address->size = sizeof address->in;
    if (family == AF_INET6) {
        address->in6.sin6_addr = in6addr_loopback;
        address->size = sizeof address->in6;
    } else {
        address->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    if (bind(fd, &address->any, address->size) != 0 || listen(fd, 0) != 0) {
        CHECK_OK(close(fd));
        return -1;
    }
    CHECK_OK(getsockname(fd, &address->any, &address->size));
    return fd;
}

/* One that answers. */
static unsigned put(int family)
{
    gyre_endpoint *address = &list.at[list.count];

    listeners[made] = listen_on(address, family);
    if (listeners[made] < 0)
        test_skip("there is no loopback of this family");
    list.count++;
    for (int i = 0; i < FILLERS; i++)
        fillers[made][i] = -1;
    return made++;
}

/* One that does not. */
static unsigned put_silent(int family)
{
    unsigned place = put(family);
    const gyre_endpoint *address = &list.at[list.count - 1];

    for (int i = 0; i < FILLERS; i++) {
        fillers[place][i] =
            socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        CHECK(fillers[place][i] >= 0);
        (void)connect(fillers[place][i], &address->any, address->size);
    }
    return place;
}

/* One that refuses. */
static void put_dead(int family)
{
    unsigned place = put(family);

    CHECK_OK(close(listeners[place]));
    listeners[place] = -1;
}

static void put_away(void)
{
    for (unsigned i = 0; i < made; i++) {
        if (listeners[i] >= 0)
            CHECK_OK(close(listeners[i]));
        for (int j = 0; j < FILLERS; j++)
            if (fillers[i][j] >= 0)
                CHECK_OK(close(fillers[i][j]));
    }
    made = 0;
    list.count = 0;
}

static int dial(uint64_t stagger_ns)
{
    const gyre_dial_options options = { .stagger_ns = stagger_ns };

    return gyre_dial_endpoints(&list, &options);
}

#define MS UINT64_C(1000000)

static void must_be_connected_to(int fd, unsigned place)
{
    gyre_endpoint peer = { .size = sizeof peer.in6 };

    CHECK(fd >= 0);
    CHECK_OK(getpeername(fd, &peer.any, &peer.size));
    CHECK_EQ(peer.any.sa_family, list.at[place].any.sa_family);
    CHECK_EQ(peer.in.sin_port, list.at[place].in.sin_port);
    CHECK_OK(gyre_close(fd));
}

static int first_that_answers(void *arg)
{
    (void)arg;
    put(AF_INET);
    put(AF_INET);
    must_be_connected_to(dial(0), 0);
    put_away();
    /* The next is begun at once if one fails. */
    put_dead(AF_INET);
    put_dead(AF_INET);
    put(AF_INET);
    must_be_connected_to(dial(1000000 * MS), 2);
    put_away();
    /* ... or is silent for some time; it is closed when another has won. */
    put_silent(AF_INET);
    put(AF_INET);
    must_be_connected_to(dial(5 * MS), 1);
    put_away();
    return 0;
}

KERNEL_TEST(C16_the_first_address_that_answers_wins)
{
    must_run(first_that_answers, NULL);
}

static int families_in_turn(void *arg)
{
    (void)arg;
    put_silent(AF_INET6);
    put(AF_INET6);
    put(AF_INET);
    must_be_connected_to(dial(5 * MS), 2);
    put_away();
    put_silent(AF_INET);
    put_silent(AF_INET);
    put_silent(AF_INET6);
    put(AF_INET);
    must_be_connected_to(dial(2 * MS), 3);
    put_away();
    return 0;
}

KERNEL_TEST(C16_families_are_tried_alternately)
{
    must_run(families_in_turn, NULL);
}

static int all_in_vain(void *arg)
{
    (void)arg;
    put_dead(AF_INET);
    CHECK_ERR(dial(0), -ECONNREFUSED);
    put_dead(AF_INET);
    CHECK_ERR(dial(0), -ECONNREFUSED);
    put_away();
    /* What the best of them said: there is no such family. */
    list.at[0] = (gyre_endpoint){ .any.sa_family = AF_MAX,
                                  .type = SOCK_STREAM,
                                  .size = 16 };
    list.count = 1;
    put_dead(AF_INET);
    CHECK_ERR(dial(0), -EAFNOSUPPORT);
    put_away();
    return 0;
}

KERNEL_TEST(C16_if_no_address_answers_the_best_says_why)
{
    must_run(all_in_vain, NULL);
}

static int give_up(void *arg)
{
    gyre_scope scope;

    (void)arg;
    put_silent(AF_INET);
    put_silent(AF_INET);
    put_silent(AF_INET);
    gyre_scope_open(&scope, &(gyre_scope_options){
                                .deadline_ns = gyre_deadline_in(20 * MS) });
    CHECK_ERR(dial(2 * MS), -ETIME);
    CHECK_ERR(dial(2 * MS), -ETIME);
    CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    put_away();
    return 0;
}

KERNEL_TEST(C16_a_dial_is_given_up_at_its_deadline)
{
    must_run(give_up, NULL);
}

static int by_name(void *arg)
{
    char port[10];

    (void)arg;
    put(AF_INET);
    snprintf(port, sizeof port, "%u", ntohs(list.at[0].in.sin_port));
    must_be_connected_to(gyre_dial("127.0.0.1", port, NULL), 0);
    CHECK_OK(close(accept(listeners[0], NULL, NULL)));
    must_be_connected_to(gyre_dial("localhost", port, NULL), 0);
    CHECK_ERR(gyre_dial("127.0.0.1", port,
                        &(gyre_dial_options){ .family = AF_INET6 }),
              GYRE_ENOADDRESS);
    CHECK_ERR(gyre_dial(NULL, NULL, NULL), -EINVAL);
    put_away();
    return 0;
}

KERNEL_TEST(C16_a_name_is_resolved_and_connected_to)
{
    must_run(by_name, NULL);
}

static int dial_or_fail(void *arg)
{
    (void)arg;
    put(AF_INET);
    for (long nth = 1;; nth++) {
        bool failed;
        int fd;

        alloc_fail_nth(nth);
        fd = dial(0);
        failed = alloc_did_fail();
        alloc_fail_nth(0);
        if (!failed) {
            must_be_connected_to(fd, 0);
            break;
        }
        CHECK_ERR(fd, -ENOMEM);
        CHECK_LT(nth, 100);
        /* It may have been connected when memory was wanted. */
        fd = accept(listeners[0], NULL, NULL);
        if (fd >= 0)
            CHECK_OK(close(fd));
    }
    put_away();
    return 0;
}

KERNEL_TEST2(C16_no_memory_for_a_dial_is_told)
{
    must_run(dial_or_fail, NULL);
}
