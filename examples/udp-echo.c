/* SPDX-License-Identifier: MIT */
/*
 * udp-echo [PORT] - a datagram comes back to who sent it
 *
 * Listens on loopback, port 7000 unless told otherwise (0: any; it prints
 * which). An empty datagram is answered, too, and ends it.
 */
#include <gyre/gyre.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static int echo(void *arg)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons(*(uint16_t *)arg) };
    socklen_t size = sizeof at;
    int fd = gyre_socket(AF_INET, SOCK_DGRAM, 0);
    int err = fd < 0 ? fd : gyre_bind(fd, (struct sockaddr *)&at, size);
    char buf[65536 / 2]; /* half of a task's stack */
    ssize_t n = 1;

    if (err == 0)
        err = gyre_getsockname(fd, (struct sockaddr *)&at, &size);
    if (err < 0)
        return err;
    printf("udp-echo: 127.0.0.1 port %d\n", ntohs(at.sin_port));
    fflush(stdout);
    while (n > 0) {
        struct sockaddr_in from;

        size = sizeof from;
        n = gyre_recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&from,
                          &size);
        if (n >= 0)
            n = gyre_sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from,
                            size);
    }
    gyre_close(fd);
    return (int)n;
}

int main(int argc, char **argv)
{
    uint16_t port = (uint16_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : 7000UL);
    int err = gyre_run(NULL, echo, &port);

    if (err < 0)
        fprintf(stderr, "udp-echo: %s %s\n", gyre_strerror(err),
                gyre_loop_create_error());
    return err < 0;
}
