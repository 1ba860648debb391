/* SPDX-License-Identifier: MIT */
/*
 * dump [PORT] - a small server that tells what it is doing
 *
 * Listens on loopback, port 7000 unless told otherwise (0: any). SIGUSR1 makes
 * it write a dump to standard output: each task with its name, what it waits
 * for, since when, and where. Ends when its standard input does.
 */
#include <gyre/gyre.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int client(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char line[256];
    ssize_t n;

    while ((n = gyre_recv(fd, line, sizeof line, 0)) > 0)
        if (gyre_sleep(100 * GYRE_MS) != 0 ||
            gyre_send_all(fd, line, (size_t)n, 0) != 0)
            break;
    gyre_close(fd);
    return 0;
}

/* A name costs nothing, and is what one looks for in a dump. */
static int spawn(gyre_scope *scope, const char *name, gyre_task_fn *fn,
                 void *arg)
{
    const gyre_task_options options = { .name = name };
    gyre_task *task;

    return gyre_spawn_with(scope, &options, fn, arg, &task);
}

static int accept_all(void *arg)
{
    gyre_acceptor acceptor;
    int fd;

    gyre_acceptor_init(&acceptor, *(int *)arg);
    while ((fd = gyre_acceptor_next(&acceptor, NULL, NULL)) >= 0)
        if (spawn(gyre_scope_current(), "client", client,
                  (void *)(intptr_t)fd) != 0)
            gyre_close(fd);
    return fd;
}

static int serve(gyre_scope *scope, void *arg)
{
    char byte;
    int err = gyre_dump_on_signal(gyre_loop_current(), SIGUSR1, 1);

    if (err == 0)
        err = spawn(scope, "accept", accept_all, arg);
    if (err != 0)
        return err;
    printf("dump: try  kill -USR1 %d\n", (int)getpid());
    fflush(stdout);
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
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : 7000;
    int err;

    at.sin_port = htons((uint16_t)port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(fd, 128) != 0) {
        perror("dump");
        return 1;
    }
    err = gyre_run(NULL, run, &fd);
    if (err < 0)
        fprintf(stderr, "dump: %s\n", gyre_strerror(err));
    return err < 0;
}
