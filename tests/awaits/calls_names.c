/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/resolve.h and gyre/dial.h. The C library is played here,
 * and answers when it gets a byte.
 */
#include <gyre/dial.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "awaits/stage.h"
#include "io/world.h"
#include "kernel/lookup.h"

static int gate;
static struct sockaddr_in listening;

static int play_lookup(const char *name, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found)
{
    char byte;

    (void)name, (void)service, (void)hints;
    if (read(gate, &byte, 1) != 1)
        return EAI_AGAIN;
    *found = calloc(1, sizeof **found);
    CHECK(*found != NULL);
    (*found)->ai_family = AF_INET;
    (*found)->ai_socktype = SOCK_STREAM;
    (*found)->ai_addr = (struct sockaddr *)&listening;
    (*found)->ai_addrlen = sizeof listening;
    return 0;
}

static void free_answer(struct addrinfo *found)
{
    free(found);
}

static void name_up(struct scene *scene)
{
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, scene->fds));
    scene->fds[2] = listen_open(&listening, 100);
    gate = scene->fds[0];
    lookup_replace(play_lookup, free_answer);
}

static void name_down(struct scene *scene)
{
    (void)scene;
    lookup_replace(NULL, NULL);
}

static void answer(struct scene *scene)
{
    linger(scene);
    CHECK_EQ(write(scene->fds[1], "x", 1), 1);
}

static int wait_resolve(struct scene *scene)
{
    gyre_endpoints *found;
    int err = AWAIT(scene, gyre_resolve("name", "80", NULL, &found));

    CHECK_EQ(found != NULL, err == 0);
    gyre_endpoints_free(found);
    return err;
}

SCENARIO(gyre_resolve) = { .wait = wait_resolve,
                           .help = answer,
                           .set_up = name_up,
                           .tear_down = name_down,
                           .may_leave = true };

static int closed(int fd)
{
    if (fd < 0)
        return fd;
    CHECK_OK(close(fd));
    return 0;
}

static int wait_dial(struct scene *scene)
{
    return closed(AWAIT(scene, gyre_dial("name", "80", NULL)));
}

SCENARIO(gyre_dial) = { .wait = wait_dial,
                        .help = answer,
                        .set_up = name_up,
                        .tear_down = name_down,
                        .many = true,
                        .may_leave = true };

static int wait_endpoints(struct scene *scene)
{
    gyre_endpoint address = { .in = listening,
                              .size = sizeof listening,
                              .type = SOCK_STREAM };
    const gyre_endpoints one = { 1, &address };

    return closed(AWAIT(scene, gyre_dial_endpoints(&one, NULL)));
}

SCENARIO(gyre_dial_endpoints) = { .wait = wait_endpoints,
                                  .set_up = name_up,
                                  .tear_down = name_down,
                                  .many = true };
