/* SPDX-License-Identifier: MIT */
/*
 * callers.h - who calls a listener that the tests have opened on loopback
 */
#ifndef TESTS_ENGINE_CALLERS_H
#define TESTS_ENGINE_CALLERS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "engine/crew.h"

#define SLOTS_ALLOWED 4096

/* Linux bounds a table of slots by the bound of descriptors, which is often
 * far below what a process may have. */
static inline void allow_slots(void)
{
    struct rlimit limit;

    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_max < SLOTS_ALLOWED)
        TEST_SKIP("this process may not have a table of 4096 slots");
    if (limit.rlim_cur >= SLOTS_ALLOWED)
        return;
    limit.rlim_cur = SLOTS_ALLOWED;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

static inline gyre_listener *listen_with(const gyre_listener_options *options)
{
    gyre_listener *listener = NULL;

    if (options != NULL && options->slots > 0)
        allow_slots();
    if (gyre_listener_open(&listener, "127.0.0.1:0", options) < 0)
        FAIL("%s", gyre_listener_error());
    return listener;
}

/* It cannot be opened, and a sentence names the address and has these words. */
static inline void listen_refused(const char *address,
                                  const gyre_listener_options *options,
                                  int error, const char *words)
{
    gyre_listener *listener = NULL;

    CHECK_ERR(gyre_listener_open(&listener, address, options), error);
    CHECK(listener == NULL);
    CHECK_STR_HAS(gyre_listener_error(), address);
    CHECK_STR_HAS(gyre_listener_error(), words);
}

static inline struct sockaddr_in address_of(const gyre_listener *listener)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    const char *name = gyre_listener_address(listener);

    CHECK_STR_HAS(name, "127.0.0.1:");
    address.sin_port =
        htons((uint16_t)strtoul(strrchr(name, ':') + 1, NULL, 10));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* A connection, or an error; in a task. When it is closed, nothing of it stays,
 * so that many can come from one address. */
static inline int call(const gyre_listener *listener)
{
    struct sockaddr_in address = address_of(listener);
    struct linger none = { .l_onoff = 1 };
    int fd = gyre_socket(AF_INET, SOCK_STREAM, 0);
    int err;

    if (fd < 0)
        return fd;
    CHECK_OK(gyre_setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none));
    err = gyre_connect(fd, (struct sockaddr *)&address, sizeof address);
    if (err == 0)
        return fd;
    CHECK_OK(gyre_close(fd));
    return err;
}

/* Call, and wait for the byte and the end. */
static inline void call_for_byte(const gyre_listener *listener)
{
    int fd = call(listener);
    char byte = 0;

    CHECK_GE(fd, 0);
    CHECK_EQ(gyre_recv(fd, &byte, 1, 0), 1);
    CHECK_EQ(byte, 'x');
    CHECK_EQ(gyre_recv(fd, &byte, 1, 0), 0);
    CHECK_OK(gyre_close(fd));
}

static inline uint64_t accepted_by(const gyre_listener *listener, int engine)
{
    gyre_listener_stats stats = { .size = sizeof stats };

    gyre_listener_get_stats(listener, engine, &stats);
    return stats.accepted;
}

static inline uint64_t open_at(const gyre_listener *listener, int engine)
{
    gyre_listener_stats stats = { .size = sizeof stats };

    gyre_listener_get_stats(listener, engine, &stats);
    return stats.open;
}

static inline gyre_slots_stats table_here(void)
{
    gyre_slots_stats stats = { .size = sizeof stats };

    gyre_slots_get_stats(gyre_loop_current(), &stats);
    return stats;
}

/* A task. */
static inline int no_slot_is_used(void *arg)
{
    (void)arg;
    CHECK_EQ(table_here().used, 0);
    return 0;
}

#endif
