/* SPDX-License-Identifier: MIT */
/*
 * world.c - the plain system calls behind world.h
 */
#include "io/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void pair_open(int pair[2])
{
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                        pair));
}

void pair_close(int pair[2])
{
    CHECK_OK(close(pair[0]));
    CHECK_OK(close(pair[1]));
}

int listen_open(struct sockaddr_in *address, int backlog)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    *address = (struct sockaddr_in){ .sin_family = AF_INET };
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_OK(bind(fd, (struct sockaddr *)address, sizeof *address));
    CHECK_OK(listen(fd, backlog));
    CHECK_OK(getsockname(fd, (struct sockaddr *)address, &size));
    return fd;
}

void tcp_pair_open(int pair[2])
{
    struct sockaddr_in address;
    int listener = listen_open(&address, 1);

    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(pair[0] >= 0);
    /* Interrupted, it goes on by itself. */
    while (connect(pair[0], (struct sockaddr *)&address, sizeof address) < 0 &&
           errno != EISCONN)
        CHECK(errno == EINTR || errno == EALREADY);
    do
        pair[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (pair[1] < 0);
    CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK_OK(close(listener));
}

const char *file_make(const char *name, size_t size)
{
    static char path[512];
    unsigned char block[251 * 64];
    FILE *file;

    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (unsigned char)(i % 251);
    snprintf(path, sizeof path, "%s/%s", test_directory(), name);
    file = fopen(path, "wbe");
    CHECK(file != NULL);
    while (size > 0) {
        size_t part = size < sizeof block ? size : sizeof block;

        CHECK_EQ(fwrite(block, 1, part, file), part);
        size -= part;
    }
    CHECK_OK(fclose(file));
    return path;
}
