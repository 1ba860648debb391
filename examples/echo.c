/* SPDX-License-Identifier: MIT */
/*
 * echo [PORT] - an echo server: a task for each connection
 *
 * Listens on loopback, port 7000 unless told otherwise (0: any; it prints
 * which). Ends when its standard input does.
 */
#include <gyre/gyre.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static int echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[4096];
    ssize_t n;

    while ((n = gyre_recv(fd, buf, sizeof buf, 0)) > 0)
        if (gyre_send_all(fd, buf, (size_t)n, 0) != 0)
            break;
    gyre_close(fd); /* works also when the task is cancelled */
    return 0;
}

static int accept_all(void *arg)
{
    gyre_acceptor acceptor;
    int fd;

    gyre_acceptor_init(&acceptor, *(int *)arg);
    while ((fd = gyre_acceptor_next(&acceptor, NULL, NULL)) >= 0)
        if (gyre_spawn(gyre_scope_current(), echo, (void *)(intptr_t)fd) != 0)
            gyre_close(fd);
    return fd;
}

/* Everything the server does lives in this scope; so ending it is one call. */
static int serve(gyre_scope *scope, void *arg)
{
    char byte;
    int err = gyre_spawn(scope, accept_all, arg);

    if (err != 0)
        return err;
    while (gyre_read(0, &byte, 1, GYRE_CURRENT_POSITION) > 0)
        ;
    gyre_scope_cancel(scope);
    return 0;
}

static int run(void *arg)
{
    return gyre_scope_run(NULL, serve, arg);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : 7000;
    int err;

    at.sin_port = htons((uint16_t)port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        perror("echo");
        return 1;
    }
    printf("echo: 127.0.0.1 port %d\n", ntohs(at.sin_port));
    fflush(stdout);
    err = gyre_run(NULL, run, &fd);
    if (err < 0)
        fprintf(stderr, "echo: %s %s\n", gyre_strerror(err),
                gyre_loop_create_error());
    return err < 0;
}
